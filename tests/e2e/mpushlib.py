# SPDX-License-Identifier: ISC
"""What the end-to-end tests speak to the daemon with: plain sockets only.

All waits have deadlines; MPUSHD_TEST_SLOWNESS multiplies every one of them
(sanitizer builds are slow).  Nothing here forgives: a client that accepts
what a standard forbids would hide faults of the daemon.
"""

import base64
import contextlib
import hashlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from urllib.parse import quote, urlencode

SLOWNESS = float(os.environ.get("MPUSHD_TEST_SLOWNESS", "1"))
# What a sanitizer keeps beside each byte, for tests that bound memory.
MEMORY = float(os.environ.get("MPUSHD_TEST_MEMORY", "1"))
DEADLINE = 5 * SLOWNESS  # seconds; for what must happen "at once"

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILDDIR = os.environ.get("MPUSHD_BUILDDIR") or ROOT
MPUSHD = os.environ.get("MPUSHD") or os.path.join(
    BUILDDIR, "src", "mpushd")

SANITIZER_REPORT = re.compile(
    "ERROR: AddressSanitizer|runtime error:|LeakSanitizer|ThreadSanitizer|"
    "broken invariant")

TOKEN = "secret"
AUTH_OK = {"cmd": "AUTH",
           "data": {"code": 200, "msg": "Successful authentication"}}
AUTH_WRONG = {"cmd": "AUTH", "data": {"code": 403, "msg": "Token invalid"}}

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def wait_until(predicate, timeout=DEADLINE, what="the condition"):
    """Poll until predicate() is true; returns what it returned."""
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.005)


def port_candidates():
    """Ports that no outgoing connection gets, nor who asks for port 0."""
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as f:
        low, high = map(int, f.read().split())
    usual = range(5000, 65000)
    ports = [p for p in usual if not low <= p <= high] or list(usual)
    # Those who run beside us (pytest-xdist) have other ones.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = ports[worker::workers]
    random.SystemRandom().shuffle(ports)
    return ports


CANDIDATES = port_candidates()


def free_port():
    """A TCP port of which nobody has heard; no two calls return the same."""
    while True:
        port = CANDIDATES.pop()
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("", port))
            return port


class Daemon:
    """A running mpushd and what it says on stderr."""

    def __init__(self, config=None, *args, env=None, wait=True, binary=None,
                 prefix=(), pass_fds=()):
        """config: dict, or text, of the file; None: no -f at all.

        wait=False returns at once: the daemon may be one that cannot start.
        prefix: a command to run the daemon under, such as prlimit.
        """
        self.lines = []
        self.directory = tempfile.TemporaryDirectory(prefix="mpushd-e2e-")
        self.config_file = os.path.join(self.directory.name, "mpushd.conf")
        command = [*prefix, binary or MPUSHD]
        if config is not None:
            self.write_config(config)
            command += ["-f", self.config_file]
        self._changed = threading.Condition()
        self._ended = False  # stderr has been read to its end
        self.process = subprocess.Popen(
            [*command, *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})}, pass_fds=pass_fds)
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._reader.start()
        if wait:
            self.wait_listening()

    def _read_stderr(self):
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(
                    line.decode("utf-8", "backslashreplace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def write_config(self, config):
        """config: dict or text.  Takes effect at the next reload()."""
        text = config if isinstance(config, str) else json.dumps(config)
        if isinstance(config, dict):
            self.config = dict(config)
        with open(self.config_file, "w", encoding="utf-8") as f:
            f.write(text)

    # -- the log ---------------------------------------------------------

    @property
    def log(self):
        with self._changed:
            return "\n".join(self.lines)

    def wait_log(self, regex, timeout=DEADLINE, count=1):
        """Wait for the count-th line that has regex; returns its match."""
        def found():
            hits = [m for m in (re.search(regex, x) for x in self.lines) if m]
            return hits[count - 1] if len(hits) >= count else None

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, timeout)
            match = found()
            assert match, f"no line has {regex!r}:\n" + "\n".join(self.lines)
            return match

    def listening(self, scheme):
        """[(host, port)] of the listeners of ws or http, as logged."""
        out = []
        for line in self.log.split("\n"):
            m = re.search(rf"listening on {scheme}://(.+):(\d+)$", line)
            if m:
                out.append((m[1].strip("[]"), int(m[2])))
        return out

    def wait_listening(self):
        """Until both listeners of one address are there."""
        self.wait_log(r"listening on ws://.*:\d+$")
        self.wait_log(r"listening on http://.*:\d+$")

    @property
    def ws_address(self):
        return self.listening("ws")[0]

    @property
    def http_address(self):
        return self.listening("http")[0]

    @property
    def ws_port(self):
        return self.ws_address[1]

    @property
    def http_port(self):
        return self.http_address[1]

    # -- the process -----------------------------------------------------

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, config=None, good=True):
        """SIGHUP, after config was written; waits until it is in force."""
        ends = "reload: (done|nothing was changed)"
        seen = len(re.findall(ends, self.log))
        if config is not None:
            self.write_config(config)
        self.signal(signal.SIGHUP)
        match = self.wait_log(ends, count=seen + 1)
        assert (match[1] == "done") == good, self.log

    def wait(self, timeout=DEADLINE):
        """The exit status, once it ends by itself; all of the log is read."""
        status = self.process.wait(timeout)
        self._reader.join(DEADLINE)
        return status

    def terminate(self, timeout=DEADLINE):
        """SIGTERM; returns the exit status."""
        if self.alive():
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill9(self):
        self.process.kill()
        return self.wait()

    def close(self):
        """Free what the test holds of it; it has ended by now."""
        if self.alive():
            self.kill9()
        self._reader.join(DEADLINE)
        self.process.stderr.close()
        self.directory.cleanup()

    def rss(self):
        """Resident memory, bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+) kB", f.read())[1]) * 1024

    def fds(self):
        """Open descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        """User and system time of all threads."""
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Stream:
    """A connected stream socket with a buffer; every read has a deadline."""

    def __init__(self, address, timeout=DEADLINE):
        """address: (host, port) or the path of a socket file."""
        self.timeout = timeout
        self.buffer = bytearray()
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(address, timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with a TCP RST, as a crashed peer does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def send(self, data):
        self.sock.settimeout(self.timeout)
        self.sock.sendall(data)

    def _fill(self, timeout):
        """Read once.  EOFError at the end, TimeoutError when nothing comes."""
        self.sock.settimeout(max(timeout, 0.001))
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(f"peer closed; unread: {bytes(self.buffer)!r}")
        self.buffer += data

    def _fill_until(self, done, timeout):
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"unread: {bytes(self.buffer)!r}")
            self._fill(left)

    def recv_exactly(self, n, timeout=None):
        self._fill_until(lambda: len(self.buffer) >= n, timeout)
        out = bytes(self.buffer[:n])
        del self.buffer[:n]
        return out

    def recv_until(self, end, timeout=None):
        """Up to and with the bytes END."""
        self._fill_until(lambda: end in self.buffer, timeout)
        return self.recv_exactly(self.buffer.index(end) + len(end))

    def recv_all(self, timeout=None):
        """All until the peer closes."""
        with contextlib.suppress(EOFError):
            self._fill_until(lambda: False, timeout)
        out = bytes(self.buffer)
        self.buffer.clear()
        return out

    def expect_eof(self, timeout=None):
        """The peer closes, or resets, and sends nothing more."""
        try:
            rest = self.recv_all(timeout)
        except ConnectionResetError:
            return
        assert rest == b"", f"after the end: {rest!r}"

    def expect_silence(self, seconds):
        """Nothing comes and nothing is closed for that long."""
        assert not self.buffer, bytes(self.buffer)
        try:
            self._fill(seconds)
        except TimeoutError:
            return
        except EOFError:
            raise AssertionError("closed") from None
        raise AssertionError(f"got {bytes(self.buffer)!r}")


# -- HTTP ------------------------------------------------------------------

class Response:
    """One HTTP response; headers: lower-case name -> value (joined by ', ')."""

    def __init__(self, version, status, reason, headers, body):
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body!r}>"

    @property
    def answer(self):
        """(status, body as text), what most tests compare."""
        return self.status, self.body.decode()

    def json(self):
        return json.loads(self.body)


def address_of(server, port="http"):
    """server: a Daemon, (host, port) or a path."""
    if isinstance(server, Daemon):
        return server.http_address if port == "http" else server.ws_address
    return server


def render_request(method="GET", target="/", headers=None, body=None,
                   version="1.1"):
    """The bytes of a request; Host and Content-Length come by themselves."""
    fields = {"Host": "localhost", **(headers or {})}
    if body is not None and "Transfer-Encoding" not in fields:
        fields.setdefault("Content-Length", str(len(body)))
    head = f"{method} {target} HTTP/{version}\r\n" + "".join(
        f"{k}: {v}\r\n" for k, v in fields.items())
    return head.encode("utf-8") + b"\r\n" + (body or b"")


class HttpConn(Stream):
    """A keep-alive HTTP connection."""

    def __init__(self, server, port="http", timeout=DEADLINE):
        super().__init__(address_of(server, port), timeout)

    def send_request(self, method="GET", target="/", headers=None, body=None,
                     version="1.1"):
        self.send(render_request(method, target, headers, body, version))

    def request(self, *args, **kw):
        """Send one request and read its answer."""
        self.send_request(*args, **kw)
        return self.read_response(args[0] if args else
                                  kw.get("method", "GET"))

    def read_response(self, method="GET", timeout=None):
        """One response, strictly: framed by a length, or by the close."""
        head = self.recv_until(b"\r\n\r\n", timeout).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        m = re.fullmatch(r"HTTP/(1\.[01]) (\d{3}) (.*)", first)
        assert m, f"not a status line: {first!r}"
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon and re.fullmatch(r"[A-Za-z0-9-]+", name), line
            name, value = name.lower(), value.strip()
            assert name not in headers or name != "content-length", head
            headers[name] = (headers[name] + ", " if name in headers
                             else "") + value
        status = int(m[2])
        return Response(m[1], status, m[3], headers,
                        self._read_body(method, status, headers, timeout))

    def _read_body(self, method, status, headers, timeout):
        if method == "HEAD" or status // 100 == 1 or status in (204, 304):
            return b""
        assert "transfer-encoding" not in headers, headers
        if "content-length" in headers:
            return self.recv_exactly(int(headers["content-length"]), timeout)
        return self.recv_all(timeout)


def http(server, method="GET", target="/", headers=None, body=None,
         port="http", timeout=DEADLINE):
    """One request on a connection of its own."""
    with HttpConn(server, port, timeout) as c:
        return c.request(method, target, headers, body)


def exchange(server, data, port="http"):
    """Send raw bytes; the one answer to them."""
    with HttpConn(server, port) as c:
        c.send(data)
        return c.read_response()


def device_path(device):
    return "/" + quote(device, safe="")


def start_push(server, device, title=None, content=None, port="http",
               headers=None, timeout=DEADLINE):
    """Send a push and do not wait; read_response() of what it returns does."""
    fields = {"title": title, "content": content}
    body = urlencode({k: v for k, v in fields.items() if v is not None})
    c = HttpConn(server, port, timeout)
    c.send_request("POST", device_path(device), {
        "Content-Type": "application/x-www-form-urlencoded",
        **(headers or {})}, body.encode())
    return c


def push(server, device, title=None, content=None, **kw):
    """Push a message; returns (status, body)."""
    with start_push(server, device, title, content, **kw) as c:
        return c.read_response().answer


def push_all(server, device, contents):
    """Push every content over one connection; returns the mids."""
    with HttpConn(server) as c:
        return [c.request("POST", device_path(device), {
            "Accept": "application/json", "Content-Type": "text/plain",
        }, text.encode()).json()["mid"] for text in contents]


# -- WebSocket ---------------------------------------------------------------

def mask_bytes(payload, key):
    n = len(payload)
    stretched = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^
            int.from_bytes(stretched, "big")).to_bytes(n, "big")


def render_frame(opcode, payload=b"", fin=True, mask=True, rsv=0, form=None,
                 length=None, key=b"\x12\x34\x56\x78"):
    """A frame as a client sends it.

    form: 7, 16 or 64, the length field to use; None: the shortest that fits.
    length: what the length field says if not the truth.
    """
    n = len(payload) if length is None else length
    if form is None:
        form = 7 if n < 126 else 16 if n < 65536 else 64
    first = fin << 7 | rsv << 4 | opcode
    bit = mask << 7
    head = {7: lambda: struct.pack("!BB", first, bit | n),
            16: lambda: struct.pack("!BBH", first, bit | 126, n),
            64: lambda: struct.pack("!BBQ", first, bit | 127, n)}[form]()
    if not mask:
        return head + payload
    return head + key + mask_bytes(payload, key)


class Frame:
    def __init__(self, opcode, payload):
        self.opcode = opcode
        self.payload = payload

    def __repr__(self):
        return f"<frame {self.opcode} {self.payload[:200]!r}>"


class HandshakeError(Exception):
    """The server did not switch; .response has what it said."""

    def __init__(self, response):
        super().__init__(repr(response))
        self.response = response


class WebSocket(Stream):
    """A WebSocket client that believes nothing (RFC 6455)."""

    KEY = base64.b64encode(b"mpushd end-to-en").decode()

    def __init__(self, server, port="ws", path="/", version="1.1",
                 headers=None, timeout=DEADLINE, handshake=True):
        super().__init__(address_of(server, port), timeout)
        if handshake:
            try:
                self.handshake(path, version, headers)
            except BaseException:
                self.close()
                raise

    def handshake_request(self, path="/", version="1.1", headers=None):
        """The bytes; a header whose value is None is left out."""
        fields = {"Host": "localhost", "Upgrade": "websocket",
                  "Connection": "Upgrade", "Sec-WebSocket-Key": self.KEY,
                  "Sec-WebSocket-Version": "13", **(headers or {})}
        return render_request("GET", path, {
            k: v for k, v in fields.items() if v is not None}, None,
            version)

    def handshake(self, path="/", version="1.1", headers=None):
        self.send(self.handshake_request(path, version, headers))
        self.read_handshake()

    def read_handshake(self):
        """Read the 101 and check all of it (RFC 6455 4.1)."""
        r = HttpConn.read_response(self)
        if r.status != 101:
            raise HandshakeError(r)
        accept = base64.b64encode(hashlib.sha1(
            (self.KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()
        ).digest()).decode()
        assert r.headers["upgrade"].lower() == "websocket", r
        assert "upgrade" in r.headers["connection"].lower(), r
        assert r.headers["sec-websocket-accept"] == accept, r
        assert "sec-websocket-extensions" not in r.headers, r
        assert "sec-websocket-protocol" not in r.headers, r

    _read_body = HttpConn._read_body

    def send_frame(self, opcode, payload=b"", **kw):
        self.send(render_frame(opcode, payload, **kw))

    def send_text(self, text):
        self.send_frame(TEXT, text if isinstance(text, bytes)
                        else text.encode())

    def send_json(self, value):
        self.send_text(json.dumps(value))

    def send_close(self, code=1000, reason=b""):
        self.send_frame(CLOSE, struct.pack("!H", code) + reason)

    def ping(self, payload=b"are you there"):
        """Ping and read the pong, which must be the next frame."""
        self.send_frame(PING, payload)
        f = self.recv_frame()
        assert (f.opcode, f.payload) == (PONG, payload), f

    def recv_frame(self, timeout=None):
        """The next frame; anything a server must not send fails."""
        first, second = self.recv_exactly(2, timeout)
        assert first & 0x80, "fragmented"
        assert not first & 0x70, "reserved bit"
        assert not second & 0x80, "masked"
        opcode, n = first & 15, second & 127
        assert opcode in (TEXT, CLOSE, PONG), f"opcode {opcode}"
        if n == 126:
            n, = struct.unpack("!H", self.recv_exactly(2, timeout))
            assert n > 125, "length not minimal"
        elif n == 127:
            n, = struct.unpack("!Q", self.recv_exactly(8, timeout))
            assert n > 65535, "length not minimal"
        assert opcode == TEXT or n <= 125, "control frame too long"
        return Frame(opcode, self.recv_exactly(n, timeout))

    def recv_text(self, timeout=None):
        f = self.recv_frame(timeout)
        assert f.opcode == TEXT, f
        return f.payload.decode("utf-8")

    def recv_json(self, timeout=None):
        return json.loads(self.recv_text(timeout))

    def expect_pong(self, payload=b""):
        f = self.recv_frame()
        assert (f.opcode, f.payload) == (PONG, payload), f

    def expect_close(self, code=None, timeout=None, reason=None):
        """A close frame, whatever text comes before it, then the end.

        code None: any.  Returns (code, reason).
        """
        f = self.recv_frame(timeout)
        while f.opcode != CLOSE:
            f = self.recv_frame(timeout)
        got = struct.unpack("!H", f.payload[:2])[0] if f.payload else 1005
        text = f.payload[2:].decode("utf-8")
        assert code is None or got == code, f"{got} {text!r}, not {code}"
        assert reason is None or text == reason, text
        with contextlib.suppress(OSError):  # it may be gone already
            self.send_frame(CLOSE, f.payload[:2])
        self.expect_eof(timeout)
        return got, text


class Device(WebSocket):
    """A client that logs in: Device(daemon).login()."""

    def __init__(self, server, **kw):
        super().__init__(server, **kw)
        self.pending = []  # messages of a list that nobody asked for yet

    def authenticate(self, token=TOKEN):
        self.send_text(token)
        assert self.recv_json() == AUTH_OK
        return self

    def login(self, token=TOKEN, device="test"):
        self.authenticate(token)
        self.send_text(device)
        assert self.recv_json() == {"cmd": "LOGIN", "data": {"name": device}}
        return self

    def recv_messages(self, n=1, timeout=None):
        """The next n messages, as dicts of title, content and mid."""
        while len(self.pending) < n:
            m = self.recv_json(timeout)
            assert set(m) == {"cmd", "data"} and m["cmd"] == "MESSAGE", m
            assert set(m["data"]) == {"msgList"} and m["data"]["msgList"], m
            for x in m["data"]["msgList"]:
                assert set(x) == {"title", "content", "mid"}, x
                assert all(isinstance(v, str) for v in x.values()), x
                assert re.fullmatch(r"[0-9]{13,16}", x["mid"]), x
            self.pending += m["data"]["msgList"]
        out, self.pending = self.pending[:n], self.pending[n:]
        return out

    def recv_message(self, timeout=None):
        return self.recv_messages(1, timeout)[0]

    def take_pending(self):
        """The rest of the list that recv_messages took from."""
        out, self.pending = self.pending, []
        return out

    def ack(self, mids):
        """mids: mids, or messages as recv_messages returns them."""
        if isinstance(mids, (str, int, dict)):
            mids = [mids]
        self.send_json({"cmd": "SENDMSG_CB", "data": {"midList": [
            m["mid"] if isinstance(m, dict) else m for m in mids]}})

    def expect_nothing(self):
        """No message is on its way: a ping is answered by the pong alone."""
        assert not self.pending, self.pending
        self.ping(b"nothing?")


def login(server, device, **kw):
    """A client that is logged in as that device."""
    return Device(server, **kw).login(device=device)
