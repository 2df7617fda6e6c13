# SPDX-License-Identifier: ISC
"""Fixtures: daemons that must end well, whatever a test did to them."""

import os

import pytest

import mpushlib

DEFAULTS = {
    "TOKEN": mpushlib.TOKEN,
    "REGISTERS": ["test"],
    "LISTEN": "127.0.0.1",
    "WS_PORT": 0,
    "HTTP_PORT": 0,
    "WORKERS": 2,
}


def pytest_configure():
    if not os.access(mpushlib.MPUSHD, os.X_OK):
        pytest.exit(f"no daemon at {mpushlib.MPUSHD}: build it, or set "
                    "MPUSHD or MPUSHD_BUILDDIR", returncode=3)


def end(d):
    """Stop a daemon; a bad end fails the test."""
    asked = d.alive()  # false: the test has ended it and knows how
    try:
        status = d.terminate(3 + mpushlib.DEADLINE) if asked else None
    finally:
        d.close()
    report = mpushlib.SANITIZER_REPORT.search(d.log)
    assert not report, d.log
    assert not asked or status == 0, f"exit {status} at SIGTERM:\n{d.log}"


def start(config, args, kw):
    return mpushlib.Daemon({**DEFAULTS, **config}, *args, **kw)


@pytest.fixture
def daemon():
    """Factory: daemon("-v", WORKERS=1, ...) -> Daemon.

    Keys in capitals are the configuration (None as in JSON), others are
    arguments of Daemon, such as env and wait.
    """
    running = []

    def factory(*args, **kw):
        config = {k: kw.pop(k) for k in list(kw) if k.isupper()}
        running.append(start(config, args, kw))
        return running[-1]

    yield factory
    faults = []
    for d in running:
        try:
            end(d)
        except Exception as e:  # the others have to be stopped, too
            faults.append(e)
    if faults:
        raise faults[0]


@pytest.fixture(scope="module")
def server():
    """A daemon that the stateless tests of a module share."""
    d = start({"REGISTERS": ["test", "other", "ünï/cödé", "a", "a/"],
               "ACK_TIMEOUT": 0.3 * mpushlib.SLOWNESS}, ("-v",), {})
    yield d
    assert d.alive(), d.log
    end(d)
