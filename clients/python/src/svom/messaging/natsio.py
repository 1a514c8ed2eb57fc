"""The clients: `NatsIo` for any program, `AsyncNatsIo` for asyncio.

from svom.messaging.natsio import NatsIo

nats_client = NatsIo(host="127.0.0.1", port=4222, user="svom", password="secret")
nats_client.publish("data.vhf", "This is not a valid message")
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from . import durable, queues
from .aio import CONNECT_TIMEOUT, DEADLINE, IN_FLIGHT, AsyncNatsIo, Options, Predicate
from .content import Content
from .errors import WaitTimeoutError
from .feeding import feed
from .live import CAPACITY
from .problems import Listener
from .publish import Acknowledgement
from .received import Delivery, Message
from .runner import Runner
from .settings import DEFAULT_DOMAIN, DEFAULT_PORT, MOUNTED_SECRET, Environment, Given, Secret, Source
from .sync_readers import Durable, Handler, Subscription, Watcher

__all__ = ["Acknowledgement", "AsyncNatsIo", "Delivery", "Message", "NatsIo"]


class NatsIo:
    """A client of the bus. Any thread may use it; it connects with its first use, or with `with`."""

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
        """Where the servers are, and who to be.

        `host`: a name or an address, or several, each with or without `:port`.
        `ca`: the authority's certificate; left out, it is looked for (see `settings.find_ca`).
        `cert`, `key`: what the client shows, where the bus wants a client certificate.
        `nkey`: the seed of an NKey, or its file, instead of a password.
        `domain`: JetStream domain of the clients.
        `name`: what the servers call this connection.
        `validate`: what happens to what is no message of the mission: `warn`, `strict` or `off`.
        `deadline`: seconds that a message has to be acknowledged, through a server's fall.
        `connect_timeout`: seconds that the first connection may take.
        `known_queues`: what the bus declares, where that is not the mission's thirteen.
        """
        given = Given(host, port, user, password, ca, cert, key, nkey, domain)
        self._set_up(given, Options.checked(name, validate, deadline, connect_timeout, known_queues))

    def _set_up(self, source: Source, options: Options) -> None:
        self._io = AsyncNatsIo.of(source, options)
        self._options = options
        self._starting = threading.Lock()
        self._started: Runner | None = None
        self._readers: list[Subscription | Durable] = []

    @classmethod
    def of(
        cls,
        source: Source,
        *,
        name: str | None = None,
        validate: str = "warn",
        deadline: float = DEADLINE,
        connect_timeout: float = CONNECT_TIMEOUT,
        known_queues: Sequence[str] | None = None,
    ) -> NatsIo:
        """A client with settings from wherever they come: they are asked for at every connection anew."""
        made = cls.__new__(cls)
        made._set_up(source, Options.checked(name, validate, deadline, connect_timeout, known_queues))
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
    ) -> NatsIo:
        """A client as the folder of a mounted user Secret says, at every connection anew."""
        return cls.of(
            Secret(Path(folder)),
            name=name,
            validate=validate,
            deadline=deadline,
            connect_timeout=connect_timeout,
            known_queues=known_queues,
        )

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
    ) -> NatsIo:
        """A client as the environment says, in the words of `svom-messaging local env`."""
        return cls.of(
            Environment(os.environ if variables is None else variables),
            name=name,
            validate=validate,
            deadline=deadline,
            connect_timeout=connect_timeout,
            known_queues=known_queues,
        )

    def connect(self) -> None:
        """Connects now; the first use does it by itself."""
        self._runner.call(self._io.connect())

    @property
    def connected_to(self) -> str | None:
        """The server that it is connected to, as HOST:PORT."""
        return self._io.connection.server

    def wait_until_connected(self, timeout: float) -> bool:
        """Whether there is a connection, within so many seconds."""
        return self._runner.call(self._io.wait_until_connected(timeout))

    def publish(self, queue: str, message: Content, *, deadline: float | None = None) -> Acknowledgement:
        """Publishes a message and returns when a majority of the servers has it on disk; else it raises.

        `message` is a text, bytes, a mapping or a typed message; `deadline` is in seconds.
        """
        return self._runner.call(self._io.publish(queue, message, deadline=deadline))

    def publish_many(
        self,
        queue: str,
        messages: Iterable[Content],
        *,
        deadline: float | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> list[Acknowledgement]:
        """Publishes messages, so many at a time; the acknowledgements are in the messages' order.

        `deadline` is each message's. With the first that fails no more are sent, and `PublishManyError`
        says what became of each. Where `messages` is no list or tuple, it is iterated over in this thread, as
        far as there is room.
        """
        runner = self._runner
        if isinstance(messages, (list, tuple)):
            return runner.call(self._io.publish_many(queue, messages, deadline=deadline, in_flight=in_flight))
        name = queues.queue(queue)
        contents = (self._io.prepared(name, message)[1] for message in messages)
        return feed(runner, lambda settled: self._io.pipeline(name, deadline, settled), contents, in_flight)

    def subscribe(
        self,
        pattern: str,
        callback: Watcher | None = None,
        *,
        on_problem: Listener | None = None,
        capacity: int = CAPACITY,
    ) -> Subscription:
        """Listens live to a queue, to `data.*` or to `*.too`; returns when that is in force.

        With a callback it is called for each message, in a thread of its own; without, iterate over what
        is returned.
        """
        reader = Subscription(
            self._runner,
            self._io.connection,
            queues.pattern(pattern),
            callback,
            on_problem,
            capacity,
            self._left,
        )
        reader.open(time.monotonic() + self._options.deadline)
        self._readers.append(reader)
        return reader

    def durable(
        self,
        name: str,
        callback: Handler | None = None,
        *,
        domain: str | None = None,
        workers: int = 1,
        retry_delay: float = 1.0,
        on_problem: Listener | None = None,
    ) -> Durable:
        """Reads a durable subscription that the bus's resource names for this user.

        With a callback it is called for each message, in so many threads: the message is acknowledged when
        it returns, and comes again after `retry_delay` seconds when it raises. Without, iterate over what
        is returned. `domain` is the domain of its queues, where the client does not know it.
        """
        runner = self._runner
        until = time.monotonic() + self._options.deadline
        found = runner.call(durable.find(self._io.connection, name, domain, self._options.known, until))
        reader = Durable(runner, self._io.connection, found, callback, workers, retry_delay, on_problem, self._left)
        reader.open(until)
        self._readers.append(reader)
        return reader

    def wait_for(
        self,
        pattern: str,
        predicate: Predicate | None = None,
        timeout: float = 10.0,
        *,
        trigger: Callable[[], object] | None = None,
    ) -> Message:
        """The first live message that the predicate takes; raises `WaitTimeoutError` when none comes.

        `trigger` is called once the subscription is in force: what it causes is not missed.
        """
        seen = 0
        with self.subscribe(pattern) as reader:
            until = time.monotonic() + timeout
            if trigger is not None:
                trigger()
            while True:
                message = reader.next(until - time.monotonic())
                if message is None:
                    raise WaitTimeoutError(
                        f"no message of {pattern} came within {timeout} s that was waited for; {seen} others did"
                    )
                if predicate is None or predicate(message):
                    return message
                seen += 1

    def close(self, patience: float = 30.0) -> None:
        """Ends readers, waiting so many seconds for messages in hand, and then the connection."""
        runner = self._started
        if runner is None or self._io.is_another_process() or self._io.is_closed:
            return
        for reader in list(self._readers):
            reader.close(patience)
        _end(self._io, runner)

    def __enter__(self) -> NatsIo:
        """Connects."""
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes."""
        self.close()

    @property
    def _runner(self) -> Runner:
        self._io.check_usable()
        with self._starting:
            if self._started is None:
                self._started = Runner(self._options.name)
                weakref.finalize(self, _end, self._io, self._started)
            return self._started

    def _left(self, reader: Subscription | Durable) -> None:
        with contextlib.suppress(ValueError):
            self._readers.remove(reader)


def _end(io: AsyncNatsIo, runner: Runner) -> None:
    """Also for a client that nobody closed, when it is forgotten or the program ends."""
    if not io.is_another_process() and not io.is_closed:
        with contextlib.suppress(Exception):
            runner.call(io.close(0))
        runner.stop()
