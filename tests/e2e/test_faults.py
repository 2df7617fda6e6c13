# SPDX-License-Identifier: ISC
"""A disk that fails: faultfs.so stands between the daemon and the kernel."""

import concurrent.futures
import contextlib
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from mpushlib import (
    BUILDDIR, DEADLINE, MPUSHD, SANITIZER_REPORT, SLOWNESS, TOKEN, Daemon,
    Device, HttpConn, free_port, http, login, push, push_all, start_push, wait_until)

FAULTFS = os.path.join(BUILDDIR, "tests", "tools", "faultfs.so")
RECOVERY = 5 * SLOWNESS
SECTOR = 512
CONFIG = {"TOKEN": TOKEN, "LISTEN": "127.0.0.1", "WS_PORT": 0,
          "HTTP_PORT": 0, "WORKERS": 2, "REGISTERS": ["test", "other"],
          "ACK_TIMEOUT": 0.3 * SLOWNESS, "RESEND_INTERVAL": 30}


class Disk:
    """A state directory behind faultfs, and the rule that it follows."""

    def __init__(self, path):
        self.state = os.path.join(path, "state")
        self.rule_file = os.path.join(path, "rule")
        self.journal_file = os.path.join(path, "journal")

    def env(self, journal=False):
        assert os.access(FAULTFS, os.R_OK), "make builds it"
        env = {"LD_PRELOAD": FAULTFS, "FAULTFS_DIR": self.state,
               "FAULTFS_RULE": self.rule_file,
               # Of a sanitizer: it wants to be the first library.
               "ASAN_OPTIONS": "verify_asan_link_order=0"}
        return {**env, "FAULTFS_JOURNAL": self.journal_file} if journal \
            else env

    def rule(self, action=None, of="any", error=0, at=0):
        if action is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.rule_file)
            return
        # In one step: the daemon reads it at any moment.
        with open(self.rule_file + ".new", "w", encoding="ascii") as f:
            f.write(f"{action} {of} {error} {at}\n")
        os.rename(self.rule_file + ".new", self.rule_file)

    def hits(self):
        """How many calls the rules have hit."""
        try:
            with open(self.rule_file + ".hit", encoding="ascii") as f:
                return len(f.readlines())
        except FileNotFoundError:
            return 0

    def mark(self, text):
        """Note in the journal what a client knows by now."""
        fd = os.open(self.journal_file, os.O_WRONLY | os.O_APPEND)
        os.write(fd, f"mark {text}\n".encode())
        os.close(fd)


@pytest.fixture
def disk(tmp_path):
    return Disk(str(tmp_path))


def on(daemon, disk, **config):
    return daemon(STATE_DIR=disk.state, env=disk.env(),
                  ACK_TIMEOUT=0.3 * SLOWNESS, RESEND_INTERVAL=30, **config)


def dump(state, status=0):
    done = subprocess.run(
        [MPUSHD, "--dump", "-o", f"TOKEN={TOKEN}", "-o", f"STATE_DIR={state}"],
        stdout=subprocess.PIPE, timeout=60 * SLOWNESS, check=False)
    assert done.returncode == status, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def contents(rows):
    return [row["content"] for row in rows if row["kind"] == "message"]


def assert_online_works(server, device):
    with start_push(server, "other", "t", "online") as publisher:
        message = device.recv_message()
        assert message["content"] == "online"
        device.ack(message)
        assert publisher.read_response().answer == (200, "ok")


@pytest.mark.parametrize("of, error", [
    ("write", errno.ENOSPC), ("write", errno.EDQUOT), ("write", errno.EROFS),
    ("write", errno.EIO), ("sync", errno.EIO), ("sync", errno.ENOSPC),
    ("any", errno.EACCES), ("any", errno.EROFS)])
def test_a_failing_disk_refuses_what_it_must_and_comes_back(
        daemon, disk, of, error):
    server = on(daemon, disk)
    with login(server, "other") as device:
        push_all(server, "test", ["before"])
        disk.rule("fail", of, error)
        with HttpConn(server) as c:
            for i in range(200):
                r = c.request("POST", "/test", {
                    "Content-Type": "text/plain"}, b"refused %d" % i)
                assert r.answer == (503, "no")
                assert int(r.headers["retry-after"]) > 0
        assert disk.hits() > 0
        assert http(server, "GET", "/-/ready").status == 503
        assert http(server, "GET", "/-/healthy").status == 200
        # Who is there is served, and unconfirmed is refused.
        assert_online_works(server, device)
        assert push(server, "other", "t", "lazy") == (503, "no")
        assert device.recv_message()["content"] == "lazy"
        said = [x for x in server.lines if "store: cannot write" in x]
        assert len(said) == 1 and os.strerror(error) in said[0]
        disk.rule()
        wait_until(lambda: push(server, "test", "t", "after") ==
                   (200, "offline"), RECOVERY)
        server.wait_log("store: writes again")
        assert http(server, "GET", "/-/ready").status == 200
        assert_online_works(server, device)
    server.kill9()
    assert len([x for x in server.lines if "store: writes" in x]) == 1
    assert contents(dump(disk.state)) == ["before", "after"]
    again = daemon(STATE_DIR=disk.state)
    with login(again, "test") as device:
        assert [m["content"] for m in device.recv_messages(2)] == [
            "before", "after"]


def test_confirmations_survive_a_disk_that_fails_meanwhile(daemon, disk):
    server = on(daemon, disk)
    push_all(server, "test", ["a", "b", "c"])
    disk.rule("fail", "write", errno.ENOSPC)
    with login(server, "test") as device:
        device.ack(device.recv_messages(3)[:2])
        server.wait_log("store: cannot write")
        disk.rule()
        wait_until(lambda: contents(dump(disk.state)) == ["c"], RECOVERY)
    server.kill9()


def test_a_new_device_is_refused_while_nothing_can_be_written(daemon, disk):
    server = on(daemon, disk)
    disk.rule("fail", "sync", errno.EIO)
    with Device(server).authenticate() as device:
        device.send_text("newcomer")
        assert device.recv_json()["data"]["code"] == 503
        device.expect_close(1013)
    assert push(server, "newcomer", "t") == (404, "no")
    disk.rule()

    def can_log_in():
        with contextlib.suppress(AssertionError):
            login(server, "newcomer").close()
            return True

    wait_until(can_log_in, RECOVERY)
    server.kill9()
    assert "newcomer" in [r["device"] for r in dump(disk.state)]


@pytest.mark.parametrize("of", ["open", "write", "sync", "name"])
def test_a_start_that_fails_is_one_clear_line(daemon, disk, of):
    disk.rule("fail", of, errno.EACCES)
    server = daemon(STATE_DIR=disk.state, env=disk.env(), wait=False)
    assert server.wait(DEADLINE) == 1
    assert len(server.lines) == 1, server.lines
    assert "Permission denied" in server.lines[0]
    assert disk.state in server.lines[0]
    # Nothing that the next start would stumble over.
    disk.rule()
    next_one = daemon(STATE_DIR=disk.state)
    next_one.wait_log("found what was kept messages=0")
    assert "damage" not in next_one.log


@pytest.mark.parametrize("end", ["work", "stop", "fail"])
def test_while_it_starts_it_says_so(daemon, disk, end):
    """The disk takes its time: pushes wait, and /-/ready is 503."""
    with contextlib.closing(daemon(STATE_DIR=disk.state)) as first:
        push_all(first, "test", ["before"])
        assert first.terminate() == 0
    port = free_port()
    disk.rule("wait", "open")
    server = daemon(STATE_DIR=disk.state, env=disk.env(), wait=False,
                    HTTP_PORT=port)

    at = ("127.0.0.1", port)

    def answers():
        with contextlib.suppress(OSError, EOFError):
            return http(at, "GET", "/-/healthy").status == 200
        return False

    wait_until(answers, what="workers before the store")
    r = http(at, "GET", "/-/ready", {"Accept": "application/json"})
    assert r.status == 503 and "starting" in r.json()["error"]
    assert r.headers["retry-after"]
    assert b"\nmpushd_ready 0\n" in http(at, "GET", "/-/metrics").body
    with HttpConn(at) as c:
        c.send_request("GET", "/test?content=after")
        c.expect_silence(0.2)
        if end == "stop":
            server.signal(15)
        disk.rule(*("fail", "any", errno.EIO) if end == "fail" else ())
        if end == "fail":
            assert server.wait() == 1
            assert len([x for x in server.lines if "start" in x]) == 1
            c.expect_eof()
            return
        # Accepted before the stop, it is kept and told so.
        assert c.read_response().answer == (
            (200, "offline") if end == "work" else (503, "no"))
    if end == "stop":
        assert server.wait() == 0
        assert "listening" not in server.log
        disk.rule()
        server = daemon(STATE_DIR=disk.state)
    else:
        server.wait_listening()
        assert http(server, "GET", "/-/ready").status == 200
    with login(server, "test") as device:
        wanted = ["before", "after"] if end == "work" else ["before"]
        assert [m["content"] for m in
                device.recv_messages(len(wanted))] == wanted


def test_a_file_system_that_is_really_full(daemon, tmp_path):
    if os.geteuid() != 0:
        again_as_root_of_its_own(
            "test_a_file_system_that_is_really_full", tmp_path / "again")
        return
    state = tmp_path / "small"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700",
                    "tmpfs", str(state)], check=True)
    try:
        fill(daemon, str(state))
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


def again_as_root_of_its_own(test, scratch):
    """Who may not mount may do it in a name space of its own."""
    subprocess.run(
        ["unshare", "-rm", sys.executable, "-m", "pytest", "-q", "-p",
         "no:cacheprovider", f"--basetemp={scratch}", f"{__file__}::{test}"],
        check=True, timeout=60 * SLOWNESS)


def fill(daemon, state):
    server = daemon(STATE_DIR=state)
    kept = 0
    with HttpConn(server) as c:
        while True:
            r = c.request("POST", "/test", {
                "Content-Type": "text/plain"}, b"%d " % kept + b"x" * 5000)
            if r.status != 200:
                break
            kept += 1
            assert kept < 200
    assert r.status == 503 and kept > 0
    server.wait_log("cannot write: No space left on device")
    with login(server, "test") as device:
        for i in range(kept):
            m = device.recv_message()
            assert m["content"].startswith(f"{i} ")
            device.ack(m)
    wait_until(lambda: push(server, "test", "t", "x" * 5000) ==
               (200, "offline"), RECOVERY)
    assert server.terminate() == 0
    assert contents(dump(state)) == ["x" * 5000]


# Every single call


class Known:
    """What the clients of a piece of work were told."""

    def __init__(self, disk=None):
        self.promised = []  # (device, text), in the order of the answers
        self.confirmed = set()
        self.damaged = False  # before the work began
        self.disk = disk

    def note(self, kind, text):
        if self.disk is not None:
            self.disk.mark(f"{kind} {text}")

    def promise(self, device, text):
        self.promised.append((device, text))
        self.note("kept", text)

    def confirm(self, device, messages):
        for m in messages:
            self.note("confirming", m["content"])
            self.confirmed.add(m["content"])
        device.ack(messages)

    def waiting(self, device):
        """What that device must be sent, in order."""
        return [text for name, text in self.promised
                if name == device and text not in self.confirmed]


def try_push(server, device, text, known):
    """A push that may fail; what it was told is known."""
    with contextlib.suppress(OSError, EOFError):
        status, answer = push(server, device, "t", text,
                              timeout=10 * SLOWNESS)
        if status == 200:
            known.promise(device, text)
        return answer
    return None


class Beginning:
    """Work on a new directory: pushes, confirmations, and a message that
    takes pages of its own."""

    at_once = 6  # daemons, which mostly wait

    def prepare(self, state, known):
        pass

    def work(self, server, known):
        for i in range(4):
            try_push(server, "test", f"small {i}", known)
        try_push(server, "test", "large " + "x" * 9000, known)
        with contextlib.suppress(OSError, EOFError, AssertionError):
            with login(server, "test") as device:
                got = device.recv_messages(2, 2 * SLOWNESS)
                known.confirm(device, got[:1])
                device.ping()
        time.sleep(0.15)  # for the group that nobody waits for
        try_push(server, "test", "last", known)

    def is_done(self, _state, known):
        return len(known.promised) == 6 and len(known.confirmed) == 1


class Moving:
    """So much is confirmed that the file is written anew."""

    at_once = 12
    count = 60

    def __init__(self, path):
        """path: where to make the state that every daemon begins with."""
        self.state = os.path.join(path, "big")
        server = Daemon({**CONFIG, "STATE_DIR": self.state})
        try:
            push_all(server, "test", [f"{i} " + "y" * 20000
                                      for i in range(self.count)])
            push_all(server, "other", ["stays"])
        finally:
            server.kill9()
            server.close()

    def prepare(self, state, known):
        shutil.copytree(self.state, state)
        known.promise("other", "stays")

    def work(self, server, known):
        state = server.config["STATE_DIR"]
        with contextlib.suppress(OSError, EOFError, AssertionError):
            with login(server, "test") as device:
                for _ in range(self.count):
                    known.confirm(device, device.recv_messages(1))
                device.ping()
            wait_until(lambda: not server.alive() or self.moved(state),
                       2 * SLOWNESS)
        try_push(server, "other", "last", known)
        try_push(server, "test", "last of test", known)

    @staticmethod
    def moved(state):
        with contextlib.suppress(FileNotFoundError):
            return os.stat(os.path.join(state, "store.mdb")).st_size < 1 << 20

    def is_done(self, state, known):
        return (len(known.promised) == 3 and self.moved(state)
                and len(known.confirmed) == self.count)


class Repairing:
    """The file is damaged: what can be read of it goes to a new one."""

    at_once = 6

    def __init__(self, path):
        self.state = os.path.join(path, "hurt")
        server = Daemon({**CONFIG, "STATE_DIR": self.state})
        try:
            push_all(server, "test", ["before", "find me", "after"])
        finally:
            server.kill9()
            server.close()
        path = os.path.join(self.state, "store.mdb")
        with open(path, "r+b") as f:
            self.hurt = f.read().replace(b"find me", b"Find me")
            f.seek(0)
            f.write(self.hurt)

    def prepare(self, state, known):
        shutil.copytree(self.state, state)
        known.damaged = True
        known.promise("test", "before")
        known.promise("test", "after")

    def work(self, server, known):
        try_push(server, "test", "last", known)

    def is_done(self, state, known):
        return len(known.promised) == 3 and self.is_kept(state)

    def is_kept(self, state):
        """The damaged file is still there under some name."""
        for entry in os.scandir(state):
            with open(entry.path, "rb") as f:
                if f.read() == self.hurt:
                    return True
        return False


def assert_well(server, damaged=False):
    assert damaged or "damage" not in server.log, server.log
    assert not SANITIZER_REPORT.search(server.log), server.log


def assert_kept(state, known):
    """A daemon on what is there has all that was promised, in order."""
    server = Daemon({**CONFIG, "STATE_DIR": state})
    try:
        for name in CONFIG["REGISTERS"]:
            texts, expected = [], known.waiting(name)
            with login(server, name) as device:
                with contextlib.suppress(TimeoutError):
                    while not set(expected) <= set(texts):
                        m = device.recv_message()
                        device.ack(m)
                        texts.append(m["content"])
            assert [t for t in texts if t in expected] == expected
            assert "Find me" not in texts
        assert_well(server, known.damaged)
    finally:
        server.kill9()
        server.close()


def work_on(disk, work, known):
    """Returns the daemon that has worked; it may have ended."""
    work.prepare(disk.state, known)
    server = Daemon({**CONFIG, "STATE_DIR": disk.state}, env=disk.env(),
                    wait=False)
    with contextlib.suppress(AssertionError):
        server.wait_listening()
        work.work(server, known)
    return server


def assert_end(server, action, error, known):
    """How it may have ended after one call went wrong."""
    if action == "kill":
        assert server.wait() == -9
        return
    if server.listening("http"):
        assert server.alive(), server.log
        server.kill9()
    else:
        assert server.wait() == 1, server.log
        assert os.strerror(error) in server.log or action == "short"
    assert_well(server, known.damaged)


def run_with(path, work, number, action, error):
    """The work with one call that is hit; None when there is no such call,
    else what its clients were told."""
    disk = Disk(os.path.join(path, f"{action}{number}"))
    os.mkdir(os.path.dirname(disk.state))
    disk.rule(action, "any", error, number)
    known = Known()
    server = work_on(disk, work, known)
    try:
        if disk.hits() == 0:
            return None
        assert_end(server, action, error, known)
        assert_kept(disk.state, known)
        assert not known.damaged or work.is_kept(disk.state)
        return known
    finally:
        server.close()
        shutil.rmtree(os.path.dirname(disk.state))


def count_calls(path, work):
    """How many calls the work makes when all goes well."""
    disk = Disk(os.path.join(path, "count"))
    os.mkdir(os.path.dirname(disk.state))
    disk.rule("count")
    known = Known()
    server = work_on(disk, work, known)
    try:
        assert server.alive(), server.log
        assert_well(server, known.damaged)
        assert work.is_done(disk.state, known), vars(known)
        # The last answer came after its commit.
        return disk.hits()
    finally:
        server.kill9()
        server.close()


@pytest.mark.parametrize("action, error", [
    ("fail", errno.EIO), ("fail", errno.ENOSPC), ("short", 0), ("kill", 0)])
@pytest.mark.parametrize("kind", [Beginning, Moving, Repairing])
def test_every_single_call_may_go_wrong(tmp_path, kind, action, error):
    path = str(tmp_path)
    work = kind() if kind is Beginning else kind(path)
    calls = count_calls(path, work)
    assert calls >= 20
    # A sanitizer's build tries some of them: it looks for other things.
    numbers = range(1, calls + 1, 1 if SLOWNESS == 1 else 5)
    with concurrent.futures.ThreadPoolExecutor(work.at_once) as pool:
        results = list(pool.map(
            lambda n: run_with(path, work, n, action, error), numbers))
    told = [r for r in results if r is not None]
    # What shares a commit with what is chance: the last few may be missing.
    assert len(told) >= len(numbers) - max(3, len(numbers) // 5)
    assert sum(len(r.promised) for r in told) > len(told)


# Power cuts


def read_journal(path):
    """The journal as tuples; a write has its bytes last."""
    with open(path, "rb") as f:
        data = f.read()
    out, at = [], 0
    while at < len(data):
        end = data.index(b"\n", at)
        words = data[at:end].decode().split(" ", 2 if
                                            data[at:at + 4] == b"mark"
                                            else -1)
        at = end + 1
        if words[0] == "write":
            length = int(words[3])
            out.append(("write", words[1], int(words[2]), words[4] == "1",
                        data[at:at + length]))
            at += length
        else:
            out.append(tuple(words))
    return out


class PowerCut:
    """The files as the disk has them if the power goes after some calls.

    What was synced is there.  Of the rest there is, of each file, any part in
    sectors, and of the changes of names those up to some moment.
    """

    def __init__(self, chance):
        self.chance = chance
        self.names = {}  # what a directory that was synced has
        self.pending_names = []  # later changes of it, in order
        self.files = {}  # inode -> what was synced
        self.pending = {}  # inode -> writes and sizes since
        self.live = {}  # name -> inode, as programs see it
        self.next = 0

    def step(self, op):
        getattr(self, "on_" + op[0])(*op[1:])

    def change_names(self, change):
        change(self.live)
        self.pending_names.append(change)

    def on_new(self, name):
        inode = self.next
        self.next += 1
        self.files[inode], self.pending[inode] = bytearray(), []
        self.change_names(lambda d: d.__setitem__(name, inode))

    def on_rename(self, old, new):
        inode = self.live[old]

        def change(d):
            d.pop(old, None)
            d[new] = inode

        self.change_names(change)

    def on_link(self, old, new):
        inode = self.live[old]
        self.change_names(lambda d: d.__setitem__(new, inode))

    def on_unlink(self, name):
        self.change_names(lambda d: d.pop(name, None))

    def on_write(self, name, offset, dsync, data):
        inode = self.live[name]
        if dsync:
            self.apply(self.files[inode], offset, data)
        else:
            self.pending[inode].append((offset, data))

    def on_size(self, name, length):
        self.pending[self.live[name]].append((int(length), None))

    def on_sync(self, name):
        if name not in self.live:  # the directory
            for change in self.pending_names:
                change(self.names)
            self.pending_names = []
            return
        inode = self.live[name]
        for offset, data in self.pending[inode]:
            self.apply(self.files[inode], offset, data)
        self.pending[inode] = []

    def on_mark(self, *_):
        pass

    @staticmethod
    def apply(content, offset, data):
        if data is None:
            del content[offset:]
        end = offset + len(data or b"")
        if len(content) < end:
            content += bytes(end - len(content))
        if data is not None:
            content[offset:end] = data

    def image(self, op=("mark",)):
        """One of the many things that may be on the disk: {name: bytes}.

        op: the call that the cut comes in the middle of.
        """
        names = dict(self.names)
        for change in self.pending_names[
                :self.chance.randint(0, len(self.pending_names))]:
            change(names)
        # From nothing of it to all of it.
        share = self.chance.choice((0, 0.05, 0.5, 0.5, 0.95, 1))
        return {name: self.content(inode, share, op)
                for name, inode in names.items()}

    def content(self, inode, share, op):
        content = bytearray(self.files[inode])
        pending = list(self.pending[inode])
        if op[0] == "write" and self.live[op[1]] == inode:
            pending.append((op[2], op[4]))
        for offset, data in pending:
            for at in range(0, max(1, len(data or b"")), SECTOR):
                if self.chance.random() < share:
                    self.apply(content, offset + at, None if data is None
                               else data[at:at + SECTOR])
        return bytes(content)

    def now(self):
        """The files as programs see them."""
        out = {}
        for name, inode in self.live.items():
            out[name] = bytearray(self.files[inode])
            for offset, data in self.pending[inode]:
                self.apply(out[name], offset, data)
        return out


class Told(Known):
    """Notes in the journal, for whom the daemon is cut off there."""

    def gone(self, server, disk):
        """No image from here on has what was confirmed by now."""
        wait_until(lambda: not self.confirmed & set(contents(
            dump(disk.state))))
        # A dump may see a commit before its last sync is over.
        assert try_push(server, "test", "after", self) == "offline"
        for text in self.confirmed:
            self.note("gone", text)

    def enrol(self, server, name):
        login(server, name).close()
        self.note("registered", name)


@contextlib.contextmanager
def journaled(disk, **config):
    server = Daemon({**CONFIG, **config, "STATE_DIR": disk.state},
                    env=disk.env(journal=True), wait=False)
    try:
        yield server
    finally:
        if server.alive():
            server.kill9()
        server.close()


def confirm_all(server, device, known):
    with login(server, device) as d:
        while known.waiting(device):
            known.confirm(d, [d.recv_message()])
        d.ping()


def grow(server, known):
    for i in range(80):
        try_push(server, "other", f"bulk {i} " + "y" * 20000, known)


def wait_moved(disk):
    wait_until(lambda: Moving.moved(disk.state), RECOVERY, "the new file")


def test_a_power_cut_at_any_moment_loses_nothing(disk):
    known = Told(disk)
    with journaled(disk) as server:
        server.wait_listening()
        Beginning().work(server, known)
        confirm_all(server, "test", known)
        known.enrol(server, "newcomer")
        known.gone(server, disk)
        grow(server, known)
        confirm_all(server, "other", known)
        wait_moved(disk)
        known.enrol(server, "another")
        known.gone(server, disk)
        try_push(server, "test", "the end", known)
    ops = read_journal(disk.journal_file)
    assert sum(op[0] == "rename" for op in ops) >= 2
    assert {op[1] for op in ops if op[0] == "mark"} == {
        "kept", "confirming", "gone", "registered"}
    assert check_power_cuts(disk, ops) >= 100


def hit_syncdir(disk, action, calls):
    """The next sync of the directory goes wrong."""
    hits = disk.hits()
    disk.rule(action, "syncdir", errno.EIO)
    calls()
    wait_until(lambda: disk.hits() > hits)
    disk.rule()


def test_a_new_name_that_was_not_synced_is_synced_later(disk):
    """Nothing is promised by a file whose name may go with the power."""
    known = Told(disk)
    with journaled(disk) as server:
        server.wait_listening()
        grow(server, known)
        hit_syncdir(disk, "fail",
                    lambda: confirm_all(server, "other", known))
        wait_until(lambda: try_push(server, "test", "later", known) ==
                   "offline", RECOVERY)
    assert check_power_cuts(disk, read_journal(disk.journal_file)) > 10


def test_a_new_name_is_synced_after_a_kill_before_that(disk):
    known = Told(disk)
    disk.rule("kill", "syncdir")
    with journaled(disk) as server:
        assert server.wait() == -9
    disk.rule()
    with journaled(disk) as server:
        server.wait_listening()
        assert try_push(server, "test", "first", known) == "offline"
    assert check_power_cuts(disk, read_journal(disk.journal_file)) > 10


def check_power_cuts(disk, ops):
    """Returns how many images there were."""
    chance = random.Random(7)
    cuts = set(chance.sample(range(len(ops)), min(150, len(ops))))
    # Each moment around a change of names, and the last.
    cuts |= {i + d for i, op in enumerate(ops) for d in (0, 1)
             if op[0] in ("rename", "link", "unlink", "new")}
    cuts |= set(range(len(ops) - 5, len(ops)))
    power = PowerCut(chance)
    known = {"kept": [], "confirming": set(), "gone": set(),
             "registered": set()}
    images = 0
    for i, op in enumerate(ops):
        if i in cuts:
            images += 1
            check_image(disk.state + ".cut", power.image(op), known,
                        start=images % 10 == 0)
        power.step(op)
        if op[0] == "mark" and op[1] == "kept":
            known["kept"].append(op[2])
        elif op[0] == "mark":
            known[op[1]].add(op[2])
    for _ in range(5):
        check_image(disk.state + ".cut", power.image(), known, start=True)
    assert_complete(disk.state, power.now())
    return images


def assert_complete(state, files):
    """The journal has all that was done, or an image would mean nothing."""
    assert sorted(files) == sorted(os.listdir(state))
    for name, data in files.items():
        if name.endswith("-lock"):
            continue
        with open(os.path.join(state, name), "rb") as f:
            assert f.read() == data, name


def check_image(state, files, known, start):
    """START: let a daemon say what there is, not only a dump."""
    shutil.rmtree(state, ignore_errors=True)
    os.mkdir(state)
    for name, data in files.items():
        with open(os.path.join(state, name), "wb") as f:
            f.write(data)
    if "store.mdb" not in files:
        assert not known["kept"] and not known["registered"]
        return
    rows = dump(state)
    assert not [r for r in rows if r["kind"] == "damage"]
    texts = contents(rows)
    must = [t for t in known["kept"] if t not in known["confirming"]]
    assert [t for t in texts if t in must] == must
    assert not known["gone"] & set(texts)
    devices = {r["device"] for r in rows if r["kind"] == "device"}
    assert known["registered"] <= devices
    if start:
        check_start(state, rows)


def check_start(state, rows):
    """A daemon delivers what the dump has."""
    server = Daemon({**CONFIG, "STATE_DIR": state})
    try:
        assert_well(server)
        for name in {r["device"] for r in rows}:
            waiting = [r["mid"] for r in rows
                       if r["kind"] == "message" and r["device"] == name]
            with login(server, name) as device:
                for mid in waiting:
                    m = device.recv_message()
                    assert m["mid"] == str(mid)
                    device.ack(m)
                device.expect_nothing()
    finally:
        server.kill9()
        server.close()
