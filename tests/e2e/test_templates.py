# SPDX-License-Identifier: ISC
"""TEMPLATES: the administrator's own words for what a webhook says."""

import json
import os
import subprocess

import pytest

from mpushlib import (
    BUILDDIR, DEADLINE, MPUSHD, ROOT, HttpConn, http, login)

MPUSH = os.environ.get("MPUSH") or os.path.join(BUILDDIR, "src", "mpush")
JSON = {"Content-Type": "application/json"}
TEMPLATES = {
    "short": {"title": "{{ .status | upper }} {{ .commonLabels.alertname }}",
              "content": ["{{ range .alerts -}}",
                          "* {{ .labels.instance | default \"?\" }}",
                          "{{ end }}"],
              "priority": "{{ .commonLabels.severity }}",
              "url": "{{ .externalURL }}", "tags": "a,b", "key": "k"},
    "pager": {"devices": ["pager-*", "@oncall"], "title": "P {{ .status }}"},
    "push": {"devices": "git", "shape": "json",
             "title": "{{ .repository }}: {{ .commits | len }} commits",
             "content": "{{ .commits | join \", \" }}"},
    "bad": {"title": "{{ .nothing }}", "content": " {{ .nothing }}\n",
            "priority": "9", "url": "javascript:alert(1)",
            "tags": "{{ .tags }}"},
}
TEMPLATES["slow"] = {"content": "{{ range $ }}" * 12 + "{{ end }}" * 12}
ALERT = {"version": "4", "groupKey": "{}:{}", "status": "firing",
         "externalURL": "http://am.example/",
         "commonLabels": {"alertname": "Down", "severity": "warning"},
         "alerts": [{"status": "firing", "labels": {
             "alertname": "Down", "severity": "warning",
             "instance": "db1"}}, {"status": "firing", "labels": {
                 "alertname": "Down", "severity": "warning"}}]}
IDS = ["test", "pager-1", "git", "anna"]


@pytest.fixture
def server(daemon):
    return daemon(REGISTERS=IDS, TEMPLATES=TEMPLATES,
                  GROUPS={"all": ["pager-1", "anna"]})


def deliver(server, device, body, target=None):
    with login(server, device) as d, HttpConn(server) as c:
        c.send_request("POST", target or f"/{device}", JSON,
                       json.dumps(body).encode())
        m, = d.recv_json()["data"]["msgList"]
        d.ack(m["mid"])
        assert c.read_response().answer == (200, "ok")
    del m["mid"]
    return m


def test_a_template_that_the_query_names(server):
    assert deliver(server, "test", ALERT, "/test?template=short") == {
        "title": "FIRING Down", "content": "* db1\n* ?", "priority": 3,
        "url": "http://am.example/", "tags": "a,b"}


def test_without_one_the_form_is_the_built_in(server):
    m = deliver(server, "test", ALERT)
    assert m["title"] == "[FIRING:2] Down db1 (warning)"


def test_what_a_template_has_not_is_built_in(server):
    m = deliver(server, "pager-1", ALERT)
    assert m["title"] == "P firing"
    assert m["content"].startswith("FIRING Down db1 (warning)")
    assert m["priority"] == 3 and m["tags"] == "warning,Down"


def test_a_template_by_shape_and_device(server):
    body = {"repository": "mpushd", "commits": ["a", "b"]}
    assert deliver(server, "git", body) == {
        "title": "mpushd: 2 commits", "content": "a, b"}
    # Another shape, another device, a plain push.
    assert deliver(server, "git", {"message": "x"})["content"] == "x"
    assert deliver(server, "anna", body)["title"] == "webhook"
    assert deliver(server, "git", {"title": "t", "content": "c"}) == {
        "title": "t", "content": "c"}


def test_it_must_fit_all_devices(server):
    with login(server, "anna") as anna, login(server, "pager-1") as pager:
        with HttpConn(server) as c:
            c.send_request("POST", "/@all", JSON, json.dumps(ALERT).encode())
            for d in (anna, pager):
                m, = d.recv_json()["data"]["msgList"]
                assert m["title"].startswith("[FIRING:2]")
                d.ack(m["mid"])
            assert c.read_response().answer == (200, "ok")


def test_any_json_can_be_given_to_a_template(server):
    assert deliver(server, "test", {"title": "t", "content": "c",
                                    "tags": "x"},
                   "/test?template=push") == {
        "title": ": 0 commits", "content": "", "tags": "x"}
    assert deliver(server, "test", [1, 2], "/test?template=short&content=q")[
        "content"] == "q"


def test_parts_that_cannot_be_are_left_out(server):
    m = deliver(server, "test", {"tags": "x" * 300, "any": 1},
                "/test?template=bad")
    assert m["title"] == "webhook" and '"any": 1' in m["content"]
    assert set(m) == {"title", "content"}


def test_there_must_be_one_of_that_name(server):
    r = http(server, "POST", "/test?template=no",
             {**JSON, "Accept": "application/json"}, b'{"message": "x"}')
    assert r.status == 400 and "no template of that name" in r.json()["error"]


def test_a_template_that_takes_too_long_loses_nothing(server):
    body = {f"k{i}": {f"l{j}": {} for j in range(40)} for i in range(40)}
    body["message"] = "x"
    for _ in range(2):
        assert deliver(server, "test", body,
                       "/test?template=slow")["content"] == "x"
    server.wait_log("took too many steps, .* template=slow peer=")


def test_a_reload_changes_them(server):
    server.reload({**server.config, "TEMPLATES": {
        "short": {"title": "new"}}})
    assert deliver(server, "test", {**ALERT, "groupKey": "1"},
                   "/test?template=short")["title"] == "new"
    bad = {**server.config, "TEMPLATES": {"short": {"title": "{{ "}}}
    server.reload(bad, good=False)
    assert deliver(server, "test", {**ALERT, "groupKey": "2"},
                   "/test?template=short")["title"] == "new"


def check(tmp_path, templates):
    file = tmp_path / "conf"
    file.write_text('{"TOKEN": "t",\n"TEMPLATES": {\n"ok": {"title": "x"},\n'
                    f'"a": {json.dumps(templates)}\n}}}}\n')
    r = subprocess.run([MPUSHD, "-n", "-f", str(file)], capture_output=True,
                       text=True, timeout=DEADLINE, check=False)
    return r.returncode, (r.stdout + r.stderr).replace(str(file), "conf")


@pytest.mark.parametrize("template, words", [
    ({"title": "{{ uper .x }}"}, 'title, line 1, column 4: '),
    ({"content": ["a", "b {{ if }}"]}, "content, line 2, column "),
    ({"content": 5}, "content must be a string or a list of strings"),
    ({"content": ["a", 5]}, "content must be a string or a list of strings"),
    ({"devices": [], "title": "x"}, "devices cannot be an empty list"),
    ({"devices": 5, "title": "x"}, "devices must be a pattern"),
    ({"devices": ["*a*b*c*"], "title": "x"}, "three * at most"),
    ({"shape": "what", "title": "x"}, "no such shape, but: alertmanager"),
    ({"devices": "x"}, "makes nothing"),
    ({"titel": "x"}, 'unknown "titel"'),
    ("x", "must be an object"),
    ({"title": "x" * 65537}, "title, line "),
])
def test_faults_are_found_before_they_matter(tmp_path, template, words):
    status, said = check(tmp_path, template)
    assert status == 1
    assert said.startswith('conf:4: TEMPLATES: "a": '), said
    assert words in said, said


def render(args, body, conf=None):
    r = subprocess.run([MPUSH, "template", *args], input=body,
                       capture_output=True, text=True, timeout=DEADLINE,
                       check=False)
    return r.returncode, r.stdout, r.stderr


@pytest.fixture
def conf(tmp_path):
    file = tmp_path / "templates.conf"
    file.write_text("// no token here\n" + json.dumps(
        {"TEMPLATES": TEMPLATES, "USER": "nobody-of-that-name"}))
    return str(file)


def test_mpush_template_shows_the_result_without_a_daemon(conf):
    body = json.dumps(ALERT)
    assert render(["-f", conf, "short"], body) == (0, (
        "shape: alertmanager\ntemplate: short\npriority: 3\n"
        "url: http://am.example/\ntags: a,b\nkey: k\ntitle: FIRING Down\n\n"
        "* db1\n* ?\n"), "")
    status, out, _ = render(["-f", conf, "-d", "pager-7"], body)
    assert status == 0 and "\ntemplate: pager\n" in out
    status, out, _ = render(["-f", conf], body)
    assert status == 0 and "template:" not in out
    assert "\ntitle: [FIRING:2] Down db1 (warning)\n\nFIRING" in out


def test_mpush_template_shows_what_the_daemon_sends(conf, server):
    with open(os.path.join(ROOT, "tests/payloads/alertmanager-mixed.json"),
              encoding="utf-8") as f:
        body = f.read()
    _, out, _ = render(["-f", conf, "short"], body)
    m = deliver(server, "test", json.loads(body), "/test?template=short")
    head, _, content = out.partition("\n\n")
    assert f"\ntitle: {m['title']}" in head
    assert content == m["content"] + "\n"


@pytest.mark.parametrize("args, body, words", [
    (["nothing"], "{}", "no template of that name"),
    (["short"], "{", "standard input: not valid JSON"),
    ([], '{"title": "x"}', "no webhook"),
])
def test_mpush_template_says_what_is_wrong(conf, args, body, words):
    status, out, err = render(["-f", conf, *args], body)
    assert (status, out) == (1, "") and words in err


def test_mpush_template_escapes_what_commands_a_terminal(conf):
    body = {**ALERT, "status": "a\x1b[31m\u202e"}
    _, out, _ = render(["-f", conf, "short"], json.dumps(body))
    assert "title: A [31M\\xe2\\x80\\xae Down" in out
