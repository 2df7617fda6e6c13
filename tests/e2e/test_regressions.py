# SPDX-License-Identifier: ISC
"""What was wrong with the service before this one: one test for each fault."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mpushlib import (
    CLOSE, SLOWNESS, HttpConn, http, login, push, push_all,
    start_push)


@pytest.fixture
def patient(daemon):
    """A daemon that neither gives up nor resends while a test runs."""
    return daemon(ACK_TIMEOUT=30, RESEND_INTERVAL=60)


@pytest.mark.parametrize("method, headers, body, status", [
    ("HEAD", {}, None, 200),
    ("OPTIONS", {}, None, 204),
    ("PUT", {"Content-Type": "text/plain"}, b"c", 200),
    ("POST", {"Content-Type": "application/json"}, b"null", 400),
    ("DELETE", {}, None, 405),
    ("PATCH", {}, b"x", 405),
])
def test_no_method_and_no_body_ends_the_service(
        patient, method, headers, body, status):
    assert http(patient, method, "/test", headers, body).status == status
    assert patient.alive()
    assert push(patient, "test", "t", "still here") == (200, "offline")


def test_pushes_in_one_millisecond_are_all_answered_and_delivered(patient):
    contents = {str(i) for i in range(64)}
    with login(patient, "d") as device, ThreadPoolExecutor(64) as pool:
        answers = pool.map(lambda c: push(patient, "d", "t", c), contents)
        messages = device.recv_messages(64)
        device.ack(messages)
        assert set(answers) == {(200, "ok")}
    assert {m["content"] for m in messages} == contents
    assert len({m["mid"] for m in messages}) == 64


def test_a_mid_confirmed_twice_removes_no_other_message(patient):
    push_all(patient, "test", ["first", "second"])
    with login(patient, "test") as device:
        first, second = device.recv_messages(2)
        device.ack([first, first])
        device.ack(first)
        device.expect_nothing()
    with login(patient, "test") as device:
        assert device.recv_message() == second


def test_a_confirmation_by_another_device_is_not_answered_ok(daemon):
    server = daemon(ACK_TIMEOUT=0.4, RESEND_INTERVAL=60)
    with login(server, "owner") as owner, login(server, "other") as other:
        with start_push(server, "owner", "t", "c") as publisher:
            message = owner.recv_message()
            other.ack(message)
            other.ping()
            assert publisher.read_response().answer == (200, "online")
    with login(server, "owner") as owner:
        assert owner.recv_message() == message


def test_a_numeric_mid_is_confirmed_for_good(daemon):
    server = daemon(ACK_TIMEOUT=30, RESEND_INTERVAL=0.2)
    with login(server, "d") as device:
        with start_push(server, "d", "t", "c") as publisher:
            device.ack(int(device.recv_message()["mid"]))
            assert publisher.read_response().answer == (200, "ok")
        device.expect_silence(0.5)
    with login(server, "d") as device:
        device.expect_nothing()


def test_a_login_right_after_an_offline_push_gets_it_at_once(patient):
    assert push(patient, "test", "t", "c") == (200, "offline")
    begin = time.monotonic()
    with login(patient, "test") as device:
        assert device.recv_message()["content"] == "c"
    assert time.monotonic() - begin < 1.5 * SLOWNESS


def test_a_late_close_of_a_replaced_connection_leaves_the_device_online(
        patient):
    with login(patient, "d") as old, login(patient, "d") as new:
        assert old.recv_frame().opcode == CLOSE
        new.ping()
        old.reset()
        new.ping()
        with start_push(patient, "d", "t", "c") as publisher:
            new.ack(new.recv_message())
            assert publisher.read_response().answer == (200, "ok")


def test_no_ghost_stays_online_when_the_replacing_connection_closes(daemon):
    server = daemon(ACK_TIMEOUT=0.5, RESEND_INTERVAL=60)
    with login(server, "d") as old:
        with login(server, "d") as new:
            assert old.recv_frame().opcode == CLOSE
            new.send_close()
            new.expect_close(1000)
        # The old connection is still there, but it is not the device.
        assert push(server, "d", "t", "c") == (200, "offline")


def test_an_empty_device_id_is_refused_and_delivers_nothing(patient):
    assert push(patient, "", "t", "c") == (404, "no")
    with login(patient, "test") as device:
        assert push(patient, "", "t", "c") == (404, "no")
        device.expect_nothing()
        device.send_text("")
        device.expect_nothing()


@pytest.mark.parametrize("name, target", [
    ("a b", "/a%20b"), ("a/b", "/a%2Fb"), ("a/b", "/a/b"), ("a+b", "/a+b"),
    ("a%b", "/a%25b"), ("a?b#c", "/a%3Fb%23c"), ("设备", "/%E8%AE%BE%E5%A4%87"),
    ("设备", "/%e8%ae%be%e5%a4%87"), ("设备", "/设备")])
def test_encoded_and_chinese_device_ids_are_reachable(patient, name, target):
    with login(patient, name) as device, HttpConn(patient) as publisher:
        publisher.send_request("GET", target + "?title=t&content=c")
        device.ack(device.recv_message())
        assert publisher.read_response().answer == (200, "ok")


def test_an_unconfirmed_message_is_resent_by_the_timer(daemon):
    server = daemon(ACK_TIMEOUT=0.2, RESEND_INTERVAL=0.3)
    with login(server, "d") as device:
        assert push(server, "d", "t", "c") == (200, "online")
        message = device.recv_message()
        assert device.recv_message() == message
        assert device.recv_message() == message
