# SPDX-License-Identifier: ISC
"""STATE_DIR: what is there after a restart, a kill, a fault, or damage."""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import threading
import time

import pytest

from mpushlib import (
    DEADLINE, MPUSHD, SLOWNESS, TOKEN, HttpConn, http, login, push, push_all,
    start_push, wait_until)

STORE = "store.mdb"


@pytest.fixture
def state(tmp_path):
    return str(tmp_path / "state")


def dump(state, status=0):
    """What --dump prints, as a list."""
    done = subprocess.run(
        [MPUSHD, "--dump", "-o", f"TOKEN={TOKEN}", "-o", f"STATE_DIR={state}"],
        stdout=subprocess.PIPE, timeout=60 * SLOWNESS, check=False)
    assert done.returncode == status, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def messages(rows):
    return [row["content"] for row in rows if row["kind"] == "message"]


def check(state, *args):
    """mpushd -n: (exit status, what it says)."""
    done = subprocess.run(
        [MPUSHD, "-n", "-o", f"TOKEN={TOKEN}", "-o", f"STATE_DIR={state}",
         *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        timeout=60 * SLOWNESS, check=False)
    return done.returncode, done.stdout.decode()


def receive_all(device, n):
    """n messages, confirmed; their contents."""
    got = device.recv_messages(n)
    device.ack(got)
    return [m["content"] for m in got]


@pytest.mark.parametrize("end", ["kill9", "terminate"])
def test_offline_messages_outlive_the_daemon(daemon, state, end):
    first = daemon(STATE_DIR=state)
    texts = [f"text {i} “ü”" for i in range(50)]
    mids = push_all(first, "test", texts)
    getattr(first, end)()
    second = daemon(STATE_DIR=state)
    second.wait_log(
        r"store: found what was kept messages=50 devices=1 milliseconds=\d+")
    with login(second, "test") as device:
        got = device.recv_messages(50)
        assert [m["content"] for m in got] == texts
        assert [m["mid"] for m in got] == mids
        more = push_all_online(second, device)
        assert int(more) > int(mids[-1])


@pytest.mark.parametrize("end", ["terminate", "kill9"])
def test_the_state_comes_and_not_the_history(daemon, state, end):
    first = daemon(STATE_DIR=state, REGISTERS=["test"])
    for content in ("red", "green", "red again"):
        assert http(first, "GET", "/test?key=light&content=" +
                    content.replace(" ", "+")).answer == (200, "offline")
    assert push(first, "test", content="other") == (200, "offline")
    getattr(first, end)()
    # Deleted half a second later at most: what a kill left comes together.
    second = daemon(STATE_DIR=state, REGISTERS=["test"])
    assert http(second, "GET", "/test?key=light&content=off").answer == (
        200, "offline")
    with login(second, "test") as device:
        assert receive_all(device, 2) == ["other", "off"]


def push_all_online(server, device):
    """One more push, which the device confirms; its mid."""
    with start_push(server, "test", "t", "online") as publisher:
        message = device.recv_message()
        device.ack(message)
        assert publisher.read_response().answer == (200, "ok")
    return message["mid"]


def test_a_registration_outlives_a_kill(daemon, state):
    first = daemon(STATE_DIR=state)
    with login(first, "newcomer"):
        first.kill9()
    second = daemon(STATE_DIR=state)
    assert push(second, "newcomer", "t") == (200, "offline")
    assert push(second, "stranger", "t") == (404, "no")


def test_online_messages_outlive_a_kill(daemon, state):
    first = daemon(STATE_DIR=state, ACK_TIMEOUT=0.3)
    with login(first, "test") as device:
        assert push(first, "test", "t", "unconfirmed") == (200, "online")
        mid = device.recv_message()["mid"]
        first.kill9()
    second = daemon(STATE_DIR=state)
    with login(second, "test") as device:
        again = device.recv_message()
        assert (again["mid"], again["content"]) == (mid, "unconfirmed")


def test_confirmed_messages_do_not_come_back(daemon, state):
    first = daemon(STATE_DIR=state)
    push_all(first, "test", [str(i) for i in range(20)])
    with login(first, "test") as device:
        got = device.recv_messages(20)
        device.ack(got[:15])
        device.ping()
        wait_until(lambda: len(messages(dump(state))) == 5, 1 + DEADLINE)
        first.kill9()
    second = daemon(STATE_DIR=state)
    with login(second, "test") as device:
        assert receive_all(device, 5) == [str(i) for i in range(15, 20)]
        device.expect_nothing()


def test_mids_go_on_after_the_clock_was_set_back(daemon, state):
    server = daemon(STATE_DIR=state)
    with login(server, "test") as device:
        push_all_online(server, device)
    server.terminate()
    # As if that had been an hour later than what is now.
    path = os.path.join(state, STORE)
    later = os.stat(path).st_mtime_ns + 3600 * 10**9
    os.utime(path, ns=(later, later))
    server = daemon(STATE_DIR=state)
    server.wait_log(r"the clock was set back .* seconds=3[56]\d\d$")
    with login(server, "test") as device:
        mid = int(push_all_online(server, device))
        assert mid > later // 10**6
        assert int(push_all_online(server, device)) > mid
    server.kill9()
    # What was given out ahead of the clock is on disk.
    server = daemon(STATE_DIR=state)
    with login(server, "test") as device:
        assert int(push_all_online(server, device)) > mid + 1


def test_what_is_confirmed_at_once_is_never_written(daemon, state):
    server = daemon(STATE_DIR=state)
    with login(server, "test") as device:
        path = os.path.join(state, STORE)

        def writes():
            st = os.stat(path)
            return st.st_mtime_ns, st.st_size

        # The registration is there, so that the next is a message's.
        wait_until(lambda: "test" in [row["device"] for row in dump(state)])
        before = writes()
        for _ in range(100):
            push_all_online(server, device)
        time.sleep(0.3)  # for a write that must not come
        assert writes() == before


def test_stop_answers_online_for_what_is_on_disk(daemon, state):
    first = daemon(STATE_DIR=state, ACK_TIMEOUT=30)
    with login(first, "test") as device, \
            start_push(first, "test", "t", "waits") as publisher:
        device.recv_message()
        first.signal(signal.SIGTERM)
        assert publisher.read_response().answer == (200, "online")
        device.expect_close(1001)
    assert first.wait(3 + DEADLINE) == 0
    second = daemon(STATE_DIR=state)
    with login(second, "test") as device:
        assert receive_all(device, 1) == ["waits"]


def test_a_reload_keeps_the_store(daemon, state):
    server = daemon(STATE_DIR=state)
    push_all(server, "test", ["a"])
    server.reload({**server.config, "RESEND_INTERVAL": 7, "STATE_DIR": None})
    server.wait_log("STATE_DIR changes only at a restart")
    push_all(server, "test", ["b"])
    server.kill9()
    assert messages(dump(state)) == ["a", "b"]


def test_a_second_daemon_is_refused_and_told_who_has_it(daemon, state):
    first = daemon(STATE_DIR=state)
    second = daemon(STATE_DIR=state, wait=False)
    assert second.wait() == 1
    assert second.lines == [
        f"start: STATE_DIR: {state} is in use by process {first.pid}"]
    # A check is no second daemon.
    assert check(state) == (0, "")
    assert push(first, "test", "t") == (200, "offline")


def test_nobody_else_can_read_what_is_kept(daemon, state):
    os.umask(0)
    try:
        server = daemon(STATE_DIR=state)
        push_all(server, "test", ["secret"])
    finally:
        os.umask(0o022)
    assert stat.S_IMODE(os.stat(state).st_mode) == 0o700
    for name in os.listdir(state):
        mode = os.stat(os.path.join(state, name)).st_mode
        assert stat.S_IMODE(mode) == 0o600, name


def directory_size(path):
    total = 0
    for entry in os.scandir(path):
        with contextlib.suppress(FileNotFoundError):  # a file in the making
            total += entry.stat().st_size
    return total


def test_confirmed_messages_free_their_space(daemon, state):
    server = daemon(STATE_DIR=state)
    push_all(server, "test", ["x" * 20000 + str(i) for i in range(500)])
    assert directory_size(state) > 9 << 20
    with login(server, "test") as device:
        for _ in range(25):
            receive_all(device, 20)
        wait_until(lambda: directory_size(state) < 1 << 20, 2 + DEADLINE)
        push_all_online(server, device)
    push_all(server, "test", ["after"])
    server.kill9()
    assert messages(dump(state)) == ["after"]


# Limits


def test_over_MAX_STORE_a_push_is_refused_and_nothing_is_lost(daemon, state):
    server = daemon(STATE_DIR=state, MAX_STORE=10000)
    with HttpConn(server) as c:
        for i in range(9):
            r = c.request("POST", "/test", {"Content-Type": "text/plain"},
                          b"x" * 1000)
            assert r.answer == (200, "offline")
        r = c.request("POST", "/test", {"Content-Type": "text/plain",
                                        "Accept": "application/json"},
                      b"x" * 1000)
    assert r.status == 503
    assert int(r.headers["retry-after"]) > 0
    assert "MAX_STORE" in r.json()["error"]
    with login(server, "test") as device:
        receive_all(device, 9)
        device.ping()
    assert push(server, "test", "t", "y" * 1000) == (200, "offline")


def test_MAX_STORE_bounds_what_is_in_memory_too(daemon):
    server = daemon(MAX_STORE=5000)
    assert push(server, "test", "t", "y" * 4000) == (200, "offline")
    assert push(server, "test", "t", "y" * 4000) == (503, "no")


def test_old_messages_expire(daemon, state):
    server = daemon(STATE_DIR=state, MESSAGE_TTL=0.5)
    push_all(server, "test", ["a", "b"])
    # Both at once, or one in each of two rounds.
    wait_until(lambda: sum(map(int, re.findall(
        r"older than MESSAGE_TTL were dropped messages=(\d+)",
        server.log))) == 2)
    wait_until(lambda: messages(dump(state)) == [])
    with login(server, "test") as device:
        device.expect_nothing()
    server.kill9()


def test_a_device_that_nobody_sees_is_forgotten(daemon, state):
    server = daemon("-v", STATE_DIR=state, DEVICE_TTL=0.5)
    login(server, "passer-by").close()
    # Lasts as long as somebody holds it, and REGISTERS do for ever.
    with login(server, "stays") as device:
        wait_until(lambda: http(server, "HEAD", "/passer-by").status == 404,
                   2 + DEADLINE)
        assert http(server, "HEAD", "/stays").status == 200
        assert http(server, "HEAD", "/test").status == 200
        wait_until(lambda: "passer-by" not in
                   [row["device"] for row in dump(state)])
        device.ping()


# Damage


def damage(state, offset, data):
    with open(os.path.join(state, STORE), "r+b") as f:
        f.seek(offset)
        f.write(data)


def test_a_damaged_record_is_named_and_never_delivered(daemon, state):
    first = daemon(STATE_DIR=state)
    push_all(first, "test", ["before", "find me", "after"])
    first.kill9()
    with open(os.path.join(state, STORE), "rb") as f:
        places = [m.start() for m in re.finditer(b"find me", f.read())]
    for place in places:
        damage(state, place, b"F")
    code, text = check(state)
    assert code == 1
    assert f"{state}/store.mdb: damaged in 1 places" in text
    assert dump(state, 1)[-1]["kind"] != "head"
    second = daemon(STATE_DIR=state)
    second.wait_log(r"damage at byte \d+: record \d+ has a wrong checksum")
    second.wait_log(r"damaged in 1 places; what can be read of it is kept")
    aside = second.wait_log(r"the damaged file is now (\S+)")[1]
    assert os.path.exists(aside)
    second.wait_log("found what was kept messages=2")
    with login(second, "test") as device:
        assert receive_all(device, 2) == ["before", "after"]
        device.expect_nothing()
    second.kill9()
    assert check(state) == (0, "")


def test_a_truncated_file_is_named_and_what_is_left_is_kept(daemon, state):
    first = daemon(STATE_DIR=state)
    texts = [f"{i:04} " + "x" * 2000 for i in range(60)]
    push_all(first, "test", texts)
    first.kill9()
    path = os.path.join(state, STORE)
    with open(path, "rb") as f:
        whole = f.read()
    seen = set()
    for size in range(0, len(whole), 4096 * max(1, len(whole) // 4096 // 12)):
        for name in os.listdir(state):
            os.unlink(os.path.join(state, name))
        with open(path, "wb") as f:
            f.write(whole[:size])
        server = daemon(STATE_DIR=state)
        found = server.wait_log(r"store: found what was kept messages=(\d+)")
        server.wait_log("damage at byte")
        assert any("damaged-" in n for n in os.listdir(state))
        got = messages(dump(state))
        assert len(got) == int(found[1])
        assert set(got) <= set(texts)
        seen.add(len(got))
        server.kill9()
    # From nothing to nearly all.
    assert 0 in seen and max(seen) > 40, seen


# Faults


def test_a_directory_that_cannot_be_made_is_one_clear_line(daemon, tmp_path):
    server = daemon(STATE_DIR=str(tmp_path / "no" / "such"), wait=False)
    assert server.wait() == 1
    assert server.lines == [
        f"start: STATE_DIR: {tmp_path}/no/such: No such file or directory"]
    code, text = check(str(tmp_path / "no" / "such"))
    assert (code, "No such file" in text) == (1, True)


def test_a_check_names_the_line_of_STATE_DIR(tmp_path):
    conf = tmp_path / "c"
    conf.write_text('{"TOKEN": "t",\n "STATE_DIR": "/proc/nope/x"}')
    done = subprocess.run([MPUSHD, "-n", "-f", str(conf)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout.decode().startswith(f"{conf}:2: STATE_DIR: ")


def test_a_file_in_the_place_of_the_directory(daemon, tmp_path):
    (tmp_path / "f").write_text("x")
    server = daemon(STATE_DIR=str(tmp_path / "f"), wait=False)
    assert server.wait() == 1
    assert len(server.lines) == 1 and "Not a directory" in server.lines[0]


def test_a_dump_of_a_running_daemon(daemon, state):
    server = daemon(STATE_DIR=state)
    push_all(server, "test", [f"{i} \"<ü>\n" for i in range(1000)])
    rows = dump(state)
    assert messages(rows) == [f"{i} \"<ü>\n" for i in range(1000)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                            row["accepted"]) for row in rows
               if row["kind"] == "message")
    with login(server, "other"):
        assert "other" in [r["device"] for r in dump(state)
                           if r["kind"] == "device"]


def test_a_dump_beside_a_daemon_that_writes_is_one_moment(daemon, state):
    server = daemon(STATE_DIR=state)
    over = threading.Event()

    def write():
        with HttpConn(server) as c:
            while not over.is_set():
                c.request("POST", "/test", {"Content-Type": "text/plain"},
                          b"x" * 100)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for thread in writers:
        thread.start()
    try:
        counts = []
        for _ in range(20):
            rows = [row for row in dump(state) if row["kind"] == "message"]
            mids = [int(row["mid"]) for row in rows]
            assert mids == sorted(set(mids))
            counts.append(len(rows))
        assert counts == sorted(counts) and counts[-1] > counts[0]
    finally:
        over.set()
        for thread in writers:
            thread.join()


def test_a_dump_without_a_directory_says_so():
    done = subprocess.run([MPUSHD, "--dump", "-o", f"TOKEN={TOKEN}"],
                          stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1
    assert b"STATE_DIR is not set" in done.stderr
