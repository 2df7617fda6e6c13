# SPDX-License-Identifier: ISC
"""Monitoring tools push as they are: webhooks of known shapes."""

import contextlib
import glob
import json
import os
import threading

import pytest

from mpushlib import (
    DEADLINE, MEMORY, ROOT, SLOWNESS, HttpConn, http, login, push,
    render_request, wait_until)

PAYLOADS = os.path.join(ROOT, "tests", "payloads")
JSON = {"Content-Type": "application/json"}
MIB = 1 << 20


def receive(device, timeout=DEADLINE):
    """The next message, with whatever fields it has, confirmed."""
    m = device.recv_json(timeout)
    assert m["cmd"] == "MESSAGE", m
    assert len(m["data"]["msgList"]) == 1, m
    message = m["data"]["msgList"][0]
    device.ack(message["mid"])
    return message


def deliver(server, device, body, target="/test", headers=None,
            method="POST", timeout=DEADLINE):
    """Push to a device that confirms; what it got."""
    with HttpConn(server, timeout=timeout) as c:
        c.send_request(method, target, headers, body)
        message = receive(device, timeout)
        assert c.read_response().answer == (200, "ok")
    return message


def post(server, body, target="/test", headers=None, timeout=DEADLINE):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return http(server, "POST", target, {**JSON, **(headers or {})}, body,
                timeout=timeout)


# The others are for limits of their own, in the unit tests.
@pytest.mark.parametrize("path", sorted(
    p for p in glob.glob(os.path.join(PAYLOADS, "*.json"))
    if os.path.exists(p[:-5] + ".txt")), ids=os.path.basename)
def test_each_payload_reaches_the_device(server, path):
    with open(path, "rb") as f:
        body = f.read()
    with open(path[:-5] + ".txt", encoding="utf-8") as f:
        head, _, expected = f.read().partition("title: ")
    with login(server, "test") as device:
        message = deliver(server, device, body, headers=JSON)
    if "shape: none" in head:
        wanted = json.loads(body)
        assert message["title"] == wanted.get("title", "")
        assert message["content"] == wanted.get("content", "")
        return
    said = f"{message['title']}\n\n{message['content']}"
    assert said.rstrip("\n") == expected.rstrip("\n")
    assert f"url: {message.get('url', '-')}\n" in head
    assert f"tags: {message.get('tags', '-')}\n" in head
    priority = message.get("priority", "-")
    assert f"priority: {priority}\n" in head or (
        priority == "-" and "priority: 0\n" in head)


def alert(n=0, status="firing", severity="critical"):
    return {"status": status, "labels": {
        "alertname": "Down", "severity": severity, "instance": f"db{n}"},
        "annotations": {"summary": f"db{n} is down"},
        "startsAt": "2026-11-23T06:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z", "fingerprint": f"f{n:015}"}


def notification(alerts):
    return {"version": "4", "groupKey": "{}:{}", "status": "firing",
            "receiver": "oncall", "alerts": alerts,
            "externalURL": "http://alertmanager.example:9093"}


def test_an_alert_has_a_priority_a_url_and_tags(server):
    with login(server, "test") as device:
        message = deliver(server, device, json.dumps(
            notification([alert()])).encode(), headers=JSON)
    assert message["title"] == "[FIRING:1] Down db0 (critical)"
    assert message["priority"] == 5
    assert message["url"].startswith("http://alertmanager.example:9093")
    assert "critical" in message["tags"]


def test_an_ordinary_push_may_have_a_priority(server):
    with login(server, "test") as device:
        def get(target, headers=None):
            return deliver(server, device, None, target, headers, "GET")

        assert get("/test?title=t&priority=2")["priority"] == 2
        assert get("/test?title=t", {"Priority": "4"})["priority"] == 4
        # Clients that know only title and content see no change.
        assert set(get("/test?title=t&content=c")) == {
            "title", "content", "mid"}


def test_several_megabytes_become_one_message(server):
    alerts = [alert(n) for n in range(20000)]
    for a in alerts:
        a["annotations"]["description"] = "x" * 200
    body = json.dumps(notification(alerts)).encode()
    assert 5 * MIB < len(body) < 16 * MIB
    with login(server, "test") as device:
        message = deliver(server, device, body, headers=JSON,
                          timeout=20 * SLOWNESS)
    assert message["title"].startswith("[FIRING:20000] Down ")
    assert len((message["title"] + message["content"]).encode()) <= 65536
    assert message["content"].rstrip().endswith(" more")


def test_over_MAX_WEBHOOK_it_is_413(daemon):
    server = daemon(MAX_WEBHOOK=200000)
    body = json.dumps(notification([alert(n) for n in range(1000)])).encode()
    assert len(body) > 200000
    r = post(server, body, headers={"Accept": "application/json"})
    assert r.status == 413
    body = json.dumps(notification([alert(n) for n in range(500)])).encode()
    assert 131072 < len(body) < 200000 or len(body) > 65536
    assert post(server, body).answer == (200, "offline")


def test_a_body_of_next_to_nothing_but_braces_is_413(daemon):
    """It is 16 MB, and would be a hundred times as much in memory."""
    server = daemon(WORKERS=1)
    before = server.rss()
    r = post(server, b'{"groupKey":"g","alerts":[' + b"{}," * 5000000 + b"{}]}",
             headers={**JSON, "Accept": "application/json"})
    assert r.status == 413
    assert "too many members" in r.json()["error"]
    assert server.rss() < before + 100 * MIB * MEMORY


def test_a_large_message_is_still_no_webhook(server):
    assert post(server, {"content": "c", "x": "y" * 70000}).status == 413
    assert http(server, "POST", "/test", {"Content-Type": "text/plain"},
                b"x" * 140000).status == 413


def test_large_bodies_wait_for_each_other(daemon):
    """More at once than a worker reads: all get there, and little memory."""
    server = daemon(WORKERS=1, MAX_QUEUE=1000)
    alerts = [alert(n) for n in range(4000)]
    body = json.dumps(notification(alerts)).encode()
    request = render_request("POST", "/test", JSON, body)
    answers = []

    def send():
        with HttpConn(server, timeout=30 * SLOWNESS) as c:
            c.send(request)
            answers.append(c.read_response().answer)

    threads = [threading.Thread(target=send) for _ in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == [(200, "offline")] * 30


def test_who_sends_a_large_body_slowly_keeps_out_nobody_for_ever(daemon):
    server = daemon(WORKERS=1, AUTH_TIMEOUT=1 * SLOWNESS)
    body = json.dumps(notification([alert(n) for n in range(2000)])).encode()
    request = render_request("POST", "/test", JSON, body)
    slow = [HttpConn(server) for _ in range(8)]
    try:
        for c in slow:
            c.send(request[:300000])
        # Others are not disturbed, and a large one gets its turn.
        assert push(server, "test", "t") == (200, "offline")
        assert post(server, body, timeout=20 * SLOWNESS).answer == (
            200, "offline")
    finally:
        for c in slow:
            c.close()


def test_a_large_body_waits_behind_an_answer_that_is_not_read(daemon, tmp_path):
    path = str(tmp_path / "socket")
    server = daemon(WORKERS=1, AUTH_TIMEOUT=3 * SLOWNESS,
                    LISTEN=["127.0.0.1", "unix:" + path])
    body = json.dumps(notification([alert(n) for n in range(2000)])).encode()
    large = render_request("POST", "/test", JSON, body)
    # More than a socket takes, twice.
    many = render_request(
        "GET", "/" + ",".join('"' * 40 + str(n) for n in range(999)) +
        "?title=t", {"Accept": "application/json"}) * 2
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            slow = stack.enter_context(HttpConn(server))
            slow.send(large[:300000])
        c = stack.enter_context(HttpConn(path, timeout=20 * SLOWNESS))
        c.send(many)
        sender = threading.Thread(target=c.send, args=(large,))
        sender.start()
        # It takes what it can; then its answers are read.
        sender.join(0.5 * SLOWNESS)
        for _ in range(2):
            assert c.read_response().status == 404
        assert push(server, "test", "t") == (200, "offline")
        # And its turn comes when the slow ones are cut.
        assert c.read_response().answer == (200, "offline")
        sender.join()


def test_a_repeated_notification_is_one_message(daemon):
    server = daemon(COLLAPSE=False)
    body = notification([alert(1), alert(2)])
    assert post(server, body).answer == (200, "offline")
    # The other Alertmanager lists them in another order.
    body["alerts"].reverse()
    assert post(server, body).answer == (200, "offline")
    body["alerts"][0]["status"] = "resolved"
    assert post(server, body).answer == (200, "offline")
    with login(server, "test") as device:
        got = device.recv_json()["data"]["msgList"]
        assert [m["title"][:12] for m in got] == [
            "[FIRING:2] D", "[FIRING:1 RE"]
        device.ack([m["mid"] for m in got])
        device.ping()
    assert post(server, body).answer == (200, "ok")


def test_a_storm_of_two_alertmanagers_is_pushed_once(daemon):
    server = daemon()
    groups = 300
    for _ in range(2):
        for i in range(groups):
            body = {**notification([alert(i)]), "groupKey": f"{{}}:{{{i}}}"}
            assert post(server, body).answer == (200, "offline")
    page = http(server, "GET", "/-/metrics").body.decode()
    assert f"\nmpushd_pushes_repeated_total {groups}\n" in page
    assert f"\nmpushd_messages_queued {groups}\n" in page


def test_of_a_group_the_last_word_counts(daemon):
    server = daemon()
    body = notification([alert(1), alert(2)])
    assert post(server, body).answer == (200, "offline")
    body["alerts"][0]["status"] = "resolved"
    assert post(server, body).answer == (200, "offline")
    # What the other Alertmanager had to say of the state before is known.
    body["alerts"][0]["status"] = "firing"
    assert post(server, body).answer == (200, "offline")
    other = {**notification([alert(3)]), "groupKey": "{}:{other}"}
    assert post(server, other).answer == (200, "offline")
    with login(server, "test") as device:
        got = device.recv_json()["data"]["msgList"]
        assert [m["title"][:12] for m in got] == [
            "[FIRING:1 RE", "[FIRING:1] D"]


@pytest.mark.parametrize("online", [True, False])
def test_an_alert_that_fires_again_is_no_repetition(daemon, online):
    server = daemon(COLLAPSE=False)
    fires, ends, again = (notification([alert(1, status), alert(2)])
                          for status in ("firing", "resolved", "firing"))
    again["alerts"][0]["startsAt"] = "2026-11-23T06:01:00Z"
    bodies = [fires, ends, again]
    titles = ["[FIRING:2] D", "[FIRING:1 RE", "[FIRING:2] D"]
    with login(server, "test") as device:
        if online:
            got = [deliver(server, device, json.dumps(body).encode(),
                           headers=JSON) for body in bodies]
            assert [m["title"][:12] for m in got] == titles
            return
    for body in bodies + bodies:  # the other Alertmanager, late
        assert post(server, body).answer == (200, "offline")
    with login(server, "test") as device:
        got = device.recv_json()["data"]["msgList"]
        assert [m["title"][:12] for m in got] == titles


# How to answer


def test_wait_0_answers_before_the_device_does(daemon):
    server = daemon(ACK_TIMEOUT=60)
    with login(server, "test") as device:
        r = http(server, "GET", "/test?title=t&wait=0")
        assert r.answer == (200, "online")
        assert receive(device)["title"] == "t"
    wait_until(lambda: http(server, "GET", "/test?title=t&wait=0").answer == (
        200, "offline"), what="the end of the session")


def test_require_ack_is_503_unless_a_device_confirmed(daemon):
    server = daemon(ACK_TIMEOUT=0.3, RESEND_INTERVAL=60)
    target = "/test?require=ack"
    body = json.dumps(notification([alert()])).encode()
    r = post(server, body, target, {"Accept": "application/json"})
    assert r.status == 503 and int(r.headers["retry-after"]) > 0
    assert "confirmed" in r.json()["error"]
    with login(server, "test") as device:
        # Nothing of the refused one is left.
        device.ping()
        deliver(server, device, body, target, JSON)
        # Delivered and not confirmed is not enough either.
        other = notification([alert(7)])
        assert post(server, other, target).answer == (503, "no")
        # And it may come again.
        assert post(server, other, target).answer == (503, "no")
    assert http(server, "GET", "/test?title=t&wait=0&require=ack"
                ).status == 400
