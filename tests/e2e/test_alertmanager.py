# SPDX-License-Identifier: ISC
"""The real thing: Prometheus and Alertmanager of Debian, on loopback."""

import contextlib
import json
import os
import subprocess
import time
import urllib.request

import pytest

from mpushlib import (
    SLOWNESS, Device, free_port, login, wait_until)

ROUND = 30 * SLOWNESS  # for a notification to come all the way

AM_CONFIG = """
route:
  receiver: oncall
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: oncall
  webhook_configs:
  - url: http://127.0.0.1:{port}/oncall
"""

PROM_CONFIG = """
global:
  evaluation_interval: 1s
rule_files: [{rules}]
alerting:
  alertmanagers:
  - static_configs:
    - targets: ["127.0.0.1:{port}"]
"""

RULES = """
groups:
- name: test
  rules:
  - alert: DiskWillFill
    expr: vector(time()) < {until}
    labels: {{severity: warning, instance: db1}}
    annotations: {{summary: "db1 is full in four hours"}}
"""


class Program:
    """A program in the background that says when it is ready by HTTP."""

    def __init__(self, command, url, log):
        self.url = url
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.log = log
        wait_until(self.ready, ROUND, f"{command[0]} to be ready")

    def ready(self):
        assert self.process.poll() is None, open(self.log).read()
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(self.url + "/-/ready") as r:
                return r.status == 200
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait(ROUND)


@pytest.fixture
def lab(tmp_path):
    """Starts what a test asks for, and ends it."""
    running = []

    class Lab:
        def alertmanager(self, config, name="am", port=None, peers=None):
            port = port or free_port()
            path = tmp_path / f"{name}.yml"
            path.write_text(config)
            cluster = ["--cluster.listen-address="] if peers is None else [
                f"--cluster.listen-address=127.0.0.1:{peers[0]}",
                "--cluster.gossip-interval=50ms",
                "--cluster.settle-timeout=1s", "--cluster.peer-timeout=3s",
                *(f"--cluster.peer=127.0.0.1:{p}" for p in peers[1:])]
            am = Program([
                "prometheus-alertmanager", f"--config.file={path}",
                f"--storage.path={tmp_path}/{name}.data",
                f"--web.listen-address=127.0.0.1:{port}", *cluster],
                f"http://127.0.0.1:{port}", str(tmp_path / f"{name}.log"))
            am.port = port
            running.append(am)
            return am

        def prometheus(self, am, until):
            """One with an alert that fires until then."""
            rules = tmp_path / "rules.yml"
            rules.write_text(RULES.format(until=until))
            config = tmp_path / "prometheus.yml"
            config.write_text(PROM_CONFIG.format(rules=rules, port=am.port))
            port = free_port()
            running.append(Program([
                "prometheus", f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path}/tsdb",
                # It knows its Alertmanagers only some seconds later.
                "--rules.alert.resend-delay=1s",
                f"--web.listen-address=127.0.0.1:{port}"],
                f"http://127.0.0.1:{port}", str(tmp_path / "prom.log")))

    yield Lab()
    for program in reversed(running):
        if program.process.poll() is None:
            program.stop()


def post_alert(am, name, resolved=False, labels=None):
    """As Prometheus would."""
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    now = time.time()
    body = [{"labels": {"alertname": name, "severity": "critical",
                        **(labels or {})},
             "annotations": {"summary": f"{name} says so"},
             "startsAt": time.strftime(stamp, time.gmtime(now - 60)),
             "endsAt": time.strftime(stamp, time.gmtime(
                 now - 1 if resolved else now + 600))}]
    request = urllib.request.Request(
        am.url + "/api/v2/alerts", json.dumps(body).encode(),
        {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()


def receive(device, timeout=ROUND):
    """The next message, confirmed."""
    m = device.recv_json(timeout)["data"]["msgList"][0]
    device.ack(m["mid"])
    return m


def receive_both(device):
    """One and Two, each at least once: of a 200 that was not said in time,
    Alertmanager knows nothing."""
    both = {f"[FIRING:1] {name} (critical)" for name in ("One", "Two")}
    seen = set()
    while seen != both:
        seen.add(receive(device)["title"])
        assert seen <= both


def on(daemon, **config):
    return daemon(REGISTERS=["oncall"], **config)


def test_a_rule_fires_and_resolves(daemon, lab):
    server = on(daemon)
    am = lab.alertmanager(AM_CONFIG.format(port=server.http_port))
    with login(server, "oncall") as device:
        lab.prometheus(am, until=time.time() + 12 * SLOWNESS)
        m = receive(device)
        assert m["title"] == "[FIRING:1] DiskWillFill db1 (warning)"
        assert "db1 is full in four hours" in m["content"]
        assert m["priority"] == 3
        m = receive(device)
        assert m["title"].startswith("[RESOLVED] DiskWillFill db1")


def test_mpushd_is_restarted_in_the_middle(daemon, lab, tmp_path):
    config = {"STATE_DIR": str(tmp_path / "state"), "HTTP_PORT": free_port(),
              "WS_PORT": free_port()}
    first = on(daemon, **config)
    am = lab.alertmanager(AM_CONFIG.format(port=first.http_port))
    post_alert(am, "One")
    wait_until(lambda: any(b"One" in open(os.path.join(
        config["STATE_DIR"], "store.mdb"), "rb").read() for _ in [0]), ROUND)
    first.kill9()
    # Alertmanager tries again until somebody answers 200.
    post_alert(am, "Two")
    wait_until(lambda: sent(am) >= 2, ROUND)
    second = on(daemon, **config)
    with login(second, "oncall") as device:
        receive_both(device)


def test_alertmanager_is_restarted_in_the_middle(daemon, lab):
    server = on(daemon)
    config = AM_CONFIG.format(port=server.http_port)
    am = lab.alertmanager(config)
    with login(server, "oncall") as device:
        post_alert(am, "One")
        assert "One" in receive(device)["title"]
        am.stop()
        am = lab.alertmanager(config, port=am.port)
        post_alert(am, "Two")
        assert "Two" in receive(device)["title"]


def test_a_queue_that_is_full_is_tried_again(daemon, lab):
    server = on(daemon, MAX_QUEUE=1)
    am = lab.alertmanager(AM_CONFIG.format(port=server.http_port))
    post_alert(am, "One")
    post_alert(am, "Two")
    with Device(server) as device:
        wait_until(lambda: sent(am) >= 2 and refused(am) > 0, ROUND)
        device.login(device="oncall")
        receive_both(device)


@pytest.mark.parametrize("clustered", [False, True])
def test_two_alertmanagers_are_one_notification(daemon, lab, clustered):
    server = on(daemon)
    config = AM_CONFIG.format(port=server.http_port)
    ports = [free_port(), free_port()]
    both = [lab.alertmanager(
        config, name=f"am{i}",
        peers=[ports[i], ports[1 - i]] if clustered else None)
        for i in range(2)]
    with login(server, "oncall") as device:
        for am in both:
            post_alert(am, "Twice")
        assert receive(device)["title"] == "[FIRING:1] Twice (critical)"
        # Alone each sends it; together the other one hears of it.
        wait_until(lambda: sum(map(sent, both)) == 2 - clustered, ROUND)
        for am in both:
            post_alert(am, "Next")
        assert receive(device)["title"] == "[FIRING:1] Next (critical)"
        wait_until(lambda: sum(map(sent, both)) == 4 - 2 * clustered, ROUND)
        device.ping()


def metric(am, name):
    """A metric of its webhooks."""
    with urllib.request.urlopen(am.url + "/metrics") as r:
        lines = r.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if
               line.startswith(f"alertmanager_{name}{{") and
               'integration="webhook"' in line)


def sent(am):
    """How many notifications it has begun to send."""
    return metric(am, "notifications_total")


def refused(am):
    """How many of its requests failed, which it makes again."""
    return metric(am, "notification_requests_failed_total")
