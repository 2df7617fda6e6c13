# SPDX-License-Identifier: ISC
"""The daemon's own pages: device ids that begin with "-/" are reserved."""

import signal

import pytest

from mpushlib import Device, HttpConn, http, login, start_push

PAGES = ["/-/healthy", "/-/ready"]


@pytest.fixture(params=["http", "ws"])
def port(request):
    """Both ports speak both protocols."""
    return request.param


@pytest.mark.parametrize("page", PAGES)
def test_a_page_answers_200_while_the_daemon_serves(server, page, port):
    assert http(server, "GET", page, port=port).status == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_page_takes_a_query(server, page):
    assert http(server, "GET", page + "?title=t&content=c").status == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_page_answers_head_as_get_without_a_body(server, page):
    with HttpConn(server) as c:
        assert c.request("HEAD", page).status == 200
        # A body would now be taken for the head of this answer.
        assert c.request("GET", page).status == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_page_cannot_be_pushed_to(server, page):
    r = http(server, "POST", page, {"Content-Type": "text/plain"}, b"text")
    assert r.answer == (405, "no")
    assert "GET" in r.headers["allow"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_which_methods_it_takes(server, page):
    r = http(server, "OPTIONS", page)
    assert r.status in (200, 204)
    assert "GET" in r.headers["allow"]


@pytest.mark.parametrize("target", [
    "/-/nothing?title=t", "/-/?title=t", "/-/healthy/?title=t",
    "/-/healthyx?title=t", "/%2D/nothing?title=t", "/-%2fnothing?title=t",
])
def test_other_reserved_ids_are_no_devices(server, target):
    r = http(server, "GET", target)
    assert r.answer == (404, "no")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_nothing_is_pushed_below_the_reserved_prefix(server, method):
    r = http(server, method, "/-/x", {"Content-Type": "text/plain"}, b"t")
    assert r.answer in [(404, "no"), (405, "no")]


@pytest.mark.parametrize("name", ["-/healthy", "-/ready", "-/", "-/x"])
def test_a_device_cannot_take_a_reserved_id(server, name):
    with Device(server) as d:
        d.authenticate()
        d.send_text(name)
        refusal = d.recv_json()
        assert refusal["cmd"] == "AUTH"
        assert refusal["data"]["code"] == 400
        d.send_text("test")
        assert d.recv_json()["cmd"] == "LOGIN"


@pytest.mark.parametrize("name", ["-", "-x", "--", "x-/y", "healthy",
                                  "ready", "/-/healthy"])
def test_ids_that_only_look_reserved_are_devices(server, name):
    with login(server, name) as d, \
            start_push(server, name, "t", "c") as publisher:
        d.ack(d.recv_message())
        assert publisher.read_response().answer == (200, "ok")


def test_a_page_is_answered_while_pushes_wait(daemon):
    d = daemon(ACK_TIMEOUT=60, WORKERS=1)
    with login(d, "test") as device:
        waiting = [start_push(d, "test", str(i)) for i in range(20)]
        device.recv_messages(20)
        for page in PAGES:
            assert http(d, "GET", page).status == 200
        for c in waiting:
            c.close()


def test_a_page_is_asked_within_a_pipeline(server):
    with HttpConn(server) as c:
        for _ in range(3):
            c.send_request("GET", "/-/healthy")
            c.send_request("GET", "/nobody?title=t")
        for _ in range(3):
            assert c.read_response().status == 200
            assert c.read_response().answer == (404, "no")


def test_ready_answers_503_once_the_daemon_stops(daemon):
    d = daemon(ACK_TIMEOUT=60, WORKERS=1)
    with login(d, "test") as device, start_push(d, "test", "t") as waiting, \
            HttpConn(d) as c:
        device.recv_message()
        assert c.request("GET", "/-/ready").status == 200
        # A request that was begun before the stop is answered after it.
        c.send(b"GET /-/ready HTTP/1.1\r\n")
        assert http(d, "GET", "/-/healthy").status == 200  # c was read, too
        d.signal(signal.SIGTERM)
        # Its answer means that the stop has begun.
        assert waiting.read_response().status == 503
        c.send(b"Host: x\r\n\r\n")
        r = c.read_response()
        assert r.status == 503
        assert int(r.headers["retry-after"]) > 0
    assert d.wait() == 0
