# SPDX-License-Identifier: ISC
"""Several devices in one push, and groups of them."""

import json
import subprocess

import pytest

from mpushlib import DEADLINE, MPUSHD, HttpConn, http, login

ACCEPT = {"Accept": "application/json"}
GROUPS = {"oncall": ["anna", "bert"], "all of us": ["anna", "bert", "carl"]}
IDS = ["anna", "bert", "carl", "a,b", "@oncall"]


@pytest.fixture
def server(daemon):
    return daemon(REGISTERS=IDS, GROUPS=GROUPS, ACK_TIMEOUT=0.4)


def confirm(device):
    m, = device.recv_messages(1)
    device.ack([m])
    return m["content"]


def statuses(response):
    return {d["device"]: d["status"] for d in response.json()["devices"]}


def test_each_device_gets_the_message_once(server):
    with login(server, "anna") as anna, login(server, "bert") as bert:
        with HttpConn(server) as c:
            c.send_request("GET", "/anna,bert,@oncall?content=x", ACCEPT)
            assert confirm(anna) == confirm(bert) == "x"
            r = c.read_response()
        assert r.status == 200
        answer = r.json()
        assert answer["status"] == "ok"
        assert statuses(r) == {"anna": "ok", "bert": "ok"}
        assert all(d["mid"].isdigit() for d in answer["devices"])
        anna.expect_silence(0.2)


def test_the_plain_answer_is_the_worst(server):
    with login(server, "anna") as anna, login(server, "bert"):
        with HttpConn(server) as c:
            c.send_request("GET", "/anna,bert?content=1")
            confirm(anna)
            assert c.read_response().answer == (200, "online")
            c.send_request("GET", "/@all%20of%20us?content=2")
            confirm(anna)
            assert c.read_response().answer == (200, "offline")
            c.send_request("GET", "/carl,anna,nobody?content=3", ACCEPT)
            confirm(anna)
            r = c.read_response()
    assert r.status == 404
    assert r.json()["status"] == "no" and "no such device" in r.json()["error"]
    assert statuses(r) == {"anna": "ok", "carl": "offline", "nobody": "no"}
    with login(server, "carl") as carl:
        got = carl.recv_messages(2)
        assert [m["content"] for m in got] == ["2", "3"]


def test_503_where_trying_again_helps(daemon):
    server = daemon(REGISTERS=["a", "b"], MAX_QUEUE=1)
    assert http(server, "GET", "/a?content=1").answer == (200, "offline")
    r = http(server, "GET", "/nobody,a,b?content=2", ACCEPT)
    assert r.status == 503 and r.headers["retry-after"]
    assert statuses(r) == {"nobody": "no", "a": "no", "b": "offline"}


def test_what_is_encoded_is_part_of_an_id(server):
    for path in ("/a%2Cb", "/%40oncall"):
        assert http(server, "GET", path + "?content=x").answer == (
            200, "offline")
        r = http(server, "GET", path + "?content=x", ACCEPT)
        assert "devices" not in r.json()
    for device in ("a,b", "@oncall"):
        with login(server, device) as d:
            assert len(d.recv_messages(2)) == 2
    # A group that is none is a device, and this one is not registered.
    assert http(server, "GET", "/@nogroup?content=x").answer == (404, "no")


@pytest.mark.parametrize("path", ["/,", "/anna,", "/anna,,bert", "/,anna",
                                  "/anna,-/ready", "/anna,%00"])
def test_what_is_no_list_is_refused_whole(server, path):
    r = http(server, "GET", path + "?content=x", ACCEPT)
    assert r.status == 404 and "device id" in r.json()["error"]
    with login(server, "anna") as anna:
        anna.expect_silence(0.1)


def test_more_than_a_thousand_are_too_many(server):
    r = http(server, "GET", "/" + ",".join(["x"] * 1001) + "?content=x",
             ACCEPT)
    assert r.status == 404 and "1000" in r.json()["error"]


def test_a_thousand_devices(daemon):
    ids = [f"d{i}" for i in range(1000)]
    server = daemon(REGISTERS=ids, GROUPS={"g": ids})
    r = http(server, "POST", "/@g", ACCEPT, b"x")
    assert r.status == 200 and r.json()["status"] == "offline"
    assert list(statuses(r)) == ids


def test_head_tells_whether_all_are_registered(server):
    assert http(server, "HEAD", "/@oncall,carl").status == 200
    assert http(server, "HEAD", "/@oncall,nobody").status == 404


def test_one_confirmation_is_enough_and_the_others_get_it_later(server):
    with login(server, "anna") as anna, HttpConn(server) as c:
        c.send_request("GET", "/@oncall?require=ack&content=x", ACCEPT)
        assert confirm(anna) == "x"
        r = c.read_response()
    assert r.status == 200
    assert statuses(r) == {"anna": "ok", "bert": "offline"}
    with login(server, "bert") as bert:
        assert confirm(bert) == "x"


def test_without_a_confirmation_nobody_keeps_it(server):
    with login(server, "anna") as anna:
        r = http(server, "GET", "/@oncall?require=ack&content=x", ACCEPT)
        assert r.status == 503
        assert statuses(r) == {"anna": "no", "bert": "no"}
        assert len(anna.recv_messages(1)) == 1
    with login(server, "anna") as anna, login(server, "bert") as bert:
        anna.expect_silence(0.2)
        bert.expect_silence(0.2)


def test_a_publisher_that_goes_takes_nothing_with_it(server):
    with login(server, "anna") as anna, login(server, "bert") as bert:
        with HttpConn(server) as c:
            c.send_request("GET", "/@oncall?content=x")
            anna.recv_messages(1)
        bert.recv_messages(1)
        # The answers come to nobody.
        assert http(server, "GET", "/carl?content=y").answer == (
            200, "offline")
    assert server.alive()


def test_a_reload_changes_the_groups(server):
    assert http(server, "GET", "/@new?content=x").answer == (404, "no")
    server.reload({**server.config, "GROUPS": {"new": ["carl"]}})
    assert http(server, "GET", "/@new?content=x").answer == (200, "offline")
    # The device of that name is reached now.
    assert http(server, "GET", "/@oncall?content=x").answer == (
        200, "offline")
    with login(server, "@oncall") as d:
        assert len(d.recv_messages(1)) == 1


def test_stopping_answers_once(daemon, tmp_path):
    server = daemon(REGISTERS=["a", "b"], ACK_TIMEOUT=30,
                    STATE_DIR=str(tmp_path / "state"))
    with login(server, "a") as a, login(server, "b") as b, \
            HttpConn(server) as c:
        c.send_request("GET", "/a,b?content=x", ACCEPT)
        a.recv_messages(1)
        b.recv_messages(1)
        server.signal(15)
        r = c.read_response()
        assert r.status == 200
        assert statuses(r) == {"a": "online", "b": "online"}
        c.expect_eof()
    assert server.wait() == 0


def test_severities_of_the_configuration(daemon):
    server = daemon(SEVERITIES={"Blue": 1, "warning": 4})

    def priority(severity):
        body = {"version": "4", "groupKey": f"{{}}:{severity}", "alerts": [
            {"status": "firing", "labels": {
                "alertname": "A", "severity": severity}}]}
        with login(server, "test") as device, HttpConn(server) as c:
            c.send_request("POST", "/test",
                           {"Content-Type": "application/json"},
                           json.dumps(body).encode())
            m, = device.recv_json()["data"]["msgList"]
            device.ack(m["mid"])
            c.read_response()
            return m["priority"]

    assert priority("blue") == 1
    assert priority("WARNING") == 4
    assert priority("critical") == 5


@pytest.mark.parametrize("key, value, words", [
    ("GROUPS", [], "must be an object, not a list"),
    ("GROUPS", {"a": "b"}, '"a": must be a list of device ids'),
    ("GROUPS", {"a": []}, '"a": must be a list of device ids'),
    ("GROUPS", {"a": [1]}, '"a": its devices must be strings'),
    ("GROUPS", {"a": ["@b"]}, '"a": a group cannot hold a group'),
    ("GROUPS", {"a": [""]}, '"a": a device id cannot be empty'),
    ("GROUPS", {"@a": ["b"]}, '"@a": a group is named without the @'),
    ("GROUPS", {"": ["b"]}, "a group's name is as a device id"),
    ("GROUPS", {"a": ["x"] * 1001}, '"a": has more than 1000 devices'),
    ("SEVERITIES", 5, "must be an object, not 5"),
    ("SEVERITIES", {"a": 6}, '"a": must be a priority from 1 to 5'),
    ("SEVERITIES", {"a": 0}, '"a": must be a priority from 1 to 5'),
    ("SEVERITIES", {"a": "5"}, '"a": must be a priority from 1 to 5'),
    ("SEVERITIES", {"": 5}, "a severity has 1 to 64 bytes"),
])
def test_faults_are_named(tmp_path, key, value, words):
    file = tmp_path / "conf"
    file.write_text('{\n "TOKEN": "t",\n "%s":\n %s\n}\n' % (
        key, json.dumps(value)))
    r = subprocess.run([MPUSHD, "-n", "-f", str(file)], capture_output=True,
                       text=True, timeout=DEADLINE)
    assert r.returncode == 1
    assert words in r.stdout + r.stderr, r.stdout + r.stderr


def test_the_line_is_that_of_the_group(tmp_path):
    file = tmp_path / "conf"
    file.write_text('{\n"TOKEN": "t",\n"GROUPS": {\n"a": ["x", "y"],\n'
                    '"b": [1]\n}}\n')
    r = subprocess.run([MPUSHD, "-n", "-f", str(file)], capture_output=True,
                       text=True, timeout=DEADLINE)
    assert f"{file}:5: GROUPS: " in r.stdout + r.stderr
