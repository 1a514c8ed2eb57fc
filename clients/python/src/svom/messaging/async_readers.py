"""Readers for asyncio: iterated over, or calling back."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType

from .connection import Connection
from .durable import Consumer, DurableFeed
from .errors import ConfigurationError, NotPermittedError
from .live import LiveFeed
from .problems import Listener, logger
from .received import Delivery, Message
from .retry import failed

Watcher = Callable[[Message], Awaitable[object] | object]
Handler = Callable[[Delivery], Awaitable[object] | object]


class _End:
    """Stands behind the last message."""

    def __init__(self, refusal: NotPermittedError | None) -> None:
        self.refusal = refusal


class AsyncSubscription:
    """A live subscription: an asynchronous iterator over messages, and a context manager that ends it."""

    def __init__(
        self,
        connection: Connection,
        pattern: str,
        callback: Watcher | None,
        listener: Listener | None,
        capacity: int,
        left: Callable[[AsyncSubscription], None],
    ) -> None:
        """Listens to nothing yet."""
        self._connection = connection
        self._callback = callback
        self._left = left
        self._waiting: asyncio.Queue[Message | _End] = asyncio.Queue()
        self._feed = LiveFeed(pattern, self._waiting.put_nowait, self._ended, listener, capacity)
        self._pump: asyncio.Task[None] | None = None

    @property
    def dropped(self) -> int:
        """How many messages were dropped since the reader was too slow."""
        return self._feed.dropped

    async def open(self, deadline: float) -> None:
        """Listens."""
        await self._feed.open(self._connection, deadline)
        if self._callback is not None:
            self._pump = asyncio.get_running_loop().create_task(self._call_back(self._callback))

    async def next(self, timeout: float | None = None) -> Message | None:
        """The next message; nothing when none comes in so many seconds, or none comes any more."""
        try:
            return await asyncio.wait_for(self.__anext__(), timeout)
        except (asyncio.TimeoutError, StopAsyncIteration):
            return None

    async def close(self, _patience: float = 0.0) -> None:
        """Listens no more. What has come and was not read is dropped: it was never owed."""
        await self._feed.close(self._connection)
        self._left(self)
        if self._pump is not None and self._pump is not asyncio.current_task():
            self._pump.cancel()

    def __aiter__(self) -> AsyncSubscription:
        """Iterates over messages as they come."""
        return self

    async def __anext__(self) -> Message:
        """The next message."""
        message = await self._waiting.get()
        if isinstance(message, _End):
            self._waiting.put_nowait(message)
            if message.refusal is not None:
                raise message.refusal
            raise StopAsyncIteration
        self._feed.taken()
        return message

    async def __aenter__(self) -> AsyncSubscription:
        """It listens already."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it."""
        await self.close()

    def _ended(self, refusal: NotPermittedError | None) -> None:
        self._waiting.put_nowait(_End(refusal))

    async def _call_back(self, callback: Watcher) -> None:
        while True:
            try:
                message = await self.__anext__()
            except (StopAsyncIteration, NotPermittedError):
                return
            try:
                result = callback(message)
                if inspect.isawaitable(result):
                    await result
            except Exception:  # whatever a program's own function raises
                logger.exception("the callback for %s raised for %r", self._feed.pattern, message)


class AsyncDurable:
    """A reader of a durable subscription: an asynchronous iterator, and a context manager that ends it.

    While it is iterated over, a message is acknowledged when the next one is asked for, or when the
    `async with` ends without an exception; with one it is given back.
    """

    def __init__(
        self,
        connection: Connection,
        consumer: Consumer,
        callback: Handler | None,
        workers: int,
        retry_delay: float,
        listener: Listener | None,
        left: Callable[[AsyncDurable], None],
    ) -> None:
        """Reads nothing yet."""
        if workers < 1:
            raise ConfigurationError(f"workers is {workers}: pass 1 or more")
        self._callback = callback
        self._workers = workers
        self._retry_delay = retry_delay
        self._left = left
        self._waiting: asyncio.Queue[Delivery | _End] = asyncio.Queue()
        self._feed = DurableFeed(
            asyncio.get_running_loop(), connection, consumer, self._waiting.put_nowait, self._ended, listener
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._in_hand: Delivery | None = None
        self._stopping = False

    @property
    def consumer(self) -> Consumer:
        """The durable as the server knows it."""
        return self._feed.consumer

    async def open(self, deadline: float) -> None:
        """Reads."""
        await self._feed.open(deadline)
        if self._callback is not None:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._work(self._callback)) for _ in range(self._workers)]

    async def next(self, timeout: float | None = None) -> Delivery | None:
        """The next message; nothing when none comes in so many seconds, or none comes any more."""
        try:
            return await asyncio.wait_for(self.__anext__(), timeout)
        except (asyncio.TimeoutError, StopAsyncIteration):
            return None

    async def close(self, patience: float = 30.0) -> None:
        """Reads no more: handlers end what they have in hand, in so many seconds, the rest is given back."""
        self._stopping = True
        await self._feed.stop()
        current = asyncio.current_task()
        tasks = {task for task in self._tasks if task is not current}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()
        await self._feed.give_back()
        self._left(self)

    def __aiter__(self) -> AsyncDurable:
        """Iterates over messages as they come."""
        return self

    async def __anext__(self) -> Delivery:
        """Acknowledges the message before, and gives the next one."""
        if self._in_hand is not None:
            self._in_hand.ack()
            self._in_hand = None
        self._in_hand = await self._take()
        return self._in_hand

    async def __aenter__(self) -> AsyncDurable:
        """It reads already."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Settles what is in hand, and ends it."""
        if self._in_hand is not None:
            if problem is None:
                self._in_hand.ack()
            elif isinstance(problem, Exception):
                # Given back while messages still come, it would come here once more, for nothing.
                await self._feed.stop()
                failed(self._feed, self._in_hand, problem, self._retry_delay)
        await self.close()

    def _ended(self, refusal: NotPermittedError | None) -> None:
        self._stopping = True
        self._waiting.put_nowait(_End(refusal))

    async def _take(self) -> Delivery:
        while True:
            delivery = await self._waiting.get()
            if isinstance(delivery, _End):
                self._waiting.put_nowait(delivery)
                if delivery.refusal is not None:
                    raise delivery.refusal
                raise StopAsyncIteration
            if not self._stopping:
                return delivery
            delivery.nak()

    async def _work(self, callback: Handler) -> None:
        while True:
            try:
                delivery = await self._take()
            except (StopAsyncIteration, NotPermittedError):
                return
            try:
                result = callback(delivery)
                if inspect.isawaitable(result):
                    await result
            except Exception as problem:  # whatever a program's own function raises
                failed(self._feed, delivery, problem, self._retry_delay)
            else:
                delivery.ack()
