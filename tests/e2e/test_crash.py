# SPDX-License-Identifier: ISC
"""Killed again and again under load: crash.py says what has to hold."""

import pytest

from crash import Harness, Violation

ROUNDS = 35


def test_nothing_that_was_promised_is_lost_by_a_kill():
    count = Harness(seed=20260601, rounds=ROUNDS).run()
    assert count["kills"] >= 25
    for kind in ("ok", "online", "offline"):
        assert count[f"answered {kind}"] > 0, count
    assert count["delivered again"] > 0


def test_the_harness_finds_a_loss():
    """The same on a daemon that keeps nothing: it must not pass."""
    with pytest.raises(Violation):
        Harness(seed=1, rounds=3, config={"STATE_DIR": None}).run()
