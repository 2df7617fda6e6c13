# SPDX-License-Identifier: ISC
"""Where the daemon listens, and what it says when it cannot."""

import os
import re
import socket
import stat
import subprocess

import pytest

from mpushlib import (DEADLINE, Daemon, Device, HttpConn, free_port,
                      http, push, start_push)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


def delivers(ws, http_at):
    """A device at one address gets what is pushed at another."""
    with Device(ws).login() as device:
        with start_push(http_at, "test", "t") as pushed:
            device.ack(device.recv_message())
            assert pushed.read_response().answer == (200, "ok")


def test_port_0_is_a_free_port_and_the_log_has_the_real_one(daemon):
    d = daemon(WS_PORT=0, HTTP_PORT=0)
    assert 0 not in (d.ws_port, d.http_port) and d.ws_port != d.http_port
    delivers(d.ws_address, d.http_address)


def test_a_given_port_is_taken(daemon):
    ws, port = free_port(), free_port()
    d = daemon(WS_PORT=ws, HTTP_PORT=port)
    assert (d.ws_port, d.http_port) == (ws, port)


def test_one_line_a_listener_is_logged(daemon):
    d = daemon()
    d.wait_log("^started")
    *listening, _ = d.lines
    assert sorted(listening) == [
        f"listening on http://127.0.0.1:{d.http_port}",
        f"listening on ws://127.0.0.1:{d.ws_port}"]


@pytest.mark.parametrize("ws, pushes", [
    ("ws", "ws"), ("http", "http"), ("http", "ws"), ("ws", "http")])
def test_both_ports_speak_both_protocols(daemon, ws, pushes):
    d = daemon()
    address = {"ws": d.ws_address, "http": d.http_address}
    delivers(address[ws], address[pushes])


def test_equal_ports_mean_one_listener(daemon):
    port = free_port()
    d = daemon(WS_PORT=port, HTTP_PORT=port)
    assert (d.ws_port, d.http_port) == (port, port)
    assert len(d.listening("ws")) == len(d.listening("http")) == 1
    delivers(d.ws_address, d.http_address)


@needs_ipv6
@pytest.mark.parametrize("text", ["::1", "[::1]"])
def test_it_listens_on_ipv6(daemon, text):
    d = daemon(LISTEN=text)
    assert d.lines[0].startswith("listening on ws://[::1]:")
    assert d.http_address[0] == "::1"
    delivers(d.ws_address, d.http_address)


@needs_ipv6
def test_it_listens_on_each_address_of_a_list(daemon):
    d = daemon(LISTEN=["127.0.0.1", "::1"])
    assert {h for h, _ in d.listening("ws")} == {"127.0.0.1", "::1"}
    d.wait_log(r"listening on http://\[::1\]:")
    for at in d.listening("ws") + d.listening("http"):
        assert http(at, target="/-/healthy").status == 200


def test_the_star_is_every_address(daemon):
    d = daemon(LISTEN="*")
    for host in ["127.0.0.1", "127.0.0.2"] + ["::1"] * has_ipv6():
        at = (host, d.http_port)
        assert push(at, "test", "t") == (200, "offline")
        with Device((host, d.ws_port)) as device:
            device.login()


def test_another_address_is_not_listened_on(daemon):
    d = daemon(LISTEN="127.0.0.2", HTTP_PORT=free_port())
    assert push(("127.0.0.2", d.http_port), "test", "t")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        HttpConn(("127.0.0.1", d.http_port))


def in_own_network():
    """A command prefix: a network in which the default ports are free.

    Where the kernel lets us have none, the one there is has to do.
    """
    up = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"']
    for flags in ["-n"], ["-rn"]:
        prefix = ["unshare", *flags, *up]
        if subprocess.run([*prefix, "true"], capture_output=True,
                          check=False).returncode == 0:
            return prefix
    return []


def test_the_defaults_are_2245_and_2246_on_both_loopback_addresses():
    d = Daemon({"TOKEN": "t"}, prefix=in_own_network(), wait=False)
    try:
        d.wait_log(r"listening on http://\[::1\]:2246$")
        assert sorted(x for x in d.lines if "listen" in x) == [
            "listening on http://127.0.0.1:2246",
            "listening on http://[::1]:2246",
            "listening on ws://127.0.0.1:2245",
            "listening on ws://[::1]:2245"]
        assert d.terminate() == 0
    finally:
        d.close()


# -- unix:/path --------------------------------------------------------

@pytest.fixture
def path(tmp_path):
    return f"{tmp_path}/push.sock"


def test_a_socket_file_takes_pushes(daemon, path):
    d = daemon(LISTEN=["127.0.0.1", f"unix:{path}"])
    d.wait_log(f"listening on .*{re.escape(path)}")
    delivers(d.ws_address, path)


def test_a_socket_file_takes_websockets_too(daemon, path):
    d = daemon(LISTEN=["127.0.0.1", f"unix:{path}"])
    d.wait_log("listening on .*unix")
    delivers(path, d.http_address)


def test_a_socket_file_alone_is_enough(daemon, path):
    d = daemon(LISTEN=f"unix:{path}", wait=False)
    d.wait_log("listening on .*unix")
    delivers(path, path)


def test_a_socket_file_is_gone_after_the_end(daemon, path):
    d = daemon(LISTEN=["127.0.0.1", f"unix:{path}"])
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    assert d.terminate() == 0
    assert not os.path.exists(path)


def test_a_socket_file_that_a_crash_left_is_replaced(daemon, path):
    first = daemon(LISTEN=["127.0.0.1", f"unix:{path}"])
    first.kill9()
    assert os.path.exists(path)
    d = daemon(LISTEN=["127.0.0.1", f"unix:{path}"])
    d.wait_log("listening on .*unix")
    assert push(path, "test", "t") == (200, "offline")


# -- faults ------------------------------------------------------------

def fails_with_one_line(daemon, regex, **config):
    d = daemon(wait=False, **config)
    assert d.wait(2 * DEADLINE) == 1
    assert len(d.lines) == 1, d.log
    assert re.search(regex, d.lines[0]), d.log


@pytest.mark.parametrize("key", ["WS_PORT", "HTTP_PORT"])
def test_a_port_in_use_exits_1_with_one_line_that_names_it(daemon, key):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        fails_with_one_line(daemon, rf"127\.0\.0\.1.*{port}.*in use",
                            **{key: port})


def test_a_second_daemon_on_the_same_port_exits_1(daemon):
    d = daemon()
    fails_with_one_line(daemon, "in use", WS_PORT=d.ws_port)
    assert push(d, "test", "t") == (200, "offline")


def test_an_address_of_another_machine_exits_1_with_one_line(daemon):
    fails_with_one_line(daemon, r"192\.0\.2\.1.*[Cc]annot assign",
                        LISTEN="192.0.2.1")


def test_a_socket_file_in_use_exits_1_and_stays(daemon, path):
    d = daemon(LISTEN=["127.0.0.1", f"unix:{path}"])
    d.wait_log("listening on .*unix")
    fails_with_one_line(daemon, f"{re.escape(path)}.*in use",
                        LISTEN=f"unix:{path}")
    assert push(path, "test", "t") == (200, "offline")


def test_a_file_that_is_no_socket_is_not_replaced(daemon, path):
    with open(path, "w", encoding="ascii") as f:
        f.write("precious")
    fails_with_one_line(daemon, re.escape(path), LISTEN=f"unix:{path}")
    with open(path, encoding="ascii") as f:
        assert f.read() == "precious"


def test_a_socket_file_in_no_folder_exits_1_with_one_line(daemon, tmp_path):
    fails_with_one_line(daemon, "nowhere/x.*No such file",
                        LISTEN=f"unix:{tmp_path}/nowhere/x")
