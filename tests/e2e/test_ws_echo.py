# SPDX-License-Identifier: ISC
"""The WebSocket code behind ws_echo, in the manner of conformance suites."""

import asyncio
import os
import re
import socket
import struct
import subprocess
import threading

import pytest
import websockets

import mpushlib
from mpushlib import (BINARY, CLOSE, PING, PONG, TEXT, HandshakeError, Stream,
                      WebSocket, render_frame)

ECHO = os.environ.get("WS_ECHO", os.path.join(
    mpushlib.BUILDDIR, "tests", "tools", "ws_echo"))
MIB = 1 << 20


class Echo:
    """A running ws_echo."""

    def __init__(self):
        self.process = subprocess.Popen([ECHO, "0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        port = re.fullmatch(r"listening on (\d+)\n", line)
        assert port, line + self.process.stderr.read()
        self.address = ("127.0.0.1", int(port[1]))
        self.url = f"ws://127.0.0.1:{port[1]}/"

    def end(self):
        self.process.terminate()
        try:
            _, errors = self.process.communicate(
                timeout=2 * mpushlib.DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        assert self.process.returncode == 0 and errors == "", errors


@pytest.fixture(scope="module")
def echo():
    running = Echo()
    yield running
    running.end()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536,
                                  MIB, 16 * MIB])
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_message_comes_back_as_it_was(echo, kind, size):
    message = "*" * size if kind is str else b"\xfe" * size

    async def talk():
        async with websockets.connect(echo.url, max_size=None,
                                      compression=None) as ws:
            await ws.send(message)
            return await ws.recv()

    assert asyncio.run(talk()) == message


# -- the handshake (RFC 6455 4.2.1) ---------------------------------------

@pytest.mark.parametrize("headers", [
    {"Connection": "keep-alive, Upgrade"},
    {"Connection": "upgrade", "Upgrade": "WebSocket"},
    {"Cookie": "x" * 7000},
], ids=["list", "case", "long"])
def test_handshake_is_taken(echo, headers):
    with WebSocket(echo.address, headers=headers) as ws:
        ws.ping()


@pytest.mark.parametrize("headers", [
    {"Upgrade": None},
    {"Upgrade": "h2c"},
    {"Connection": None},
    {"Connection": "keep-alive"},
    {"Connection": "upgraded"},
    {"Sec-WebSocket-Version": None},
    {"Sec-WebSocket-Version": "8"},
    {"Sec-WebSocket-Version": "130"},
    {"Sec-WebSocket-Key": None},
    {"Sec-WebSocket-Key": ""},
    {"Sec-WebSocket-Key": "c2hvcnQ="},
    {"Sec-WebSocket-Key": WebSocket.KEY[:-1]},
    {"sec-websocket-key": WebSocket.KEY},  # a second one
    {"Cookie": "x" * 8192},
], ids=lambda h: "-".join(f"{k}:{v}"[:40] for k, v in h.items()))
def test_handshake_is_refused(echo, headers):
    with pytest.raises(HandshakeError) as refused:
        WebSocket(echo.address, headers=headers)
    assert refused.value.response.status == 400


@pytest.mark.parametrize("first,other", [
    (b"GET ", b"POST "), (b" HTTP/1.1", b" HTTP/1.0"), (b" HTTP/1.1", b""),
    (b"Host", b"\0Host"), (b"GET /", b"GET "),
])
def test_a_bad_request_line_is_refused(echo, first, other):
    with WebSocket(echo.address, handshake=False) as ws:
        request = ws.handshake_request()
        assert first in request
        ws.send(request.replace(first, other, 1))
        assert ws.recv_all().startswith(b"HTTP/1.1 400 ")


def test_a_head_without_an_end_is_refused(echo):
    with Stream(echo.address) as s:
        s.send(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1400)
        assert s.recv_all().startswith(b"HTTP/1.1 400 ")


def test_frames_may_follow_the_handshake_at_once(echo):
    with WebSocket(echo.address, handshake=False) as ws:
        data = ws.handshake_request() + render_frame(TEXT, b"early")
        for byte in data:
            ws.send(bytes([byte]))
        ws.read_handshake()
        assert ws.recv_text() == "early"


# -- messages, pings and fragments ----------------------------------------

@pytest.mark.parametrize("chop", [1, 7, 997])
def test_bytes_may_come_in_any_pieces(echo, chop):
    data = (render_frame(TEXT, "你好 slowly".encode()) +
            render_frame(PING, b"p" * 125) +
            render_frame(TEXT, b"x" * 126, form=16) +
            render_frame(TEXT, "🔔".encode()[:3], fin=False) +
            render_frame(0, "🔔".encode()[3:]))
    with WebSocket(echo.address) as ws:
        for at in range(0, len(data), chop):
            ws.send(data[at:at + chop])
        assert ws.recv_text() == "你好 slowly"
        ws.expect_pong(b"p" * 125)
        assert ws.recv_text() == "x" * 126
        assert ws.recv_text() == "🔔"


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(range(0, 250, 2)),
                                     b"\xff" * 125],
                         ids=["empty", "text", "binary", "most"])
def test_a_ping_is_answered_with_its_payload(echo, payload):
    with WebSocket(echo.address) as ws:
        ws.ping(payload)


def test_pings_are_answered_in_order_and_pongs_ignored(echo):
    with WebSocket(echo.address) as ws:
        ws.send(b"".join(render_frame(PONG, b"unasked") +
                         render_frame(PING, b"%d" % i) for i in range(10)))
        for i in range(10):
            ws.expect_pong(b"%d" % i)


def test_pings_between_fragments_are_answered_before_the_message(echo):
    text = "你好".encode()
    with WebSocket(echo.address) as ws:
        for i, byte in enumerate(text):
            ws.send_frame(0 if i else TEXT, bytes([byte]), fin=False)
            ws.ping(b"between %d" % i)
        ws.send_frame(0, b"")
        assert ws.recv_text() == text.decode()


@pytest.mark.parametrize("piece", [256, 4096, MIB])
def test_a_message_in_many_fragments_comes_back_whole(echo, piece):
    text = b"0123456789abcdef" * (MIB // 16)
    with WebSocket(echo.address) as ws:
        ws.send(b"".join(
            render_frame(0 if at else TEXT, text[at:at + piece],
                         fin=at + piece >= MIB)
            for at in range(0, MIB, piece)))
        assert ws.recv_text() == text.decode()


def test_many_small_messages_keep_their_order(echo):
    with WebSocket(echo.address) as ws:
        ws.send(b"".join(render_frame(TEXT, b"%d" % i) for i in range(2000)))
        for i in range(2000):
            assert ws.recv_text() == str(i)


def test_who_does_not_read_is_not_read(echo):
    """Output stays bounded, and nothing of it is lost."""
    size, count = MIB, 96
    frame = render_frame(BINARY, bytes(size), key=bytes(4))
    with WebSocket(echo.address, timeout=4 * mpushlib.DEADLINE) as ws:
        sent = []

        def send():
            for _ in range(count):
                ws.sock.sendall(frame)
                sent.append(1)

        ws.sock.settimeout(ws.timeout)
        sender = threading.Thread(target=send)
        sender.start()
        try:
            # The sender comes to a stop: as often seen as it takes.
            still = 0
            while still < 10 and sender.is_alive():
                before = len(sent)
                sender.join(0.05)
                still = still + 1 if len(sent) == before else 0
            # 16 MiB, and what the kernel holds for both directions.
            assert 16 < len(sent) < count * 3 // 4
            for _ in range(count):
                head = ws.recv_exactly(10)
                assert head == b"\x82\x7f" + struct.pack("!Q", size)
                assert ws.recv_exactly(size) == bytes(size)
        finally:
            if sender.is_alive():
                ws.sock.shutdown(socket.SHUT_RDWR)
            sender.join()
        assert len(sent) == count


# -- faults ----------------------------------------------------------------

def close(code, reason=b""):
    return render_frame(CLOSE, struct.pack("!H", code) + reason)


FAULTS = [
    *((render_frame(op, b"x", rsv=rsv), 1002)
      for rsv in range(1, 8) for op in (TEXT, PING)),
    (render_frame(CLOSE, rsv=7), 1002),
    *((render_frame(op, b"x", fin=fin), 1002)
      for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15) for fin in (True, False)),
    # masks
    (render_frame(TEXT, b"x", mask=False), 1002),
    (render_frame(PING, b"", mask=False), 1002),
    # control frames
    *((render_frame(op, b"x", fin=False), 1002)
      for op in (CLOSE, PING, PONG)),
    *((render_frame(op, b"x" * 126), 1002) for op in (CLOSE, PING, PONG)),
    (render_frame(PING, b"x", form=16), 1002),
    (render_frame(PING, b"x", form=64), 1002),
    # lengths
    (render_frame(BINARY, b"x" * 125, form=16), 1002),
    (render_frame(BINARY, b"x" * 126, form=64), 1002),
    (render_frame(BINARY, b"x" * 65535, form=64), 1002),
    (render_frame(BINARY, form=64, length=1 << 63), 1002),
    (render_frame(BINARY, form=64, length=(1 << 63) - 1), 1009),
    (render_frame(BINARY, form=64, length=16 * MIB + 1), 1009),
    (render_frame(BINARY, b"x", fin=False) +
     render_frame(0, form=64, length=16 * MIB), 1009),
    # fragments
    (render_frame(0, b"x"), 1002),
    (render_frame(0, b"x", fin=False), 1002),
    (render_frame(TEXT, b"a", fin=False) + render_frame(TEXT, b"b"), 1002),
    (render_frame(TEXT, b"a", fin=False) + render_frame(BINARY, b"b"), 1002),
    (render_frame(TEXT, b"a") + render_frame(0, b"b"), 1002),
    # close frames
    (render_frame(CLOSE, b"\x03"), 1002),
    *((close(code), 1002)
      for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999,
                   5000, 65535)),
    (close(1000, b"\xff"), 1007),
    (close(1000, "你".encode()[:2]), 1007),
    # text
    (render_frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), 1007),
    (render_frame(TEXT, b"\xc0\xaf"), 1007),
    (render_frame(TEXT, b"\xf8\x88\x80\x80\x80"), 1007),
    (render_frame(TEXT, "你".encode()[:2]), 1007),
    (render_frame(TEXT, "你".encode()[:2], fin=False) + render_frame(0),
     1007),
    (render_frame(TEXT, b"ok", fin=False) +
     render_frame(0, b"\xff", fin=False), 1007),
    # told before the frame, or the message, has ended
    (render_frame(TEXT, b"\xf4\x90", fin=False), 1007),
    (render_frame(TEXT, b"ok \xff", form=16, length=200), 1007),
]


@pytest.mark.parametrize("data,code", FAULTS, ids=[
    f"{i}-{d[:8].hex()}" for i, (d, _) in enumerate(FAULTS)])
@pytest.mark.parametrize("chop", [None, 1])
def test_a_fault_is_closed_with_its_code(echo, data, code, chop):
    """What came before it is answered, what comes behind it is not."""
    with WebSocket(echo.address) as ws:
        ws.send(render_frame(TEXT, b"before"))
        if chop is None or len(data) > 1000:
            ws.send(data + render_frame(TEXT, b"behind") * 3)
        else:
            for byte in data:
                ws.send(bytes([byte]))
        assert ws.recv_text() == "before"
        texts = []
        frame = ws.recv_frame()
        while frame.opcode != CLOSE:
            texts.append(frame.payload)
            frame = ws.recv_frame()
        assert texts in ([], [b"a"])  # a whole message before the fault
        assert struct.unpack("!H", frame.payload[:2])[0] == code
        assert frame.payload[2:].decode()  # says what is wrong
        ws.expect_eof()


# -- closing (RFC 6455 7) --------------------------------------------------

@pytest.mark.parametrize("reason", ["", "bye", "你好", "r" * 123],
                         ids=["none", "short", "wide", "most"])
@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                  1010, 1011, 1012, 1013, 1014, 3000, 3999,
                                  4000, 4999])
def test_a_close_is_answered_with_its_code(echo, code, reason):
    with WebSocket(echo.address) as ws:
        # Nothing behind a close frame counts.
        ws.send(close(code, reason.encode()) + render_frame(PING, b"late") +
                render_frame(TEXT, b"late") + close(1000))
        frame = ws.recv_frame()
        assert (frame.opcode, frame.payload) == (
            CLOSE, struct.pack("!H", code))
        ws.expect_eof()


def test_a_close_without_a_code_is_answered_without_one(echo):
    with WebSocket(echo.address) as ws:
        ws.send_frame(CLOSE, b"")
        frame = ws.recv_frame()
        assert (frame.opcode, frame.payload) == (CLOSE, b"")
        ws.expect_eof()


def test_a_close_may_come_between_fragments(echo):
    with WebSocket(echo.address) as ws:
        ws.send_frame(TEXT, b"unfinished", fin=False)
        ws.send_close(1001)
        frame = ws.recv_frame()
        assert (frame.opcode, frame.payload) == (CLOSE, b"\x03\xe9")
        ws.expect_eof()


def test_what_was_sent_before_a_close_arrives(echo):
    text = b"x" * (4 * MIB)
    with WebSocket(echo.address) as ws:
        ws.send_text(text)
        ws.send_close(1000)
        assert ws.recv_text() == text.decode()
        ws.expect_close(1000)


# -- the program -----------------------------------------------------------

def test_sigterm_ends_it_whatever_is_open():
    running = Echo()
    shaking = Stream(running.address)
    shaking.send(b"GET / HT")
    halfway = WebSocket(running.address)
    halfway.send_frame(TEXT, b"unfinished", fin=False)
    halfway.ping()
    closing = WebSocket(running.address)
    closing.send_close(1000)
    assert closing.recv_frame().opcode == CLOSE
    gone = WebSocket(running.address)
    gone.send_frame(TEXT, b"x", form=16, length=200)
    gone.reset()
    running.end()
    for peer in shaking, halfway, closing:
        peer.expect_eof()
        peer.close()


@pytest.mark.parametrize("args", [[], ["x"], ["-1"], ["65536"], ["0", "0"]])
def test_a_wrong_port_is_told(args):
    r = subprocess.run([ECHO, *args], capture_output=True, text=True,
                       timeout=mpushlib.DEADLINE)
    assert r.returncode == 2 and "usage: ws_echo" in r.stderr
