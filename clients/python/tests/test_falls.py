"""A publisher and three durable workers while servers fall: nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROOF, figure
from harness import resources
from harness.bus import Bus, until

from svom.messaging.natsio import NatsIo
from svom.messaging.problems import Disconnected, Missed, Problem

AROUND_A_FALL = 300 if PROOF else 100


@pytest.fixture
def bus() -> Iterator[Bus]:
    made = Bus(resources.FALLS)
    yield made
    made.close()


class Workers:
    """Three processes that read the durable, and what they handled."""

    def __init__(self, secret: Path) -> None:
        self.handled: Counter[str] = Counter()
        self._lock = threading.Lock()
        command = [sys.executable, str(Path(__file__).with_name("falls_worker.py")), str(secret)]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
        ]
        self._readers = [threading.Thread(target=self._read, args=(process,)) for process in self._processes]
        for reader in self._readers:
            reader.start()
        until(lambda: self.handled["ready"] == 3, "every worker")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._lock:
                self.handled[line.strip()] += 1

    def close(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            assert process.wait(60) == 0
        for reader in self._readers:
            reader.join()


class Publisher:
    """One message after another, each with a text of its own, until it is told to stop."""

    def __init__(self, client: NatsIo) -> None:
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self.acknowledged: dict[str, int] = {}
        self.longest = 0.0
        self.problem: Exception | None = None
        self._thread.start()

    def _publish(self) -> None:
        number = 0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                acknowledged = self._client.publish("data.vhf", f"message {number}", deadline=60)
            except Exception as problem:
                self.problem = problem
                return
            self.longest = max(self.longest, time.monotonic() - began)
            self.acknowledged[f"message {number}"] = acknowledged.sequence
            number += 1

    def wait_for_more(self, count: int) -> None:
        enough = len(self.acknowledged) + count
        until(lambda: self.problem or len(self.acknowledged) >= enough, f"{count} more acknowledgements")
        assert self.problem is None, self.problem

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.once
def test_nothing_acknowledged_is_lost(bus: Bus) -> None:
    missed: list[Problem] = []
    live: list[int] = []
    workers = Workers(bus.secret("worker"))
    with NatsIo.from_secret(bus.secret("producer"), validate="off") as client:
        client.subscribe("data.vhf", lambda one: live.append(one.sequence), on_problem=missed.append)
        publisher = Publisher(client)
        for number in range(5):
            # The leader of the stream and the others, in turn: both kinds of fall.
            server = bus.leader_of("DATA") if number % 2 == 0 else bus.servers()[number // 2]
            publisher.wait_for_more(AROUND_A_FALL)
            bus.kill(server)
            publisher.wait_for_more(AROUND_A_FALL)
            bus.start(server)
        for server in bus.servers():
            publisher.wait_for_more(AROUND_A_FALL)
            bus.stop(server)
            publisher.wait_for_more(AROUND_A_FALL)
            bus.start(server)
        publisher.close()
        acknowledged = publisher.acknowledged
        until(lambda: acknowledged.keys() <= workers.handled.keys(), "every acknowledged message to be handled")
    workers.close()
    del workers.handled["ready"]
    sequences = list(acknowledged.values())
    assert sequences == sorted(set(sequences)), "two messages were acknowledged at one position"
    # Stored once each: an id that was tried again is not stored again.
    assert sequences[-1] - sequences[0] + 1 == len(sequences)
    assert set(workers.handled) == set(acknowledged)
    told = [one for one in missed if isinstance(one, Missed)]
    lost = set(range(live[0], live[-1])) - set(live)
    explained = {number for gap in told for number in range(gap.after + 1, gap.before)}
    assert lost == explained, "live messages were missed and it was not told, or told and not missed"
    again = sum(count - 1 for count in workers.handled.values())
    figure("python publisher and three workers through 5 kills and a rolling restart",
           f"{len(acknowledged)} acknowledged, 0 lost, {again} handled again, {len(lost)} missed live and told, "
           f"longest publish {publisher.longest:.1f} s")  # fmt: skip


@pytest.mark.once
def test_a_frozen_server_is_left(bus: Bus) -> None:
    """It answers nothing and closes nothing; the client notices, and goes on with another."""
    problems: list[Problem] = []
    with NatsIo.from_secret(bus.secret("producer"), validate="off") as client:
        client.subscribe("data.vhf", lambda _: None, on_problem=problems.append)
        client.publish("data.vhf", "before")
        address = client.connected_to
        assert address is not None
        server = bus.servers()[int(address.rpartition(":")[2]) - bus.port]
        pid = bus.pid(server)
        os.kill(pid, signal.SIGSTOP)
        try:
            client.publish("data.vhf", "through another server", deadline=60)
            assert client.connected_to != address
        finally:
            os.kill(pid, signal.SIGCONT)
        assert [type(one) for one in problems if not isinstance(one, Missed)][:1] == [Disconnected]
