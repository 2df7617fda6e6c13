# SPDX-License-Identifier: ISC
"""The examples for reverse proxies: contrib/proxy, with other ports, without
TLS and with a password that is known here."""

import base64
import os
import shutil
import subprocess

import pytest

from mpushlib import (DEADLINE, ROOT, Device, HttpConn, free_port, http,
                      wait_until)

PASSWORD = "horse"
ALICE = {"Authorization": "Basic " +
         base64.b64encode(f"alice:{PASSWORD}".encode()).decode()}
NGINX = """\
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
{text}
}}
"""


def example(name, d, *changes):
    """The example with the daemon's ports; each change must be one."""
    with open(os.path.join(ROOT, "contrib", "proxy", name),
              encoding="utf-8") as f:
        text = f.read()
    text = text.replace("127.0.0.1:2245", f"127.0.0.1:{d.ws_port}")
    text = text.replace("127.0.0.1:2246", f"127.0.0.1:{d.http_port}")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True,
                          timeout=4 * DEADLINE).stdout.strip()


def program(name):
    path = shutil.which(name) or f"/usr/sbin/{name}"
    assert os.access(path, os.X_OK), f"these tests need {name}"
    return path


def nginx(folder, d, port):
    (folder / "htpasswd").write_text(
        f"alice:{output('openssl', 'passwd', '-apr1', PASSWORD)}\n")
    text = example(
        "nginx.conf", d, ("listen 443 ssl http2;", f"listen {port};"),
        ("\tssl_certificate /etc/ssl/certs/push.example.org.pem;\n", ""),
        ("\tssl_certificate_key /etc/ssl/private/push.example.org.key;\n",
         ""),
        ("\t\tauth_basic_user_file /etc/nginx/push.htpasswd;",
         f"\t\tauth_basic_user_file {folder}/htpasswd;"))
    (folder / "nginx.conf").write_text(NGINX.format(
        folder=folder, text=text,
        user="user root;" if os.geteuid() == 0 else ""))
    return [program("nginx"), "-p", folder, "-c", folder / "nginx.conf"]


def haproxy(folder, d, port):
    text = example(
        "haproxy.cfg", d,
        ("bind :443 ssl crt /etc/haproxy/push.example.org.pem alpn "
         "h2,http/1.1", f"bind 127.0.0.1:{port}"),
        ("$6$rounds=5000$mpushdsalt$REPLACE.THIS.HASH",
         output("openssl", "passwd", "-6", PASSWORD)))
    (folder / "haproxy.cfg").write_text(text)
    return [program("haproxy"), "-db", "-f", folder / "haproxy.cfg"]


def caddy(folder, d, port):
    text = example(
        "Caddyfile", d, ("\npush.example.org {", f"\nhttp://:{port} {{"),
        ("REPLACE_THIS_HASH", output(
            "caddy", "hash-password", "--plaintext", PASSWORD)))
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text)
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config",
            folder / "Caddyfile"]


@pytest.fixture(params=[nginx, haproxy, caddy])
def proxy(request, daemon, tmp_path):
    """(host, port) of a proxy in front of a daemon."""
    d = daemon(REGISTERS=["test", "a/b c"], ACK_TIMEOUT=DEADLINE / 2)
    address = "127.0.0.1", free_port()
    command = request.param(tmp_path, d, address[1])
    log = tmp_path / "log"
    with open(log, "wb") as err:
        p = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
            env={**os.environ, "HOME": str(tmp_path),
                 "XDG_DATA_HOME": str(tmp_path)})

    def ready():
        assert p.poll() is None, log.read_text()
        try:
            return http(address, "GET", "/send/nobody?title=t",
                        ALICE).status == 404
        except OSError:
            return False

    try:
        wait_until(ready, 4 * DEADLINE, "the proxy")
        yield address
    finally:
        p.kill()
        p.wait(DEADLINE)


def start(proxy, target, headers=None):
    """A push on its way; caddy computes a second for a password."""
    c = HttpConn(proxy, timeout=4 * DEADLINE)
    c.send_request("GET", target, ALICE if headers is None else headers)
    return c


def test_a_publisher_reaches_a_device(proxy):
    with Device(proxy, handshake=False) as device:
        device.handshake("/mpush")
        device.login()
        with start(proxy, "/send/test?title=Hello") as publisher:
            message = device.recv_message()
            assert message["title"] == "Hello"
            device.ack(message)
            assert publisher.read_response().answer == (200, "ok")


def test_the_path_behind_send_is_the_device(proxy):
    with start(proxy, "/send/a%2Fb%20c?title=t") as publisher:
        assert publisher.read_response().answer == (200, "offline")


def test_a_publisher_without_a_password_is_refused(proxy):
    for headers in {}, {"Authorization": "Basic YWxpY2U6d3Jvbmc="}:
        with start(proxy, "/send/test?title=t", headers) as publisher:
            assert publisher.read_response().status == 401


def test_nothing_else_is_open(proxy):
    for target in "/test?title=t", "/-/metrics", "/":
        with start(proxy, target) as c:
            status = c.read_response().status
            # caddy says 200 and nothing for what it does not know.
            assert status in (404, 200)
    with Device(proxy, handshake=False) as device:
        device.handshake("/mpush")
        device.login()
        device.expect_nothing()
