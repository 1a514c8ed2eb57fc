"""Durable subscriptions: nothing is missed, whoever is away and whichever server falls.

In: a durable that the bus's resource names, which is a push consumer with a group. Out: its messages,
one after another, into a sink. Whatever is held here and not settled is kept alive, so that the server
does not give it to somebody else meanwhile; at the end it is given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable, Sequence

import nats.errors
from nats.aio.msg import Msg

from . import queues
from .connection import Connection, Interest
from .dialling import arrived
from .errors import (
    ClosedError,
    ConnectError,
    DurableNotFoundError,
    NotPermittedError,
    UnreachableError,
)
from .problems import Listener, Problem, Revoked, tell
from .received import Delivery
from .settings import user_label

logger = logging.getLogger("svom.messaging")

_NANOSECONDS = 1e9
_ANSWERED_WITHIN = 2.0
_PAUSE = 0.2


@dataclasses.dataclass(frozen=True)
class Consumer:
    """A durable as the server knows it."""

    stream: str
    name: str
    deliver_subject: str
    deliver_group: str
    ack_wait: float
    max_deliver: int
    """0 or less: any number."""


async def find(
    connection: Connection, durable: str, domain: str | None, known: Sequence[str], deadline: float
) -> Consumer:
    """The consumer of a durable of this user.

    Its stream is that of its domain; where none is named, the domains that the client knows are asked.
    """
    await connection.open(deadline)
    settings = connection.settings
    if settings is None:
        raise UnreachableError("there is no connection to the bus")
    user = user_label(settings.user)
    name = f"{user}_{queues.label(durable, 'durable')}"
    candidates = [domain] if domain is not None else queues.domains(known)
    asked = [
        _info(connection, f"$JS.{settings.domain}.API.CONSUMER.INFO.{queues.stream(one)}.{name}", deadline)
        for one in candidates
    ]
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, Consumer):
            return answer
        if not isinstance(answer, NotPermittedError):
            raise answer
    where = f"in the domain {domain}" if domain else f"in {', '.join(candidates)}; name another with domain="
    raise DurableNotFoundError(
        f"{user} has no durable subscription {durable} {where}: the bus's resource names them in `durables` of the user"
    )


async def _info(connection: Connection, subject: str, deadline: float) -> Consumer:
    loop = asyncio.get_running_loop()
    refused = asyncio.Event()

    def heard(what: str) -> None:
        if what == subject.lower():
            refused.set()

    connection.on_refused_publish.append(heard)
    try:
        while True:
            client = await connection.open(deadline)
            request = asyncio.ensure_future(client.request(subject, timeout=_ANSWERED_WITHIN))
            refusal = asyncio.ensure_future(refused.wait())
            await asyncio.wait({request, refusal}, return_when=asyncio.FIRST_COMPLETED)
            refusal.cancel()
            if refused.is_set():
                request.cancel()
                raise NotPermittedError(f"{subject} is not this user's", f"ask {subject}")
            with contextlib.suppress(nats.errors.Error, OSError, ValueError, KeyError):
                return _consumer(request.result().data)
            if loop.time() + _PAUSE > deadline:
                raise UnreachableError(
                    "the servers do not say where the durable subscription is delivered; see that most of them run"
                )
            await asyncio.sleep(_PAUSE)
    finally:
        connection.on_refused_publish.remove(heard)


def _consumer(data: bytes) -> Consumer:
    told = json.loads(data)
    config = told["config"]
    return Consumer(
        stream=told["stream_name"],
        name=told["name"],
        deliver_subject=config["deliver_subject"],
        deliver_group=config["deliver_group"],
        ack_wait=config["ack_wait"] / _NANOSECONDS,
        max_deliver=config.get("max_deliver", 0),
    )


class DurableFeed:
    """A durable subscription without its reader."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        consumer: Consumer,
        sink: Callable[[Delivery], None],
        ended: Callable[[NotPermittedError | None], None],
        listener: Listener | None,
    ) -> None:
        """Gives messages to `sink`; `ended` is called once, when no more come."""
        self._connection = connection
        self._sink = sink
        self._ended = ended
        self._listener = listener
        self._loop = loop
        self._held: dict[int, Delivery] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._is_over = False
        self.consumer = consumer
        self.interest = Interest(consumer.deliver_subject, consumer.deliver_group, self._arrived, self._revoked)

    async def open(self, deadline: float) -> None:
        """Returns when messages come; raises where that is refused."""
        await self._connection.want(self.interest, deadline)
        self._connection.on_problem.append(self.tell)
        self._keeping = self._loop.create_task(self._keep_alive())

    async def stop(self) -> None:
        """No more messages come; those that are held still are."""
        await self._connection.unwant(self.interest)
        if self.tell in self._connection.on_problem:
            self._connection.on_problem.remove(self.tell)
        self._end(None)

    async def give_back(self) -> None:
        """Gives back whatever is held; returns when the server was told."""
        for delivery in list(self._held.values()):
            delivery.nak()
        await asyncio.sleep(0)
        while self._settling:
            await asyncio.wait(set(self._settling))
        if self._keeping is not None:
            self._keeping.cancel()
        client = self._connection.client
        if client is not None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await arrived(client)

    def tell(self, problem: Problem) -> None:
        """Tells the reader of a problem."""
        tell(problem, self._listener)

    def _arrived(self, message: Msg) -> None:
        try:
            delivery = Delivery(message, self.consumer.max_deliver, self._settle)
        except (nats.errors.Error, ValueError, IndexError):
            logger.warning("%s delivers what is no message of a stream", self.consumer.name)
            return
        held = self._held.get(delivery.sequence)
        if held is not None:
            # It was away for longer than the server waits, and is in hand here all the same.
            held.reply, held.attempt, held.is_last = delivery.reply, delivery.attempt, delivery.is_last
            return
        self._held[delivery.sequence] = delivery
        if self._is_over:
            delivery.nak()
        else:
            self._sink(delivery)

    def _settle(self, delivery: Delivery, word: bytes) -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server delivers it again
            if asyncio._get_running_loop() is self._loop:
                self._settle_here(delivery, word)
            else:
                self._loop.call_soon_threadsafe(self._settle_here, delivery, word)

    def _settle_here(self, delivery: Delivery, word: bytes) -> None:
        self._held.pop(delivery.sequence, None)
        task = self._loop.create_task(self._say(delivery, word))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _say(self, delivery: Delivery, word: bytes) -> None:
        """One that does not arrive costs a second delivery, and no more."""
        deadline = self._loop.time() + self.consumer.ack_wait
        try:
            client = await self._connection.open(deadline)
            await client.publish(delivery.reply, word)
        except (ConnectError, ClosedError, nats.errors.Error, OSError) as problem:
            logger.warning("%r will come again: %s could not be said: %s", delivery, word.decode(), problem)

    async def _keep_alive(self) -> None:
        """Tells the server, well before its patience ends, that what is held is worked on."""
        while True:
            await asyncio.sleep(max(self.consumer.ack_wait / 3, 0.1))
            for delivery in list(self._held.values()):
                client = self._connection.client
                if client is None:
                    break
                with contextlib.suppress(nats.errors.Error, OSError):
                    await client.publish(delivery.reply, b"+WPI")

    def _revoked(self, refusal: NotPermittedError) -> None:
        if not self._is_over and self.interest.in_force:
            self.tell(Revoked(refusal))
        self._end(refusal)

    def _end(self, refusal: NotPermittedError | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._ended(refusal)
