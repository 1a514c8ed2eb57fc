"""Readers for threads: iterated over, or calling back from threads of their own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType

from .connection import Connection
from .durable import Consumer, DurableFeed
from .errors import ConfigurationError, NotPermittedError
from .live import LiveFeed
from .problems import Listener, logger
from .received import Delivery, Message
from .retry import failed
from .runner import Runner

Watcher = Callable[[Message], object]
Handler = Callable[[Delivery], object]


class _End:
    """Stands behind the last message."""

    def __init__(self, refusal: NotPermittedError | None) -> None:
        self.refusal = refusal


class Subscription:
    """A live subscription: an iterator over messages, and a context manager that ends it."""

    def __init__(
        self,
        runner: Runner,
        connection: Connection,
        pattern: str,
        callback: Watcher | None,
        listener: Listener | None,
        capacity: int,
        left: Callable[[Subscription], None],
    ) -> None:
        """Listens to nothing yet."""
        self._runner = runner
        self._connection = connection
        self._callback = callback
        self._left = left
        self._waiting: queue.SimpleQueue[Message | _End] = queue.SimpleQueue()
        self._feed = LiveFeed(pattern, self._waiting.put, self._ended, listener, capacity)
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many messages were dropped since the reader was too slow."""
        return self._feed.dropped

    def open(self, deadline: float) -> None:
        """Listens."""
        self._runner.call(self._feed.open(self._connection, deadline))
        if self._callback is not None:
            name = f"svom-messaging {self._feed.pattern}"
            threading.Thread(target=self._call_back, args=(self._callback,), name=name, daemon=True).start()

    def next(self, timeout: float | None = None) -> Message | None:
        """The next message; nothing when none comes in so many seconds, or none comes any more."""
        try:
            return self._take(timeout)
        except (queue.Empty, StopIteration):
            return None

    def close(self, _patience: float = 0.0) -> None:
        """Listens no more. What has come and was not read is dropped: it was never owed."""
        if not self._closed:
            self._closed = True
            self._runner.call(self._feed.close(self._connection))
            self._left(self)

    def __iter__(self) -> Subscription:
        """Iterates over messages as they come."""
        return self

    def __next__(self) -> Message:
        """The next message."""
        return self._take(None)

    def __enter__(self) -> Subscription:
        """It listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it."""
        self.close()

    def _take(self, timeout: float | None) -> Message:
        message = self._waiting.get(timeout=None if timeout is None else max(timeout, 0))
        if isinstance(message, _End):
            self._waiting.put(message)
            if message.refusal is not None:
                raise message.refusal
            raise StopIteration
        self._feed.taken()
        return message

    def _ended(self, refusal: NotPermittedError | None) -> None:
        self._waiting.put(_End(refusal))

    def _call_back(self, callback: Watcher) -> None:
        while True:
            try:
                message = self._take(None)
            except (StopIteration, NotPermittedError):
                return
            if self._closed:
                return
            try:
                callback(message)
            except Exception:  # whatever a program's own function raises
                logger.exception("the callback for %s raised for %r", self._feed.pattern, message)


class Durable:
    """A reader of a durable subscription: an iterator, and a context manager that ends it.

    While it is iterated over, a message is acknowledged when the next one is asked for, or when the `with`
    ends without an exception; with one it is given back. Iterate in one thread; for several use a callback
    with `workers`.
    """

    def __init__(
        self,
        runner: Runner,
        connection: Connection,
        consumer: Consumer,
        callback: Handler | None,
        workers: int,
        retry_delay: float,
        listener: Listener | None,
        left: Callable[[Durable], None],
    ) -> None:
        """Reads nothing yet."""
        if workers < 1:
            raise ConfigurationError(f"workers is {workers}: pass 1 or more")
        self._runner = runner
        self._retry_delay = retry_delay
        self._left = left
        self._waiting: queue.SimpleQueue[Delivery | _End] = queue.SimpleQueue()
        self._feed = DurableFeed(runner.loop, connection, consumer, self._waiting.put, self._ended, listener)
        self._in_hand: Delivery | None = None
        self._stopping = False
        self._closed = False
        name = f"svom-messaging {consumer.name}"
        self._threads = [
            threading.Thread(target=self._work, args=(callback,), name=f"{name} {number}", daemon=True)
            for number in range(workers if callback is not None else 0)
        ]

    @property
    def consumer(self) -> Consumer:
        """The durable as the server knows it."""
        return self._feed.consumer

    def open(self, deadline: float) -> None:
        """Reads."""
        self._runner.call(self._feed.open(deadline))
        for thread in self._threads:
            thread.start()

    def next(self, timeout: float | None = None) -> Delivery | None:
        """Acknowledges the message before, and gives the next one.

        Nothing when none comes in so many seconds, or none comes any more.
        """
        try:
            return self._advance(timeout)
        except (queue.Empty, StopIteration):
            return None

    def close(self, patience: float = 30.0) -> None:
        """Reads no more: handlers end what they have in hand, in so many seconds, the rest is given back."""
        if self._closed:
            return
        self._closed = self._stopping = True
        self._runner.call(self._feed.stop())
        until = time.monotonic() + patience
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=max(until - time.monotonic(), 0))
        self._runner.call(self._feed.give_back())
        self._left(self)

    def __iter__(self) -> Durable:
        """Iterates over messages as they come."""
        return self

    def __next__(self) -> Delivery:
        """Acknowledges the message before, and gives the next one."""
        return self._advance(None)

    def __enter__(self) -> Durable:
        """It reads already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Settles what is in hand, and ends it."""
        if self._in_hand is not None:
            if problem is None:
                self._in_hand.ack()
            elif isinstance(problem, Exception):
                # Given back while messages still come, it would come here once more, for nothing.
                self._runner.call(self._feed.stop())
                failed(self._feed, self._in_hand, problem, self._retry_delay)
        self.close()

    def _advance(self, timeout: float | None) -> Delivery:
        if self._in_hand is not None:
            self._in_hand.ack()
            self._in_hand = None
        self._in_hand = self._take(timeout)
        return self._in_hand

    def _take(self, timeout: float | None) -> Delivery:
        while True:
            delivery = self._waiting.get(timeout=None if timeout is None else max(timeout, 0))
            if isinstance(delivery, _End):
                self._waiting.put(delivery)
                if delivery.refusal is not None:
                    raise delivery.refusal
                raise StopIteration
            if not self._stopping:
                return delivery
            delivery.nak()

    def _ended(self, refusal: NotPermittedError | None) -> None:
        self._stopping = True
        self._waiting.put(_End(refusal))

    def _work(self, callback: Handler) -> None:
        while True:
            try:
                delivery = self._take(None)
            except (StopIteration, NotPermittedError):
                return
            try:
                callback(delivery)
            except Exception as problem:  # whatever a program's own function raises
                failed(self._feed, delivery, problem, self._retry_delay)
            else:
                delivery.ack()
