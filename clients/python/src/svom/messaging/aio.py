"""The client for asyncio."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from . import content, durable, queues
from .async_readers import AsyncDurable, AsyncSubscription, Handler, Watcher
from .connection import Connection
from .content import Content, Validate
from .errors import ClosedError, ConnectError, ForkedError, PublishError, PublishManyError, WaitTimeoutError
from .live import CAPACITY
from .problems import Listener
from .publish import Acknowledgement, Outgoing, Publisher
from .queues import MISSION_QUEUES
from .received import Message
from .settings import DEFAULT_DOMAIN, DEFAULT_PORT, MOUNTED_SECRET, Environment, Given, Secret, Source

DEADLINE = 30.0
"""Seconds that a message has to be acknowledged: longer than a failover, shorter than the time for which
servers remember ids."""
CONNECT_TIMEOUT = 10.0
IN_FLIGHT = 256

Predicate = Callable[[Message], bool]
Trigger = Callable[[], Awaitable[object] | object]


@dataclasses.dataclass(frozen=True)
class Options:
    """What a client does, wherever its settings come from."""

    name: str = ""
    validate: Validate = "warn"
    deadline: float = DEADLINE
    connect_timeout: float = CONNECT_TIMEOUT
    known: Sequence[str] = MISSION_QUEUES

    @classmethod
    def checked(
        cls,
        name: str | None,
        validate: str,
        deadline: float,
        connect_timeout: float,
        known: Sequence[str] | None,
    ) -> Options:
        """The options, where they can be used."""
        return cls(
            name=name or f"svom-messaging {os.getpid()}",
            validate=content.validation(validate),
            deadline=deadline,
            connect_timeout=connect_timeout,
            known=tuple(queues.queue(one) for one in known) if known is not None else MISSION_QUEUES,
        )


class AsyncNatsIo:
    """A client of the bus, for asyncio. It connects with its first use, or with `async with`."""

    def __init__(
        self,
        host: str | Sequence[str] = "127.0.0.1",
        port: int = DEFAULT_PORT,
        user: str | None = None,
        password: str | None = None,
        *,
        ca: str | os.PathLike[str] | None = None,
        cert: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
        nkey: str | os.PathLike[str] | None = None,
        domain: str = DEFAULT_DOMAIN,
        name: str | None = None,
        validate: str = "warn",
        deadline: float = DEADLINE,
        connect_timeout: float = CONNECT_TIMEOUT,
        known_queues: Sequence[str] | None = None,
    ) -> None:
        """Where the servers are and who to be; see `NatsIo` for each argument."""
        given = Given(host, port, user, password, ca, cert, key, nkey, domain)
        self._set_up(given, Options.checked(name, validate, deadline, connect_timeout, known_queues))

    def _set_up(self, source: Source, options: Options) -> None:
        source()  # what is missing is said now
        self._pid: int | None = None
        self._options = options
        self._connection = Connection(source, options.name, options.connect_timeout)
        self._publisher = Publisher(self._connection, options.known)
        self._readers: list[AsyncSubscription | AsyncDurable] = []
        self._is_closed = False

    @classmethod
    def of(cls, source: Source, options: Options) -> AsyncNatsIo:
        """A client with settings from wherever they come."""
        made = cls.__new__(cls)
        made._set_up(source, options)
        return made

    @classmethod
    def from_secret(
        cls,
        folder: str | os.PathLike[str] = MOUNTED_SECRET,
        *,
        name: str | None = None,
        validate: str = "warn",
        deadline: float = DEADLINE,
        connect_timeout: float = CONNECT_TIMEOUT,
        known_queues: Sequence[str] | None = None,
    ) -> AsyncNatsIo:
        """A client as the folder of a mounted user Secret says, at every connection anew."""
        options = Options.checked(name, validate, deadline, connect_timeout, known_queues)
        return cls.of(Secret(Path(folder)), options)

    @classmethod
    def from_env(
        cls,
        variables: Mapping[str, str] | None = None,
        *,
        name: str | None = None,
        validate: str = "warn",
        deadline: float = DEADLINE,
        connect_timeout: float = CONNECT_TIMEOUT,
        known_queues: Sequence[str] | None = None,
    ) -> AsyncNatsIo:
        """A client as the environment says, in the words of `svom-messaging local env`."""
        options = Options.checked(name, validate, deadline, connect_timeout, known_queues)
        return cls.of(Environment(os.environ if variables is None else variables), options)

    async def connect(self) -> None:
        """Connects now; the first use does it by itself."""
        self.check_usable()
        await self._connection.open(self._until(self._options.connect_timeout))

    @property
    def connected_to(self) -> str | None:
        """The server that it is connected to, as HOST:PORT."""
        return self._connection.server

    async def wait_until_connected(self, timeout: float) -> bool:
        """Whether there is a connection, within so many seconds."""
        self.check_usable()
        try:
            await self._connection.open(self._until(timeout))
        except ConnectError:
            return False
        return True

    async def publish(self, queue: str, message: Content, *, deadline: float | None = None) -> Acknowledgement:
        """Publishes a message and returns when a majority of the servers has it on disk; else it raises.

        `deadline` is in seconds.
        """
        self.check_usable()
        name, data = self.prepared(queue, message)
        return await self._publisher.publish(name, data, self._until(deadline))

    async def publish_many(
        self,
        queue: str,
        messages: Iterable[Content],
        *,
        deadline: float | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> list[Acknowledgement]:
        """Publishes messages, so many at a time; the acknowledgements are in the messages' order.

        `deadline` is each message's. With the first that fails no more are sent, and `PublishManyError`
        says what became of each.
        """
        self.check_usable()
        name = queues.queue(queue)
        room = asyncio.Semaphore(in_flight)
        pipeline = self.pipeline(name, deadline, room.release)
        for message in messages:
            await room.acquire()
            if pipeline.failed:
                break
            await pipeline.send(content.encoded(name, message, self._options.validate))
        return await pipeline.results()

    async def subscribe(
        self,
        pattern: str,
        callback: Watcher | None = None,
        *,
        on_problem: Listener | None = None,
        capacity: int = CAPACITY,
    ) -> AsyncSubscription:
        """Listens live to a queue, to `data.*` or to `*.too`; returns when that is in force.

        With a callback it is called for each message; without, iterate over what is returned.
        """
        self.check_usable()
        reader = AsyncSubscription(
            self._connection, queues.pattern(pattern), callback, on_problem, capacity, self._left
        )
        await reader.open(self._until(None))
        self._readers.append(reader)
        return reader

    async def durable(
        self,
        name: str,
        callback: Handler | None = None,
        *,
        domain: str | None = None,
        workers: int = 1,
        retry_delay: float = 1.0,
        on_problem: Listener | None = None,
    ) -> AsyncDurable:
        """Reads a durable subscription that the bus's resource names for this user.

        With a callback it is called for each message, by so many workers at a time: the message is
        acknowledged when it returns, and comes again after `retry_delay` seconds when it raises. Without,
        iterate over what is returned.
        """
        self.check_usable()
        until = self._until(None)
        consumer = await durable.find(self._connection, name, domain, self._options.known, until)
        reader = AsyncDurable(self._connection, consumer, callback, workers, retry_delay, on_problem, self._left)
        await reader.open(until)
        self._readers.append(reader)
        return reader

    async def wait_for(
        self,
        pattern: str,
        predicate: Predicate | None = None,
        timeout: float = 10.0,
        *,
        trigger: Trigger | None = None,
    ) -> Message:
        """The first live message that the predicate takes; raises `WaitTimeoutError` when none comes.

        `trigger` is called once the subscription is in force: what it causes is not missed.
        """
        seen = 0
        async with await self.subscribe(pattern) as reader:
            until = self._until(timeout)
            if trigger is not None:
                caused = trigger()
                if inspect.isawaitable(caused):
                    await caused
            while True:
                message = await reader.next(until - asyncio.get_running_loop().time())
                if message is None:
                    raise WaitTimeoutError(
                        f"no message of {pattern} came within {timeout} s that was waited for; {seen} others did"
                    )
                if predicate is None or predicate(message):
                    return message
                seen += 1

    async def close(self, patience: float = 30.0) -> None:
        """Ends readers, waiting so many seconds for messages in hand, and then the connection."""
        if self._is_closed or self.is_another_process():
            return
        self._is_closed = True
        await asyncio.gather(*(reader.close(patience) for reader in list(self._readers)))
        await self._connection.close()

    async def __aenter__(self) -> AsyncNatsIo:
        """Connects."""
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes."""
        await self.close()

    def prepared(self, queue: str, message: Content) -> tuple[str, bytes]:
        """A queue and bytes that can be sent."""
        return queues.queue(queue), content.encoded(queue, message, self._options.validate)

    def pipeline(self, queue: str, deadline: float | None, settled: Callable[[], None]) -> Pipeline:
        """Many messages on their way at once; `settled` is called for each of them in the end."""
        seconds = self._options.deadline if deadline is None else deadline
        return Pipeline(self._publisher, queue, seconds, settled)

    @property
    def connection(self) -> Connection:
        """The connection, for readers."""
        return self._connection

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._is_closed

    def is_another_process(self) -> bool:
        """Whether it was used by the process that this one was forked from."""
        return self._pid not in {None, os.getpid()}

    def check_usable(self) -> None:
        """Raises where the client was closed, or is another process's."""
        if self.is_another_process():
            raise ForkedError(
                "this client was used before the process was forked, and its connection is the parent's: make "
                "a client in each process, or use it after the fork alone"
            )
        if self._is_closed:
            raise ClosedError("this client was closed: make a new one, or close it later")
        self._pid = os.getpid()

    def _until(self, seconds: float | None) -> float:
        return asyncio.get_running_loop().time() + (self._options.deadline if seconds is None else seconds)

    def _left(self, reader: AsyncSubscription | AsyncDurable) -> None:
        if reader in self._readers:
            self._readers.remove(reader)


class Pipeline:
    """Messages that are sent without waiting for one another."""

    def __init__(self, publisher: Publisher, queue: str, deadline: float, settled: Callable[[], None]) -> None:
        """Each has `deadline` seconds; `settled` is called for each in the end."""
        self._publisher = publisher
        self._queue = queue
        self._deadline = deadline
        self._settled = settled
        self._begun: list[Outgoing] = []
        self.failed = False

    async def send(self, data: bytes) -> None:
        """Sends one."""
        until = asyncio.get_running_loop().time() + self._deadline
        await self._publisher.ready(until)
        outgoing = self._publisher.begin(self._queue, data, until, self._look)
        self._begun.append(outgoing)
        await self._publisher.send(outgoing)

    async def results(self) -> list[Acknowledgement]:
        """Every acknowledgement, when all are there."""
        results = [await _outcome(one) for one in self._begun]
        acknowledged = [one for one in results if not isinstance(one, BaseException)]
        if len(acknowledged) == len(results):
            return acknowledged
        failures = [one for one in results if isinstance(one, BaseException)]
        raise PublishManyError(
            f"{len(acknowledged)} messages to {self._queue} were acknowledged and {len(failures)} were not, "
            f"the first since {failures[0]}; `results` says what became of each, and no more were sent",
            results,
        )

    def _look(self, outgoing: Outgoing) -> None:
        if outgoing.future.exception() is not None:
            self.failed = True
        self._settled()


async def _outcome(outgoing: Outgoing) -> Acknowledgement | PublishError:
    try:
        return await outgoing.future
    except PublishError as problem:
        return problem
