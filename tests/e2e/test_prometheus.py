# SPDX-License-Identifier: ISC
"""contrib/prometheus: rules, their tests, the dashboard and the examples."""

import json
import os
import re
import shutil
import subprocess

import pytest

from mpushlib import DEADLINE, ROOT, http, push

FOLDER = os.path.join(ROOT, "contrib", "prometheus")
METRIC = re.compile(r"\b(?:mpushd|process)_\w+")


def run(*command, cwd=FOLDER):
    assert shutil.which(command[0]), f"{command[0]} is missing"
    r = subprocess.run(command, cwd=cwd, capture_output=True, text=True,
                       timeout=12 * DEADLINE, check=False)
    return r.returncode, r.stdout + r.stderr


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        return f.read()


def copy(tmp_path):
    folder = tmp_path / "prometheus"
    shutil.copytree(FOLDER, folder)
    return folder


def test_the_rules_are_rules():
    status, said = run("promtool", "check", "rules", "mpushd.rules.yml")
    assert status == 0 and "SUCCESS: 9 rules" in said, said


def test_the_rules_fire_when_they_should():
    status, said = run("promtool", "test", "rules", "mpushd.rules.test.yml")
    assert status == 0, said


def alerts():
    return re.findall(r"- alert: (\w+)", read("mpushd.rules.yml"))


def changes():
    """Of each rule: one that never fires, one that always does, no for."""
    rules = read("mpushd.rules.yml")
    for alert in alerts():
        yield alert, "never"
        yield alert, "always"
        if "    for:" in rules.partition(f"- alert: {alert}\n")[2].split(
                "    labels:")[0]:
            yield alert, "at once"


@pytest.mark.parametrize("alert, change", changes())
def test_the_tests_of_the_rules_can_fail(tmp_path, alert, change):
    folder = copy(tmp_path)
    head, name, rule = read("mpushd.rules.yml").partition(
        f"- alert: {alert}\n")
    rule, rest = rule.split("    labels:\n", 1)
    if change == "at once":
        rule = re.sub(r"    for: .*\n", "", rule)
    else:
        value = "vector(0) == 1" if change == "never" else "vector(1)"
        rule = re.sub(r"    expr: (?:.|\n)*?(?=    for:|\Z)",
                      f"    expr: {value}\n", rule)
    (folder / "mpushd.rules.yml").write_text(
        head + name + rule + "    labels:\n" + rest)
    assert run("promtool", "check", "rules", "mpushd.rules.yml",
               cwd=folder)[0] == 0
    status, said = run("promtool", "test", "rules", "mpushd.rules.test.yml",
                       cwd=folder)
    assert status != 0 and alert in said


def test_the_examples_are_configurations():
    status, said = run("promtool", "check", "config", "prometheus.yml")
    assert status == 0, said
    status, said = run("amtool", "check-config", "alertmanager.yml")
    assert status == 0, said


def expressions():
    """(panel, expression) of the dashboard, its variables replaced."""
    for panel in json.loads(read("dashboard.json"))["panels"]:
        for target in panel["targets"]:
            expr = target["expr"]
            for name, value in (("$instance", ".*"), ("$job", "mpushd"),
                                ("$__rate_interval", "5m")):
                expr = expr.replace(name, value)
            yield panel["title"], expr


def test_every_expression_of_the_dashboard_is_one(tmp_path):
    rules = [{"record": f"a{i}", "expr": expr}
             for i, (_, expr) in enumerate(expressions())]
    assert len(rules) > 20
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}))
    status, said = run("promtool", "check", "rules", str(file))
    assert status == 0 and f"{len(rules)} rules" in said, said
    rules[0]["expr"] += ")"
    file.write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}))
    assert run("promtool", "check", "rules", str(file))[0] != 0


def test_panels_have_their_own_places():
    panels = json.loads(read("dashboard.json"))["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    taken = set()
    for p in panels:
        g = p["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"])
                 for y in range(g["y"], g["y"] + g["h"])}
        assert g["x"] + g["w"] <= 24 and not cells & taken, p["title"]
        taken |= cells


@pytest.fixture
def page(daemon, tmp_path):
    server = daemon(STATE_DIR=str(tmp_path / "state"),
                    METRICS_DEVICES=["test"])
    push(server, "test", content="x")
    return http(server, "GET", "/-/metrics").body.decode()


def families(page):
    return set(re.findall(r"# TYPE (\S+) ", page))


def test_every_metric_that_is_named_exists(page):
    known = families(page)
    for name in ("mpushd.rules.yml", "mpushd.rules.test.yml",
                 "dashboard.json"):
        named = set(METRIC.findall(read(name)))
        assert len(named) > 5
        for metric in named:
            base = re.sub(r"_(bucket|sum|count)$", "", metric)
            assert metric in known or base in known, (name, metric)


def test_every_metric_is_in_the_manual(page):
    with open(os.path.join(ROOT, "man", "mpushd.8"), encoding="utf-8") as f:
        manual = f.read()
    documented = set(re.findall(r"\bmpushd_\w+", manual))
    assert documented == {m for m in families(page)
                          if m.startswith("mpushd_")}


def test_every_reason_is_in_the_manual(page):
    with open(os.path.join(ROOT, "man", "mpushd.8"), encoding="utf-8") as f:
        text = " ".join(f.read().split())
    listed = re.search(r"\.Li reason : (.*?)\. \.It", text).group(1)
    assert listed.split(", ") == re.findall(
        r'mpushd_rejected_total\{reason="(\w+)"\}', page)
