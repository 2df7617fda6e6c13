# SPDX-License-Identifier: ISC
"""Many publishers and many devices: nothing is lost, order is kept."""

import contextlib
import random
import selectors
import threading
from concurrent.futures import ThreadPoolExecutor

from mpushlib import SLOWNESS, HttpConn, login

PUBLISHERS = 32
DEVICES = 500


class Confirmer(threading.Thread):
    """Devices that confirm all they get; seen: the messages of each."""

    def __init__(self, devices):
        super().__init__()
        self.seen = [[] for _ in devices]
        self.over = threading.Event()
        self.selector = selectors.DefaultSelector()
        for i, device in enumerate(devices):
            self.selector.register(device.sock, selectors.EVENT_READ,
                                   (i, device))

    def run(self):
        with self.selector:
            while not self.over.is_set():
                for key, _ in self.selector.select(0.05):
                    self.serve(*key.data)

    def serve(self, i, device):
        while True:
            messages = device.recv_messages() + device.take_pending()
            device.ack(messages)
            self.seen[i] += messages
            if not device.buffer:
                break

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.join()


def assert_in_order(messages, publishers=PUBLISHERS):
    """First deliveries: mids grow, and so do the numbers of a publisher."""
    mids = [int(m["mid"]) for m in messages]
    assert mids == sorted(set(mids))
    for p in range(publishers):
        numbers = [int(m["content"]) for m in messages
                   if m["title"] == str(p)]
        assert numbers == sorted(set(numbers))


def publish(server, publisher, names, rounds):
    """Push to every device of names in turn; returns the answers."""
    answers = set()
    with HttpConn(server, timeout=60 * SLOWNESS) as c:
        for number in range(rounds):
            for name in names:
                c.send_request(
                    "GET", f"/{name}?title={publisher}&content={number}")
                answers.add(c.read_response().answer)
    return answers


def test_32_publishers_push_to_500_devices_and_nothing_is_lost(daemon):
    server = daemon(ACK_TIMEOUT=60, RESEND_INTERVAL=60)
    names = [f"d{i}" for i in range(DEVICES)]
    rounds = 4
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(login(server, n)) for n in names]
        confirmer = stack.enter_context(Confirmer(devices))
        with ThreadPoolExecutor(PUBLISHERS) as pool:
            # Each device is pushed to by two publishers at the same time.
            half = PUBLISHERS // 2
            answers = list(pool.map(
                lambda p: publish(server, p, names[p % half::half], rounds),
                range(PUBLISHERS)))
    assert answers == [{(200, "ok")}] * PUBLISHERS
    for messages in confirmer.seen:
        assert len(messages) == 2 * rounds
        assert_in_order(messages)


def test_32_publishers_push_to_one_device_and_order_is_kept(daemon):
    server = daemon(ACK_TIMEOUT=60, RESEND_INTERVAL=60)
    rounds = 50
    with login(server, "d") as device, Confirmer([device]) as confirmer:
        with ThreadPoolExecutor(PUBLISHERS) as pool:
            answers = list(pool.map(
                lambda p: publish(server, p, ["d"], rounds),
                range(PUBLISHERS)))
    assert answers == [{(200, "ok")}] * PUBLISHERS
    assert len(confirmer.seen[0]) == PUBLISHERS * rounds
    assert_in_order(confirmer.seen[0])


def unreliable_device(server, name, rng, over, seen):
    """Confirms some, disappears without a word, and comes again."""
    while not over.is_set():
        device = login(server, name)
        with contextlib.suppress(TimeoutError):
            for _ in range(rng.randrange(6)):
                messages = device.recv_messages(timeout=0.05) + \
                    device.take_pending()
                seen += messages
                device.ack(rng.sample(messages, rng.randrange(
                    len(messages) + 1)))
        device.reset()


def first_deliveries(messages):
    return list({m["mid"]: m for m in messages}.values())


def test_devices_that_come_and_go_get_every_message_in_order(daemon):
    names = [f"d{i}" for i in range(16)]
    server = daemon(ACK_TIMEOUT=0.05, RESEND_INTERVAL=0.2, REGISTERS=names)
    over = threading.Event()
    seen = {name: [] for name in names}
    devices = [threading.Thread(target=unreliable_device, args=(
        server, name, random.Random(name), over, seen[name]))
        for name in names]
    rounds = 20
    for thread in devices:
        thread.start()
    with ThreadPoolExecutor(8) as pool:
        answers = set().union(*pool.map(
            lambda p: publish(server, p, names[p % 4::4], rounds), range(8)))
    over.set()
    for thread in devices:
        thread.join()
    assert answers <= {(200, "ok"), (200, "online"), (200, "offline")}
    for name in names:
        expected = 2 * rounds
        with login(server, name) as device:
            while True:
                with contextlib.suppress(TimeoutError):
                    seen[name] += device.recv_messages(timeout=0.05)
                    seen[name] += device.take_pending()
                    continue
                break
        messages = first_deliveries(seen[name])
        assert len(messages) == expected
        assert_in_order(messages, 8)
