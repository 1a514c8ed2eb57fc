"""Live and durable readers, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter

import pytest
from harness.bus import Bus, until
from nats.aio.msg import Msg

from svom.messaging.durable import DurableFeed
from svom.messaging.errors import NotPermittedError
from svom.messaging.live import LiveFeed
from svom.messaging.natsio import AsyncNatsIo, Delivery, Message, NatsIo
from svom.messaging.problems import GivenUp, Missed, Overrun, Problem


def fresh(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


# Live


def test_wildcards_deliver_once_each(svom: NatsIo, bus: Bus) -> None:
    with NatsIo.from_secret(bus.secret("desk"), validate="off") as desk:
        with (
            svom.subscribe("science.*") as domain,
            svom.subscribe("*.too") as program,
            svom.subscribe("science.too") as one,
        ):
            text = fresh(1)[0]
            desk.publish("science.too", text)
            svom.publish("science.calibration", "afterwards")
            assert [next(domain).text, next(domain).text] == [text, "afterwards"]
            assert next(program).text == text
            assert next(one).text == text
            assert program.next(0.2) is None


def test_a_callback_is_called_in_order_and_outlives_its_own_errors(svom: NatsIo) -> None:
    came: list[str] = []

    def note(message: Message) -> None:
        came.append(message.text)
        if message.text == "bad":
            raise ValueError("the callback's own")

    reader = svom.subscribe("data.mdb", note)
    svom.publish_many("data.mdb", ["one", "bad", "three"], in_flight=1)
    until(lambda: came == ["one", "bad", "three"], "every message", 20)
    reader.close()
    svom.publish("data.mdb", "four")
    assert came == ["one", "bad", "three"]


def test_a_callback_may_publish(svom: NatsIo) -> None:
    seen = threading.Event()

    def pass_on(message: Message) -> None:
        svom.publish("data.xband", message.data)
        seen.set()

    with svom.subscribe("data.mdb", pass_on):
        text = fresh(1)[0]
        svom.wait_for("data.xband", lambda one: one.text == text, trigger=lambda: svom.publish("data.mdb", text))
        assert seen.is_set()


def test_a_slow_reader_is_told_what_was_dropped(svom: NatsIo) -> None:
    problems: list[Problem] = []
    with svom.subscribe("data.vhf", on_problem=problems.append, capacity=3) as reader:
        svom.publish_many("data.vhf", fresh(10))
        until(lambda: reader.dropped == 7, "what is dropped to be counted", 20)
        assert [type(next(reader)) for _ in range(3)] == [Message] * 3
        assert reader.next(0.1) is None
        assert [one.dropped for one in problems if isinstance(one, Overrun)] == [1, 2, 4]
        svom.publish("data.vhf", "there is room again")
        assert next(reader).text == "there is room again"


def test_a_gap_is_told() -> None:
    """As the servers tell it: each message names the one before it in its queue."""
    problems: list[Problem] = []
    feed = LiveFeed("data.*", lambda _: None, lambda _: None, problems.append, 100)

    def arrive(queue: str, sequence: int, before: int) -> None:
        headers = {"Nats-Stream": "DATA", "Nats-Sequence": str(sequence), "Nats-Last-Sequence": str(before)}
        feed.interest.arrived(Msg(None, queue, headers=headers))

    for queue, sequence, before in [
        ("data.vhf", 4, 2), ("data.mdb", 5, 0), ("data.vhf", 6, 4), ("data.mdb", 9, 5), ("data.vhf", 12, 8),
        ("data.vhf", 13, 12), ("data.vhf", 13, 12), ("data.vhf", 1, 0), ("data.vhf", 2, 1),
    ]:  # fmt: skip
        arrive(queue, sequence, before)
    assert problems == [Missed("data.vhf", 6, 12)]


def test_a_right_that_is_missing_is_told_at_once(svom: NatsIo) -> None:
    with pytest.raises(NotPermittedError, match=r"activity\.\*"):
        svom.subscribe("activity.*")


def test_waiting_says_how_many_others_came(svom: NatsIo) -> None:
    with pytest.raises(TimeoutError, match="2 others did"):
        svom.wait_for("data.vhf", lambda _: False, 3, trigger=lambda: svom.publish_many("data.vhf", ["a", "b"]))


# Durable


def test_a_durable_hands_out_what_came_meanwhile(worker: NatsIo) -> None:
    sent = fresh(20)
    worker.publish_many("activity.calibration", sent)
    with worker.durable("plain") as reader:
        came = [next(reader) for _ in sent]
        assert [one.text for one in came] == sent
        assert all(one.attempt == 1 and not one.is_last for one in came)
    with worker.durable("plain", domain="activity") as reader:
        assert reader.next(0.5) is None


def test_a_handler_that_raises_sees_it_again_until_its_last(worker: NatsIo) -> None:
    attempts: list[tuple[int, bool]] = []
    problems: list[Problem] = []

    def fail(delivery: Delivery) -> None:
        attempts.append((delivery.attempt, delivery.is_last))
        raise RuntimeError("no luck")

    with worker.durable("plain", fail, retry_delay=0.1, on_problem=problems.append):
        sequence = worker.publish("activity.calibration", "cannot be handled").sequence
        until(lambda: any(isinstance(one, GivenUp) for one in problems), "the last delivery", 30)
    assert attempts == [(1, False), (2, False), (3, True)]
    (given_up,) = [one for one in problems if isinstance(one, GivenUp)]
    assert given_up.sequence == sequence
    with worker.durable("plain") as reader:
        assert reader.next(0.5) is None


def test_a_handler_may_settle_by_itself(worker: NatsIo) -> None:
    attempts: Counter[str] = Counter()

    def settle(delivery: Delivery) -> None:
        attempts[delivery.text] += 1
        if delivery.text == "give up":
            delivery.term()
        elif delivery.attempt == 1:
            delivery.nak(0.2)
            delivery.ack()  # the first word counts

    with worker.durable("plain", settle):
        worker.publish_many("activity.calibration", ["give up", "again"])
        until(lambda: attempts["again"] == 2, "the second delivery", 20)
    assert attempts == {"give up": 1, "again": 2}


def test_long_work_is_kept_alive(worker: NatsIo) -> None:
    """Both messages are held for longer than the server would wait for an acknowledgement."""
    attempts: list[int] = []
    go_on = threading.Event()

    def work(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        go_on.wait(30)

    with worker.durable("slow", work) as reader:
        worker.publish_many("activity.infrastructure", ["takes long", "waits behind it"])
        until(lambda: attempts == [1], "the first message", 20)
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 2 * reader.consumer.ack_wait, "twice its patience")
        assert attempts == [1]
        go_on.set()
        until(lambda: len(attempts) == 2, "the second message", 20)
    assert attempts == [1, 1]


def test_several_workers_share_one_durable(worker: NatsIo, bus: Bus) -> None:
    sent = fresh(300)
    handled: Counter[str] = Counter()
    at_once: set[str] = set()
    lock = threading.Lock()
    shared = threading.Event()

    def handle(delivery: Delivery) -> None:
        with lock:
            handled[delivery.text] += 1
            at_once.add(threading.current_thread().name)
            if len(at_once) > 1:
                shared.set()
        # Who comes first leaves something for another.
        shared.wait(20)

    with NatsIo.from_secret(bus.secret("worker")) as another:
        with worker.durable("shared", handle, workers=3), another.durable("shared", handle, workers=2):
            worker.publish_many("activity.too", sent)
            until(lambda: len(handled) == len(sent), "every message", 30)
    assert handled == Counter(sent)
    assert len(at_once) > 1


def test_an_end_gives_back_what_was_not_handled(worker: NatsIo) -> None:
    sent = fresh(50)
    first: list[str] = []
    began, go_on = threading.Event(), threading.Event()

    def handle(delivery: Delivery) -> None:
        first.append(delivery.text)
        began.set()
        go_on.wait(30)

    reader = worker.durable("ending", handle)
    worker.publish_many("activity.core_program", sent)
    assert began.wait(20)
    closing = threading.Thread(target=reader.close)
    closing.start()
    go_on.set()
    closing.join(30)
    assert not closing.is_alive()
    # What was in hand is not delivered again. What was on its way comes when the server's patience ends.
    rest: list[str] = []
    with worker.durable("ending") as next_reader:
        while len(rest) < len(sent) - len(first):
            rest.append(next(next_reader).text)
        assert next_reader.next(1) is None
    assert sorted(first + rest) == sorted(sent)


@pytest.fixture
def _ends_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that ends has what is under way delivered first, as on a busy machine."""
    stop = DurableFeed.stop

    async def slowly(feed: DurableFeed) -> None:
        await asyncio.sleep(0.5)
        await stop(feed)

    monkeypatch.setattr(DurableFeed, "stop", slowly)


@pytest.mark.usefixtures("_ends_slowly")
def test_an_exception_while_iterating_gives_the_message_back(worker: NatsIo) -> None:
    worker.publish("activity.core_program", "handled at the second time")
    with pytest.raises(LookupError), worker.durable("ending", retry_delay=0) as reader:
        for _ in reader:
            raise LookupError("the program's own")
    with worker.durable("ending") as reader:
        again = next(reader)
        assert (again.text, again.attempt) == ("handled at the second time", 2)


@pytest.mark.usefixtures("_ends_slowly")
def test_an_exception_while_iterating_gives_the_message_back_for_asyncio(bus: Bus) -> None:
    async def twice() -> tuple[str, int]:
        async with AsyncNatsIo.from_secret(bus.secret("worker"), validate="off") as worker:
            await worker.publish("activity.core_program", "handled at the second time")
            with pytest.raises(LookupError):
                async with await worker.durable("ending", retry_delay=0) as reader:
                    async for _ in reader:
                        raise LookupError("the program's own")
            async with await worker.durable("ending") as reader:
                again = await reader.next(10)
                assert again is not None
                return again.text, again.attempt

    assert asyncio.run(twice()) == ("handled at the second time", 2)


def test_an_nkey_reads_live_and_durable(bus: Bus) -> None:
    with NatsIo.from_secret(bus.secret("desk"), validate="off") as desk:
        with desk.durable("alerts") as durable, desk.subscribe("science.too") as live:
            text = fresh(1)[0]
            desk.publish("science.too", text)
            assert next(live).text == text
            while next(durable).text != text:  # what others told it before
                pass


# asyncio


def test_everything_for_asyncio(bus: Bus) -> None:
    async def all_of_it() -> None:
        async with (
            AsyncNatsIo.from_secret(bus.secret("svom"), validate="off") as svom,
            AsyncNatsIo.from_secret(bus.secret("worker"), validate="off") as worker,
        ):
            sent = fresh(100)
            async with await svom.subscribe("data.vhf") as live:
                acknowledged = await svom.publish_many("data.vhf", sent)
                came = [await live.next(10) for _ in sent]
                assert [one.text for one in came if one] == sent
                assert [one.sequence for one in came if one] == [one.sequence for one in acknowledged]
            heard: list[str] = []

            async def note(message: Message) -> None:
                heard.append(message.text)

            reader = await svom.subscribe("data.vhf", note)
            text = fresh(1)[0]
            found = await svom.wait_for(
                "data.*", lambda one: one.text == text, trigger=lambda: svom.publish("data.vhf", text)
            )
            assert found.text == text
            while heard != [text]:
                await asyncio.sleep(0.01)
            await reader.close()

            handled: Counter[str] = Counter()

            async def handle(delivery: Delivery) -> None:
                handled[delivery.text] += 1
                if delivery.attempt == 1 and delivery.text == sent[0]:
                    raise RuntimeError("once")

            async with await worker.durable("shared", handle, workers=4, retry_delay=0.1):
                await worker.publish_many("activity.too", sent)
                while len(handled) < len(sent) or handled[sent[0]] < 2:
                    await asyncio.sleep(0.01)
            assert sum(handled.values()) == len(sent) + 1

            async with await worker.durable("shared") as iterated:
                await worker.publish("activity.too", "the last")
                async for delivery in iterated:
                    assert delivery.text == "the last"
                    break

    asyncio.run(all_of_it())


def test_a_running_loop_is_not_disturbed(bus: Bus) -> None:
    """As in a notebook, whose cells run within a loop."""

    async def cell() -> int:
        with NatsIo.from_secret(bus.secret("svom"), validate="off") as client:
            return client.publish("data.vhf", "from a cell").sequence

    assert asyncio.run(cell()) > 0


def test_on_problem_may_not_wait_for_its_own_client(svom: NatsIo) -> None:
    said: list[str] = []

    def publish(_problem: Problem) -> None:
        try:
            svom.publish("data.vhf", "about a problem")
        except Exception as problem:
            said.append(str(problem))

    with svom.subscribe("data.vhf", on_problem=publish, capacity=1):
        svom.publish_many("data.vhf", fresh(5))
        until(lambda: said, "a problem", 20)
    assert "another thread" in said[0]


def test_a_program_that_never_closes_ends(bus: Bus) -> None:
    program = (
        "import sys; from svom.messaging.natsio import NatsIo\n"
        "client = NatsIo.from_secret(sys.argv[1]); client.subscribe('data.vhf', print)\n"
        "client.publish('data.mdb', '{}'); print('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(bus.secret("svom"))], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "done\n"
    assert "Traceback" not in done.stderr


def test_a_client_may_be_made_before_a_fork_and_used_after(bus: Bus) -> None:
    program = (
        "import os, sys; from svom.messaging.natsio import NatsIo\n"
        "client = NatsIo.from_secret(sys.argv[1], validate='off')\n"
        "child = os.fork()\n"
        "client.publish('data.mdb', 'x'); client.close()\n"
        "if child: os.waitpid(child, 0)\n"
        "print('published', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(bus.secret("svom"))], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "published\n" * 2
