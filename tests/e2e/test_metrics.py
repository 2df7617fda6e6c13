# SPDX-License-Identifier: ISC
"""GET /-/metrics: what is counted is what happened."""

import re
import shutil
import subprocess
import threading

import pytest

from mpushlib import (
    DEADLINE, Device, HttpConn, WebSocket, exchange, http, login, push,
    wait_until)

TYPE = "text/plain; version=0.0.4; charset=utf-8"
LINE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)')


class Page:
    def __init__(self, server):
        r = http(server, "GET", "/-/metrics")
        assert r.status == 200 and r.headers["content-type"] == TYPE
        self.text = r.body.decode()
        self.values = {}
        for line in self.text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = LINE.fullmatch(line).groups()
            key = name + ("{%s}" % labels if labels else "")
            assert key not in self.values, key
            self.values[key] = float(value)

    def __getitem__(self, key):
        return self.values[key]


def expect(server, **wanted):
    """Until the page says all of this; labels come after two underscores."""
    keys = {}
    for key, value in wanted.items():
        name, *labels = key.split("__")
        text = ",".join('%s="%s"' % tuple(x.split("_is_")) for x in labels)
        keys["mpushd_" + name + ("{%s}" % text if text else "")] = value
    last = {}

    def fits():
        page = Page(server)
        last.clear()
        last.update({k: page[k] for k in keys})
        return last == keys

    try:
        wait_until(fits)
    except AssertionError:
        assert last == keys


def promtool(text):
    tool = shutil.which("promtool")
    assert tool, "promtool is missing: it is in the package prometheus"
    r = subprocess.run([tool, "check", "metrics"], input=text,
                       capture_output=True, text=True, timeout=6 * DEADLINE,
                       check=False)
    return r.returncode, r.stdout + r.stderr


def test_promtool_has_nothing_to_complain_about(daemon, tmp_path):
    server = daemon(STATE_DIR=str(tmp_path / "state"),
                    METRICS_DEVICES=["test", 'a"\\b 测试'])
    push(server, "test", content="x")
    text = Page(server).text
    assert promtool(text) == (0, "")
    # It would say so.
    status, said = promtool(text.replace("_total", "_all"))
    assert status != 0 and "_total" in said
    names = re.findall(r"# TYPE (\S+) ", text)
    assert sorted(names) == sorted(set(names))
    assert re.findall(r"# HELP (\S+) ", text) == names


def test_pushes_by_answer_and_shape(daemon):
    server = daemon(ACK_TIMEOUT=0.1, REGISTERS=["test", "a"])
    assert push(server, "a", content="x") == (200, "offline")
    assert push(server, "nobody", content="x") == (404, "no")
    http(server, "POST", "/a", {"Content-Type": "application/json"},
         b'{"text": "x", "attachments": []}')
    http(server, "GET", "/a")
    http(server, "HEAD", "/a")
    http(server, "POST", "/a", {"Content-Type": "image/png"}, b"x")
    http(server, "GET", "/a,a,test,nobody?content=x")
    with login(server, "test") as device:
        assert push(server, "test", content="x") == (200, "online")
        device.ack(device.recv_messages(2))
    expect(server,
           pushes_total__answer_is_offline__shape_is_none=3,
           pushes_total__answer_is_offline__shape_is_slack=1,
           pushes_total__answer_is_online__shape_is_none=1,
           pushes_total__answer_is_ok__shape_is_none=0,
           pushes_total__answer_is_no__shape_is_none=4,
           rejected_total__reason_is_not_found=2,
           rejected_total__reason_is_bad_request=1,
           rejected_total__reason_is_media_type=1,
           push_latency_seconds_count=5,
           messages_queued=3, messages_confirmed_total=2,
           devices_registered=2)


def test_devices_and_messages_on_their_way(daemon):
    server = daemon(ACK_TIMEOUT=0.1, RESEND_INTERVAL=0.2)
    with login(server, "test") as device:
        expect(server, devices_online=1, connections__kind_is_websocket=1,
               connections__kind_is_http=1)
        assert push(server, "test", content="x") == (200, "online")
        expect(server, messages_in_flight=1, messages_queued=1)
        first, again = device.recv_messages(2)
        assert first == again
        device.ack(first["mid"])
        expect(server, messages_in_flight=0, messages_queued=0,
               messages_confirmed_total=1)
        page = Page(server)
        assert page["mpushd_messages_resent_total"] >= 1
        # Of one that was sent twice the latency is not known.
        assert page["mpushd_ack_latency_seconds_count"] == 0
        with HttpConn(server) as c:
            c.send_request("GET", "/test?content=y")
            device.ack(device.recv_messages(1))
            assert c.read_response().answer == (200, "ok")
        expect(server, ack_latency_seconds_count=1)
    expect(server, devices_online=0, connections__kind_is_websocket=0)


def test_a_replaced_session_is_one_device(daemon):
    server = daemon()
    with login(server, "test"), login(server, "test"):
        expect(server, devices_online=1, devices_registered=1)
    expect(server, devices_online=0, messages_in_flight=0)


def test_what_expires_repeats_and_is_replaced(daemon):
    server = daemon(MESSAGE_TTL=0.5)
    body = b'{"version":"4","groupKey":"k","alerts":[{"status":"firing"}]}'
    for _ in range(2):
        http(server, "POST", "/test", {"Content-Type": "application/json"},
             body)
    expect(server, pushes_repeated_total=1, messages_queued=1)
    http(server, "GET", "/test?key=k&content=x")
    expect(server, messages_collapsed_total=1)
    expect(server, messages_expired_total=1, messages_queued=0)


def test_refusals_have_their_reasons(daemon):
    server = daemon(MAX_QUEUE=1, AUTH_TIMEOUT=0.3, MAX_DEVICES=1,
                    REGISTERS=["test"], MAX_MESSAGE=100)
    push(server, "test", content="x")
    assert push(server, "test", content="x") == (503, "no")
    http(server, "POST", "/test", None, b"x" * 101)
    http(server, "DELETE", "/test")
    exchange(server, b"nonsense\r\n\r\n")
    with WebSocket(server) as ws:
        ws.send_text("wrong")
        ws.recv_text()
        assert ws.recv_frame().opcode == 8
    with Device(server) as d:
        d.login(device="test")
        d.send_frame(3, b"")
        while d.recv_frame().opcode != 8:
            pass
    with HttpConn(server) as c:
        c.send(b"GET /te")
        c.expect_eof()
    expect(server, rejected_total__reason_is_queue_full=1,
           rejected_total__reason_is_too_large=1,
           rejected_total__reason_is_method=1,
           rejected_total__reason_is_bad_request=1,
           rejected_total__reason_is_token=1,
           rejected_total__reason_is_timeout=2,
           rejected_total__reason_is_protocol=1)


def test_the_store_and_what_is_restored(daemon, tmp_path):
    state = str(tmp_path / "state")
    first = daemon(STATE_DIR=state)
    push(first, "test", content="x" * 1000)
    expect(first, messages_queued=1, store_up=1, ready=1,
           store_errors_total=0)
    page = Page(first)
    assert page["mpushd_store_commits_total"] >= 1
    assert page["mpushd_store_commit_seconds_count"] >= 1
    stored = page["mpushd_store_bytes"]
    assert 1000 < stored < 1200
    first.kill9()
    second = daemon(STATE_DIR=state, MAX_STORE=5000)
    expect(second, messages_queued=1, store_bytes=stored,
           store_limit_bytes=5000, devices_registered=1)
    with login(second, "test") as device:
        device.ack(device.recv_messages(1))
        expect(second, messages_queued=0, store_bytes=0)


def test_devices_are_named_if_asked_for(daemon):
    server = daemon(REGISTERS=["test", "a b"])
    assert "mpushd_device_" not in Page(server).text
    server.reload({**server.config, "METRICS_DEVICES": ["test", 'q"']})
    push(server, "test", content="x")

    def said(online, queued):
        text = Page(server).text
        return (f'mpushd_device_online{{device="test"}} {online}\n' in text
                and 'mpushd_device_messages_queued{device="test"} '
                f'{queued}\n' in text
                and 'mpushd_device_online{device="q\\""} 0\n' in text)

    wait_until(lambda: said(0, 1), what="the device's message")
    with login(server, "test") as device:
        device.ack(device.recv_messages(1))
        wait_until(lambda: said(1, 0), what="the device online")
    wait_until(lambda: said(0, 0), what="the device offline")


def test_too_many_devices_cannot_be_named(daemon):
    server = daemon()
    server.reload({**server.config, "METRICS_DEVICES": [
        f"d{i}" for i in range(1001)]}, good=False)
    server.wait_log("METRICS_DEVICES: 1001 devices are more than 1000")


def test_bytes_are_counted(daemon):
    server = daemon()
    before = Page(server)
    http(server, "POST", "/test", None, b"x" * 50000)
    with login(server, "test") as device:
        device.ack(device.recv_messages(1))
        device.ping(b"x" * 100)
    after = Page(server)
    for name in ("received", "sent"):
        key = f"mpushd_{name}_bytes_total"
        assert 50000 < after[key] - before[key] < 80000


def test_head_and_other_methods(server):
    r = http(server, "HEAD", "/-/metrics")
    assert r.status == 200 and r.body == b""
    assert http(server, "POST", "/-/metrics", None, b"x").status == 405
    assert http(server, "GET", "/-/metrics?name=x").status == 200
    assert http(server, "GET", "/-/metric").status == 404


def test_it_can_be_read_while_much_is_pushed(server):
    stop = threading.Event()
    failed = []

    def pusher(n):
        with HttpConn(server) as c:
            while not stop.is_set():
                r = c.request("GET", f"/test?content={n}")
                if r.status not in (200, 503):
                    failed.append(r)

    threads = [threading.Thread(target=pusher, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    try:
        pushed = 0
        for _ in range(50):
            page = Page(server)
            now = sum(v for k, v in page.values.items()
                      if k.startswith("mpushd_pushes_total"))
            assert now >= pushed
            pushed = now
            counts = [v for k, v in page.values.items()
                      if k.startswith("mpushd_push_latency_seconds_bucket")]
            assert counts == sorted(counts)
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not failed and pushed > 0


def test_the_process_figures(server):
    page = Page(server)
    assert page["process_open_fds"] >= 10
    assert page["process_open_fds"] <= page["process_max_fds"]
    assert abs(page["process_open_fds"] - server.fds()) <= 2
    assert page["process_resident_memory_bytes"] > 1 << 20
    assert page["process_threads"] >= 3
    with pytest.raises(KeyError):
        page["process_nonsense"]
    again = Page(server)
    assert again["process_start_time_seconds"] == page[
        "process_start_time_seconds"]
    assert again["process_cpu_seconds_total"] >= page[
        "process_cpu_seconds_total"]
    assert re.search(r'mpushd_build_info\{version="[^"]+",libevent="2[^"]*",'
                     r'lmdb="[0-9.]+",workers="\d+"\} 1', page.text)
