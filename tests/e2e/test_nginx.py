# SPDX-License-Identifier: ISC
"""Behind nginx, as the original service's documentation sets it up: its
three configurations, unchanged but for the certificate and the ports.  None
of them asks for HTTP/1.1, so nginx speaks HTTP/1.0 to us."""

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
from urllib.parse import quote

import pytest

from mpushlib import DEADLINE, PING, PONG, Device, free_port, wait_until

DEVICE = "kooritea"
CHINESE = "高槻律/手机"

MAIN = """\
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
server {{
  listen {port} ssl http2;
  server_name domain.com;
  # https/wss
  ssl_certificate "{folder}/cert.pem";
  ssl_certificate_key "{folder}/key.pem";
  ssl_session_cache shared:SSL:1m;
  ssl_session_timeout  10m;
  ssl_ciphers HIGH:!aNULL:!MD5;
  ssl_prefer_server_ciphers on;
{locations}
}}
}}
"""

WEBSOCKET = """\
  location /mpush {
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header Host $host;
    #连接超时时间，300s内没有数据来往断开连接
    proxy_read_timeout 300;
    proxy_pass   http://127.0.0.1:2245;
  }
"""

PREFIX = """\
  location /sendmsg/ {
    proxy_pass   http://127.0.0.1:2245/;
  }
"""

WHOLE_SITE = """\
  location / {
    proxy_pass   http://127.0.0.1:2245;
  }
"""

# The locations, the path of a push, the path of the WebSocket.
SITES = {
    "prefix": (WEBSOCKET + PREFIX, "/sendmsg/"),
    "whole site": (WEBSOCKET + WHOLE_SITE, "/"),
}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A folder with a self-signed certificate, cert.pem and key.pem."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=domain.com", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem",
         "-out", folder / "cert.pem"],
        check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


def accepts(port):
    with contextlib.suppress(OSError), \
            socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def read_answer(connection):
    """Status and word of the request that is under way; closes."""
    with contextlib.closing(connection):
        r = connection.getresponse()
        return r.status, r.read().decode()


class Proxy:
    """nginx in front of a daemon."""

    def __init__(self, folder, certificate, locations, ws_port):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        assert os.access(program, os.X_OK), "these tests need nginx"
        self.port = free_port()
        self.context = ssl.create_default_context(
            cafile=certificate / "cert.pem")
        for name in ("cert.pem", "key.pem"):
            shutil.copy(certificate / name, folder)
        config = folder / "nginx.conf"
        config.write_text(MAIN.format(
            folder=folder, port=self.port,
            user="user root;" if os.geteuid() == 0 else "",
            locations=locations.replace("2245", str(ws_port))))
        self.log = folder / "nginx.log"
        with open(self.log, "wb") as err:
            self.process = subprocess.Popen(
                [program, "-p", folder, "-c", config],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err)

    def wait_ready(self):
        wait_until(lambda: self.process.poll() is not None or
                   accepts(self.port), what="nginx")
        assert self.process.poll() is None, self.log.read_text()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(DEADLINE)

    def start(self, method, target, headers=None, body=None):
        """One request over https; read_answer() has its answer."""
        c = http.client.HTTPSConnection("127.0.0.1", self.port,
                                        timeout=DEADLINE, context=self.context)
        c.request(method, target, body, headers or {})
        return c

    def http(self, *args):
        """One request over https; its status and word."""
        return read_answer(self.start(*args))

    def device(self, path, name):
        """A device that is logged in over wss."""
        d = Device(("127.0.0.1", self.port), handshake=False)
        d.sock = self.context.wrap_socket(d.sock, server_hostname="127.0.0.1")
        d.handshake(path)
        return d.login(device=name)


@pytest.fixture(params=SITES)
def site(request, daemon, tmp_path, certificate):
    """(nginx, path of a push) for each way to push."""
    locations, path = SITES[request.param]
    d = daemon(REGISTERS=[DEVICE, CHINESE], ACK_TIMEOUT=DEADLINE / 2)
    proxy = Proxy(tmp_path, certificate, locations, d.ws_port)
    try:
        proxy.wait_ready()
        yield proxy, path
    finally:
        proxy.close()


def test_a_push_through_nginx_waits_for_the_device(site):
    proxy, path = site
    assert proxy.http("GET", f"{path}{DEVICE}?title=test") == (
        200, "offline")


def test_a_device_through_nginx_receives_and_confirms(site):
    proxy, path = site
    with proxy.device("/mpush", DEVICE) as device:
        publisher = proxy.start("GET", f"{path}{DEVICE}?title=%E6%B5%8B"
                                "%E8%AF%95&content=a+b%20c")
        message = device.recv_message()
        assert (message["title"], message["content"]) == ("测试", "a b c")
        device.ack(message)
        assert read_answer(publisher) == (200, "ok")


def test_a_device_id_needs_no_ascii_behind_nginx(site):
    proxy, path = site
    with proxy.device("/mpush", CHINESE) as device:
        publisher = proxy.start(
            "POST", path + quote(CHINESE, safe=""),
            {"Content-Type": "application/json"},
            b'{"title": "t", "content": "c"}')
        device.ack(device.recv_message())
        assert read_answer(publisher) == (200, "ok")


def test_an_unknown_device_is_a_404_through_nginx(site):
    proxy, path = site
    assert proxy.http("GET", path + "nobody?title=t") == (404, "no")


def test_a_ping_passes_through_nginx_and_back(site):
    proxy, _ = site
    with proxy.device("/mpush", DEVICE) as device:
        device.send_frame(PING, b"payload")
        f = device.recv_frame()
        assert (f.opcode, f.payload) == (PONG, b"payload")


def test_a_handshake_through_nginx_may_have_a_longer_path_and_a_query(site):
    proxy, _ = site
    proxy.device("/mpush/more?of=it", DEVICE).close()


def test_a_wrong_version_is_a_426_through_nginx(site):
    proxy, _ = site
    with contextlib.closing(proxy.start("GET", "/mpush", {
            "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Version": "8",
            "Sec-WebSocket-Key": Device.KEY})) as c:
        response = c.getresponse()
        assert response.status == 426
        assert response.headers["Sec-WebSocket-Version"] == "13"


def test_a_device_that_closes_is_answered_through_nginx(site):
    proxy, path = site
    with proxy.device("/mpush", DEVICE) as device:
        device.send_close(1000)
        device.expect_close(1000)
    assert proxy.http("GET", f"{path}{DEVICE}?title=t") == (200, "offline")


def test_curl_pushes_over_http2(site):
    proxy, path = site
    curl = shutil.which("curl")
    assert curl, "these tests need curl"
    out = subprocess.run(
        [curl, "-sS", "-k", "--http2", "-w", " %{http_code} %{http_version}",
         f"https://127.0.0.1:{proxy.port}{path}{DEVICE}", "-d",
         "title=t&content=c"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=2 * DEADLINE, check=True, env={"PATH": os.environ["PATH"]})
    assert out.stdout == "offline 200 2"
