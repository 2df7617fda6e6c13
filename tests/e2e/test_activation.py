# SPDX-License-Identifier: ISC
"""Sockets that a service manager opens and passes on."""

import contextlib
import os
import socket
import sys

import pytest

from mpushlib import DEADLINE, Device, HttpConn, push, start_push

# What a service manager does between fork and exec.
PASS = """
import fcntl, os, sys
fds, names, *command = sys.argv[1:]
fds = [fcntl.fcntl(int(x), fcntl.F_DUPFD, 100) for x in fds.split(",")]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i, inheritable=True)
    os.close(fd)
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_PID"] = str(os.getpid())
if names:
    os.environ["LISTEN_FDNAMES"] = names
os.execv(command[0], command)
"""


@pytest.fixture
def sockets():
    """Factory: sockets(n) -> n sockets that listen, closed at the end."""
    with contextlib.ExitStack() as stack:
        def factory(n, family=socket.AF_INET, address=("127.0.0.1", 0)):
            out = []
            for _ in range(n):
                s = stack.enter_context(socket.socket(family))
                s.bind(address)
                s.listen()
                out.append(s)
            return out

        yield factory


def passing(socks, names=""):
    """Arguments of Daemon that pass these sockets."""
    fds = [s.fileno() for s in socks]
    return {"prefix": (sys.executable, "-c", PASS,
                       ",".join(map(str, fds)), names),
            "pass_fds": fds}


def lines(*socks):
    """What is logged of (scheme, socket)."""
    return sorted(f"listening on {scheme}://127.0.0.1:{s.getsockname()[1]}"
                  for scheme, s in socks)


def listening(d):
    return sorted(x for x in d.lines if x.startswith("listening"))


def delivers(ws, http_at):
    with Device(ws).login() as device:
        with start_push(http_at, "test", "t") as pushed:
            device.ack(device.recv_message())
            assert pushed.read_response().answer == (200, "ok")


def test_it_takes_what_is_passed_and_opens_nothing_else(daemon, sockets):
    ws, http = sockets(2)
    d = daemon(**passing([ws, http], "ws:http"), LISTEN="127.0.0.2")
    assert listening(d) == lines(("ws", ws), ("http", http))
    delivers(ws.getsockname(), http.getsockname())


def test_a_socket_of_no_name_is_for_both(daemon, sockets):
    one, = sockets(1)
    d = daemon(**passing([one]))
    assert listening(d) == lines(("ws", one), ("http", one))
    delivers(one.getsockname(), one.getsockname())


def test_a_socket_file_may_be_passed_and_stays(daemon, sockets, tmp_path):
    path = f"{tmp_path}/s"
    one, = sockets(1, socket.AF_UNIX, path)
    d = daemon(**passing([one]), wait=False)
    d.wait_log(f"listening on unix:{path}$")
    delivers(path, path)
    assert d.terminate() == 0
    assert os.path.exists(path)


def test_what_connects_between_two_daemons_is_served_by_the_second(
        daemon, sockets):
    one, = sockets(1)
    first = daemon(**passing([one]))
    assert push(one.getsockname(), "test", "t") == (200, "offline")
    assert first.terminate() == 0
    with HttpConn(one.getsockname()) as c:
        c.send_request("GET", "/test?title=t")
        daemon(**passing([one]))
        assert c.read_response().answer == (200, "offline")


def test_sockets_for_another_process_are_not_ours(daemon):
    d = daemon(env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    delivers(d.ws_address, d.http_address)


def refuses(daemon, match, **kw):
    d = daemon(wait=False, **kw)
    assert d.wait(2 * DEADLINE) == 1
    assert len(d.lines) == 1
    assert match in d.log


def test_what_does_not_listen_is_a_fault(daemon, sockets, tmp_path):
    fit, = sockets(1)
    with socket.socket() as deaf, \
            socket.socket(type=socket.SOCK_DGRAM) as datagrams, \
            open(tmp_path / "f", "wb") as file:
        for bad in deaf, datagrams, file:
            refuses(daemon, "descriptor 4, which LISTEN_FDS passes, is no "
                    "socket that listens", **passing([fit, bad]))


def test_a_number_of_sockets_that_cannot_be_is_a_fault(daemon):
    script = ('import os, sys; os.environ.update(LISTEN_FDS="many", '
              'LISTEN_PID=str(os.getpid())); os.execv(sys.argv[1], '
              'sys.argv[1:])')
    refuses(daemon, "LISTEN_FDS", prefix=(sys.executable, "-c", script))
