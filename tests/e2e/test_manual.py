# SPDX-License-Identifier: ISC
"""What the manual says can be pasted, works."""

import contextlib
import os
import re
import subprocess

import pytest

from mpushlib import (BUILDDIR, DEADLINE, ROOT, TOKEN, free_port, push,
                      wait_until)


def blocks(page):
    """The literal displays of a page, as a reader sees them."""
    with open(os.path.join(ROOT, "man", page), encoding="utf-8") as f:
        source = f.read()
    return [b.replace("\\e", "\\").replace("\\(dq", '"')
            for b in re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$",
                                source, re.M)]


def block_with(page, text):
    found, = [b for b in blocks(page) if text in b]
    return found


@contextlib.contextmanager
def running(*command, **env):
    p = subprocess.Popen(command, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True,
                         env={**os.environ, **env})
    try:
        yield p
    finally:
        p.kill()
        p.communicate()


@pytest.fixture
def client(tmp_path):
    """The client in Python of mpush-protocol(7): client(daemon, device)."""
    path = tmp_path / "client.py"
    path.write_text(block_with("mpush-protocol.7", "import websockets"))
    return lambda d, device, token=TOKEN: running(
        "/usr/bin/python3", str(path), device, MPUSH_TOKEN=token,
        MPUSH_URL=f"ws://127.0.0.1:{d.ws_port}")


def test_the_python_client_receives_and_confirms(daemon, client):
    d = daemon(RESEND_INTERVAL=0.05)
    for n in range(3):
        assert push(d, "test", f"t{n}", "away") == (200, "offline")
    with client(d, "test") as p:
        for n in range(3):
            assert p.stdout.readline() == f"t{n} away\n"
        wait_until(lambda: push(d, "test", "again", "x") == (200, "ok"))
        assert p.stdout.readline() == "again x\n"


def test_the_python_client_connects_again(daemon, client, tmp_path):
    port = free_port()
    d = daemon(STATE_DIR=f"{tmp_path}/state", WS_PORT=port)
    with client(d, "test") as p:
        wait_until(lambda: push(d, "test", "t", "x") == (200, "ok"))
        assert d.terminate() == 0
        again = daemon(STATE_DIR=f"{tmp_path}/state", WS_PORT=port)
        wait_until(lambda: push(again, "test", "u", "x") == (200, "ok"),
                   12 + DEADLINE)
        wait_until(lambda: p.stdout.readline() == "u x\n")


def test_the_python_client_yields_to_another(daemon, client):
    d = daemon()
    with client(d, "test") as first:
        wait_until(lambda: push(d, "test", "t") == (200, "ok"))
        with client(d, "test"):
            assert first.wait(DEADLINE) == 1
            assert "another connection" in first.stderr.read()


def test_the_python_client_tells_of_a_wrong_token(daemon, client):
    with client(daemon(), "test", "wrong") as p:
        assert p.wait(DEADLINE) == 1
        assert "Token invalid" in p.stderr.read()


def test_the_shell_publisher_pushes(daemon):
    d = daemon(HTTP_PORT=0)
    script = block_with("mpush-protocol.7", "curl").replace(
        "127.0.0.1:2246", f"127.0.0.1:{d.http_port}")
    for device, complaint in ("test", ""), ("nobody", "not taken: no\n"):
        r = subprocess.run(["sh", "-c", script.replace("/test", f"/{device}")],
                           capture_output=True, text=True, check=True,
                           timeout=2 * DEADLINE)
        assert r.stderr == complaint


def test_every_configuration_in_the_manual_has_no_fault(tmp_path):
    """And so has the sample."""
    path = tmp_path / "mpushd.conf"
    texts = [b for b in blocks("mpushd.conf.5") + blocks("mpushd.8")
             if b.lstrip().startswith("{")]
    assert texts
    # The others there are bodies.
    texts += [b for b in blocks("mpushd-templates.5") if '"TOKEN"' in b]
    with open(os.path.join(ROOT, "etc", "mpushd.conf"),
              encoding="utf-8") as f:
        texts.append(f.read())
    for text in texts:
        path.write_text(text)
        r = subprocess.run([os.path.join(BUILDDIR, "src", "mpushd"), "-n",
                            "-f", path], capture_output=True, text=True,
                           check=False, timeout=2 * DEADLINE)
        assert (r.returncode, r.stderr) == (0, ""), text
