# SPDX-License-Identifier: ISC
"""Killed again and again under load: crash.py says what has to hold."""

import os
import shutil

import pytest

from crash import FORGET, Harness, Model, Violation

ROUNDS = 35


def test_nothing_that_was_promised_is_lost_by_a_kill():
    count = Harness(seed=20260601, rounds=ROUNDS).run()
    print(count)
    assert count["kills"] + count["clean stops"] >= ROUNDS
    assert count["kills"] >= 25 and count["clean stops"] >= 2
    # What has to hold was put to the test, too.
    for kind in ("answered ok", "answered online", "answered offline",
                 "not answered", "delivered again", "files written anew",
                 "killed while they start", "confirmed long before a kill"):
        assert count[kind] > 0, (kind, count)


# The harness must find what it is there to find.


def run(rounds, **kw):
    Harness(seed=1, rounds=rounds, **kw).run()


def test_the_harness_finds_a_daemon_that_keeps_nothing():
    with pytest.raises(Violation, match="lost|not above"):
        run(3, config={"STATE_DIR": None})


class Thief:
    """Puts back, once, the state directory of some rounds before."""

    def __init__(self, path, take, give):
        self.copy = os.path.join(path, "copy")
        self.take, self.give, self.round = take, give, 0

    def __call__(self, state):
        self.round += 1
        if self.round == self.take:
            shutil.copytree(state, self.copy)
        elif self.round == self.give:
            shutil.rmtree(state)
            shutil.copytree(self.copy, state)


def test_the_harness_finds_that_some_rounds_are_gone(tmp_path):
    with pytest.raises(Violation, match="lost|came back|not above"):
        run(9, between=Thief(str(tmp_path), 3, 8))


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def clock(monkeypatch):
    """The model's clock, which stands until it is moved."""
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr("crash.time", clock)
    return clock


def kill(model):
    model.ends(clean=False)
    model.next_round()


def stop(model):
    model.ends(clean=True)
    model.next_round()


def keep(model, mid, device="d"):
    """A message that was answered offline."""
    m = model.pushed(device)
    model.answered(m, "offline", mid, model.round)
    return m


def deliver(model, m, mid):
    model.delivered(m.device, m.title, m.content, mid, model.round)


def confirm(model, m):
    model.confirmed([m.title], model.round)


def test_a_good_life(model, clock):
    first, second = keep(model, 1), keep(model, 2)
    third = model.pushed("d")
    deliver(model, first, 1)
    confirm(model, first)
    clock.now += FORGET / 2
    kill(model)
    deliver(model, first, 1)
    deliver(model, second, 2)
    deliver(model, third, 3)
    for m in (first, second):
        confirm(model, m)
    clock.now += 2 * FORGET
    kill(model)
    model.check_end()


def test_lost_before_its_delivery(model):
    keep(model, 1)
    with pytest.raises(Violation, match="lost"):
        model.check_end()


def test_lost_after_its_delivery(model):
    m = keep(model, 1)
    deliver(model, m, 1)
    kill(model)
    with pytest.raises(Violation, match="lost"):
        model.check_end()


def test_ok_without_a_confirmation(model):
    m = model.pushed("d")
    model.answered(m, "ok", 1, 0)
    with pytest.raises(Violation, match="nobody confirmed"):
        model.check_end()


@pytest.mark.parametrize("end", [kill, stop])
def test_back_after_its_confirmation(model, clock, end):
    m = keep(model, 1)
    deliver(model, m, 1)
    confirm(model, m)
    clock.now += FORGET + 0.1
    end(model)
    end(model)
    with pytest.raises(Violation, match="came back"):
        deliver(model, m, 1)


def test_again_after_its_confirmation(model, clock):
    m = keep(model, 1)
    deliver(model, m, 1)
    confirm(model, m)
    deliver(model, m, 1)
    clock.now += FORGET + 0.1
    with pytest.raises(Violation, match="came again"):
        deliver(model, m, 1)


def test_another_mid(model):
    m = keep(model, 1)
    with pytest.raises(Violation, match="another mid"):
        deliver(model, m, 2)


def test_one_mid_twice(model):
    other = model.pushed("d")
    keep(model, 1)
    with pytest.raises(Violation, match="is that of"):
        deliver(model, other, 1)


@pytest.mark.parametrize("mid", [4, 5])
def test_a_mid_that_does_not_rise(model, mid):
    keep(model, 5)
    kill(model)
    with pytest.raises(Violation, match="not above"):
        keep(model, mid)


def test_mids_of_two_devices_are_not_compared(model):
    keep(model, 5)
    keep(model, 5, "e")


def test_out_of_order(model):
    first, second = keep(model, 1), keep(model, 2)
    deliver(model, second, 2)
    with pytest.raises(Violation, match="order"):
        deliver(model, first, 1)


def test_a_stranger(model):
    with pytest.raises(Violation, match="not for it"):
        model.delivered("d", "nobody's", "x", 1, 0)


def test_the_message_of_another(model):
    m = keep(model, 1)
    with pytest.raises(Violation, match="not for it"):
        model.delivered("e", m.title, m.content, 1, 0)


def test_another_content(model):
    m = keep(model, 1)
    with pytest.raises(Violation, match="came with"):
        model.delivered("d", m.title, m.content + "x", 1, 0)


@pytest.mark.parametrize("answer", ["404", "500", "503"])
def test_refused_without_a_reason(model, answer):
    with pytest.raises(Violation, match="lost|was answered"):
        model.answered(model.pushed("d"), answer, None, 0)


def test_refused_at_a_clean_stop(model):
    m = model.pushed("d")
    model.ends(clean=True)
    model.answered(m, "503", None, 0)
