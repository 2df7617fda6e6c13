# SPDX-License-Identifier: ISC
"""mpush, the client for the terminal: mpush listen and mpush send."""

import base64
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
from urllib.parse import quote

import pytest

from mpushlib import (CLOSE, DEADLINE, MPUSHD, PING, PONG, SANITIZER_REPORT,
                      SLOWNESS, TEXT, TOKEN, Frame, Stream, free_port, http,
                      login, mask_bytes, push, push_all, start_push,
                      wait_until)

MPUSH = os.environ.get("MPUSH") or os.path.join(
    os.environ.get("MPUSHD_BUILDDIR") or os.path.dirname(
        os.path.dirname(os.path.abspath(MPUSHD))), "src", "mpush")
OK, FAULT, USAGE, ONLINE, OFFLINE, NO = range(6)


def url(address, scheme="http"):
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else \
        f"{scheme}://{host}:{port}"


class Client:
    """A running mpush; what it says goes to files, so that it never waits."""

    def __init__(self, *args, stdin=b"", stdout=None, env=None):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("MPUSH_TOKEN", "MPUSH_URL")}
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            self.process = subprocess.Popen(
                [MPUSH, *args], stdin=source, stdout=stdout or self.out,
                stderr=self.err, env={**environment, **(env or {})})

    @staticmethod
    def _text(file):
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), size, 0).decode()

    @property
    def stdout(self):
        return self._text(self.out)

    @property
    def stderr(self):
        return self._text(self.err)

    @property
    def lines(self):
        return self.stdout.splitlines()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=DEADLINE):
        """Its exit status."""
        status = self.process.wait(timeout)
        assert not SANITIZER_REPORT.search(self.stderr), self.stderr
        return status

    def wait_for(self, text):
        """Until its stdout or stderr has this text."""
        wait_until(lambda: text in self.stdout + self.stderr or
                   self.process.poll() is not None, what=repr(text))
        assert text in self.stdout + self.stderr, self.stderr

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.out.close()
        self.err.close()


@pytest.fixture
def mpush():
    """Factory: mpush("send", ...) -> Client."""
    assert os.access(MPUSH, os.X_OK), f"no client at {MPUSH}: build it, or " \
        "set MPUSH or MPUSHD_BUILDDIR"
    with contextlib.ExitStack() as stack:
        def start(*args, **kw):
            client = Client(*args, **kw)
            stack.callback(client.close)
            return client

        yield start


@pytest.fixture
def patient(daemon):
    """A daemon that lets publishers wait for the device."""
    return daemon(ACK_TIMEOUT=60, RESEND_INTERVAL=60)


@pytest.fixture
def send(mpush):
    """mpush send: (status, stdout, stderr) once it has ended."""
    def run(d, *args, **kw):
        client = mpush("send", "-u", url(d.http_address), *args, **kw)
        status = client.wait()
        return status, client.stdout, client.stderr

    return run


@pytest.fixture
def listener(mpush):
    """mpush listen, logged in."""
    def start(d, *args, env=None, **kw):
        client = mpush("listen", "-v", "-u", url(d.ws_address, "ws"), *args,
                       env={"MPUSH_TOKEN": TOKEN, **(env or {})}, **kw)
        client.wait_for(f"connected as {args[-1]}")
        return client

    return start


def test_V_prints_name_and_version(mpush):
    client = mpush("-V")
    assert client.wait() == OK
    assert re.fullmatch(r"mpush \d\S*\n", client.stdout)


@pytest.mark.parametrize("args", [
    (), ("what",), ("send",), ("send", "a", "b", "c"), ("send", "-x", "a"),
    ("send", "-p", "6", "a"), ("send", "-w", "0", "a"), ("send", "-u", "ftp://x", "a"),
    ("send", "-u", "http://", "a"), ("send", "-u", "http://h:0", "a"),
    ("send", "-u", "https://127.0.0.1", "a"), ("listen",),
    ("listen", "a", "b"), ("listen", "-n", "0", "a"),
    ("listen", "-k", "x", "a"), ("listen", "-u", "wss://127.0.0.1", "a"),
])
def test_wrong_usage_exits_2_with_a_word_on_stderr(mpush, args):
    client = mpush(*args, env={"MPUSH_TOKEN": TOKEN})
    assert client.wait() == USAGE
    assert client.stderr and not client.stdout


# -- mpush send -----------------------------------------------------------


def test_send_exits_0_when_the_device_has_confirmed(mpush, patient):
    with login(patient, "test") as device:
        client = mpush("send", "-u", url(patient.http_address), "-t", "T",
                       "test", "C")
        message = device.recv_message()
        assert (message["title"], message["content"]) == ("T", "C")
        device.ack(message)
        assert client.wait() == OK
        assert (client.stdout, client.stderr) == ("ok\n", "")


def test_send_tells_online_offline_and_no_apart(send, daemon):
    d = daemon(ACK_TIMEOUT=0.1)
    assert send(d, "test", "C") == (OFFLINE, "offline\n", "")
    with login(d, "test"):
        assert send(d, "test", "C") == (ONLINE, "online\n", "")
    status, out, err = send(d, "nobody", "C")
    assert (status, out) == (NO, "no\n")
    assert " " in err.strip(), "not a sentence"


def test_send_has_the_other_fields_of_a_message(send, patient):
    assert send(patient, "-t", "T", "-p", "4", "-g", "db,disk", "-l",
                "https://x.example/1", "test", "C")[0] == OFFLINE
    with login(patient, "test") as device:
        message, = device.recv_json()["data"]["msgList"]
        del message["mid"]
        assert message == {"title": "T", "content": "C", "priority": 4,
                           "url": "https://x.example/1", "tags": "db,disk"}


def test_send_k_replaces_an_older_message(send, patient):
    for text in "one", "two":
        assert send(patient, "-k", "state", "test", text)[0] == OFFLINE
    with login(patient, "test") as device:
        assert [m["content"] for m in device.recv_messages(1)] == ["two"]


def test_send_a_is_for_a_confirmation_or_fails(send, mpush, daemon):
    d = daemon(ACK_TIMEOUT=0.1)
    assert send(d, "-a", "test", "C")[:2] == (NO, "no\n")
    with login(d, "test") as device:
        client = mpush("send", "-a", "-u", url(d.http_address), "-w", "30",
                       "test", "D")
        assert client.wait() == NO
        # Sent, then dropped: it does not come again.
        assert device.recv_message()["content"] == "D"
    with login(d, "test") as device:
        device.expect_silence(0.2)


@pytest.mark.parametrize("device,status", [("test", OFFLINE),
                                           ("nobody", NO)])
def test_send_q_prints_no_answer(send, patient, device, status):
    got, out, _ = send(patient, "-q", device, "C")
    assert (got, out) == (status, "")


def test_send_refuses_an_empty_message(send, patient):
    status, out, err = send(patient, "test", "")
    assert (status, out) == (NO, "no\n")
    assert err


@pytest.mark.parametrize("args", [("test", "-"), ("test",)])
@pytest.mark.parametrize("text,expected", [
    (b"one line\n", "one line\n"), (b"a\nb\r\n\tc", "a\nb\r\n\tc"),
    ("测试😀".encode(), "测试😀"), (b"\"\\\x1b\x7f", "\"\\\x1b\x7f"),
    (b"a\xffb\x00c", "a\ufffdb\ufffdc"), (b"x" * 60000, "x" * 60000)],
    ids=["line", "lines", "utf8", "controls", "dirty", "long"])
def test_send_takes_the_text_from_standard_input(send, patient, args, text,
                                                 expected):
    assert send(patient, *args, stdin=text)[0] == OFFLINE
    with login(patient, "test") as device:
        message = device.recv_message()
        assert (message["title"], message["content"]) == ("", expected)


@pytest.mark.parametrize("title,text", [
    ("开播通知_高槻律_", "😀"), ("a&b=c+d%20", "%"), ('"', "\\"), ("-", "--"),
    ("T", "")])
def test_send_changes_nothing_about_title_and_text(send, patient, title, text):
    assert send(patient, "-t", title, "--", "test", text)[0] == OFFLINE
    with login(patient, "test") as device:
        message = device.recv_message()
        assert (message["title"], message["content"]) == (title, text)


@pytest.mark.parametrize("name", ["测试", "a b", "a/b", "/a", "a?b=c#d", "%41",
                                  "a+b", "..", "😀", '"'])
def test_send_reaches_any_device(send, daemon, name):
    d = daemon(REGISTERS=[name])
    assert send(d, name, "C")[0] == OFFLINE
    with login(d, name) as device:
        assert device.recv_message()["content"] == "C"


def test_send_reaches_several_devices_and_groups(send, daemon):
    d = daemon(REGISTERS=["a", "b c", "x,@y"], GROUPS={"b&c": ["b c"]})
    assert send(d, "a,@b&c", "1") == (OFFLINE, "offline\n", "")
    status, out, err = send(d, "nobody,a,@none", "2")
    assert (status, out) == (NO, "no\n")
    first, second = err.splitlines()
    assert first.startswith("mpush: nobody: no such device")
    assert second.startswith("mpush: @none: no such device")
    assert send(d, "-1", "x,@y", "3") == (OFFLINE, "offline\n", "")
    for device, contents in (("a", "12"), ("b c", "1"), ("x,@y", "3")):
        with login(d, device) as c:
            assert [m["content"] for m in
                    c.recv_messages(len(contents))] == list(contents)


def test_send_takes_the_server_from_the_environment(mpush, patient):
    client = mpush("send", "test", "C", env={
        "MPUSH_URL": url(patient.http_address)})
    assert client.wait() == OFFLINE


def test_send_u_wins_over_the_environment(mpush, patient):
    client = mpush("send", "-u", url(patient.http_address), "test", "C", env={
        "MPUSH_URL": url(("127.0.0.1", free_port()))})
    assert client.wait() == OFFLINE


def test_send_puts_the_path_of_the_url_before_the_device(mpush, daemon):
    d = daemon(REGISTERS=["sendmsg/test"])
    for path in ("/sendmsg", "/sendmsg/"):
        client = mpush("send", "-u", url(d.http_address) + path, "test", "C")
        assert client.wait() == OFFLINE


def test_send_takes_an_ipv6_address_in_brackets(mpush, daemon):
    d = daemon(LISTEN="::1")
    client = mpush("send", "-u", url(d.http_address), "test", "C")
    assert client.wait() == OFFLINE


def test_send_exits_1_without_a_server(mpush):
    client = mpush("send", "-u", url(("127.0.0.1", free_port())), "test", "C")
    assert client.wait() == FAULT
    assert client.stderr and not client.stdout


def test_send_w_ends_the_wait_for_a_server_that_says_nothing(mpush):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        client = mpush("send", "-w", "1", "-u", url(silent.getsockname()),
                       "test", "C")
        assert client.wait(1 + DEADLINE) == FAULT
        assert time.monotonic() - began > 0.9
        assert client.stderr


# -- mpush listen ---------------------------------------------------------


def test_listen_prints_and_confirms(listener, patient):
    client = listener(patient, "test")
    assert push(patient, "test", "the title", "the content") == (200, "ok")
    client.wait_for("the content")
    first, second = client.lines
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  the title", first)
    assert second.strip() == "the content" and second[0].isspace()


def test_listen_prints_what_has_waited_in_order(listener, patient):
    texts = [str(i) for i in range(1500)]
    push_all(patient, "test", texts)
    client = listener(patient, "-j", "-n", str(len(texts)), "test")
    assert client.wait() == OK
    assert [json.loads(x)["content"] for x in client.lines] == texts
    with login(patient, "test") as device:
        device.expect_nothing()


def test_listen_prints_the_other_fields_of_a_message(listener, patient):
    client = listener(patient, "-n", "1", "test")
    body = json.dumps({"title": "T", "content": "C", "priority": 5,
                       "url": "x:/y", "tags": "db"})
    assert http(patient, "POST", "/test", {"Content-Type": "application/json"},
                body.encode()).answer == (200, "ok")
    assert client.wait() == OK
    assert re.fullmatch(r"\S+ \S+  T\n    C\n    priority: 5\n"
                        r"    tags: db\n    url: x:/y\n", client.stdout)


def test_listen_j_prints_a_line_of_json_each(listener, patient):
    client = listener(patient, "-j", "-n", "2", "test")
    title, content = "测\n\"\x1b", "a\r\nb\\"
    for _ in range(2):
        assert push(patient, "test", title, content) == (200, "ok")
    assert client.wait() == OK
    messages = [json.loads(x) for x in client.lines]
    assert len(messages) == 2
    for message in messages:
        assert set(message) == {"title", "content", "mid"}
        assert (message["title"], message["content"]) == (title, content)
    assert int(messages[0]["mid"]) < int(messages[1]["mid"])


def test_listen_n_leaves_the_rest_unconfirmed(mpush, patient):
    push_all(patient, "test", ["1", "2", "3"])
    for expected in ("1", "2"):
        client = mpush("listen", "-j", "-n", "1", "-u",
                       url(patient.ws_address, "ws"), "test",
                       env={"MPUSH_TOKEN": TOKEN})
        assert client.wait() == OK
        assert [json.loads(x)["content"] for x in client.lines] == [expected]
    with login(patient, "test") as device:
        assert device.recv_message()["content"] == "3"


def test_listen_lets_nobody_command_the_terminal(listener, patient):
    client = listener(patient, "test")
    evil = "\x1b[2J\x07\x9b31m\u202etxt\r\x00"
    assert push(patient, "test", evil + "\nforged line", evil) == (200, "ok")
    client.wait_for("txt")
    assert push(patient, "test", "the end") == (200, "ok")
    client.wait_for("the end")
    out = client.stdout
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out)
    assert "\\x1b" in out
    stamped = [x for x in out.splitlines() if re.match(r"\d{4}-", x)]
    assert len(stamped) == 2, "a title makes one line"


def test_listen_exits_1_when_the_token_is_refused(mpush, daemon):
    client = mpush("listen", "-u", url(daemon().ws_address, "ws"), "test",
                   env={"MPUSH_TOKEN": "not the right one"})
    assert client.wait() == FAULT
    assert "token" in client.stderr
    assert "not the right one" not in client.stderr


def test_listen_exits_1_when_the_id_is_refused(mpush, daemon):
    client = mpush("listen", "-u", url(daemon().ws_address, "ws"), "--",
                   "-/x", env={"MPUSH_TOKEN": TOKEN})
    assert client.wait() == FAULT
    assert "refuse" in client.stderr


@pytest.mark.parametrize("env", [{}, {"MPUSH_TOKEN": ""}])
def test_listen_without_a_token_says_how_to_give_one(mpush, daemon, env):
    client = mpush("listen", "-u", url(daemon().ws_address, "ws"), "test",
                   env=env)
    assert client.wait() == USAGE
    assert "MPUSH_TOKEN" in client.stderr and "-T" in client.stderr


@pytest.mark.parametrize("text", [
    "the token", "the token\n", "the token\r\nmore\n"],
    ids=["no newline", "line", "lines"])
def test_listen_T_reads_the_token_from_a_file(mpush, daemon, tmp_path, text):
    file = tmp_path / "token"
    file.write_bytes(text.encode())
    d = daemon(TOKEN="the token")
    assert push(d, "test", "T") == (200, "offline")
    client = mpush("listen", "-T", str(file), "-n", "1", "-u",
                   url(d.ws_address, "ws"), "test",
                   env={"MPUSH_TOKEN": "wrong"})
    assert client.wait() == OK


def test_listen_T_without_a_file_exits_1(mpush, daemon, tmp_path):
    missing = str(tmp_path / "none")
    client = mpush("listen", "-T", missing, "-u",
                   url(daemon().ws_address, "ws"), "test")
    assert client.wait() == FAULT
    assert missing in client.stderr


def test_listen_gives_way_to_another_connection(listener, patient):
    client = listener(patient, "test")
    with login(patient, "test") as device:
        assert client.wait() == FAULT
        assert "test" in client.stderr
        device.expect_nothing()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_listen_says_goodbye_when_it_is_told_to_end(listener, daemon, number):
    d = daemon(ACK_TIMEOUT=0.2)
    client = listener(d, "test")
    client.signal(number)
    assert client.wait() == OK
    assert push(d, "test", "T") == (200, "offline")


def test_listen_confirms_nothing_that_it_could_not_print(mpush, patient):
    push_all(patient, "test", ["precious"])
    with open("/dev/full", "wb") as full:
        client = mpush("listen", "-u", url(patient.ws_address, "ws"), "test",
                       stdout=full, env={"MPUSH_TOKEN": TOKEN})
        assert client.wait() == FAULT
    assert client.stderr
    with login(patient, "test") as device:
        assert device.recv_message()["content"] == "precious"


def test_listen_takes_any_device_id(listener, patient):
    for name in ("测试", "a b/c", '"\\'):
        client = listener(patient, "-n", "1", name)
        assert push(patient, name, "T") == (200, "ok")
        assert client.wait() == OK


# -- mpush listen, when the connection breaks -----------------------------


def test_listen_waits_for_a_server_that_is_not_there_yet(mpush, daemon):
    port = free_port()
    client = mpush("listen", "-n", "1", "-u", f"ws://127.0.0.1:{port}", "test",
                   env={"MPUSH_TOKEN": TOKEN})
    client.wait_for("next try")
    d = daemon(WS_PORT=port, ACK_TIMEOUT=60)
    assert push(d, "test", "T")[0] == 200
    assert client.wait(10 * SLOWNESS) == OK


@pytest.mark.parametrize("end", ["terminate", "kill9"])
def test_listen_comes_back_after_the_server(listener, daemon, end):
    port = free_port()
    first = daemon(WS_PORT=port)
    client = listener(first, "-j", "test")
    getattr(first, end)()
    client.wait_for("next try")
    second = daemon(WS_PORT=port, ACK_TIMEOUT=60)
    wait_until(lambda: client.stderr.count("connected as test") == 2,
               10 * SLOWNESS, "the second login")
    assert push(second, "test", "T") == (200, "ok")
    client.wait_for('"T"')


class Server:
    """A server in a test's hands: it can say what mpushd never would."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE)

    def close(self):
        self.listener.close()

    @property
    def url(self):
        return url(self.listener.getsockname(), "ws")

    def accept(self):
        """The next connection, at its very start."""
        return Peer(self.listener.accept()[0])


class Peer(Stream):
    """The server's side of one connection; strict about what a client does."""

    def __init__(self, sock):
        self.sock, self.timeout, self.buffer = sock, DEADLINE, bytearray()

    def handshake(self):
        head = self.recv_until(b"\r\n\r\n").decode()
        assert head.startswith("GET /"), head
        fields = dict(re.findall(r"^([^:\r\n]+): ([^\r\n]*)\r$", head, re.M))
        assert fields["Upgrade"] == "websocket"
        assert fields["Sec-WebSocket-Version"] == "13"
        key = fields["Sec-WebSocket-Key"]
        assert len(base64.b64decode(key, validate=True)) == 16
        accept = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        self.send(b"HTTP/1.1 101 Switching Protocols\r\n"
                  b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        return self

    def say(self, opcode, payload):
        head = struct.pack("!BB", 0x80 | opcode, len(payload)) \
            if len(payload) < 126 else \
            struct.pack("!BBH", 0x80 | opcode, 126, len(payload))
        self.send(head + payload)

    def tell(self, cmd, **data):
        self.say(TEXT, json.dumps({"cmd": cmd, "data": data}).encode())

    def message(self, mid, title="t"):
        self.tell("MESSAGE", msgList=[
            {"title": title, "content": "", "mid": str(mid)}])

    def hear(self):
        """The next frame of the client, which must be masked."""
        first, second = self.recv_exactly(2)
        assert first & 0xf0 == 0x80 and second & 0x80, "flags or mask"
        n = second & 0x7f
        if n == 126:
            n, = struct.unpack("!H", self.recv_exactly(2))
        key = self.recv_exactly(4)
        return Frame(first & 15, mask_bytes(self.recv_exactly(n), key))

    def hear_text(self):
        f = self.hear()
        assert f.opcode == TEXT, f
        return f.payload.decode()

    def hear_ack(self):
        reply = json.loads(self.hear_text())
        assert reply["cmd"] == "SENDMSG_CB"
        return reply["data"]["midList"]

    def welcome(self, device="test"):
        """All until the client is logged in."""
        self.handshake()
        assert self.hear_text() == TOKEN
        self.tell("AUTH", code=200, msg="Successful authentication")
        assert self.hear_text() == device
        self.tell("LOGIN", name=device)
        return self


@pytest.fixture
def server():
    with contextlib.closing(Server()) as s:
        yield s


@pytest.fixture
def client(mpush, server):
    """mpush listen, on its way to that server."""
    return mpush("listen", "-v", "-j", "-k", "1", "-u", server.url, "test",
                 env={"MPUSH_TOKEN": TOKEN})


def titles(client):
    return [json.loads(x)["title"] for x in client.lines]


def test_listen_prints_once_and_confirms_twice_what_comes_twice(client,
                                                                server):
    with server.accept() as peer:
        peer.welcome()
        for _ in range(2):
            peer.message(1557901952810, "again")
            assert peer.hear_ack() == ["1557901952810"]
        peer.message(1557901952811, "other")
        assert peer.hear_ack() == ["1557901952811"]
    with server.accept() as peer:
        peer.welcome().message(1557901952810, "again")
        assert peer.hear_ack() == ["1557901952810"]
        assert titles(client) == ["again", "other"]


def test_listen_confirms_all_of_a_list(client, server):
    with server.accept() as peer:
        peer.welcome()
        mids = [str(1557901952810 + i) for i in range(5)]
        peer.tell("MESSAGE", msgList=[
            {"title": m, "content": "", "mid": m} for m in mids])
        confirmed = []
        while len(confirmed) < len(mids):
            confirmed += peer.hear_ack()
        assert confirmed == mids
        assert titles(client) == mids


def test_listen_pings_after_k_seconds_and_answers_pings(client, server):
    with server.accept() as peer:
        peer.welcome()
        for _ in range(2):
            f = peer.hear()
            assert f.opcode == PING
            peer.say(PONG, f.payload)
        peer.say(PING, b"payload")
        f = peer.hear()
        assert (f.opcode, f.payload) == (PONG, b"payload")
        assert client.process.poll() is None


def test_listen_ignores_what_it_does_not_know(client, server):
    with server.accept() as peer:
        peer.welcome()
        for text in ("", "no JSON", "[]", "null", '{"cmd":5}',
                     '{"cmd":"NEWS","data":{}}', '{"cmd":"MESSAGE"}',
                     '{"cmd":"MESSAGE","data":{"msgList":[]}}',
                     '{"cmd":"LOGIN","data":null}'):
            peer.say(TEXT, text.encode())
        peer.message(1557901952810, "still here")
        assert peer.hear_ack() == ["1557901952810"]


@pytest.mark.parametrize("fault", [
    b"\xc1\x00", b"\x83\x00", b"\x81\x80\0\0\0\0", b"\x81\x7e\0\x01x",
    b"\x89\x7e\0\x7e" + b"x" * 126, b"\x81\x01\xff"],
    ids=["reserved bit", "opcode", "mask", "length", "long ping", "utf8"])
def test_listen_comes_back_after_a_fault_of_the_server(client, server, fault):
    with server.accept() as peer:
        peer.welcome().send(fault)
        with server.accept() as second:
            second.welcome()
            assert client.process.poll() is None


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"x" * 20000, b""],
    ids=["200", "wrong key", "no key", "no end", "nothing"])
def test_listen_sends_its_token_only_after_a_right_handshake(client, server,
                                                             head):
    with server.accept() as peer:
        request = peer.recv_until(b"\r\n\r\n")
        assert TOKEN.encode() not in request
        with contextlib.suppress(OSError):  # it may be gone by now
            peer.send(head)
            peer.half_close()
            assert peer.recv_all() == b""
    with server.accept() as peer:
        peer.welcome()


def test_listen_tries_again_ever_more_rarely_and_never_at_once(client,
                                                               server):
    """The bounds double from half a second on; the wait is random below."""
    ends = []
    for _ in range(5):
        peer = server.accept()
        ends.append(time.monotonic())
        peer.reset()
    assert client.process.poll() is None
    waits = [b - a for a, b in zip(ends, ends[1:])]
    assert all(wait > 0.045 for wait in waits), waits
    for i, wait in enumerate(waits):
        assert wait < 0.5 * 2 ** i + DEADLINE, waits
    assert client.stderr.count("next try") >= 4


def test_listen_q_does_not_tell_of_broken_connections(mpush, server):
    client = mpush("listen", "-q", "-u", server.url, "test",
                   env={"MPUSH_TOKEN": TOKEN})
    server.accept().reset()
    with server.accept() as peer:      # so it has noticed
        peer.welcome()
        assert client.stderr == ""


def test_listeners_do_not_come_back_in_step(mpush, server):
    clients = [mpush("listen", "-u", server.url, f"d{i}",
                     env={"MPUSH_TOKEN": TOKEN}) for i in range(8)]
    for _ in clients:
        server.accept().reset()
    for c in clients:
        c.wait_for("next try")
    waits = {re.search(r"next try in (\S+) s", c.stderr)[1] for c in clients}
    assert len(waits) > 1, "all have chosen the same wait"


def test_listen_retries_when_the_server_has_too_many_devices(mpush, daemon):
    d = daemon(MAX_DEVICES=1, REGISTERS=["test"])
    client = mpush("listen", "-u", url(d.ws_address, "ws"), "another",
                   env={"MPUSH_TOKEN": TOKEN})
    client.wait_for("next try")
    assert client.process.poll() is None
    d.reload({**d.config, "MAX_DEVICES": 2})
    wait_until(lambda: http(d, "HEAD", "/" + quote("another")).status == 200,
               20 * SLOWNESS, "the login")


def test_listen_answers_a_close_with_a_close(client, server):
    with server.accept() as peer:
        peer.welcome().say(CLOSE, struct.pack("!H", 1001))
        f = peer.hear()
        assert f.opcode == CLOSE and f.payload[:2] == b"\x03\xe9", f
    with server.accept() as peer:
        peer.welcome()


def test_send_and_listen_work_together(mpush, listener, patient):
    client = listener(patient, "-n", "3", "测试/1")
    for i in range(3):
        sender = mpush("send", "-t", f"title {i}", "-u",
                       url(patient.http_address), "测试/1",
                       stdin=b"text\n")
        assert sender.wait() == OK
        assert sender.stdout == "ok\n"
    assert client.wait() == OK
    assert [x[21:] for x in client.lines if re.match(r"\d{4}-", x)] == [
        "title 0", "title 1", "title 2"]


def test_send_waits_no_longer_than_the_daemon(mpush, daemon):
    """The client's own limit is beyond the daemon's: the answer comes."""
    d = daemon(ACK_TIMEOUT=0.2)
    with login(d, "test") as device:
        with start_push(d, "test", "first") as publisher:
            client = mpush("send", "-u", url(d.http_address), "test", "C")
            device.recv_messages(2)
            assert client.wait() == ONLINE
            assert publisher.read_response().answer == (200, "online")
