# SPDX-License-Identifier: ISC
"""From the publisher to the device: answers, mids, resends, windows."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mpushlib import (
    BINARY, CLOSE, PING, PONG, SLOWNESS, TEXT, HttpConn, login, push, push_all,
    start_push)

WINDOW = 1000  # messages in flight to one device


def contents(messages):
    return [m["content"] for m in messages]


@pytest.fixture
def quick(daemon):
    """A daemon that resends and gives up soon."""
    return daemon(ACK_TIMEOUT=0.3, RESEND_INTERVAL=0.3)


@pytest.fixture
def patient(daemon):
    """A daemon that resends nothing by its timer while a test runs."""
    return daemon(ACK_TIMEOUT=0.2, RESEND_INTERVAL=60)


def register(server, name):
    with login(server, name):
        pass


# The four words


def test_a_confirmed_message_is_answered_ok_at_once(daemon):
    server = daemon(ACK_TIMEOUT=30)
    with login(server, "d") as device:
        with start_push(server, "d", "t", "c") as publisher:
            begin = time.monotonic()
            device.ack(device.recv_message())
            assert publisher.read_response().answer == (200, "ok")
            assert time.monotonic() - begin < 5 * SLOWNESS


def test_an_unconfirmed_message_is_answered_online_after_ack_timeout(daemon):
    server = daemon(ACK_TIMEOUT=0.5, RESEND_INTERVAL=60)
    with login(server, "d"):
        begin = time.monotonic()
        answer = push(server, "d", "t", "c")
        assert answer == (200, "online")
        assert 0.48 <= time.monotonic() - begin < 0.5 + 2 * SLOWNESS


def test_a_push_to_a_device_that_is_away_is_answered_offline_at_once(daemon):
    server = daemon(ACK_TIMEOUT=30, REGISTERS=["away"])
    begin = time.monotonic()
    answer = push(server, "away", "t", "c")
    assert answer == (200, "offline")
    assert time.monotonic() - begin < 5 * SLOWNESS


def test_a_push_to_nobody_is_answered_no_and_dropped(quick):
    answer = push(quick, "new", "t", "dropped")
    assert answer == (404, "no")
    with login(quick, "new") as device:
        device.expect_silence(0.2)
        with start_push(quick, "new", "t", "kept"):
            assert device.recv_message()["content"] == "kept"


def test_a_device_that_leaves_while_a_push_waits_makes_it_offline(daemon):
    server = daemon(ACK_TIMEOUT=0.6, RESEND_INTERVAL=60)
    with login(server, "d") as device:
        begin = time.monotonic()
        publisher = start_push(server, "d", "t", "c")
        device.recv_message()
    assert publisher.read_response().answer == (200, "offline")
    assert time.monotonic() - begin >= 0.58


def test_a_device_that_comes_back_and_confirms_in_time_makes_it_ok(daemon):
    server = daemon(ACK_TIMEOUT=20, RESEND_INTERVAL=60)
    with login(server, "d") as device:
        publisher = start_push(server, "d", "t", "c")
        mid = device.recv_message()["mid"]
    with login(server, "d") as device:
        assert device.recv_message()["mid"] == mid
        device.ack(mid)
        assert publisher.read_response().answer == (200, "ok")


def test_a_push_on_the_websocket_port_is_delivered_too(quick):
    with login(quick, "d") as device:
        with start_push(quick, "d", "t", "c", port="ws") as publisher:
            device.ack(device.recv_message())
            assert publisher.read_response().answer == (200, "ok")


def test_a_push_whose_publisher_disconnects_is_still_delivered(patient):
    with login(patient, "d") as device:
        start_push(patient, "d", "t", "c").close()
        assert device.recv_message()["content"] == "c"


def test_auth_timeout_does_not_end_a_push_that_waits(daemon):
    server = daemon(AUTH_TIMEOUT=0.2, ACK_TIMEOUT=0.8)
    with login(server, "d"):
        assert push(server, "d", "t", "c") == (200, "online")


def test_several_pushes_to_one_device_wait_side_by_side(daemon):
    server = daemon(ACK_TIMEOUT=20, RESEND_INTERVAL=60)
    with login(server, "d") as device:
        publishers = [start_push(server, "d", "t", str(i)) for i in range(20)]
        messages = device.recv_messages(len(publishers))
        mids = {m["content"]: m["mid"] for m in messages}
        for i in reversed(range(20)):
            device.ack(mids[str(i)])
            assert publishers[i].read_response().answer == (200, "ok")
            publishers[i].close()


def test_one_reply_confirms_many_messages(daemon):
    server = daemon(ACK_TIMEOUT=20, RESEND_INTERVAL=60)
    with login(server, "d") as device:
        publishers = [start_push(server, "d", "t", str(i)) for i in range(10)]
        device.ack(device.recv_messages(10))
        assert [p.read_response().body for p in publishers] == [b"ok"] * 10


def test_a_push_waits_only_for_its_own_message(patient):
    with login(patient, "d") as device:
        first = start_push(patient, "d", "t", "1")
        mid = device.recv_message()["mid"]
        second = start_push(patient, "d", "t", "2")
        device.recv_message()
        device.ack(mid)
        assert first.read_response().answer == (200, "ok")
        assert second.read_response().answer == (200, "online")


# Mids


def test_a_mid_is_the_time_at_which_the_request_was_accepted(patient):
    register(patient, "d")
    before = time.time_ns() // 1_000_000
    mid, = push_all(patient, "d", ["c"])
    after = time.time_ns() // 1_000_000
    assert isinstance(mid, str) and mid.isdigit()
    assert before <= int(mid) <= after
    with login(patient, "d") as device:
        assert device.recv_message()["mid"] == mid


def test_mids_are_unique_and_increase_within_a_device(patient):
    register(patient, "d")
    told = [int(m) for m in push_all(patient, "d", map(str, range(300)))]
    assert told == sorted(set(told))
    with login(patient, "d") as device:
        messages = device.recv_messages(len(told))
        assert [int(m["mid"]) for m in messages] == told
        assert contents(messages) == \
            [str(i) for i in range(300)]


def test_many_pushes_in_one_millisecond_take_the_next_free_mids(patient):
    register(patient, "d")
    with ThreadPoolExecutor(8) as pool:
        lists = pool.map(lambda _: push_all(patient, "d", ["x"] * 100),
                         range(8))
    mids = [mid for mids in lists for mid in mids]
    assert len(set(mids)) == 800
    with login(patient, "d") as device:
        assert [m["mid"] for m in device.recv_messages(800)] == \
            sorted(mids, key=int)


def test_the_publisher_is_told_the_mid_that_the_device_gets(patient):
    told = start_push(patient, "d", "t", "c", headers={
        "Accept": "application/json"})
    assert told.read_response().status == 404
    with login(patient, "d") as device:
        told.send_request("GET", "/d?title=t", {"Accept": "application/json"})
        message = device.recv_message()
        device.ack(message)
        assert told.read_response().json() == {
            "status": "ok", "device": "d", "mid": message["mid"]}
        told.send_request("GET", "/d?title=t", {"Accept": "application/json"})
        message = device.recv_message()
        assert told.read_response().json() == {
            "status": "online", "device": "d", "mid": message["mid"]}
    told.close()


# Order


def test_what_waited_is_sent_oldest_first_at_login(patient):
    register(patient, "d")
    push_all(patient, "d", map(str, range(50)))
    with login(patient, "d") as device:
        assert contents(device.recv_messages(50)) == \
            [str(i) for i in range(50)]
        device.expect_silence(0.2)


def test_new_messages_come_after_what_waited(patient):
    register(patient, "d")
    for i in range(5):
        push(patient, "d", "t", str(i))
    with login(patient, "d") as device:
        with start_push(patient, "d", "t", "5"):
            assert contents(device.recv_messages(6)) == \
                [str(i) for i in range(6)]


def test_messages_of_different_devices_do_not_mix(patient):
    with login(patient, "a") as a, login(patient, "b") as b:
        with start_push(patient, "a", "t", "for a"), \
                start_push(patient, "b", "t", "for b"):
            assert a.recv_message()["content"] == "for a"
            assert b.recv_message()["content"] == "for b"
            a.expect_silence(0.1)
            b.expect_silence(0.1)


# Resends


def test_an_unconfirmed_message_is_resent_by_the_timer(quick):
    with login(quick, "d") as device:
        begin = time.monotonic()
        with start_push(quick, "d", "t", "c"):
            first = device.recv_message()
            assert device.recv_message() == first
            assert 0.28 <= time.monotonic() - begin < 0.3 + SLOWNESS


def test_the_time_between_resends_doubles(daemon):
    server = daemon(ACK_TIMEOUT=0.1, RESEND_INTERVAL=0.4)
    with login(server, "d") as device:
        with start_push(server, "d", "t", "c"):
            mids, times = [], []
            for _ in range(4):
                mids.append(device.recv_message()["mid"])
                times.append(time.monotonic())
    assert len(set(mids)) == 1
    gaps = [b - a for a, b in zip(times, times[1:])]
    for gap, want in zip(gaps, (0.4, 0.8, 1.6)):
        assert 0.75 * want <= gap < want + 0.4 * SLOWNESS


def test_a_new_message_does_not_wait_for_the_backoff_of_an_old_one(daemon):
    interval = 0.2 * SLOWNESS
    server = daemon(ACK_TIMEOUT=0.01, RESEND_INTERVAL=interval)
    with login(server, "d") as device:
        push(server, "d", "t", "old")
        device.recv_messages(4)  # the fifth comes after 8 intervals
        push(server, "d", "t", "new")
        assert device.recv_message()["content"] == "new"
        begin = time.monotonic()
        assert device.recv_message()["content"] == "new"
        assert time.monotonic() - begin < 3 * interval


def test_the_backoff_begins_anew_at_a_login(daemon):
    interval = 0.2 * SLOWNESS
    server = daemon(ACK_TIMEOUT=0.01, RESEND_INTERVAL=interval)
    with login(server, "d") as device:
        push(server, "d", "t", "c")
        device.recv_messages(4)  # the fifth comes after 8 intervals
    with login(server, "d") as device:
        device.recv_message()
        begin = time.monotonic()
        device.recv_message()
        assert time.monotonic() - begin < 3 * interval


def test_a_confirmation_does_not_put_off_the_resend_of_another(daemon):
    interval = 0.4 * SLOWNESS
    server = daemon(ACK_TIMEOUT=0.01, RESEND_INTERVAL=interval)
    with login(server, "d") as device:
        push(server, "d", "t", "1")
        push(server, "d", "t", "2")
        first, second = device.recv_messages(2)
        begin = time.monotonic()
        device.ack(first)
        assert device.recv_message() == second
        assert time.monotonic() - begin < 2 * interval


def test_a_confirmed_message_is_never_resent(quick):
    with login(quick, "d") as device:
        with start_push(quick, "d", "t", "c") as publisher:
            device.ack(device.recv_message())
            assert publisher.read_response().answer == (200, "ok")
        device.send_text("alive")
        device.expect_silence(0.8)
    with login(quick, "d") as device:
        device.expect_silence(0.2)


def test_a_message_confirmed_after_its_resend_is_done(quick):
    with login(quick, "d") as device:
        assert push(quick, "d", "t", "c") == (200, "online")
        mid = device.recv_message()["mid"]
        assert device.recv_message()["mid"] == mid
        device.ack(mid)
        device.expect_silence(0.9)


def test_only_what_is_not_confirmed_is_resent(quick):
    with login(quick, "d") as device:
        publishers = [start_push(quick, "d", "t", str(i)) for i in range(3)]
        mids = {m["content"]: m["mid"]
                for m in device.recv_messages(3)}
        device.ack(mids["1"])
        again = contents(device.recv_messages(2))
        assert sorted(again) == ["0", "2"]


SIGNS = pytest.mark.parametrize("opcode, payload", [
    (PING, b""), (PONG, b""), (TEXT, b"hello"), (TEXT, b'{"cmd":"PING"}'),
    (BINARY, b"\0"),
    (TEXT, b'{"cmd":"SENDMSG_CB","data":{"midList":["1"]}}')])


@SIGNS
def test_a_sign_of_life_after_the_interval_resends_at_once(
        daemon, opcode, payload):
    interval = 0.4 + 0.4 * SLOWNESS
    server = daemon(ACK_TIMEOUT=0.01, RESEND_INTERVAL=interval)
    with login(server, "d") as device:
        push(server, "d", "t", "c")
        device.recv_message()
        device.recv_message()
        # The timer comes after twice the interval, a sign after once.
        device.expect_silence(interval + 0.05)
        begin = time.monotonic()
        device.send_frame(opcode, payload)
        if opcode == PING:
            device.expect_pong(payload)
        device.recv_message()
        assert time.monotonic() - begin < 0.7 * interval


@SIGNS
def test_a_sign_of_life_within_the_interval_resends_nothing(
        patient, opcode, payload):
    with login(patient, "d") as device:
        push(patient, "d", "t", "c")
        device.recv_message()
        for _ in range(3):
            device.send_frame(opcode, payload)
        if opcode == PING:
            for _ in range(3):
                device.expect_pong(payload)
        device.expect_silence(0.3)


def test_what_is_not_confirmed_is_sent_at_once_at_the_next_login(patient):
    with login(patient, "d") as device:
        push(patient, "d", "t", "1")
        push(patient, "d", "t", "2")
        first = device.recv_messages(2)
        device.ack(first[0]["mid"])
        with start_push(patient, "d", "t", "3"):
            third = device.recv_message()
    begin = time.monotonic()
    with login(patient, "d") as device:
        assert device.recv_message() == first[1]
        assert device.recv_message() == third
        device.expect_silence(0.1)
    assert time.monotonic() - begin < 5 * SLOWNESS


def test_a_message_is_not_resent_to_one_who_has_left(quick):
    with login(quick, "d") as device:
        push(quick, "d", "t", "c")
        device.recv_message()
    with login(quick, "e") as other:
        other.expect_silence(0.7)


# Confirmations


@pytest.mark.parametrize("written", ['%s', '"%s"', '%s.0', '"%s","%s"',
                                     '%s,"%s",%s', '1,"2","x",null,"%s"'])
def test_a_mid_counts_as_number_and_string_and_among_others(quick, written):
    with login(quick, "d") as device:
        with start_push(quick, "d", "t", "c") as publisher:
            mid = device.recv_message()["mid"]
            device.send_text('{"cmd":"SENDMSG_CB","data":{"midList":[%s]}}'
                                % written.replace("%s", mid))
            assert publisher.read_response().answer == (200, "ok")
        device.expect_silence(0.7)


@pytest.mark.parametrize("reply", [
    '{"data":{"midList":["%s"]},"cmd":"SENDMSG_CB"}',
    ' { "cmd" : "SENDMSG_CB" , "data" : { "x": 1, "midList" : [ "%s" ] } }\n',
    '{"cmd":"SENDMSG_CB","data":{"midList":["%s"]},"more":[1]}',
    '{"cmd":"SENDMSG\\u005fCB","data":{"midList":["%s"]}}'])
def test_a_reply_may_be_written_in_any_way_that_json_allows(patient, reply):
    with login(patient, "d") as device:
        with start_push(patient, "d", "t", "c") as publisher:
            device.send_text(reply % device.recv_message()["mid"])
            assert publisher.read_response().answer == (200, "ok")


def test_unknown_mids_confirm_nothing(quick):
    with login(quick, "d") as device:
        with start_push(quick, "d", "t", "c") as publisher:
            mid = int(device.recv_message()["mid"])
            device.ack([str(mid - 1), str(mid + 1), mid - 1, mid + 1, "0", -mid,
                        str(2 ** 64 - 1), str(2 ** 64), 2 ** 64 + mid,
                        f"0{mid}", f" {mid}", f"{mid}x", mid + 0.5])
            assert publisher.read_response().answer == (200, "online")
            assert int(device.recv_message()["mid"]) == mid


def test_a_mid_named_twice_leaves_the_next_message_alone(patient):
    with login(patient, "d") as device:
        publishers = [start_push(patient, "d", "t", str(i)) for i in range(3)]
        mids = {m["content"]: m["mid"]
                for m in device.recv_messages(3)}
        device.ack([mids["0"], mids["0"]])
        device.ack(mids["0"])
        assert [p.read_response().body for p in publishers] == \
            [b"ok", b"online", b"online"]
    with login(patient, "d") as device:
        assert set(contents(device.recv_messages(2))) == \
            {"1", "2"}


def test_only_the_device_that_owns_a_message_can_confirm_it(patient):
    with login(patient, "owner") as owner, login(patient, "other") as other:
        with start_push(patient, "owner", "t", "c") as publisher:
            mid = owner.recv_message()["mid"]
            other.ack(mid)
            assert publisher.read_response().answer == (200, "online")
    with login(patient, "owner") as owner:
        assert owner.recv_message()["mid"] == mid


def test_a_message_can_be_confirmed_before_it_was_sent_again(patient):
    with login(patient, "d") as device:
        push(patient, "d", "t", "c")
        mid = device.recv_message()["mid"]
    with login(patient, "d") as device:
        device.ack(mid)
        device.recv_message()
        device.ping()
    with login(patient, "d") as device:
        device.expect_silence(0.2)


# Windows and queues


def test_a_thousand_messages_are_in_flight_and_acks_let_more_out(daemon):
    server = daemon(ACK_TIMEOUT=0.1, RESEND_INTERVAL=60, REGISTERS=["d"])
    count = WINDOW + 200
    push_all(server, "d", map(str, range(count)))
    with login(server, "d") as device:
        first = device.recv_messages(WINDOW)
        device.expect_silence(0.2)
        device.ack(first[:150])
        more = device.recv_messages(150)
        device.expect_silence(0.2)
        device.ack(first[150:])
        more += device.recv_messages(50)
    assert contents(first + more) == \
        [str(i) for i in range(count)]


def test_a_mebibyte_of_messages_is_in_flight_and_acks_let_more_out(daemon):
    server = daemon(ACK_TIMEOUT=0.1, RESEND_INTERVAL=60, REGISTERS=["d"])
    for i in range(40):
        assert push(server, "d", str(i), "x" * 52000)[0] == 200
    with login(server, "d") as device:
        seen = device.recv_messages(20)
        device.expect_silence(0.3)
        while len(seen) < 40:
            device.ack(seen)
            seen.append(device.recv_message())
    assert [m["title"] for m in seen] == [str(i) for i in range(40)]


def test_every_backlog_is_delivered_once_and_in_order(daemon):
    server = daemon(ACK_TIMEOUT=0.1, RESEND_INTERVAL=60, REGISTERS=["d"])
    count = 3500
    push_all(server, "d", map(str, range(count)))
    with login(server, "d") as device:
        seen = []
        while len(seen) < count:
            batch = device.recv_messages() + device.take_pending()
            seen += contents(batch)
            device.ack(batch)
        assert seen == [str(i) for i in range(count)]
        device.expect_silence(0.2)
    with login(server, "d") as device:
        device.expect_silence(0.2)


def test_a_full_queue_is_answered_503_and_keeps_what_it_has(daemon):
    server = daemon(MAX_QUEUE=3, RESEND_INTERVAL=60, REGISTERS=["d", "e"])
    push_all(server, "d", ["0", "1", "2"])
    with start_push(server, "d", "t", "too many") as publisher:
        answer = publisher.read_response()
    assert answer.answer == (503, "no")
    assert int(answer.headers["retry-after"]) > 0
    assert push(server, "e", "t", "others are free") == (200, "offline")
    with login(server, "d") as device:
        messages = device.recv_messages(3)
        assert contents(messages) == ["0", "1", "2"]
        assert push(server, "d", "t", "still full") == (503, "no")
        device.expect_nothing()


def test_a_confirmation_makes_room_in_a_full_queue(daemon):
    server = daemon(MAX_QUEUE=3, RESEND_INTERVAL=60, ACK_TIMEOUT=20)
    with login(server, "d") as device:
        publishers = []
        for i in range(3):
            publishers.append(start_push(server, "d", "t", str(i)))
            assert device.recv_message()["content"] == str(i)
        assert push(server, "d", "t", "too many") == (503, "no")
    with login(server, "d") as device:
        device.ack(device.recv_messages(3)[0])
        assert publishers[0].read_response().answer == (200, "ok")
        with start_push(server, "d", "t", "3") as publisher:
            message = device.recv_message()
            assert message["content"] == "3"
            device.ack(message)
            assert publisher.read_response().answer == (200, "ok")
    for publisher in publishers:
        publisher.close()


def test_one_message_that_is_never_confirmed_holds_up_no_others(daemon):
    server = daemon(MAX_QUEUE=20, ACK_TIMEOUT=20, RESEND_INTERVAL=60)
    with login(server, "d") as device:
        stubborn = start_push(server, "d", "t", "stubborn")
        kept = device.recv_message()
        with HttpConn(server) as publisher:
            for i in range(3 * WINDOW):
                publisher.send_request("GET", f"/d?content={i}")
                message = device.recv_message()
                assert message["content"] == str(i)
                device.ack(message)
                assert publisher.read_response().answer == (200, "ok")
    with login(server, "d") as device:
        assert device.recv_message() == kept
        device.expect_nothing()
        device.ack(kept)
        assert stubborn.read_response().answer == (200, "ok")
        stubborn.close()


def test_whatever_is_confirmed_the_rest_is_sent_at_every_login(daemon):
    server = daemon(RESEND_INTERVAL=60, REGISTERS=["d"])
    push_all(server, "d", map(str, range(WINDOW + 500)))
    rest = [str(i) for i in range(WINDOW + 500)]
    rng = random.Random(1)
    while rest:
        with login(server, "d") as device:
            messages = device.recv_messages(min(len(rest), WINDOW))
            assert contents(messages) == rest[:WINDOW]
            done = rng.sample(messages, (len(messages) + 1) // 2)
            device.ack(done)
            more = max(0, min(len(rest) - WINDOW, len(done)))
            assert contents(device.recv_messages(more)) == \
                rest[WINDOW:WINDOW + more]
            device.expect_nothing()
            rest = [c for c in rest if c not in set(contents(done))]
    with login(server, "d") as device:
        device.expect_nothing()


def test_thousands_of_mids_in_one_reply_count(daemon):
    server = daemon(ACK_TIMEOUT=20)
    with login(server, "d") as device:
        with start_push(server, "d", "t", "c") as publisher:
            mid = int(device.recv_message()["mid"])
            device.ack([mid + i for i in range(-2000, 2000)])
            assert publisher.read_response().answer == (200, "ok")


# Replaced connections


def test_a_second_connection_with_the_id_replaces_the_first(patient):
    with login(patient, "d") as old, login(patient, "d") as new:
        old.expect_close(4001, reason="replaced")
        with start_push(patient, "d", "t", "c") as publisher:
            new.ack(new.recv_message())
            assert publisher.read_response().answer == (200, "ok")


def test_a_replaced_connection_gets_no_message_any_more(patient):
    with login(patient, "d") as old, login(patient, "d") as new:
        with start_push(patient, "d", "t", "c"):
            assert new.recv_message()["content"] == "c"
        assert old.recv_frame().opcode == CLOSE
        old.expect_silence(0.1)


def test_what_a_replaced_connection_had_not_confirmed_goes_to_the_new_one(
        patient):
    with login(patient, "d") as old:
        with start_push(patient, "d", "t", "c"):
            message = old.recv_message()
            with login(patient, "d") as new:
                assert new.recv_message() == message


def test_a_late_confirmation_of_a_replaced_connection_counts(daemon):
    server = daemon(ACK_TIMEOUT=20, RESEND_INTERVAL=60)
    with login(server, "d") as old:
        with start_push(server, "d", "t", "c") as publisher:
            mid = old.recv_message()["mid"]
            with login(server, "d") as new:
                assert old.recv_frame().opcode == CLOSE
                assert new.recv_message()["mid"] == mid
                old.ack(mid)
                assert publisher.read_response().answer == (200, "ok")
    with login(server, "d") as device:
        device.expect_silence(0.2)


def test_the_late_close_of_a_replaced_connection_changes_nothing(patient):
    with login(patient, "d") as old, login(patient, "d") as new:
        old.expect_close(4001)
        old.close()
        with start_push(patient, "d", "t", "c") as publisher:
            new.ack(new.recv_message())
            assert publisher.read_response().answer == (200, "ok")


def test_a_sign_of_life_of_a_replaced_connection_resends_nothing(daemon):
    interval = 0.4 + 0.4 * SLOWNESS
    server = daemon(ACK_TIMEOUT=0.1, RESEND_INTERVAL=interval)
    with login(server, "d") as old, login(server, "d") as new:
        assert old.recv_frame().opcode == CLOSE
        push(server, "d", "t", "c")
        new.recv_message()
        new.recv_message()
        new.expect_silence(interval + 0.05)
        old.send_text("I am alive")
        new.expect_silence(0.4 * interval)


def test_a_device_goes_offline_when_its_newest_connection_does(patient):
    with login(patient, "d") as old:
        with login(patient, "d"):
            old.expect_close(4001)
        assert push(patient, "d", "t", "c") == (200, "offline")


def test_ten_connections_with_one_id_leave_one(patient):
    devices = [login(patient, "d") for _ in range(10)]
    for old in devices[:-1]:
        old.expect_close(4001)
    with start_push(patient, "d", "t", "c") as publisher:
        devices[-1].ack(devices[-1].recv_message()["mid"])
        assert publisher.read_response().answer == (200, "ok")
    for device in devices:
        device.close()


def test_devices_whose_ids_differ_in_one_byte_are_different(patient):
    names = ["a", "a/", "A", "a ", "a?", "é", "e\u0301"]
    devices = [login(patient, name) for name in names]
    for name, device in zip(names, devices):
        with start_push(patient, name, "t", name) as publisher:
            message = device.recv_message()
            assert message["content"] == name
            device.ack(message["mid"])
            assert publisher.read_response().answer == (200, "ok")
        device.close()
