# SPDX-License-Identifier: ISC
"""The WebSocket code behind ws_echo, in the manner of conformance suites."""

import asyncio
import os
import re
import struct
import subprocess

import pytest
import websockets

import mpushlib
from mpushlib import WebSocket, render_frame

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
        _, errors = self.process.communicate(timeout=10)
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


def test_fragments_come_back_whole_and_pings_between_them_at_once(echo):
    with WebSocket(echo.address) as ws:
        ws.send_frame(1, "你".encode()[:2], fin=False)
        ws.ping(b"between")
        ws.send_frame(0, "你".encode()[2:], fin=False)
        ws.send_frame(0, b"")
        assert ws.recv_text() == "你"


def test_bytes_may_come_one_by_one(echo):
    with WebSocket(echo.address) as ws:
        for byte in render_frame(1, b"slowly") + render_frame(9, b"p"):
            ws.send(bytes([byte]))
        assert ws.recv_text() == "slowly"
        assert ws.recv_frame().opcode == 10


def test_many_small_messages_keep_their_order(echo):
    with WebSocket(echo.address) as ws:
        ws.send(b"".join(render_frame(1, b"%d" % i) for i in range(2000)))
        for i in range(2000):
            assert ws.recv_text() == str(i)


FAULTS = [
    (render_frame(1, b"x", rsv=4), 1002),
    (render_frame(1, b"x", rsv=2), 1002),
    (render_frame(1, b"x", rsv=1), 1002),
    (render_frame(3, b"x"), 1002),
    (render_frame(7, b"x"), 1002),
    (render_frame(11, b"x"), 1002),
    (render_frame(15, b"x"), 1002),
    (render_frame(1, b"x", mask=False), 1002),
    (render_frame(9, b"x", fin=False), 1002),
    (render_frame(9, b"x" * 126), 1002),
    (render_frame(0, b"x"), 1002),
    (render_frame(1, b"a", fin=False) + render_frame(1, b"b"), 1002),
    (b"\x82\xfe\x00\x05" + b"\0" * 9, 1002),
    (render_frame(8, b"\x03"), 1002),
    (render_frame(8, struct.pack("!H", 1005)), 1002),
    (render_frame(8, struct.pack("!H", 2999)), 1002),
    (render_frame(8, struct.pack("!H", 1000) + b"\xff"), 1007),
    (render_frame(1, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), 1007),
    (render_frame(1, b"\xf4\x90", fin=False), 1007),
    (render_frame(2, b"", fin=False) + b"\x80\xff" +
     struct.pack("!Q", 16 * MIB + 1) + b"abcd", 1009),
]


@pytest.mark.parametrize("data,code", FAULTS,
                         ids=[d[:8].hex() for d, _ in FAULTS])
def test_a_fault_is_closed_with_its_code(echo, data, code):
    with WebSocket(echo.address) as ws:
        ws.send(data)
        ws.expect_close(code)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 3000, 4999])
def test_a_close_is_answered_with_its_code(echo, code):
    with WebSocket(echo.address) as ws:
        ws.send_close(code, "bye".encode())
        ws.expect_close(code)


def test_a_close_without_a_code_is_answered_without_one(echo):
    with WebSocket(echo.address) as ws:
        ws.send_frame(8, b"")
        frame = ws.recv_frame()
        assert (frame.opcode, frame.payload) == (8, b"")
