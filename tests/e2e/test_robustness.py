# SPDX-License-Identifier: ISC
"""Peers that mean harm, limits that are reached, and signals under load."""

import contextlib
import json
import signal
import socket
import threading
import time

import pytest

from mpushlib import (
    BINARY, CLOSE, DEADLINE, MEMORY, PING, PONG, SLOWNESS, TEXT, TOKEN,
    HttpConn, Stream, WebSocket, address_of, free_port, http, login, push,
    push_all, render_frame, start_push, wait_until)

MANY = 200
MIB = 1 << 20
# So that memory in the sanitizer's quarantine does not count for long.
FRUGAL = {"ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_"
                          "size_kb=16"}
PAUSE = "new ones have to wait"


def assert_others_are_undisturbed(server, name="bystander"):
    """A device logs in and gets ten messages, all without delay."""
    begin = time.monotonic()
    with login(server, name) as device:
        for i in range(10):
            with start_push(server, name, "t", str(i)) as publisher:
                message = device.recv_message()
                assert message["content"] == str(i)
                device.ack(message)
                assert publisher.read_response().answer == (200, "ok")
    assert time.monotonic() - begin < 2 * SLOWNESS


def deaf(server, name):
    """A device that takes next to nothing off its socket."""
    device = login(server, name)
    device.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return device


def read_rest(stream):
    """What still comes, without waiting for it."""
    stream.sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while data := stream.sock.recv(65536):
            stream.buffer += data
    stream.sock.setblocking(True)
    return bytes(stream.buffer)


# Slow and silent peers


def test_slow_publishers_disturb_nobody_and_are_closed_in_time(daemon):
    server = daemon(AUTH_TIMEOUT=2 * SLOWNESS)
    request = b"POST /test HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Stream(address_of(server)))
                for _ in range(MANY)]
        for i in range(len(request) + 5):
            for stream in slow:
                stream.send((request + b"x" * 5)[i:i + 1])
        assert_others_are_undisturbed(server)
        # A byte now and then does not keep them alive.
        while time.monotonic() - begin < 2 * SLOWNESS:
            for stream in slow:
                with contextlib.suppress(OSError):
                    stream.send(b"x")
            time.sleep(0.1)
        for stream in slow:
            with contextlib.suppress(ConnectionError):
                stream.recv_all()


def test_unfinished_handshakes_disturb_nobody_and_are_closed_in_time(daemon):
    server = daemon(AUTH_TIMEOUT=SLOWNESS)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(Stream(address_of(server, "ws")))
                 for _ in range(MANY)]
        for i, stream in enumerate(socks):
            stream.send(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n"[:i % 40])
        silent = [stack.enter_context(WebSocket(server)) for _ in range(MANY)]
        assert_others_are_undisturbed(server)
        for stream in socks:
            with contextlib.suppress(ConnectionError):
                stream.recv_all()
        for ws in silent:
            ws.expect_close(1008)
    wait_until(lambda: server.fds() < MANY)


def test_devices_that_never_read_disturb_nobody_and_cost_no_more_memory(
        daemon):
    names = [f"deaf{i}" for i in range(MANY)]
    server = daemon(RESEND_INTERVAL=0.1, REGISTERS=names, env=FRUGAL)
    for name in names:
        push_all(server, name, ["x" * 60000] * 5)
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(deaf(server, n)) for n in names]
        before = server.rss()
        assert_others_are_undisturbed(server)
        for _ in range(10):
            time.sleep(0.1)  # for the resends of 0.1, 0.2, 0.4 s
            for device in devices:
                device.send_frame(PONG)
        assert server.rss() < before + 16 * MIB * MEMORY
        assert_others_are_undisturbed(server)


def test_resends_to_a_device_that_never_reads_cost_no_memory(daemon):
    names = [f"deaf{i}" for i in range(4)]
    server = daemon(RESEND_INTERVAL=0.1, REGISTERS=names, env=FRUGAL)
    for name in names:
        push_all(server, name, ["x" * 3500] * 280)
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(deaf(server, n)) for n in names]
        before = server.rss()
        for _ in range(15):
            time.sleep(0.1)  # each time a resend is due
            for device in devices:
                device.send_frame(PONG)
        assert server.rss() < before + 6 * MIB * MEMORY


def test_a_device_that_pings_but_never_reads_is_stopped_by_backpressure(
        daemon):
    server = daemon(env=FRUGAL)
    with login(server, "flood") as device:
        before = server.rss()
        pings = b"".join([b"\x89\xfd\0\0\0\0" + b"p" * 125] * 500)
        device.sock.settimeout(0.5 * SLOWNESS)
        with pytest.raises(TimeoutError):
            for _ in range(2000):  # 131 MB
                device.sock.sendall(pings)
        assert server.rss() < before + 16 * MIB * MEMORY
        assert_others_are_undisturbed(server)
        # It is read from again as soon as it reads.
        done = threading.Event()
        reader = threading.Thread(target=drain, args=(device.sock, done))
        reader.start()
        device.sock.settimeout(DEADLINE)
        for _ in range(20):
            device.sock.sendall(pings)
        done.set()
        reader.join()


def drain(sock, done):
    sock = sock.dup()
    sock.settimeout(0.1)
    while not done.is_set():
        with contextlib.suppress(TimeoutError):
            sock.recv(1 << 20)
    sock.close()


def test_a_publisher_that_never_reads_its_answers_costs_no_memory(daemon):
    server = daemon(env=FRUGAL)
    request = b"GET /nobody?title=t HTTP/1.1\r\nHost: x\r\n\r\n" * 500
    with Stream(address_of(server)) as stream:
        before = server.rss()
        stream.sock.settimeout(0.5 * SLOWNESS)
        with contextlib.suppress(TimeoutError):
            for _ in range(3000):  # 60 MB
                stream.sock.sendall(request)
        assert server.rss() < before + 16 * MIB * MEMORY
        assert_others_are_undisturbed(server)


def test_large_bodies_in_chunks_wait_for_each_other_too(daemon):
    server = daemon(WORKERS=1, env=FRUGAL)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    before = server.rss()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stream = stack.enter_context(Stream(address_of(server)))
            stream.send(b"POST /x HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Type: application/json\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n")
            stream.sock.settimeout(0.2 * SLOWNESS)
            with contextlib.suppress(TimeoutError):
                for _ in range(15 * 16):  # of the 16 MiB that may be
                    stream.sock.sendall(chunk)
        assert server.rss() < before + 100 * MIB * MEMORY
        assert_others_are_undisturbed(server)


def test_what_waits_behind_many_requests_is_searched_once(daemon):
    server = daemon(WORKERS=1, REGISTERS=["test"])
    requests = b"POST /test?content=x HTTP/1.1\r\n\r\n" * 1500
    body = b"a" * 120000  # as "application/json" begins
    with Stream(address_of(server), 60 * SLOWNESS) as stream:
        before = server.cpu_seconds()
        sender = threading.Thread(target=stream.send, args=(
            requests + b"POST /nobody HTTP/1.1\r\n"
            b"Content-Length: 120000\r\n\r\n" + body,))
        sender.start()
        for _ in range(1500):
            stream.recv_until(b"offline")
        stream.recv_until(b"413")
        sender.join()
        assert server.cpu_seconds() < before + 0.6 * SLOWNESS


def test_a_device_that_does_not_wait_for_its_login_disturbs_nobody(
        daemon, tmp_path):
    """More than the daemon reads ahead comes while the login is written."""
    server = daemon(WORKERS=1, STATE_DIR=str(tmp_path / "state"))
    noise = render_frame(BINARY, b"x" * 60000) * 10
    for i in range(5):
        with WebSocket(server) as device:
            device.send(render_frame(TEXT, TOKEN.encode()) +
                        render_frame(TEXT, b"test%d" % i) + noise)
            assert device.recv_json()["cmd"] == "AUTH"
            assert device.recv_json()["cmd"] == "LOGIN"
            device.ping()
    assert_others_are_undisturbed(server)


@pytest.mark.parametrize("before", [6, 10, 14])
def test_a_websocket_that_comes_with_much_else_is_served(
        daemon, before):
    server = daemon(WORKERS=1, AUTH_TIMEOUT=0.5 * SLOWNESS)
    # So much comes at once that the worker stops reading for a while.
    noise = render_frame(BINARY, b"x" * 60000) * 10
    with WebSocket(server, handshake=False) as device:
        device.send(b"POST /-/x HTTP/1.1\r\n\r\n" * before +
                    device.handshake_request() +
                    render_frame(TEXT, TOKEN.encode()) +
                    render_frame(TEXT, b"test") + noise)
        for _ in range(before):
            device.recv_until(b"\r\n\r\nno")
        device.read_handshake()
        assert device.recv_json()["cmd"] == "AUTH"
        assert device.recv_json()["cmd"] == "LOGIN"
        device.expect_silence(1 * SLOWNESS)
        device.ping()


def test_two_hundred_pushes_that_wait_for_one_device_are_all_answered(daemon):
    server = daemon(ACK_TIMEOUT=20, RESEND_INTERVAL=60)
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(login(server, "d"))
        waiting = [stack.enter_context(start_push(server, "d", "t", str(i)))
                   for i in range(MANY)]
        device.ack(device.recv_messages(MANY))
        for publisher in waiting:
            assert publisher.read_response().answer == (200, "ok")


# Limits


def open_more_than(server, count, stack):
    """Connections of which the last have to wait in the kernel."""
    streams = []
    for _ in range(count):
        stream = stack.enter_context(HttpConn(server))
        stream.send_request("HEAD", "/test")
        streams.append(stream)
    return streams


def answered(streams):
    return [s for s in streams if b"\r\n\r\n" in read_rest(s)]


def assert_pauses_and_resumes(server, count):
    with contextlib.ExitStack() as stack:
        streams = open_more_than(server, count, stack)
        server.wait_log(PAUSE)
        wait_until(lambda: answered(streams))
        busy = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - busy < 0.3, "a busy loop"
        served = answered(streams)
        assert 0 < len(served) < count
        left = [s for s in streams if s not in served]
        while left:
            for stream in served:
                stream.close()
            wait_until(lambda: answered(left))
            served = answered(left)
            left = [s for s in left if s not in served]
        assert server.alive()
        assert server.log.count(PAUSE) == 1
    assert_others_are_undisturbed(server)


def test_without_descriptors_accepting_pauses_and_resumes(daemon):
    server = daemon(MAX_CONNECTIONS=100000, WORKERS=2,
                    prefix=("prlimit", "--nofile=80:80"))
    assert_pauses_and_resumes(server, 150)


def test_the_default_of_max_connections_fits_the_descriptors(daemon):
    server = daemon(WORKERS=2, prefix=("prlimit", "--nofile=80:80"))
    assert_pauses_and_resumes(server, 150)


def test_at_max_connections_accepting_pauses_and_resumes(daemon):
    server = daemon(MAX_CONNECTIONS=20, WORKERS=2)
    assert_pauses_and_resumes(server, 60)


def test_exactly_max_connections_are_accepted_on_both_ports_together(daemon):
    server = daemon(MAX_CONNECTIONS=10, WORKERS=2)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(WebSocket(server)).ping()
        streams = open_more_than(server, 8, stack)
        wait_until(lambda: len(answered(streams)) == 5)
        time.sleep(0.3)
        assert len(answered(streams)) == 5


def test_who_is_connected_is_served_while_accepting_pauses(daemon):
    server = daemon(MAX_CONNECTIONS=6, WORKERS=2)
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(login(server, "d"))
        publisher = stack.enter_context(HttpConn(server))
        assert publisher.request("HEAD", "/d").status == 200
        open_more_than(server, 20, stack)
        server.wait_log(PAUSE)
        publisher.send_request("GET", "/d?title=t")
        device.ack(device.recv_message())
        assert publisher.read_response().answer == (200, "ok")


def test_after_a_storm_of_connections_descriptors_and_memory_return(daemon):
    server = daemon(env=FRUGAL)

    def storm(count):
        for i in range(count):
            port = "ws" if i % 2 else "http"
            stream = Stream(address_of(server, port))
            if i % 4 == 1:
                stream.send(b"GET / HTTP/1.1\r\n")
            elif i % 4 == 2:
                stream.send(b"GET /test?title=t HTTP/1.1\r\n\r\n")
            elif i % 4 == 3:
                stream.close()
                stream = WebSocket(server)
                stream.send_text(TOKEN)
                stream.send_text(f"storm{i % 16}")
            if i % 8 < 4:
                stream.reset()
            else:
                stream.close()

    storm(200)
    wait_until(lambda: server.fds() < 60)
    fds, memory = server.fds(), server.rss()
    storm(2000)
    wait_until(lambda: server.fds() <= fds, what="descriptors return")
    assert server.rss() < memory + 8 * MIB * MEMORY
    assert_others_are_undisturbed(server)


def test_a_thousand_connections_at_once_are_served_and_go(daemon):
    server = daemon(env=FRUGAL)
    fds = server.fds()
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(HttpConn(server)) for _ in range(500)]
        sockets = [stack.enter_context(WebSocket(server)) for _ in range(500)]
        for stream in streams:
            stream.send_request("HEAD", "/test")
        for ws in sockets:
            ws.send_frame(PING)
        for stream in streams:
            assert stream.read_response("HEAD").status == 200
        for ws in sockets:
            ws.expect_pong()
        assert_others_are_undisturbed(server)
    wait_until(lambda: server.fds() <= fds + 4, what="descriptors return")


# Signals under load


class Traffic(threading.Thread):
    """One device that confirms and one publisher that pushes, until over."""

    def __init__(self, server, name):
        super().__init__()
        self.server, self.name = server, name
        self.over = threading.Event()
        self.answers = []
        self.device = login(server, name)
        self.publisher = HttpConn(server)

    def run(self):
        while not self.over.is_set():
            self.publisher.send_request("GET", f"/{self.name}?title=t")
            self.device.ack(self.device.recv_message())
            self.answers.append(self.publisher.read_response().answer)


@contextlib.contextmanager
def traffic(server, count=8):
    threads = [Traffic(server, f"traffic{i}") for i in range(count)]
    for t in threads:
        t.start()
    try:
        yield threads
    finally:
        for t in threads:
            t.over.set()
            t.join()
            t.device.close()
            t.publisher.close()


def test_reloads_under_load_lose_no_connection_and_no_message(daemon):
    server = daemon(ACK_TIMEOUT=10, RESEND_INTERVAL=60)
    config = dict(server.config)
    with traffic(server) as threads:
        for i in range(10):
            server.reload(dict(config, REGISTERS=[f"new{i}"]))
            server.reload(dict(config, RESEND_INTERVAL="soon"), good=False)
            server.reload("{", good=False)
            done = [len(t.answers) for t in threads]
            wait_until(lambda: all(len(t.answers) > n + 3 for t, n in
                                   zip(threads, done)), what="traffic")
    for t in threads:
        assert set(t.answers) == {(200, "ok")}
    for i in range(10):
        assert push(server, f"new{i}", "t") == (200, "offline")


def test_a_new_token_after_a_reload_leaves_who_is_connected(daemon):
    server = daemon()
    with login(server, "d") as device, WebSocket(server) as late:
        server.reload(dict(server.config, TOKEN="new"))
        device.ping()
        late.send_text(TOKEN)
        assert late.recv_json()["data"]["code"] == 403
        late.send_text("new")
        assert late.recv_json()["data"]["code"] == 200


def test_sigterm_answers_every_waiting_publisher_and_closes_every_device(
        daemon):
    server = daemon(ACK_TIMEOUT=60, RESEND_INTERVAL=60)
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(login(server, f"d{i}"))
                   for i in range(100)]
        waiting = [stack.enter_context(start_push(server, f"d{i}", "t", "c"))
                   for i in range(100)]
        idle = [stack.enter_context(HttpConn(server)) for _ in range(20)]
        for device in devices:
            device.recv_message()
        begin = time.monotonic()
        server.signal(signal.SIGTERM)
        for publisher in waiting:
            answer = publisher.read_response()
            assert answer.answer == (503, "no")
            assert int(answer.headers["retry-after"]) > 0
            publisher.close()
        for device in devices:
            device.expect_close(1001)
            device.close()
        for stream in idle:
            stream.expect_eof()
        assert server.wait() == 0
        assert time.monotonic() - begin < 2 * SLOWNESS


def test_a_publisher_that_sigterm_has_answered_delays_the_end_no_longer(
        daemon):
    server = daemon(ACK_TIMEOUT=60)
    with login(server, "d") as device:
        with start_push(server, "d", "t", "c") as publisher:
            device.recv_message()
            begin = time.monotonic()
            server.signal(signal.SIGTERM)
            device.expect_close(1001)
            device.close()
            assert publisher.read_response().answer == (503, "no")
            publisher.expect_eof()
            assert server.wait() == 0
            assert time.monotonic() - begin < 2 * SLOWNESS


def test_sigterm_closes_websockets_that_have_not_logged_in_with_1001(daemon):
    server = daemon()
    with WebSocket(server) as silent, WebSocket(server) as half:
        half.send_text(TOKEN)
        half.recv_text()
        server.signal(signal.SIGTERM)
        silent.expect_close(1001)
        half.expect_close(1001)


def test_sigterm_under_load_answers_every_request_that_was_begun(daemon):
    # A port that no other daemon gets when this one has left it.
    server = daemon(ACK_TIMEOUT=60, HTTP_PORT=free_port())
    stop = threading.Event()
    words = []

    def publish(name):
        while not stop.is_set():
            try:
                c = start_push(server, name, "t", "c")
            except ConnectionError:
                return  # the listener is closed
            with c:
                try:
                    words.append(c.read_response().answer)
                except (EOFError, ConnectionError) as e:
                    # Not accepted any more: nothing of it was answered.
                    words.append("refused" if not c.buffer else e)

    with contextlib.ExitStack() as stack:
        for i in range(16):
            stack.enter_context(login(server, f"d{i}"))
        threads = [threading.Thread(target=publish, args=(f"d{i}",))
                   for i in range(16)]
        for t in threads:
            t.start()
        with traffic_until_refused(server) as done:
            wait_until(lambda: done.count((200, "ok")) > 50)
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        stop.set()
        for t in threads:
            t.join()
    assert words.count((503, "no")) == 16
    assert set(words) <= {(503, "no"), "refused"}
    assert set(done) <= {(200, "ok"), (503, "no")}


@contextlib.contextmanager
def traffic_until_refused(server):
    """Pushes to a device that confirms, until the daemon ends."""
    done = []

    def run():
        with contextlib.suppress(EOFError, ConnectionError), \
                login(server, "busy") as device, HttpConn(server) as c:
            while True:
                c.send_request("GET", "/busy?title=t")
                frame = device.recv_frame()
                if frame.opcode == CLOSE:
                    done.append(c.read_response().answer)
                    return
                device.ack(json.loads(frame.payload)["data"]["msgList"])
                done.append(c.read_response().answer)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield done
    finally:
        thread.join()


def test_sigterm_waits_for_nobody_who_does_not_read(daemon):
    names = [f"deaf{i}" for i in range(10)]
    server = daemon(REGISTERS=names)
    for name in names:
        push_all(server, name, ["x" * 60000] * 100)
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(deaf(server, name))
        stack.enter_context(Stream(address_of(server))).send(b"POST /")
        begin = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait(5 * SLOWNESS) == 0
        assert time.monotonic() - begin < 3 + SLOWNESS


def test_a_second_sigterm_changes_nothing(daemon):
    server = daemon(ACK_TIMEOUT=60)
    with login(server, "d") as device:
        with start_push(server, "d", "t", "c") as publisher:
            device.recv_message()
            server.signal(signal.SIGTERM)
            server.signal(signal.SIGTERM)
            server.signal(signal.SIGHUP)
            assert publisher.read_response().answer == (503, "no")
            device.expect_close(1001)
            assert server.wait() == 0


# Garbage


@pytest.mark.parametrize("data", [
    b"\0" * 5000, b"\xff" * 5000, b"\r\n" * 5000, b"GET " + b"x" * 100000,
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"x" * 500,
    b"SSH-2.0-x\r\n", b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n"])
@pytest.mark.parametrize("port", ["ws", "http"])
def test_garbage_harms_nobody_else(server, port, data):
    with Stream(address_of(server, port)) as stream:
        with contextlib.suppress(OSError):
            stream.send(data)
            stream.half_close()
            stream.recv_all()
    assert http(server, "HEAD", "/test").status == 200


def test_binary_noise_after_the_handshake_harms_nobody_else(server):
    for seed in range(50):
        noise = bytes((seed * 7919 + i * 104729) >> 3 & 255
                      for i in range(300))
        with login(server, "noise") as device:
            with contextlib.suppress(OSError):
                device.send_frame(BINARY, noise)
                device.send(noise)
    assert_others_are_undisturbed(server)


# The log


def test_what_peers_cause_does_not_fill_the_log(daemon):
    server = daemon(MAX_QUEUE=1)
    for _ in range(3):
        with WebSocket(server) as ws:
            for _ in range(5):
                ws.send_text("guess")
                ws.recv_text()
    for _ in range(20):
        http(server, "GET", "/test?content=x")
    assert server.terminate() == 0  # its log has been read to the end
    lines = server.log.splitlines()
    wrong = [x for x in lines if x.startswith("ws: wrong token")]
    assert wrong == ["ws: wrong token peer=127.0.0.1 left_out=0"] * 5
    full = [x for x in lines if x.startswith("http: refused a push")]
    assert len(full) == 5 and all(
        "queue is full" in x and " device=test peer=127.0.0.1 " in x
        for x in full)
    assert "guess" not in server.log


def test_the_log_tells_who_comes_and_goes(daemon):
    server = daemon("-v")
    with login(server, "a b"):
        server.wait_log(r'ws: logged in device="a b" peer=127.0.0.1')
    server.wait_log(r'broker: device offline device="a b" queued=0')
    http(server, "GET", "/")
    server.wait_log(r"http: refused: a device id cannot be empty "
                    r"peer=127.0.0.1 status=404")
