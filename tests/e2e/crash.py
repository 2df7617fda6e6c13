#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kill the daemon again and again under load, and hold it to its promises.

Publishers and devices work on a daemon with STATE_DIR, which is killed at
random moments and started again.  A model knows what was pushed, answered,
delivered and confirmed, and when; whatever breaks a promise of
doc/durability.md is a Violation.  By hand:

    tests/e2e/crash.py --rounds 200 [--seed N] [--mpushd PATH]
"""

import argparse
import contextlib
import os
import random
import select
import sys
import tempfile
import threading
import time

from mpushlib import (
    DEADLINE, MPUSHD, SANITIZER_REPORT, SLOWNESS, TOKEN, Daemon, Device,
    HandshakeError, HttpConn, device_path, free_port, http)

PROMISED = ("ok", "online", "offline")
# How long before a crash a confirmation may be lost (SPEC: the same second).
FORGET = 1.0
# The same before a clean stop, which loses only what it has not read.
UNREAD = 0.2 * SLOWNESS
OFFLINE = ("off0", "off1")  # nearly always
POLL = 0.05
LONG = 6  # every so many rounds there is one that outlasts FORGET


class Violation(Exception):
    """A promise was broken."""


class Cut(Exception):
    """The daemon of this connection has ended."""


class Message:
    """What is known of one push; its title names it."""

    def __init__(self, title, device, number, floor, size):
        self.title = title
        self.content = (title + " ") * (size // len(title + " ") + 1)
        self.device = device
        self.round = number
        self.floor = floor  # the highest mid known when it was pushed
        self.answer = None
        self.mid = None
        self.deliveries = []  # (round, time)
        self.confirmed = []  # likewise, after it was written to the socket

    def __str__(self):
        return str({k: v for k, v in vars(self).items() if k != "content"})


class Model:
    """All messages; every method is one step that the daemon must allow.

    A round is the life of one daemon.  Each step says the round that its
    connection belongs to: what a client does late is not the next daemon's.
    """

    def __init__(self, seed=None):
        self.seed = seed
        self.lock = threading.Lock()
        self.messages = {}
        self.round = 0
        self.kills = {}  # round -> when it ended by a kill
        self.stops = {}  # round -> when it was asked to stop
        self.highest = {}  # device -> mid
        self.first = {}  # device -> mid of the last first delivery
        self.by_mid = {}  # (device, mid) -> title
        self.registered = set()
        self.recent = []  # times of this round's confirmations
        self.count = {}

    def tally(self, what, n=1):
        self.count[what] = self.count.get(what, 0) + n

    def fail(self, what, message=None):
        raise Violation(f"seed {self.seed}, round {self.round}: {what}: "
                        f"{message}; killed {self.kills}, "
                        f"stopped {self.stops}")

    def pushed(self, device, size=10):
        """A message that is about to be pushed."""
        with self.lock:
            title = f"m{len(self.messages)}"
            message = Message(title, device, self.round,
                              self.highest.get(device, 0), size)
            self.messages[title] = message
            self.tally("pushed")
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

    def answered(self, message, answer, mid, number):
        with self.lock:
            message.answer = answer
            self.tally(f"answered {answer}")
            if answer in PROMISED:
                self.learn_mid(message, mid)
            elif answer == "404":
                self.fail("a registration was lost", message)
            elif answer != "503" or number not in self.stops:
                self.fail(f"was answered {answer}", message)

    def delivered(self, device, title, content, mid, number):
        now = time.monotonic()
        with self.lock:
            message = self.messages.get(title)
            if message is None or message.device != device:
                self.fail(f"{device} got {title!r}, which was not for it")
            if content != message.content:
                self.fail(f"came with {content[:80]!r}", message)
            self.learn_mid(message, mid)
            if not message.deliveries:
                if mid < self.first.get(device, 0):
                    self.fail("not in the order of mids", message)
                self.first[device] = mid
            self.check_return(message, number, now)
            self.tally("delivered again" if message.deliveries
                       else "delivered")
            message.deliveries.append((number, now))

    def check_return(self, message, number, now):
        """What was confirmed comes back only after a crash in that second."""
        for then, when in message.confirmed:
            if then == number:
                if now - when > FORGET:
                    self.fail("was confirmed and came again", message)
            elif then in self.stops:
                if self.stops[then] - when > UNREAD:
                    self.fail("was confirmed before a clean stop and came "
                              "back", message)
            elif self.kills[then] - when > FORGET:
                self.fail(f"was confirmed {self.kills[then] - when:.3f} s "
                          "before the crash and came back", message)

    def confirmed(self, titles, number):
        """After the confirmation was written to the socket."""
        now = time.monotonic()
        with self.lock:
            for title in titles:
                self.messages[title].confirmed.append((number, now))
                if number == self.round:
                    self.recent.append(now)

    def logged_in(self, device):
        with self.lock:
            self.registered.add(device)

    def ends(self, clean):
        """The daemon is about to be killed, or asked to stop."""
        now = time.monotonic()
        (self.stops if clean else self.kills)[self.round] = now
        self.tally("clean stops" if clean else "kills")
        if not clean:
            self.tally("confirmed long before a kill",
                       sum(now - when > FORGET for when in self.recent))

    def next_round(self):
        """The daemon is dead and the next one has not begun."""
        with self.lock:
            self.round += 1
            self.recent = []

    def missing(self, device=None):
        """What was promised and nobody has confirmed."""
        with self.lock:
            return [m for m in self.messages.values()
                    if m.answer in PROMISED and not m.confirmed
                    and device in (None, m.device)]

    def check_end(self):
        """All devices have had the time to confirm all there was."""
        for message in self.missing():
            self.fail("was answered ok, and nobody confirmed it"
                      if message.answer == "ok"
                      else "was promised and was lost", message)
        self.count["not answered"] = sum(
            m.answer is None for m in self.messages.values())


class Harness:
    """The daemon, those who use it, and the one who kills it.

    between: called when the daemon is dead, with the state directory; for
    the tests of this harness.
    """

    def __init__(self, seed, rounds, config=None, binary=None, between=None):
        self.random = random.Random(seed)
        self.rounds = rounds
        self.binary = binary
        self.between = between
        self.scratch = tempfile.TemporaryDirectory(prefix="mpushd-crash-")
        self.ws, self.http = (("127.0.0.1", free_port()) for _ in range(2))
        self.config = {
            "TOKEN": TOKEN, "LISTEN": "127.0.0.1", "WS_PORT": self.ws[1],
            "HTTP_PORT": self.http[1], "WORKERS": 2, "ACK_TIMEOUT": 0.4,
            "RESEND_INTERVAL": 0.3, "REGISTERS": [*OFFLINE, "on0"],
            "STATE_DIR": os.path.join(self.scratch.name, "state"),
            **(config or {})}
        self.model = Model(seed)
        self.model.registered.update(self.config["REGISTERS"])
        self.server = None
        self.stop = threading.Event()
        self.spare = threading.Event()  # nothing for OFFLINE
        self.faults = []
        self.threads = []

    def start(self, wait=True):
        self.server = Daemon(self.config, "-v", wait=wait, binary=self.binary)

    @contextlib.contextmanager
    def connect(self, kind, address):
        """A connection and the round of its daemon.

        Whatever a client may meet because its daemon was killed becomes a
        Cut; what it meets in any other case is a Violation.
        """
        number = self.model.round
        try:
            with kind(address) as connection:
                if self.model.round != number:
                    raise Cut
                yield connection, number
        except TimeoutError as e:
            self.model.fail(f"a {kind.__name__} hangs: {e}")
        except (OSError, EOFError) as e:
            raise Cut from e
        except (AssertionError, HandshakeError) as e:
            if number in self.model.stops:
                raise Cut from e
            self.model.fail(f"a {kind.__name__} was sent {e!r}")

    # -- publishers ------------------------------------------------------

    def publish(self, chance):
        while not self.stop.is_set():
            with contextlib.suppress(Cut), self.connect(
                    HttpConn, self.http) as (connection, number):
                while not self.stop.is_set():
                    self.push(connection, number, *self.choose(chance))
            time.sleep(0.001)  # it may take a while to come back

    def choose(self, chance):
        """A device and a size; now and then one that takes its own pages."""
        size = chance.choice((10, 100, 100, 1000, 9000))
        dice = chance.random()
        if dice < 0.6 and not self.spare.is_set():
            return chance.choice(OFFLINE), size
        with self.model.lock:
            names = sorted(self.model.registered)
        # Few for those that came once: nobody takes theirs before the end.
        if dice < 0.95:
            names = [n for n in names if n not in OFFLINE and "-" not in n]
        return chance.choice(names), size

    def grow(self):
        """Make the file so large that it is worth to write it anew."""
        with self.connect(HttpConn, self.http) as (connection, number):
            for _ in range(60):
                self.push(connection, number, OFFLINE[0], 20000)

    def push(self, connection, number, device, size):
        message = self.model.pushed(device, size)
        r = connection.request(
            "POST", device_path(message.device) + "?title=" + message.title,
            {"Accept": "application/json", "Content-Type": "text/plain"},
            message.content.encode())
        if r.status == 200:
            answer = r.json()
            self.model.answered(message, answer["status"],
                                int(answer["mid"]), number)
        else:
            self.model.answered(message, str(r.status), None, number)

    # -- devices ---------------------------------------------------------

    def live(self, name, chance):
        """Be a device that comes, confirms or not, and goes."""
        newcomers = 0
        while not self.stop.is_set():
            device = name
            if chance.random() < 0.05:
                device = f"{name}-{newcomers}"
                newcomers += 1
            habit = chance.choice((
                lambda: None, lambda: chance.choice((None, 0)),
                lambda: chance.uniform(0, 1), lambda: 0, lambda: 0))
            end = time.monotonic() + chance.uniform(0, 0.8)
            with contextlib.suppress(Cut):
                self.attend(device, habit, lambda _: self.stop.is_set()
                            or time.monotonic() > end)
            time.sleep(chance.uniform(0, 0.05))

    def attend(self, name, habit, enough):
        """Be a device until it is enough(seconds since a message came).

        habit: after how many seconds to confirm a message, or None.
        """
        with self.connect(Device, self.ws) as (device, number):
            device.login(device=name)
            self.model.logged_in(name)
            due = []  # (when, message)
            last = time.monotonic()
            while not enough(time.monotonic() - last):
                if select.select([device.sock], [], [], POLL)[0]:
                    last = time.monotonic()
                    due += self.receive(device, name, number, habit)
                self.confirm(device, number, due)

    def receive(self, device, name, number, habit):
        out = []
        got = device.recv_messages(1) + device.take_pending()
        while device.buffer:
            got += device.recv_messages(1) + device.take_pending()
        for m in got:
            self.model.delivered(name, m["title"], m["content"],
                                 int(m["mid"]), number)
            delay = habit()
            if delay is not None:
                out.append((time.monotonic() + delay, m))
        return out

    def confirm(self, device, number, due):
        now = time.monotonic()
        ready = [m for when, m in due if when <= now]
        due[:] = [x for x in due if x[0] > now]
        if ready:
            device.ack(ready)
            self.model.confirmed([m["title"] for m in ready], number)

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

    def let_live(self, number):
        """Start the daemon and give it its time."""
        if self.random.random() < 0.15:
            self.model.tally("killed while they start")
            self.start(wait=False)
            time.sleep(self.random.uniform(0, 0.02))
            return False
        self.start()
        if number % LONG == LONG - 1:
            # So much goes that the file is written anew a second later.
            self.spare.set()
            self.grow()
            self.drain(OFFLINE)
            time.sleep(self.random.uniform(1.1, 1.7))
        else:
            time.sleep(self.random.uniform(0.05, 0.8))
        return self.random.random() < 0.15

    def end_daemon(self, clean):
        with self.model.lock:
            self.model.ends(clean)
            if not clean:
                self.server.process.kill()
        if clean:
            status = self.server.terminate(10 * SLOWNESS)
        else:
            status = self.server.wait(10 * SLOWNESS)
        log = self.server.log
        self.server.close()
        if status != (0 if clean else -9):
            self.model.fail(f"exit status {status}", log)
        self.check()
        self.check_log(log)
        self.spare.clear()
        self.model.next_round()
        if self.between is not None:
            self.between(self.config["STATE_DIR"])

    def check_log(self, log):
        if "damage" in log or "cannot" in log or SANITIZER_REPORT.search(log):
            self.model.fail("the daemon is not well", log)
        self.model.tally("files written anew", log.count("is written anew"))

    def drain(self, names):
        """Let devices take and confirm what was promised to them."""
        for name in names:
            end = time.monotonic() + DEADLINE

            def enough(quiet, name=name, end=end):
                # What was not promised may come, too, or not.
                return quiet > POLL and (time.monotonic() > end or
                                         not self.model.missing(name))

            self.attend(name, lambda: 0, enough)

    def finish(self):
        """All take what there is, and it does not come back."""
        self.start()
        names = sorted(self.model.registered)
        for name in names:
            if http(self.http, "HEAD", device_path(name)).status != 200:
                self.model.fail(f"the registration of {name} was lost")
        self.drain(names)
        self.model.check_end()
        time.sleep(FORGET + POLL)
        self.end_daemon(clean=False)
        self.start()
        self.drain(names)
        self.end_daemon(clean=True)

    def run(self):
        for _ in range(6):
            self.run_thread(self.publish, random.Random(self.random.random()))
        for i in range(4):
            self.run_thread(self.live, f"on{i}",
                            random.Random(self.random.random()))
        try:
            for number in range(self.rounds):
                self.end_daemon(self.let_live(number))
            self.stop.set()
            for thread in self.threads:
                thread.join(20 * SLOWNESS)
                if thread.is_alive():
                    self.model.fail("a client hangs")
            self.check()
            self.finish()
        except Cut:
            self.model.fail("the daemon went away by itself", self.server.log)
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
    parser.add_argument("--mpushd", metavar="PATH", default=MPUSHD)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    try:
        count = Harness(options.seed, options.rounds,
                        binary=options.mpushd).run()
    except Violation as violation:
        print(f"VIOLATION: {violation}")
        return 1
    for what, n in sorted(count.items()):
        print(f"{n:8} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
