"""Many messages from a thread to the loop, without a way there and back for each."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from .aio import Pipeline
from .dialling import keep
from .publish import Acknowledgement
from .runner import Runner

Start = Callable[[Callable[[], None]], Pipeline]
"""Begins a pipeline that calls this for each message in the end."""


class _Feeder:
    """What this thread has made and the loop has not yet sent."""

    def __init__(self, runner: Runner, start: Start, in_flight: int) -> None:
        self.room = threading.Semaphore(in_flight)
        self.pipeline = start(self.room.release)
        self._runner = runner
        self._made: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._is_sending = False
        self._problem: BaseException | None = None
        self._idle = threading.Event()
        self._idle.set()

    @property
    def failed(self) -> bool:
        return self.pipeline.failed or self._problem is not None

    def put(self, data: bytes) -> None:
        self._made.append(data)
        with self._lock:
            if self._is_sending:
                return
            self._is_sending = True
            self._idle.clear()
        self._runner.post(self._send_soon)

    def finish(self) -> None:
        """Returns when everything was sent; raises where it could not be."""
        self._idle.wait()
        if self._problem is not None:
            raise self._problem

    def _send_soon(self) -> None:
        keep(self._runner.loop.create_task(self._send()))

    async def _send(self) -> None:
        try:
            while self._more():
                await self.pipeline.send(self._made.popleft())
        except BaseException as problem:  # the thread that waits is to raise it
            self._problem = problem
            self.room.release()
            self._idle.set()

    def _more(self) -> bool:
        with self._lock:
            if not self._made:
                self._is_sending = False
                self._idle.set()
        return self._is_sending


def feed(runner: Runner, start: Start, contents: Iterable[bytes], in_flight: int) -> list[Acknowledgement]:
    """Sends them, so many at a time; iterates over them in this thread."""
    feeder = _Feeder(runner, start, in_flight)
    for data in contents:
        feeder.room.acquire()
        if feeder.failed:
            break
        feeder.put(data)
    feeder.finish()
    return runner.call(feeder.pipeline.results())
