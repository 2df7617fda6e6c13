# SPDX-License-Identifier: ISC
"""The command line: options, exit statuses, signals, detaching."""

import os
import pwd
import re
import signal
import socket
import subprocess

import pytest

from conftest import DEFAULTS
from mpushlib import (AUTH_OK, AUTH_WRONG, DEADLINE, MPUSHD, SANITIZER_REPORT,
                      SLOWNESS, Daemon, Device, WebSocket, free_port, push,
                      start_push, wait_until)


def run(*args, cwd=None):
    """Run the daemon to its end."""
    r = subprocess.run([MPUSHD, *args], capture_output=True, text=True,
                       timeout=2 * DEADLINE, cwd=cwd, check=False,
                       stdin=subprocess.DEVNULL)
    assert not SANITIZER_REPORT.search(r.stderr), r.stderr
    return r


@pytest.fixture
def conf(tmp_path):
    """Write a configuration file; returns its path."""
    def write(text='{"TOKEN": "secret"}', name="mpushd.conf"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


# -- options -----------------------------------------------------------

def test_V_prints_name_and_version():
    r = run("-V")
    assert r.returncode == 0
    assert re.fullmatch(r"mpushd [0-9]\S*\n", r.stdout)
    assert r.stderr == ""


@pytest.mark.parametrize("args", [
    ["-x"], ["-f"], ["-o"], ["operand"], ["-n", "operand"], ["--help"],
    ["-f", "x", "-q"]])
def test_wrong_usage_exits_2_with_the_usage(args):
    r = run(*args)
    assert r.returncode == 2
    assert "usage: mpushd [-DnVv] [-f file] [-o key=value]...\n" in r.stderr
    assert r.stdout == ""


def test_n_is_silent_on_a_good_file(conf):
    r = run("-n", "-f", conf())
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")


def test_n_prints_file_and_line_of_each_fault(conf):
    path = conf('{\n"TOKEN": "",\n"WS_PORT": 65536,\n\n"WSPORT": 1,\n'
                '"REGISTERS": ["a",\n "-/b"]}')
    r = run("-n", "-f", path)
    assert r.returncode == 1
    lines = [re.match(rf"{re.escape(path)}:(\d+): .+", x)
             for x in r.stderr.splitlines()]
    assert all(lines), r.stderr
    assert [int(m[1]) for m in lines] == [2, 3, 5, 7]


def test_n_with_a_fault_in_an_option_exits_1(conf):
    r = run("-n", "-f", conf(), "-o", "WORKERS=0")
    assert r.returncode == 1
    assert re.fullmatch(r"-o WORKERS: .*\n", r.stderr)


def test_n_listens_nowhere(conf):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        r = run("-n", "-f", conf(), "-o", f"WS_PORT={s.getsockname()[1]}")
    assert (r.returncode, r.stderr) == (0, "")


def test_n_detaches_from_nothing(conf, tmp_path):
    r = run("-n", "-D", "-f", conf(), "-o", f"PIDFILE={tmp_path}/pid")
    assert r.returncode == 0
    assert not (tmp_path / "pid").exists()


@pytest.mark.parametrize("args", [[], ["-n"], ["-D"]])
def test_a_missing_file_exits_1_with_one_line(tmp_path, args):
    path = f"{tmp_path}/nowhere.conf"
    r = run(*args, "-f", path, "-o", "TOKEN=secret",
            "-o", f"PIDFILE={tmp_path}/pid")
    assert r.returncode == 1
    assert re.fullmatch(rf"{path}:1: .*No such file or directory\n", r.stderr)


def test_a_directory_for_a_file_exits_1_with_one_line(tmp_path):
    r = run("-f", str(tmp_path))
    assert r.returncode == 1
    assert re.fullmatch(r".*Is a directory\n", r.stderr)


def test_faults_stop_the_start_with_exit_1(conf):
    r = run("-f", conf('{"TOKEN": 7}'))
    assert r.returncode == 1
    assert re.fullmatch(r".*mpushd\.conf:1: TOKEN: .*\n", r.stderr)


def options(**config):
    return [x for k, v in config.items() for x in ("-o", f"{k}={v}")]


def test_without_a_file_options_are_enough():
    d = Daemon(None, *options(TOKEN="secret", WS_PORT=0, HTTP_PORT=0,
                              LISTEN="127.0.0.1", REGISTERS='["test"]'))
    try:
        assert push(d, "test", "t") == (200, "offline")
        assert d.terminate() == 0
    finally:
        d.close()


def test_o_wins_over_the_file_and_the_last_of_several_counts(daemon):
    d = daemon(*options(REGISTERS='["one"]'), *options(REGISTERS='["two"]'))
    assert push(d, "two", "t") == (200, "offline")
    assert push(d, "one", "t") == (404, "no")
    assert push(d, "test", "t") == (404, "no")


@pytest.mark.parametrize("value, tokens", [
    ("bare string", ["bare string"]), ('"quoted"', ["quoted"]),
    ("123", ["123"]), ("true", ["true"]), ("a=b", ["a=b"]),
    ('["one", "two"]', ["one", "two"])])
def test_the_value_of_o_is_json_or_a_bare_string(daemon, value, tokens):
    d = daemon(*options(TOKEN=value))
    for token in tokens:
        Device(d).authenticate(token).close()


@pytest.mark.parametrize("setting", [
    "NOKEY=1", "WS_PORT", "=1", "", "ws_port=1", "WS_PORT=many", "DEBUG=1",
    "TOKEN=", "TOKEN=[]", "TOKEN=null", "REGISTERS=test", "WS_PORT=[0]"])
def test_a_faulty_setting_exits_1_with_one_line(conf, setting):
    r = run("-f", conf(), "-o", setting)
    assert r.returncode == 1
    assert re.fullmatch(r"-o .+\n", r.stderr)


def test_v_logs_what_is_refused_and_without_it_nothing_is(daemon):
    quiet, loud = daemon(), daemon("-v")
    for d in quiet, loud:
        assert push(d, "test") == (400, "no")
    loud.wait_log(r"http: refused: .* status=400$")
    for d in quiet, loud:
        assert d.terminate() == 0
    assert "refused" not in quiet.log


def test_v_may_be_repeated(daemon):
    assert push(daemon("-vvv", "-v"), "test", "t") == (200, "offline")


# -- signals -----------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_with_status_0(daemon, number):
    d = daemon()
    device = Device(d).login()
    d.signal(number)
    device.expect_close(1001)
    assert d.wait() == 0


def test_a_second_stop_signal_does_no_harm(daemon):
    d = daemon()
    Device(d).login()
    d.signal(signal.SIGTERM)
    d.signal(signal.SIGINT)
    d.signal(signal.SIGTERM)
    assert d.wait() == 0


def test_a_client_that_does_not_close_cannot_hold_up_the_stop(daemon):
    d = daemon()
    device = Device(d).login()
    pushed = start_push(d, "test", "t")
    device.recv_message()
    d.signal(signal.SIGTERM)
    assert pushed.read_response().answer == (503, "no")
    assert d.wait(3 + DEADLINE) == 0


def test_stopping_and_reloading_at_once_stops(daemon):
    d = daemon()
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
        d.signal(number)
    assert d.wait() == 0


# -- SIGHUP ------------------------------------------------------------

def config(d, **changes):
    return {**d.config, **changes}


def test_sighup_brings_new_values_into_force(daemon):
    d = daemon()
    assert push(d, "new", "t") == (404, "no")
    d.reload(config(d, REGISTERS=["test", "new"], TOKEN="other"))
    assert push(d, "new", "t") == (200, "offline")
    with WebSocket(d) as ws:
        ws.send_text("secret")
        assert ws.recv_json() == AUTH_WRONG
        ws.send_text("other")
        assert ws.recv_json() == AUTH_OK


def test_sighup_loses_no_connection_and_no_message(daemon):
    d = daemon(REGISTERS=["test", "away"], ACK_TIMEOUT=60)
    assert push(d, "away", "kept") == (200, "offline")
    device = Device(d).login()
    pushed = start_push(d, "test", "waits")
    message = device.recv_message()
    d.reload(config(d, REGISTERS=[]))
    device.ack(message)
    assert pushed.read_response().answer == (200, "ok")
    device.expect_nothing()
    assert Device(d).login(device="away").recv_message()["title"] == "kept"


def test_sighup_keeps_devices_that_registers_names_no_more(daemon):
    d = daemon(REGISTERS=["gone"])
    d.reload(config(d, REGISTERS=["test"]))
    assert push(d, "gone", "t") == (200, "offline")


@pytest.mark.parametrize("text, line", [
    ('{"TOKEN": "x",\n "WSPORT": 1}', 2), ('{"TOKEN": "x",\n\n', 3),
    ('{\n"REGISTERS": []}', 1), ("", 1)])
def test_a_faulty_file_is_reported_and_changes_nothing(daemon, text, line):
    d = daemon()
    device = Device(d).login()
    d.reload(text, good=False)
    d.wait_log(rf"{re.escape(d.config_file)}:{line}: .+")
    device.expect_nothing()
    Device(d).login(device="second").close()
    d.reload(config(d, TOKEN="third"))
    Device(d).login("third", "second").close()


def test_a_file_that_has_gone_is_reported_and_changes_nothing(daemon):
    d = daemon()
    os.unlink(d.config_file)
    d.reload(good=False)
    d.wait_log(r"mpushd\.conf:1: .*No such file")
    assert push(d, "test", "t") == (200, "offline")


def test_sighup_sets_the_options_again_after_the_file(daemon):
    d = daemon("-o", "TOKEN=option")
    d.reload(config(d, TOKEN="file"))
    Device(d).login("option").close()


@pytest.mark.parametrize("key, value", [
    ("WS_PORT", 1), ("HTTP_PORT", 1), ("LISTEN", "::1"), ("WORKERS", 9),
    ("USER", "nobody"),
    ("PIDFILE", "/nowhere/pid")])
def test_sighup_says_what_only_a_restart_changes(daemon, key, value):
    d = daemon()
    d.reload(config(d, **{key: value}))
    d.wait_log(f"{key}.*restart")
    assert push(d, "test", "t") == (200, "offline")


def test_many_reloads_leak_no_descriptor(daemon):
    d = daemon()
    push(d, "test", "t")
    d.reload()
    before = wait_until(d.fds)
    for _ in range(20):
        d.reload()
    assert d.fds() <= before


# -- the service manager -----------------------------------------------

def test_the_service_manager_is_told_of_each_state(daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.settimeout(DEADLINE)
        s.bind(f"{tmp_path}/notify")
        d = daemon(env={"NOTIFY_SOCKET": f"{tmp_path}/notify"})
        ready = [b"READY=1", b"STATUS=0 connections"]
        assert s.recv(4096).splitlines() == ready
        assert len(d.listening("http")) == 1  # logged before
        d.reload()
        reloading = s.recv(4096).splitlines()
        assert reloading[0] == b"RELOADING=1"
        assert re.fullmatch(rb"MONOTONIC_USEC=\d+", reloading[1])
        assert s.recv(4096).splitlines() == ready
        d.reload("{", good=False)
        assert s.recv(4096).startswith(b"RELOADING=1")
        assert re.fullmatch(rb"READY=1\nSTATUS=0 connections; .* fault.*",
                            s.recv(4096))
        d.signal(signal.SIGTERM)
        assert s.recv(4096).splitlines()[0] == b"STOPPING=1"


def test_the_watchdog_is_fed_and_told_of_connections(daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.settimeout(DEADLINE)
        s.bind(f"{tmp_path}/notify")
        d = daemon(env={"NOTIFY_SOCKET": f"{tmp_path}/notify",
                        "WATCHDOG_USEC": "20000"}, WORKERS=3)
        assert s.recv(4096).startswith(b"READY=1")
        devices = []
        for n in range(3):
            wait_until(lambda n=n: s.recv(4096) ==
                       b"WATCHDOG=1\nSTATUS=%d connections" % n)
            devices.append(Device(d).login(device=f"n{n}"))
        d.signal(signal.SIGTERM)
        wait_until(lambda: s.recv(4096).startswith(b"STOPPING=1"))
        assert d.wait() == 0


@pytest.mark.parametrize("env", [
    {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"},
    {"WATCHDOG_USEC": "often"}, {"WATCHDOG_USEC": "0"}])
def test_a_watchdog_that_is_not_ours_is_not_fed(daemon, tmp_path, env):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.settimeout(DEADLINE)
        s.bind(f"{tmp_path}/notify")
        d = daemon(env={"NOTIFY_SOCKET": f"{tmp_path}/notify", **env})
        assert s.recv(4096).startswith(b"READY=1")
        s.settimeout(0.2 * SLOWNESS)
        with pytest.raises(TimeoutError):
            s.recv(4096)
        assert d.alive()


# -- the token ---------------------------------------------------------

def test_no_token_is_ever_logged(daemon):
    d = daemon("-vvv", TOKEN="right-horse", DEBUG=True)
    with WebSocket(d) as ws:
        ws.send_text("wrong-horse")
        assert ws.recv_json() == AUTH_WRONG
    Device(d).login("right-horse").close()
    d.reload('{"TOKEN": [right-horse, "new-horse"]}', good=False)
    d.reload('{"TOKEN": "new-horse" "x"}', good=False)
    d.reload('{"TOKEN": ["new-horse", 3]}', good=False)
    assert d.terminate() == 0
    assert "horse" not in d.log


def test_tokens_come_from_a_file_and_change_at_sighup(daemon, tmp_path):
    path = tmp_path / "token"
    path.write_text("# one a line\n\nold-horse\r\nsecond-horse\n")
    d = daemon("-vvv", TOKEN_FILE=str(path), DEBUG=True)
    for token in "secret", "old-horse", "second-horse":
        Device(d).login(token).close()
    path.write_text("new-horse")
    d.reload()
    Device(d).login("new-horse").close()
    with WebSocket(d) as ws:
        ws.send_text("old-horse")
        assert ws.recv_json() == AUTH_WRONG
    for text, line in (b"# none\n", 1), (b"\n\nhorse\xff\n", 3):
        path.write_bytes(text)
        d.reload(good=False)
        d.wait_log(f"{path}:{line}: ")
    Device(d).login("new-horse").close()
    assert d.terminate() == 0
    assert "horse" not in d.log


# -- who it runs as ----------------------------------------------------

def test_root_becomes_the_user(daemon, tmp_path):
    """And who is not root says that it has not."""
    d = daemon(USER="nobody")
    with open(f"/proc/{d.pid}/status", encoding="ascii") as f:
        status = dict(x.split(":", 1) for x in f)
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        assert status["Uid"].split() == [str(nobody.pw_uid)] * 4
        assert status["Gid"].split() == [str(nobody.pw_gid)] * 4
        assert status["Groups"].split() == [str(nobody.pw_gid)]
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert status["NoNewPrivs"].strip() == "1"
        # What it could read at the start it may not read now.
        os.chmod(d.directory.name, 0o755)
        os.chmod(d.config_file, 0o600)
        d.reload(good=False)
        os.chmod(d.config_file, 0o644)
    else:
        d.wait_log("USER has no effect")
    d.reload(config(d, REGISTERS=["new"]))
    assert push(d, "new", "t") == (200, "offline")


# -- detaching ---------------------------------------------------------

@pytest.fixture
def detached(tmp_path):
    """Start with -D on a free port; returns (address, pid)."""
    pids = []

    def start(**changes):
        port = free_port()
        d = Daemon({**DEFAULTS, "WS_PORT": port, "HTTP_PORT": port,
                    "PIDFILE": f"{tmp_path}/pid", **changes}, "-D",
                   wait=False)
        pid = None
        if d.wait() == 0:
            pid = int((tmp_path / "pid").read_text())
            pids.append(pid)
        return d, ("127.0.0.1", port), pid

    yield start
    for pid in pids:
        if is_running(pid):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda p=pid: not is_running(p), 3 + DEADLINE)


def is_running(pid):
    """A zombie whose parent does not care is not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_D_returns_when_it_listens_with_the_pid_in_the_file(detached):
    d, address, pid = detached()
    assert push(address, "test", "t") == (200, "offline")
    assert pid != d.pid and is_running(pid)
    assert os.getsid(pid) != os.getsid(0)
    assert d.log == ""


def test_D_stops_at_sigterm_and_removes_its_pid_file(detached, tmp_path):
    _, _, pid = detached()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_running(pid))
    assert not (tmp_path / "pid").exists()


def test_D_leaves_an_empty_pid_file_where_its_user_cannot_remove_it(
        detached, tmp_path):
    os.chmod(tmp_path, 0o755)
    _, address, pid = detached(USER="nobody")
    assert push(address, "test", "t") == (200, "offline")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_running(pid))
    path = tmp_path / "pid"
    assert path.exists() == (os.getuid() == 0)
    assert not path.exists() or path.read_text() == ""


def test_D_reads_its_file_again_at_sighup(detached):
    d, address, pid = detached()
    d.write_config(config(d, REGISTERS=["new"]))
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: push(address, "new", "t") == (200, "offline"))


def test_D_finds_a_relative_file_again_at_sighup(tmp_path, conf):
    port = free_port()
    text = ('{"TOKEN": "secret", "LISTEN": "127.0.0.1", "WS_PORT": %d, '
            '"HTTP_PORT": %d, "PIDFILE": "%s/pid", "REGISTERS": ["%s"]}')
    conf(text % (port, port, tmp_path, "old"))
    assert run("-D", "-f", "mpushd.conf", cwd=tmp_path).returncode == 0
    pid = int((tmp_path / "pid").read_text())
    try:
        conf(text % (port, port, tmp_path, "new"))
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: push(("127.0.0.1", port), "new", "t")[0] == 200)
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_running(pid))


def test_a_second_D_with_the_same_pid_file_fails_and_names_the_first(
        detached, tmp_path):
    _, address, pid = detached()
    second, _, none = detached()
    assert none is None
    assert second.process.returncode == 1
    assert re.fullmatch(rf"mpushd: .*{pid}.*", second.log)
    assert (tmp_path / "pid").read_text().strip() == str(pid)
    assert push(address, "test", "t") == (200, "offline")


def test_D_reports_a_port_in_use_on_stderr_and_exits_1(detached, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        d, _, _ = detached(WS_PORT=s.getsockname()[1])
    assert d.process.returncode == 1
    assert re.fullmatch(r".*in use.*", d.log)
    assert not (tmp_path / "pid").exists()


def test_D_reports_a_pid_file_that_cannot_be_and_exits_1(detached, tmp_path):
    d, _, _ = detached(PIDFILE=f"{tmp_path}/nowhere/pid")
    assert d.process.returncode == 1
    assert re.fullmatch(rf"mpushd: {tmp_path}/nowhere/pid: .*", d.log)
