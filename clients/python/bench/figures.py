"""What the client costs beside plain nats-py with the same credentials: samples of both, as they are asked for.

In: the folder of a user's Secret and a server's URL as arguments; then one line of standard input for each
sample, `WHAT WHO`. Out: one number per line. `bench/src/python.rs` asks, and pairs what it is told. Plain
nats-py is written as one would write it: each message has an id, without which it could not be sent again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from svom.messaging.natsio import AsyncNatsIo, NatsIo
from svom.messaging.settings import Secret

QUEUE = "data.vhf"
ONE_BY_ONE = 300
PIPELINED = 5_000
IN_FLIGHT = 128
HEARD = 200
MESSAGE = (
    '{"DataNotification": {"source": "VHF", "data_type": "ECLALERTL1", "date": "2018-12-04T14:59:04.535Z", '
    '"message": "%s", "resource_locator": "32fef21a2cea43652fa28346de70b8"}}' % ("x" * 850)
).encode()
"""A valid message of a kibibyte: the client looks at it, plain nats-py does not."""

SECRET, SERVER = Path(sys.argv[1]), sys.argv[2]


def client() -> NatsIo:
    found = Secret(SECRET)()
    return NatsIo(SERVER, user=found.user, password=found.password, ca=found.ca)


def aclient() -> AsyncNatsIo:
    found = Secret(SECRET)()
    return AsyncNatsIo(SERVER, user=found.user, password=found.password, ca=found.ca)


async def plain() -> Client:
    found = Secret(SECRET)()
    context = ssl.create_default_context(cafile=found.ca)
    return await nats.connect(SERVER, user=found.user, password=found.password, tls=context)


class Loop:
    """One loop for everything that asyncio does."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.plain = self.loop.run_until_complete(plain())
        self.jetstream = self.plain.jetstream(domain="svom", publish_async_max_pending=IN_FLIGHT)
        self.ours = aclient()
        self.loop.run_until_complete(self.ours.connect())

    def close(self) -> None:
        self.loop.run_until_complete(self.ours.close())
        self.loop.run_until_complete(self.plain.close())
        self.loop.close()

    def run(self, work: Callable[[], object]) -> float:
        return self.loop.run_until_complete(work())


def headers() -> dict[str, str]:
    return {"Nats-Msg-Id": str(uuid.uuid4())}


async def plain_one_by_one(loop: Loop) -> float:
    began = time.perf_counter()
    for _ in range(ONE_BY_ONE):
        await loop.jetstream.publish(QUEUE, MESSAGE, headers=headers())
    return ONE_BY_ONE / (time.perf_counter() - began)


async def plain_pipelined(loop: Loop) -> float:
    began = time.perf_counter()
    futures = [await loop.jetstream.publish_async(QUEUE, MESSAGE, headers=headers()) for _ in range(PIPELINED)]
    await asyncio.gather(*futures)
    return PIPELINED / (time.perf_counter() - began)


async def ours_one_by_one(loop: Loop) -> float:
    began = time.perf_counter()
    for _ in range(ONE_BY_ONE):
        await loop.ours.publish(QUEUE, MESSAGE)
    return ONE_BY_ONE / (time.perf_counter() - began)


async def ours_pipelined(loop: Loop) -> float:
    began = time.perf_counter()
    await loop.ours.publish_many(QUEUE, [MESSAGE] * PIPELINED, in_flight=IN_FLIGHT)
    return PIPELINED / (time.perf_counter() - began)


def sync_one_by_one(ours: NatsIo) -> float:
    began = time.perf_counter()
    for _ in range(ONE_BY_ONE):
        ours.publish(QUEUE, MESSAGE)
    return ONE_BY_ONE / (time.perf_counter() - began)


def sync_pipelined(ours: NatsIo) -> float:
    began = time.perf_counter()
    ours.publish_many(QUEUE, [MESSAGE] * PIPELINED, in_flight=IN_FLIGHT)
    return PIPELINED / (time.perf_counter() - began)


async def heard(loop: Loop, subscribe: Callable[[Callable[[], None]], object]) -> float:
    """Median of the milliseconds from a publish to the callback of who listens; the publisher is the same."""
    came = asyncio.Event()
    reader = await subscribe(came.set)
    took = []
    for _ in range(HEARD):
        came.clear()
        began = time.perf_counter()
        await loop.plain.publish(QUEUE, MESSAGE)
        await came.wait()
        took.append((time.perf_counter() - began) * 1000)
    await (reader.unsubscribe() if hasattr(reader, "unsubscribe") else reader.close())
    return statistics.median(took)


async def plain_heard(loop: Loop) -> float:
    async def subscribe(note: Callable[[], None]) -> object:
        async def call(_: Msg) -> None:
            note()

        reader = await loop.plain.subscribe(QUEUE, cb=call)
        await loop.plain.flush()
        return reader

    return await heard(loop, subscribe)


async def ours_heard(loop: Loop) -> float:
    async def subscribe(note: Callable[[], None]) -> object:
        async def call(_: object) -> None:
            note()

        return await loop.ours.subscribe(QUEUE, call)

    return await heard(loop, subscribe)


def imported(module: str) -> float:
    """Milliseconds of an interpreter that imports it, and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return (time.perf_counter() - began) * 1000


def memory(who: str) -> float:
    """Mebibytes of a process that has connected and published, in the end."""
    done = subprocess.run([sys.executable, __file__, *sys.argv[1:], who], check=True, capture_output=True, text=True)
    return float(done.stdout)


def own_memory(who: str) -> float:
    if who == "ours":
        with client() as ours:
            for _ in range(ONE_BY_ONE):
                ours.publish(QUEUE, MESSAGE)
            return resident()

    async def publish() -> float:
        connection = await plain()
        jetstream = connection.jetstream(domain="svom")
        for _ in range(ONE_BY_ONE):
            await jetstream.publish(QUEUE, MESSAGE, headers=headers())
        size = resident()
        await connection.close()
        return size

    return asyncio.run(publish())


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    if len(sys.argv) > 3:
        print(own_memory(sys.argv[3]))
        return
    loop, ours = Loop(), client()
    ours.connect()
    samples: dict[str, Callable[[], float]] = {
        "one-by-one plain": lambda: loop.run(lambda: plain_one_by_one(loop)),
        "one-by-one async": lambda: loop.run(lambda: ours_one_by_one(loop)),
        "one-by-one sync": lambda: sync_one_by_one(ours),
        "pipelined plain": lambda: loop.run(lambda: plain_pipelined(loop)),
        "pipelined async": lambda: loop.run(lambda: ours_pipelined(loop)),
        "pipelined sync": lambda: sync_pipelined(ours),
        "heard plain": lambda: loop.run(lambda: plain_heard(loop)),
        "heard async": lambda: loop.run(lambda: ours_heard(loop)),
        "import plain": lambda: imported("nats"),
        "import ours": lambda: imported("svom.messaging.natsio"),
        "memory plain": lambda: memory("plain"),
        "memory ours": lambda: memory("ours"),
    }
    for line in sys.stdin:
        gc.collect()
        print(samples[line.strip()](), flush=True)
    loop.close()
    ours.close()


if __name__ == "__main__":
    main()
