# SPDX-License-Identifier: ISC
"""What the journal gets: a socket of ours where that of systemd would be."""

import os
import re
import socket
import struct
import subprocess

import pytest

from mpushlib import (DEADLINE, TOKEN, WebSocket, http, push, wait_until)

# stderr is the journal when JOURNAL_STREAM names it.  In a file system of its
# own the daemon finds $0 where the socket's directory is.
ENTER = """mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal &&
    mount --bind "$0" /run/systemd/journal &&
    JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@" """


def prefix(directory):
    for flags in "-m", "-rm":
        command = ["unshare", flags, "sh", "-c", ENTER, str(directory)]
        if subprocess.run([*command, "true"], capture_output=True,
                          check=False).returncode == 0:
            return command
    return pytest.skip("the kernel lets us have no file system of our own")


def parse(entry):
    """The fields of a datagram, by systemd's journal-native protocol."""
    fields = {}
    while entry:
        line, _, entry = entry.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            size, = struct.unpack("<Q", entry[:8])
            value, entry = entry[8:8 + size], entry[8 + size + 1:]
        fields[key.decode()] = value.decode()
    return fields


class Journal:
    """Who listens on a socket and keeps what has come."""

    def __init__(self, directory):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(os.path.join(directory, "socket"))
        self.socket.settimeout(DEADLINE)
        self.entries = []

    def wait(self, regex):
        """The first entry, of those that came and those to come."""
        for entry in self.entries:
            if re.search(regex, entry["MESSAGE"]):
                return entry
        while True:
            self.entries.append(parse(self.socket.recv(1 << 16)))
            if re.search(regex, self.entries[-1]["MESSAGE"]):
                return self.entries[-1]

    def address(self, scheme):
        message = self.wait(f"listening on {scheme}://")["MESSAGE"]
        return "127.0.0.1", int(message.rpartition(":")[2])


@pytest.fixture
def journal(tmp_path):
    j = Journal(tmp_path)
    yield j
    j.socket.close()


def guess(address, token):
    with WebSocket(address) as ws:
        ws.send_text(token)
        ws.recv_text()


def test_each_key_is_a_field(daemon, journal, tmp_path):
    d = daemon("-v", MAX_QUEUE=1, REGISTERS=["a=ü b"],
               prefix=prefix(tmp_path), wait=False)
    at = journal.address("http")
    started = journal.wait("^started")
    assert started["PRIORITY"] == "5" and started["MPUSHD_WORKERS"] == "2"
    target = "/a=%C3%BC%20b?content=x"
    assert http(at, target=target).status == 200
    assert http(at, target=target).status == 503
    full = journal.wait("^http: refused a push")
    assert full["MPUSHD_DEVICE"] == "a=ü b"
    assert full["MESSAGE"].endswith(
        r' device="a=\303\274 b" peer=127.0.0.1 left_out=0')
    assert (full["PRIORITY"], full["SYSLOG_IDENTIFIER"], full["MPUSHD_AREA"],
            full["MPUSHD_PEER"]) == ("4", "mpushd", "http", "127.0.0.1")
    assert d.terminate() == 0
    assert journal.wait("^stopped")["MPUSHD_QUEUED"] == "1"
    assert d.lines == []  # nothing twice


def test_a_token_is_in_no_field(daemon, journal, tmp_path):
    d = daemon("-v", "-v", prefix=prefix(tmp_path), wait=False)
    at = journal.address("ws")
    guess(at, "a-guess-of-mine")
    guess(at, TOKEN)
    wrong = journal.wait("^ws: wrong token")
    assert wrong["MPUSHD_PEER"] == "127.0.0.1" and wrong["PRIORITY"] == "5"
    assert d.terminate() == 0
    journal.wait("^stopped")
    values = [v for e in journal.entries for v in e.values()]
    assert not [v for v in values if "a-guess" in v or TOKEN in v]


def test_without_a_journal_lines_go_to_stderr(daemon, journal, tmp_path):
    d = daemon("-v", prefix=prefix(tmp_path), wait=False)
    at = journal.address("http")
    journal.wait("^started")
    journal.socket.close()
    assert push(at, "test") == (400, "no")
    d.wait_log(r"^<7>http: refused: .* peer=127\.0\.0\.1 status=400$")


def test_a_journal_that_is_busy_delays_nobody(daemon, journal, tmp_path):
    """It reads nothing; what does not fit into its socket is on stderr."""
    d = daemon("-v", prefix=prefix(tmp_path), wait=False)
    at = journal.address("http")
    for _ in range(1000):
        assert push(at, "test") == (400, "no")
        if d.lines:
            break
    wait_until(lambda: d.lines)
    assert d.lines[0].startswith("<7>http: refused: ")
