#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kill the daemon again and again under load, and hold it to its promises.

Publishers and devices work on a daemon with STATE_DIR, which is killed at
random moments and started again.  A model knows what was pushed, answered,
delivered and confirmed, and when; whatever breaks a promise of
doc/durability.md is a Violation.  By hand:

    tests/e2e/crash.py --rounds 200 [--seed N]     # MPUSHD_BUILDDIR=...
"""

import argparse
import contextlib
import os
import random
import socket
import sys
import tempfile
import threading
import time

from mpushlib import SLOWNESS, TOKEN, Daemon, Device, HttpConn, device_path

PROMISED = ("ok", "online", "offline")
# How long before a crash a confirmation may be lost (SPEC: the same second).
FORGET = 1.0
CONNECTION = (OSError, EOFError, AssertionError)


class Violation(Exception):
    """A promise was broken."""


class Message:
    """What is known of one push; its title names it."""

    def __init__(self, title, device, number, floor):
        self.title = title
        self.device = device
        self.round = number
        self.floor = floor  # the highest mid known when it was pushed
        self.answer = None
        self.mid = None
        self.deliveries = []  # (round, time)
        self.confirmed = []  # likewise, after it was written to the socket

    def __str__(self):
        return str(vars(self))


class Model:
    """All messages; every method is one step that the daemon must allow."""

    def __init__(self):
        self.lock = threading.Lock()
        self.messages = {}
        self.round = 0
        self.kills = {}  # round -> when it ended by a kill
        self.highest = {}  # device -> mid
        self.first = {}  # device -> mid of the last first delivery
        self.by_mid = {}  # (device, mid) -> title
        self.registered = set()
        self.count = {}

    def tally(self, what):
        self.count[what] = self.count.get(what, 0) + 1

    def fail(self, what, message=None):
        raise Violation(f"round {self.round}: {what}: {message}")

    def pushed(self, device):
        """A message that is about to be pushed."""
        with self.lock:
            title = f"m{len(self.messages)}"
            message = Message(title, device, self.round,
                              self.highest.get(device, 0))
            self.messages[title] = message
            return message

    def learn_mid(self, message, mid):
        if message.mid is None:
            message.mid = mid
            if mid <= message.floor:
                self.fail(f"mid {mid} is not above {message.floor}", message)
            other = self.by_mid.setdefault((message.device, mid),
                                           message.title)
            if other != message.title:
                self.fail(f"mid {mid} is that of {other}, too", message)
            self.highest[message.device] = max(
                mid, self.highest.get(message.device, 0))
        elif message.mid != mid:
            self.fail(f"another mid: {mid}", message)

    def answered(self, message, answer, mid):
        with self.lock:
            message.answer = answer
            self.tally(f"answered {answer}")
            if answer in PROMISED:
                self.learn_mid(message, mid)
            elif answer == "404":
                self.fail("a registration was lost", message)

    def delivered(self, device, title, mid, login):
        """login: when the session that it came through logged in."""
        now = time.monotonic()
        with self.lock:
            message = self.messages.get(title)
            if message is None or message.device != device:
                self.fail(f"{device} got {title!r}, which was not for it")
            self.learn_mid(message, mid)
            if not message.deliveries:
                if mid < self.first.get(device, 0):
                    self.fail("not in the order of mids", message)
                self.first[device] = mid
            self.check_return(message, login)
            self.tally("delivered again" if message.deliveries
                       else "delivered")
            message.deliveries.append((self.round, now))

    def check_return(self, message, login):
        """What was confirmed comes back only after a crash in that second."""
        for number, when in message.confirmed:
            crash = self.kills.get(number)
            if crash is not None and crash - when > FORGET * SLOWNESS:
                self.fail(f"was confirmed {crash - when:.3f} s before the "
                          "crash and came back", message)
            if number != self.round and crash is None:
                self.fail("was confirmed before a clean stop and came back",
                          message)
            if number == self.round and login - when > FORGET * SLOWNESS:
                self.fail("was confirmed and came at a later login", message)

    def confirmed_all(self, titles):
        now = time.monotonic()
        with self.lock:
            for title in titles:
                self.messages[title].confirmed.append((self.round, now))

    def logged_in(self, device):
        with self.lock:
            self.registered.add(device)

    def check_end(self):
        """All devices have taken and confirmed what there was."""
        for message in self.messages.values():
            if message.answer == "ok" and not message.confirmed:
                self.fail("was answered ok, and nobody confirmed it", message)
            if message.answer in PROMISED and not message.deliveries:
                self.fail("was promised and never came", message)


class Harness:
    """The daemon, those who use it, and the one who kills it."""

    def __init__(self, seed, rounds, state=None, config=None):
        self.random = random.Random(seed)
        self.rounds = rounds
        self.scratch = tempfile.TemporaryDirectory(prefix="mpushd-crash-")
        self.config = {
            "TOKEN": TOKEN, "LISTEN": "127.0.0.1", "WS_PORT": 0,
            "HTTP_PORT": 0, "WORKERS": 2, "ACK_TIMEOUT": 0.4,
            "RESEND_INTERVAL": 0.3, "REGISTERS": ["off0", "off1", "on0"],
            "STATE_DIR": os.path.join(self.scratch.name, "state"),
            **(config or {})}
        self.model = Model()
        self.model.registered.update(self.config["REGISTERS"])
        self.server = None
        self.over = threading.Event()  # this is the last round
        self.stop = threading.Event()
        self.faults = []
        self.threads = []

    def start(self):
        self.server = Daemon(self.config)

    # -- publishers ------------------------------------------------------

    def publish(self, chance):
        connection = None
        while not self.stop.is_set():
            with self.model.lock:
                names = sorted(self.model.registered)
            try:
                if connection is None:
                    connection = HttpConn(self.server)
                self.publish_one(connection, chance.choice(names), chance)
            except CONNECTION:
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.002)
        if connection is not None:
            connection.close()

    def publish_one(self, connection, device, chance):
        message = self.model.pushed(device)
        # Now and then one that takes pages of its own.
        size = chance.choice((10, 100, 100, 1000, 9000))
        r = connection.request(
            "POST", device_path(device) + "?title=" + message.title,
            {"Accept": "application/json", "Content-Type": "text/plain"},
            b"x" * size)
        if r.status == 200:
            answer = r.json()
            self.model.answered(message, answer["status"],
                                int(answer["mid"]))
        else:
            self.model.answered(message, str(r.status), None)

    # -- devices ---------------------------------------------------------

    def live(self, name, chance):
        """Be a device that comes, confirms or not, and goes."""
        number = 0
        while not self.stop.is_set():
            device = name
            if chance.random() < 0.1:
                device = f"{name}-{number}"
                number += 1
            with contextlib.suppress(*CONNECTION):
                self.attend(device, chance, chance.uniform(0, 0.6),
                            chance.choice((0.0, 0.7, 1.0, 1.0)))
            time.sleep(chance.uniform(0, 0.05))

    def attend(self, name, chance, seconds, diligence, quiet=None):
        """Log in and take messages; quiet: end after so long without one."""
        with Device(self.server) as device:
            device.login(device=name)
            self.model.logged_in(name)
            login = last = time.monotonic()
            while True:
                now = time.monotonic()
                if quiet is None and (now - login > seconds
                                      or self.stop.is_set()):
                    return
                if quiet is not None and now - last > quiet:
                    return
                try:
                    got = device.recv_messages(1, 0.05)
                except TimeoutError:
                    continue
                got += device.take_pending()
                last = time.monotonic()
                titles = []
                for m in got:
                    self.model.delivered(name, m["title"], int(m["mid"]),
                                         login)
                    if chance.random() < diligence:
                        titles.append(m)
                if titles:
                    device.ack(titles)
                    self.model.confirmed_all([m["title"] for m in titles])

    # -- rounds ----------------------------------------------------------

    def run_thread(self, function, *args):
        def run():
            try:
                function(*args)
            except BaseException as e:
                self.faults.append(e)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.threads.append(thread)

    def check(self):
        if self.faults:
            raise self.faults[0]

    def end_round(self):
        """Kill it, nearly always; one in eight is a clean stop."""
        time.sleep(self.random.uniform(0.05, 0.8))
        self.check()
        clean = self.random.random() < 0.125
        if clean:
            status = self.server.terminate(10 * SLOWNESS)
            if status != 0:
                self.model.fail(f"exit status {status}", self.server.log)
        else:
            # No confirmation of this round may count as later than this.
            with self.model.lock:
                self.model.kills[self.model.round] = time.monotonic()
                self.server.process.kill()
            self.server.wait(10 * SLOWNESS)
        self.model.tally("clean stops" if clean else "kills")
        log = self.server.log
        self.server.close()
        if "damage" in log or "cannot write" in log:
            self.model.fail("the store is not well", log)
        with self.model.lock:
            self.model.round += 1

    def drain(self):
        """Let every device take all that waits for it."""
        chance = random.Random(0)
        for name in sorted(self.model.registered):
            self.attend(name, chance, 0, 1.0, quiet=0.06 * SLOWNESS)
        # And once more: nothing may be left, and nothing comes back.
        for name in sorted(self.model.registered):
            self.attend(name, chance, 0, 1.0, quiet=0.06 * SLOWNESS)

    def run(self):
        self.start()
        try:
            for i in range(4):
                self.run_thread(self.publish,
                                random.Random(self.random.random()))
                self.run_thread(self.live, f"on{i}",
                                random.Random(self.random.random()))
            for _ in range(self.rounds):
                self.end_round()
                self.start()
            self.stop.set()
            for thread in self.threads:
                thread.join(20 * SLOWNESS)
                if thread.is_alive():
                    self.model.fail("a client hangs")
            self.check()
            time.sleep(FORGET * SLOWNESS)
            self.drain()
            self.model.check_end()
            status = self.server.terminate(10 * SLOWNESS)
            if status != 0:
                self.model.fail(f"exit status {status}", self.server.log)
        finally:
            self.stop.set()
            self.server.close()
            self.scratch.cleanup()
        return self.model.count


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    socket.setdefaulttimeout(60)
    try:
        count = Harness(options.seed, options.rounds).run()
    except Violation as violation:
        print(f"VIOLATION: {violation}")
        return 1
    for what, n in sorted(count.items()):
        print(f"{n:8} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
