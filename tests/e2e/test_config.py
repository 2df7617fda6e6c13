# SPDX-License-Identifier: ISC
"""The configuration: what each key does, and how its faults are reported."""

import json
import os
import re
import subprocess
import time

import pytest

from mpushlib import (AUTH_OK, AUTH_WRONG, DEADLINE, MPUSHD, SANITIZER_REPORT,
                      SLOWNESS, Device, HttpConn, WebSocket, push, start_push)

SHORT = 0.5 * SLOWNESS  # a timeout that a test waits out
LONG = 600              # one that it must not


def check(tmp_path, text):
    """mpushd -n on a file with that text: (exit status, stderr lines)."""
    path = tmp_path / "mpushd.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    r = subprocess.run([MPUSHD, "-n", "-f", "mpushd.conf"], cwd=tmp_path,
                       capture_output=True, timeout=2 * DEADLINE, check=False)
    err = r.stderr.decode()
    assert not SANITIZER_REPORT.search(err), err
    return r.returncode, err.splitlines()


def file_with(key, value):
    """A file whose line 4 sets KEY to what stands in VALUE."""
    token = "" if key == "TOKEN" else '"TOKEN": "secret",'
    return f'{{\n{token}\n// {key}\n"{key}": {value}\n}}\n'


# -- values ------------------------------------------------------------

GOOD = {
    "TOKEN": ['"t"', '["a", "b"]', '"ü, # and //"'],
    "WS_PORT": ["0", "1", "65535"],
    "HTTP_PORT": ["0", "1", "65535"],
    "DEBUG": ["true", "false"],
    "REGISTERS": ["[]", '["a"]', '["a", "ä/b c", "-", "-a"]',
                  json.dumps(["x" * 256])],
    "LISTEN": ['"127.0.0.1"', '["::1", "127.0.0.1"]', '"*"', '"[::1]"',
               '"unix:/run/x"', '["*", "unix:/run/x"]'],
    "WORKERS": ["1", "256"],
    "AUTH_TIMEOUT": ["1", "0.5", "30"],
    "LOGIN_TIMEOUT": ["1", "0.5", "30"],
    "ACK_TIMEOUT": ["1", "0.5", "3"],
    "RESEND_INTERVAL": ["1", "0.5", "2"],
    "MAX_MESSAGE": ["1", "65536", "16777216"],
    "MAX_QUEUE": ["1", "10000"],
    "MAX_DEVICES": ["1", "1000000"],
    "MAX_CONNECTIONS": ["1", "100000"],
    "TOKEN_FILE": ["null"],
    "USER": ["null", '"nobody"'],
    "STATE_DIR": ["null"],
    "PIDFILE": ['"/run/x.pid"'],
}

BAD_NUMBERS = ["-1", '"1"', "null", "true", "[1]", "{}", "1e30"]
BAD_INTS = [*BAD_NUMBERS, "0", "1.5"]
BAD_SECONDS = [*BAD_NUMBERS, "0", "0.001"]
BAD = {
    "TOKEN": ['""', "[]", '["a", ""]', "7", "null", "true", "{}", "[1]"],
    "WS_PORT": [*BAD_NUMBERS, "65536", "1.5"],
    "HTTP_PORT": [*BAD_NUMBERS, "65536", "1.5"],
    "DEBUG": ["1", '"true"', "null", "[]"],
    "REGISTERS": ['"a"', "null", "{}", "[1]", '[""]', '["-/x"]',
                  r'["a\nb"]', r'["a\u007f"]', json.dumps(["x" * 257]),
                  json.dumps(["ü" * 129])],
    "LISTEN": ['""', "[]", "null", "7", '"localhost"', '"256.0.0.1"',
               '"unix:x"', '"unix:"', '["::1", ""]', '"127.0.0.1:80"',
               json.dumps("unix:/" + "x" * 107)],
    "WORKERS": [*BAD_INTS, "257"],
    "AUTH_TIMEOUT": BAD_SECONDS,
    "LOGIN_TIMEOUT": BAD_SECONDS,
    "ACK_TIMEOUT": BAD_SECONDS,
    "RESEND_INTERVAL": BAD_SECONDS,
    "MAX_MESSAGE": BAD_INTS,
    "MAX_QUEUE": BAD_INTS,
    "MAX_DEVICES": BAD_INTS,
    "MAX_CONNECTIONS": BAD_INTS,
    "TOKEN_FILE": ["7", "[]", '""', '"relative"', '"/nowhere/token"', '"/dev"',
                   r'"/a\nb"'],
    "USER": ["7", "true", '""', '"no such user"', '["root"]'],
    "STATE_DIR": ["7", "true", '""', '"relative"', "[]"],
    "PIDFILE": ["7", "null", '""', '"relative"'],
}


def rows(table):
    return [(k, v) for k, values in table.items() for v in values]


@pytest.mark.parametrize("key, value", rows(GOOD))
def test_a_value_in_range_is_no_fault(tmp_path, key, value):
    assert check(tmp_path, file_with(key, value)) == (0, [])


@pytest.mark.parametrize("key, value", rows(BAD))
def test_a_wrong_type_or_value_is_one_fault_with_file_and_line(
        tmp_path, key, value):
    status, lines = check(tmp_path, file_with(key, value))
    assert status == 1
    assert len(lines) == 1, lines
    assert re.match(r"mpushd\.conf:4: ", lines[0]), lines


def test_more_registers_than_max_devices_is_a_fault(tmp_path):
    text = '{"TOKEN": "t", "MAX_DEVICES": 1,\n"REGISTERS": ["a", "b"]}'
    status, lines = check(tmp_path, text)
    assert status == 1
    assert re.fullmatch(r"mpushd\.conf:2: REGISTERS: .*MAX_DEVICES.*",
                        lines[0])


@pytest.mark.parametrize("key", ["FOO", "token", "WSPORT", "", "ÜNI"])
def test_an_unknown_key_is_a_fault_with_file_and_line(tmp_path, key):
    status, lines = check(tmp_path, file_with(key, "1"))
    assert status == 1
    assert re.match(rf'mpushd\.conf:4: unknown key "{key}"', lines[0]), lines


def test_a_missing_token_is_a_fault(tmp_path):
    assert check(tmp_path, "{}") == (
        1, ["mpushd.conf:1: TOKEN or TOKEN_FILE is required"])


@pytest.mark.parametrize("text, line", [
    ("", 1), ("\n\n", None), ("[]", 1), ('"x"', 1), ("null", 1), ("{", 1),
    ('{"TOKEN": "t"', 1), ('{\n"TOKEN": "t",\n}', 3), ('{"TOKEN": "t"}\n}', 2),
    ('{"TOKEN": "t"\n"DEBUG": true}', 2), ('{\n"TOKEN": t}', 2),
    ('{"TOKEN":\n"t\n"}', 2), ('{"TOKEN": "t",\n"TOKEN": "t"}', 2),
    ('{"TOKEN":\n"t\\u0000"}', 2), (b'{"TOKEN":\n"t\xff"}', 2),
    ('{"TOKEN": "t"}\n/* no comment */', 2), (b'{"TOKEN": "t"}\n\0', 2),
    ("{" * 5000, None), ("[" * 100000, None)])
def test_what_is_not_one_json_object_is_a_fault_with_its_line(
        tmp_path, text, line):
    status, lines = check(tmp_path, text)
    assert status == 1
    assert len(lines) == 1, lines
    assert re.match(rf"mpushd\.conf:{line or '[0-9]+'}: .", lines[0]), lines


@pytest.mark.parametrize("text", [
    '# first\n{"TOKEN": "t"} // last', '{"TOKEN": "t" // why\n,"DEBUG":true}',
    '{"TOKEN": "t" # {["\n}', '{//"\n"TOKEN"#"\n://,\n"t"}#',
    '\ufeff{"TOKEN": "t"}', '{"TOKEN": "t"}\r\n# x\r\n'])
def test_comments_reach_from_a_sign_to_the_end_of_the_line(tmp_path, text):
    assert check(tmp_path, text) == (0, [])


def test_faults_count_lines_through_comments(tmp_path):
    status, lines = check(
        tmp_path, '# 1\n{ // 2 {\n# "\n"TOKEN": "t", # 4\n"DEBUG": 1}')
    assert status == 1
    assert lines[0].startswith("mpushd.conf:5: DEBUG: ")


def test_signs_of_comments_within_strings_are_text(daemon):
    for token in ("a//b", "a#b", 'a"//b', "a\\"):
        Device(daemon(TOKEN=token)).authenticate(token).close()


# -- what the keys do --------------------------------------------------

def test_TOKEN_is_what_a_device_sends_first(daemon):
    Device(daemon(TOKEN="ключ")).login("ключ").close()


def test_TOKEN_may_be_a_list_of_which_each_is_valid(daemon):
    d = daemon(TOKEN=["one", "two"])
    Device(d).authenticate("one").close()
    Device(d).authenticate("two").close()
    with WebSocket(d) as ws:
        for wrong in ("onetwo", "on", "one ", ""):
            ws.send_text(wrong)
            assert ws.recv_json() == AUTH_WRONG
        ws.send_text("two")
        assert ws.recv_json() == AUTH_OK


def test_DEBUG_logs_what_is_refused(daemon):
    quiet, loud = daemon(), daemon(DEBUG=True)
    for d in quiet, loud:
        assert push(d, "test") == (400, "no")
    loud.wait_log("http: refused: .* status=400$")
    assert quiet.terminate() == 0
    assert "refused" not in quiet.log


def test_REGISTERS_names_devices_that_are_known_from_the_start(daemon):
    d = daemon(REGISTERS=["a", "ä/b c", "x" * 256])
    for device in ("a", "ä/b c", "x" * 256):
        assert push(d, device, "t") == (200, "offline")
    assert push(d, "test", "t") == (404, "no")


@pytest.mark.parametrize("n", [1, 3])
def test_WORKERS_is_the_number_of_worker_threads(daemon, n):
    d = daemon(WORKERS=n)
    tasks = f"/proc/{d.pid}/task"
    names = []
    for tid in os.listdir(tasks):
        with open(f"{tasks}/{tid}/comm", encoding="ascii") as f:
            names.append(f.read().strip())
    assert len([x for x in names if x.startswith("worker")]) == n, names


def test_AUTH_TIMEOUT_is_the_time_from_connect_to_a_valid_token(daemon):
    d = daemon(AUTH_TIMEOUT=SHORT, LOGIN_TIMEOUT=LONG)
    begin = time.monotonic()
    silent, wrong, right = WebSocket(d), WebSocket(d), WebSocket(d)
    wrong.send_text("wrong")
    right.send_text("secret")
    silent.expect_close(1008)
    assert time.monotonic() - begin >= SHORT * 0.9
    assert wrong.recv_json() == AUTH_WRONG
    wrong.expect_close(1008)
    assert right.recv_json() == AUTH_OK
    right.ping()


def test_LOGIN_TIMEOUT_is_the_time_from_the_token_to_the_id(daemon):
    d = daemon(AUTH_TIMEOUT=LONG, LOGIN_TIMEOUT=SHORT)
    late, before, done = Device(d), Device(d), Device(d)
    done.login()
    begin = time.monotonic()
    late.authenticate().expect_close(1008)
    assert time.monotonic() - begin >= SHORT * 0.9
    before.ping()
    done.ping()


def test_ACK_TIMEOUT_is_how_long_a_push_waits_for_the_device(daemon):
    d = daemon(ACK_TIMEOUT=SHORT)
    device = Device(d).login()
    begin = time.monotonic()
    assert push(d, "test", "t") == (200, "online")
    assert SHORT * 0.9 <= time.monotonic() - begin < SHORT + DEADLINE
    assert device.recv_message()["title"] == "t"


def test_RESEND_INTERVAL_is_the_time_to_the_first_resend(daemon):
    d = daemon(RESEND_INTERVAL=SHORT, ACK_TIMEOUT=0.01)
    device = Device(d).login()
    begin = time.monotonic()
    assert push(d, "test", "t") == (200, "online")
    first = device.recv_message()
    end = begin + DEADLINE
    device.timeout = 0.02
    again = None
    while again is None and time.monotonic() < end:
        device.send_text("a sign of life")
        try:
            again = device.recv_message()
        except TimeoutError:
            pass
    assert again == first
    assert time.monotonic() - begin >= SHORT * 0.9


def test_MAX_MESSAGE_limits_title_and_content_together(daemon):
    d = daemon(MAX_MESSAGE=100)
    path = "/test?title=" + "t" * 40 + "&content=" + "c" * 60
    with HttpConn(d) as c:
        assert c.request("GET", path).answer == (200, "offline")
        assert c.request("GET", path + "c").answer == (413, "no")


def test_MAX_MESSAGE_limits_the_body(daemon):
    d = daemon(MAX_MESSAGE=100)
    with HttpConn(d) as c:
        r = c.request("POST", "/test", body=b"c" * 100)
        assert r.answer == (200, "offline")
    with HttpConn(d) as c:
        r = c.request("POST", "/test", body=b"c" * 101)
        assert r.answer == (413, "no")


def test_MAX_QUEUE_limits_the_messages_kept_for_one_device(daemon):
    d = daemon(MAX_QUEUE=2, REGISTERS=["test", "other"])
    assert push(d, "test", "1") == (200, "offline")
    assert push(d, "test", "2") == (200, "offline")
    with start_push(d, "test", "3") as c:
        r = c.read_response()
        assert r.answer == (503, "no")
        assert re.fullmatch(r"[1-9]\d*", r.headers["retry-after"])
    assert push(d, "other", "1") == (200, "offline")
    device = Device(d).login()
    messages = device.recv_messages(2)
    assert [m["title"] for m in messages] == ["1", "2"]
    device.ack(messages[0])
    device.ping()
    device.close()
    again = start_push(d, "test", "4")
    assert again.read_response().status == 200


def test_MAX_DEVICES_limits_what_is_registered(daemon):
    d = daemon(MAX_DEVICES=2)
    Device(d).login(device="second").close()
    third = Device(d).authenticate()
    third.send_text("third")
    m = third.recv_json()
    assert (m["cmd"], m["data"]["code"]) == ("AUTH", 503)
    third.expect_close(1013)
    Device(d).login(device="second").close()
    assert push(d, "third", "t") == (404, "no")


def test_MAX_CONNECTIONS_limits_both_listeners_together(daemon):
    d = daemon(MAX_CONNECTIONS=2)
    ws, first = Device(d).login(), HttpConn(d)
    assert first.request("GET", "/test").status == 400
    third = HttpConn(d)
    third.send_request("GET", "/-/healthy")
    third.expect_silence(SHORT)
    ws.ping()
    first.close()
    assert third.read_response().status == 200


def test_a_null_STATE_DIR_keeps_messages_in_memory(daemon):
    assert push(daemon(STATE_DIR=None), "test", "t") == (200, "offline")
