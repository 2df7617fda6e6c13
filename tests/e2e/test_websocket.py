# SPDX-License-Identifier: ISC
"""The WebSocket protocol: handshake, login, frames and faults (RFC 6455)."""

import base64
import hashlib
import json
import socket
import struct
import time

import pytest

from mpushlib import (
    BINARY, CLOSE, PING, PONG, SLOWNESS, TEXT, TOKEN, Device, WebSocket,
    address_of, login, push, start_push)

AUTH_OK = '{"cmd":"AUTH","data":{"code":200,"msg":"Successful authentication"}}'
AUTH_BAD = '{"cmd":"AUTH","data":{"code":403,"msg":"Token invalid"}}'
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def handshake(server, head, port="ws"):
    """Send a request head; returns the status, the headers, the socket."""
    sock = socket.create_connection(address_of(server, port))
    sock.settimeout(10 * SLOWNESS)
    sock.sendall("\r\n".join(head + ["", ""]).encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(4096)
        assert more, f"closed after {data!r}"
        data += more
    lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(lines[0].split()[1]), headers, sock


def upgrade(http="1.1", path="/", version="13", key=KEY, more=()):
    """The lines of a handshake; None leaves a header out."""
    head = [f"GET {path} HTTP/{http}", "Host: localhost",
            "Upgrade: websocket", "Connection: Upgrade"]
    if version is not None:
        head.append(f"Sec-WebSocket-Version: {version}")
    if key is not None:
        head.append(f"Sec-WebSocket-Key: {key}")
    return head + list(more)


def status_of(server, *args, **kwargs):
    status, headers, sock = handshake(server, upgrade(*args, **kwargs))
    sock.close()
    return status, headers


# The handshake


@pytest.mark.parametrize("http", ["1.1", "1.0"])
def test_the_upgrade_works_over_both_http_versions(server, http):
    status, headers = status_of(server, http=http)
    accept = base64.b64encode(hashlib.sha1((KEY + GUID).encode()).digest())
    assert status == 101
    assert headers["upgrade"].lower() == "websocket"
    assert headers["connection"].lower() == "upgrade"
    assert headers["sec-websocket-accept"] == accept.decode()


def test_no_extension_or_protocol_is_agreed_that_was_only_offered(server):
    status, headers = status_of(server, more=[
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Protocol: chat"])
    assert status == 101
    assert "sec-websocket-extensions" not in headers
    assert "sec-websocket-protocol" not in headers


@pytest.mark.parametrize("path", [
    "/", "/x", "/a/b?c=d&e=%zz", "/?token=wrong", "/-/", "//", "/%00"])
def test_path_and_query_of_a_handshake_are_ignored(server, path):
    assert status_of(server, path=path)[0] == 101


def test_a_websocket_opens_on_the_http_port_too(server):
    with login(server, "on-the-http-port", port="http") as device:
        device.ping()


def test_header_values_are_compared_without_case_and_in_lists(server):
    status, _, sock = handshake(server, [
        "GET / HTTP/1.1", "Host: localhost", "UPGRADE: WebSocket",
        "connection: keep-alive, UPGRADE", "sec-websocket-version: 13",
        f"sec-websocket-key: {KEY}"])
    sock.close()
    assert status == 101


@pytest.mark.parametrize("version", ["8", "12", "14", "0", "x", "", None])
def test_a_wrong_version_gets_426_and_the_right_one(server, version):
    status, headers = status_of(server, version=version)
    assert status == 426
    assert headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("key", [
    None, "", "short", "dGhlIHNhbXBsZSBub25jZQ=",
    "dGhlIHNhbXBsZSBub25jZQ==x", "AAAAAAAAAAAAAAAAAAAAAAAA",
    "!GhlIHNhbXBsZSBub25jZQ=="])
def test_a_key_that_is_not_16_bytes_of_base64_gets_400(server, key):
    assert status_of(server, key=key)[0] == 400


def test_frames_that_came_with_the_handshake_are_not_lost(server):
    frames = b""
    for text in (TOKEN, "eager"):
        data = text.encode()
        frames += bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data
    with socket.create_connection(("127.0.0.1", server.ws_port)) as sock:
        sock.settimeout(10 * SLOWNESS)
        sock.sendall("\r\n".join(upgrade() + ["", ""]).encode() + frames)
        data = b""
        while b'"LOGIN"' not in data:
            more = sock.recv(4096)
            assert more, f"closed after {data!r}"
            data += more
    assert data.startswith(b"HTTP/1.1 101 ")


def test_a_handshake_after_a_push_on_the_same_connection_works(server):
    status, _, sock = handshake(server, ["HEAD /nobody HTTP/1.1",
                                         "Host: localhost"])
    assert status == 404
    sock.sendall("\r\n".join(upgrade() + ["", ""]).encode())
    assert sock.recv(4096).startswith(b"HTTP/1.1 101 ")
    sock.close()


def test_a_device_behind_a_proxy_that_speaks_http_1_0_is_served(server):
    with login(server, "behind-nginx", version="1.0") as device:
        with start_push(server, "behind-nginx", "t", "c") as publisher:
            device.ack(device.recv_message())
            assert publisher.read_response().answer == (200, "ok")
        device.ping()


@pytest.mark.parametrize("more", [
    ["Upgrade: websocket"], ["Connection: Upgrade"],
    ["Upgrade: h2c", "Connection: Upgrade"],
    ["Upgrade: websocket", "Connection: close"]])
def test_a_request_that_does_not_ask_for_a_websocket_is_a_push(server, more):
    status, _, sock = handshake(server, [
        "GET /test?title=t HTTP/1.1", "Host: localhost", *more])
    sock.close()
    assert status == 200


# The token


def test_a_right_token_is_answered_with_these_very_bytes(server):
    with WebSocket(server) as ws:
        ws.send_text(TOKEN)
        assert ws.recv_exactly(2 + len(AUTH_OK)) == \
            bytes([0x81, len(AUTH_OK)]) + AUTH_OK.encode()


def test_a_wrong_token_is_answered_403_and_another_may_follow(server):
    with WebSocket(server) as ws:
        for wrong in ("", "x", TOKEN + "x", TOKEN[:-1]):
            ws.send_text(wrong)
            assert ws.recv_text() == AUTH_BAD
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK


def test_the_fifth_wrong_token_is_answered_and_closed_with_1008(server):
    with WebSocket(server) as ws:
        for _ in range(5):
            ws.send_text("wrong")
            assert ws.recv_text() == AUTH_BAD
        ws.expect_close(1008)


def test_a_right_token_after_the_fifth_wrong_one_comes_too_late(server):
    with WebSocket(server) as ws:
        for _ in range(5):
            ws.send_text("wrong")
        ws.send_text(TOKEN)
        for _ in range(5):
            assert ws.recv_text() == AUTH_BAD
        ws.expect_close(1008)


def test_every_token_of_the_list_is_right(daemon):
    server = daemon(TOKEN=["first", "第二"])
    for token in ("first", "第二"):
        with WebSocket(server) as ws:
            ws.send_text(token)
            assert ws.recv_text() == AUTH_OK


def test_a_device_id_is_no_use_before_the_token(daemon):
    server = daemon(TOKEN="secret")
    with WebSocket(server) as ws:
        ws.send_text("stranger")
        assert ws.recv_text() == AUTH_BAD
    assert push(server, "stranger", "x") == (404, "no")


def test_a_reply_before_the_token_is_a_wrong_token(server):
    with WebSocket(server) as ws:
        ws.send_text('{"cmd":"SENDMSG_CB","data":{"midList":["1"]}}')
        assert ws.recv_text() == AUTH_BAD


def test_without_a_valid_token_within_auth_timeout_it_is_closed(daemon):
    server = daemon(AUTH_TIMEOUT=0.4)
    begin = time.monotonic()
    with WebSocket(server) as idle, WebSocket(server) as wrong:
        wrong.send_text("wrong")
        assert wrong.recv_text() == AUTH_BAD
        idle.expect_close(1008)
        assert time.monotonic() - begin >= 0.38
        wrong.expect_close(1008)
        assert time.monotonic() - begin < 2 * SLOWNESS


def test_without_an_id_within_login_timeout_it_is_closed(daemon):
    server = daemon(AUTH_TIMEOUT=30, LOGIN_TIMEOUT=0.4)
    with WebSocket(server) as ws:
        begin = time.monotonic()
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK
        ws.expect_close(1008)
        assert 0.38 <= time.monotonic() - begin < 2 * SLOWNESS


def keep_talking(ws, frame):
    """Send that frame again and again until the peer closes."""
    while True:
        try:
            ws.send_frame(*frame)
            while ws.recv_frame(0.05).opcode != CLOSE:
                pass
            return
        except TimeoutError:
            pass


@pytest.mark.parametrize("frame", [(PING, b""), (PONG, b"")])
def test_signs_of_life_do_not_put_off_auth_timeout(daemon, frame):
    server = daemon(AUTH_TIMEOUT=0.4)
    begin = time.monotonic()
    with WebSocket(server) as ws:
        keep_talking(ws, frame)
    assert 0.38 <= time.monotonic() - begin < 2 * SLOWNESS


@pytest.mark.parametrize("frame", [(PING, b""), (TEXT, b"")])
def test_pings_and_bad_ids_do_not_put_off_login_timeout(daemon, frame):
    server = daemon(LOGIN_TIMEOUT=0.4)
    with WebSocket(server) as ws:
        begin = time.monotonic()
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK
        keep_talking(ws, frame)
    assert 0.38 <= time.monotonic() - begin < 2 * SLOWNESS


def test_login_timeout_begins_with_the_token(daemon):
    server = daemon(AUTH_TIMEOUT=0.8, LOGIN_TIMEOUT=30)
    with WebSocket(server) as ws:
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK
        ws.expect_silence(1.1)
        ws.send_text("slow")
        assert json.loads(ws.recv_text())["cmd"] == "LOGIN"


def test_a_device_that_is_logged_in_has_no_idle_timeout(daemon):
    server = daemon(AUTH_TIMEOUT=0.2, LOGIN_TIMEOUT=0.2)
    with login(server, "idle") as device:
        device.expect_silence(0.8)
        device.ping()


# The device id


@pytest.mark.parametrize("name, written", [
    ("test", "test"),
    ("a/b?c d%41", "a/b?c d%41"),
    ("设备", "设备"),
    ('quo"te\\', 'quo\\"te\\\\'),
    ("-", "-"),
    ("x" * 256, "x" * 256),
    ("\N{GRINNING FACE}" * 64, "\N{GRINNING FACE}" * 64),
])
def test_a_login_is_answered_with_the_name_alone(server, name, written):
    with WebSocket(server) as ws:
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK
        ws.send_text(name)
        answer = ws.recv_text()
        assert answer == '{"cmd":"LOGIN","data":{"name":"%s"}}' % written
        assert json.loads(answer)["data"]["name"] == name


@pytest.mark.parametrize("name", [
    "", "x" * 257, "€" * 86, "new\nline", "nul\0", "tab\t", "del\x7f",
    "c1\u0085", "-/", "-/healthy"])
def test_an_id_that_cannot_be_gets_400_and_another_may_follow(server, name):
    with WebSocket(server) as ws:
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK
        for _ in range(2):
            ws.send_text(name)
            answer = json.loads(ws.recv_text())
            assert answer["cmd"] == "AUTH"
            assert answer["data"]["code"] == 400
            assert answer["data"]["msg"]
        ws.send_text("good")
        assert ws.recv_text() == '{"cmd":"LOGIN","data":{"name":"good"}}'


def test_an_id_in_a_binary_frame_that_is_not_utf8_gets_400(server):
    with WebSocket(server) as ws:
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK
        ws.send_frame(BINARY, b"\xff\xfe")
        assert ws.recv_json()["data"]["code"] == 400


def test_a_second_id_after_the_login_is_ignored(server):
    with login(server, "first-name") as device:
        device.send_text("second-name")
        device.expect_nothing()
    assert push(server, "second-name", "t") == (404, "no")


def test_one_device_too_many_gets_503_and_close_1013(daemon):
    server = daemon(MAX_DEVICES=2, REGISTERS=["listed"])
    with login(server, "second"), WebSocket(server) as ws:
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK
        ws.send_text("third")
        answer = json.loads(ws.recv_text())
        assert (answer["cmd"], answer["data"]["code"]) == ("AUTH", 503)
        ws.expect_close(1013)
    assert push(server, "third", "x") == (404, "no")


def test_known_devices_still_log_in_when_there_can_be_no_more(daemon):
    server = daemon(MAX_DEVICES=2, REGISTERS=["listed"])
    with login(server, "second"), login(server, "listed"):
        pass
    with login(server, "second") as device:
        device.ping()


def test_a_device_stays_registered_when_it_has_gone(server):
    with login(server, "comes-and-goes"):
        pass
    assert push(server, "comes-and-goes", "x") == (200, "offline")


# Messages


def test_a_message_is_sent_as_these_very_bytes(server):
    with login(server, "bytes") as device:
        with start_push(server, "bytes", 'T"\\/é', "C\n\t€") as publisher:
            text = device.recv_text()
            mid = json.loads(text)["data"]["msgList"][0]["mid"]
            assert text == (
                '{"cmd":"MESSAGE","data":{"msgList":[{"title":"T\\"\\\\/é",'
                '"content":"C\\n\\t€","mid":"%s"}]}}' % mid)
            device.ack(mid)
            assert publisher.read_response().answer == (200, "ok")


def test_title_and_content_reach_the_device_as_they_were_sent(server):
    title = "\x01\x1f\x7f\u2028\N{GRINNING FACE}"
    content = "\\u0041 <&> \r\n" + "长" * 5000
    with login(server, "text") as device:
        with start_push(server, "text", title, content) as publisher:
            message = device.recv_message()
            assert message["title"] == title
            assert message["content"] == content
            device.ack(message["mid"])
            assert publisher.read_response().answer == (200, "ok")


@pytest.mark.parametrize("length", [125, 126, 65535, 65536])
def test_lengths_of_server_frames_are_minimal(server, length):
    frame = '{"cmd":"MESSAGE","data":{"msgList":[{"title":"","content":"' \
        '","mid":"1557901952810"}]}}'
    with login(server, f"length-{length}") as device:
        with start_push(server, f"length-{length}", "",
                        "c" * (length - len(frame))):
            head = {125: b"\x81\x7d", 126: b"\x81\x7e\x00\x7e",
                    65535: b"\x81\x7e\xff\xff",
                    65536: b"\x81\x7f\0\0\0\0\0\x01\0\0"}[length]
            assert device.recv_exactly(len(head)) == head
            assert len(device.recv_exactly(length)) == length


# Pings


@pytest.mark.parametrize("payload", [b"", b"x", b"\0\xff\x80", b"p" * 125])
def test_a_ping_is_answered_at_once_with_one_pong(server, payload):
    with login(server, "ping") as device:
        device.send_frame(PING, payload)
        device.expect_pong(payload)
        device.expect_silence(0.2)


def test_pings_are_answered_in_order_and_before_the_login_too(server):
    with WebSocket(server) as ws:
        for i in range(20):
            ws.send_frame(PING, b"%d" % i)
        for i in range(20):
            ws.expect_pong(b"%d" % i)
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK


def test_a_ping_between_fragments_is_answered_before_their_message(server):
    with WebSocket(server) as ws:
        half = len(TOKEN) // 2
        ws.send_frame(TEXT, TOKEN[:half].encode(), fin=False)
        ws.send_frame(PING, b"between")
        ws.expect_pong(b"between")
        ws.send_frame(0, TOKEN[half:].encode())
        assert ws.recv_text() == AUTH_OK


def test_the_server_never_sends_a_ping(server):
    with login(server, "quiet") as device:
        device.expect_silence(1.5)


def test_a_pong_that_nobody_asked_for_is_ignored(server):
    with login(server, "pong") as device:
        device.send_frame(PONG, b"hello")
        device.send_frame(PING, b"")
        device.expect_pong(b"")


# What a device may say after the login


@pytest.mark.parametrize("opcode, payload", [
    (TEXT, b""), (TEXT, b"hello"), (TEXT, b"{"), (TEXT, b"null"),
    (TEXT, b"[]"), (TEXT, b'"SENDMSG_CB"'), (TEXT, b'{"cmd":"PING"}'),
    (TEXT, b'{"cmd":1,"data":[]}'), (TEXT, b'{"cmd":"SENDMSG_CB"}'),
    (TEXT, b'{"cmd":"SENDMSG_CB","data":null}'),
    (TEXT, b'{"cmd":"SENDMSG_CB","data":{"midList":null}}'),
    (TEXT, b'{"cmd":"SENDMSG_CB","data":{"midList":[]}}'),
    (TEXT, b'{"cmd":"SENDMSG_CB","data":{"midList":'
           b'[null,{},[],-1,1.5,1e99,"","x","-1","99999999999999999999"]}}'),
    (TEXT, b"[" * 60000), (TEXT, b"x" * 65536), (BINARY, b""),
    (BINARY, b"\xff\xfe\x00"), (BINARY, b"\0" * 65536),
])
def test_anything_else_is_ignored_and_the_connection_stays(
        server, opcode, payload):
    with login(server, "talker") as device:
        device.send_frame(opcode, payload)
        device.send_frame(PING, b"still here")
        device.expect_pong(b"still here")
        with start_push(server, "talker", "t", "c") as publisher:
            device.ack(device.recv_message())
            assert publisher.read_response().answer == (200, "ok")


def test_a_reply_in_a_binary_frame_counts(server):
    with login(server, "binary") as device:
        with start_push(server, "binary", "t", "c") as publisher:
            mid = device.recv_message()["mid"]
            device.send_frame(BINARY, json.dumps(
                {"cmd": "SENDMSG_CB", "data": {"midList": [mid]}}).encode())
            assert publisher.read_response().answer == (200, "ok")


def test_a_reply_in_fragments_of_one_byte_counts(server):
    with login(server, "pieces") as device:
        with start_push(server, "pieces", "t", "c") as publisher:
            mid = device.recv_message()["mid"]
            reply = json.dumps(
                {"cmd": "SENDMSG_CB", "data": {"midList": [mid]}}).encode()
            for i in range(len(reply)):
                device.send_frame(TEXT if i == 0 else 0, reply[i:i + 1],
                                     fin=i == len(reply) - 1)
            assert publisher.read_response().answer == (200, "ok")


def test_frames_that_arrive_byte_by_byte_are_understood(server):
    with WebSocket(server) as ws:
        ws.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = TOKEN.encode()
        for byte in bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data:
            ws.sock.sendall(bytes([byte]))
        assert ws.recv_text() == AUTH_OK


# Faults


def masked(first, payload=b"", length=None):
    """A frame with any first byte and any encoding of the length."""
    if length is None:
        length = bytes([0x80 | len(payload)])
    return bytes([first]) + length + b"\0\0\0\0" + payload


LOGGED_IN = pytest.mark.parametrize("logged_in", [False, True])


def assert_closes(server, logged_in, data, code):
    with Device(server) as ws:
        if logged_in:
            ws.login(device="faulty")
        ws.sock.sendall(data)
        ws.expect_close(code)


@LOGGED_IN
@pytest.mark.parametrize("data", [
    pytest.param(b"\x81\x01x", id="no mask"),
    pytest.param(masked(0xc1), id="RSV1"),
    pytest.param(masked(0xa1), id="RSV2"),
    pytest.param(masked(0x91), id="RSV3"),
    pytest.param(masked(0x83), id="reserved opcode 3"),
    pytest.param(masked(0x87), id="reserved opcode 7"),
    pytest.param(masked(0x8b), id="reserved opcode 11"),
    pytest.param(masked(0x8f), id="reserved opcode 15"),
    pytest.param(masked(0x80), id="continuation of nothing"),
    pytest.param(masked(0x01, b"a") + masked(0x81, b"b"),
                 id="a message inside a message"),
    pytest.param(masked(0x09, b""), id="a ping in fragments"),
    pytest.param(masked(0x08, b""), id="a close in fragments"),
    pytest.param(masked(0x89, b"", b"\xfe\x00\x7e"), id="a ping of 126"),
    pytest.param(masked(0x81, b"x", b"\xfe\x00\x01"), id="1 in 16 bits"),
    pytest.param(masked(0x81, b"", b"\xfe\x00\x7d"), id="125 in 16 bits"),
    pytest.param(masked(0x81, b"", b"\xff" + struct.pack("!Q", 126)),
                 id="126 in 64 bits"),
    pytest.param(masked(0x82, b"", b"\xff" + struct.pack("!Q", 65535)),
                 id="65535 in 64 bits"),
    pytest.param(masked(0x82, b"", b"\xff" + struct.pack("!Q", 1 << 63)),
                 id="top bit of 64"),
    pytest.param(masked(0x88, b"\x03"), id="a close of one byte"),
    pytest.param(masked(0x88, b"\x00\x00"), id="close code 0"),
    pytest.param(masked(0x88, b"\x03\xe7"), id="close code 999"),
    pytest.param(masked(0x88, b"\x03\xec"), id="close code 1004"),
    pytest.param(masked(0x88, b"\x03\xed"), id="close code 1005"),
    pytest.param(masked(0x88, b"\x03\xee"), id="close code 1006"),
    pytest.param(masked(0x88, b"\x03\xf7"), id="close code 1015"),
    pytest.param(masked(0x88, b"\x07\xd0"), id="close code 2000"),
    pytest.param(masked(0x88, b"\x13\x88"), id="close code 5000"),
])
def test_a_broken_frame_is_closed_with_1002(server, logged_in, data):
    assert_closes(server, logged_in, data, 1002)


@LOGGED_IN
@pytest.mark.parametrize("data", [
    pytest.param(masked(0x81, b"\xff"), id="a byte that cannot be"),
    pytest.param(masked(0x81, b"\xc3"), id="cut short"),
    pytest.param(masked(0x81, b"\xc0\xaf"), id="overlong"),
    pytest.param(masked(0x81, b"\xed\xa0\x80"), id="surrogate"),
    pytest.param(masked(0x81, b"\xf4\x90\x80\x80"), id="over U+10FFFF"),
    pytest.param(masked(0x01, b"\xe2\x82") + masked(0x80, b"x"),
                 id="across fragments"),
    pytest.param(masked(0x01, b"a\xff"), id="before the last fragment"),
    pytest.param(masked(0x88, b"\x03\xe8\xff"), id="a close reason"),
])
def test_text_that_is_not_utf8_is_closed_with_1007(server, logged_in, data):
    assert_closes(server, logged_in, data, 1007)


def test_a_character_across_two_fragments_is_no_fault(server):
    with WebSocket(server) as ws:
        ws.send_text(TOKEN)
        assert ws.recv_text() == AUTH_OK
        ws.send_frame(TEXT, b"\xe2\x82", fin=False)
        ws.send_frame(0, b"\xac")
        assert ws.recv_text() == '{"cmd":"LOGIN","data":{"name":"€"}}'


@LOGGED_IN
@pytest.mark.parametrize("data", [
    pytest.param(masked(0x81, b"", b"\xff" + struct.pack("!Q", 65537)),
                 id="by its header alone"),
    pytest.param(masked(0x82, b"", b"\xff" + struct.pack("!Q", 1 << 62)),
                 id="2^62 bytes"),
    pytest.param(masked(0x01, b"x" * 65000, b"\xfe" + struct.pack("!H", 65000))
                 + masked(0x80, b"", b"\xfe" + struct.pack("!H", 537)),
                 id="over its fragments"),
])
def test_a_message_over_64_kib_is_closed_with_1009(server, logged_in, data):
    assert_closes(server, logged_in, data, 1009)


def test_a_message_of_64_kib_is_no_fault(server):
    with WebSocket(server) as ws:
        ws.send_text("x" * 65536)
        assert ws.recv_text() == AUTH_BAD


@pytest.mark.parametrize("payload, answer", [
    (b"", b""), (b"\x03\xe8", b"\x03\xe8"), (b"\x03\xe8bye", b"\x03\xe8"),
    (b"\x03\xe9", b"\x03\xe9"), (b"\x03\xf3", b"\x03\xf3"),
    (b"\x0b\xb8", b"\x0b\xb8"), (b"\x13\x87", b"\x13\x87")])
def test_a_close_is_answered_with_its_code_and_the_connection_ends(
        server, payload, answer):
    with login(server, "closer") as device:
        device.send_frame(CLOSE, payload)
        reply = device.recv_frame()
        assert reply.opcode == CLOSE
        assert reply.payload[:2] == answer
        device.expect_eof()


def test_nothing_is_answered_after_a_close(server):
    with WebSocket(server) as ws:
        ws.send_frame(CLOSE, b"\x03\xe8")
        ws.send_frame(PING, b"late")
        ws.send_text(TOKEN)
        ws.expect_close(1000)


def test_a_close_makes_the_device_offline(server):
    with login(server, "leaves") as device:
        device.send_frame(CLOSE, b"\x03\xe8")
        device.expect_close(1000)
        assert push(server, "leaves", "x") == (200, "offline")


def test_a_fault_makes_the_device_offline(server):
    with Device(server) as ws:
        ws.login(device="breaks")
        ws.sock.sendall(masked(0x83))
        ws.expect_close(1002)
        assert push(server, "breaks", "x") == (200, "offline")
