"""Publishing: durable or an exception.

In: queues and bytes. Out: acknowledgements. Each message has an id of its own that nobody can guess; it
is sent again under the same id until the servers acknowledge it, refuse it, or its time is up, so that a
server's fall neither loses nor doubles it.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

import nats.errors
from nats.aio.msg import Msg

from . import queues
from .connection import Connection, Interest
from .dialling import keep
from .errors import (
    ConnectError,
    ConnectionLostError,
    DuplicateError,
    NoQuorumError,
    NotPermittedError,
    PublishError,
    PublishNotPermittedError,
    RefusedError,
    StreamFullError,
    TooLargeError,
    UndeclaredQueueError,
)

ID_HEADER = "Nats-Msg-Id"
_ID_BYTES = 16
_HEADERS_BYTES = len(f"NATS/1.0\r\n{ID_HEADER}: \r\n\r\n") + 2 * _ID_BYTES

_TICK = 0.25
_ANSWERED_WITHIN = 2.0
"""Seconds after which a message that nobody answered is sent again."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

_NO_RESPONDERS = "503"
_TOO_LARGE = frozenset({10054})
_FULL = frozenset({10023, 10047, 10122})
_STORE_FAILED = 10077
_FULL_WORDS = "maximum "
_PASSING = 503
_IN_PROCESS = 10158
"""An earlier try is with the servers, and they have not agreed on it yet."""


class Acknowledgement(NamedTuple):
    """A message is stored on a majority of the servers."""

    stream: str
    sequence: int
    message_id: str


class Outgoing:
    """A message that is not acknowledged yet."""

    __slots__ = (
        "attempts", "deadline", "future", "headers", "message_id", "pause", "payload", "queue", "sent_at",
        "settled", "token", "why",
    )  # fmt: skip

    def __init__(
        self,
        queue: str,
        payload: bytes,
        deadline: float,
        token: str,
        future: asyncio.Future[Acknowledgement],
        settled: Callable[[Outgoing], None] | None,
    ) -> None:
        """With an id of its own; `settled` is called once, when its future is done."""
        self.queue = queue
        self.payload = payload
        self.deadline = deadline
        self.token = token
        self.message_id = secrets.token_hex(_ID_BYTES)
        self.headers = {ID_HEADER: self.message_id}
        self.future = future
        self.settled = settled
        self.attempts = 0
        self.sent_at: float | None = None
        self.pause = _FIRST_PAUSE
        self.why = "nobody answered"


class Publisher:
    """What is on its way to the servers."""

    def __init__(self, connection: Connection, known: Sequence[str]) -> None:
        """Knows these queues as declared ones; whether they are, the servers alone know."""
        self._connection = connection
        self._known = known
        self._outgoing: dict[str, Outgoing] = {}
        self._inbox = f"_INBOX.{secrets.token_hex(11)}."
        self._sent = 0
        self._listening: Interest | None = None
        self._preparing = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        connection.on_up.append(self._send_all)
        connection.on_refused_publish.append(self._refused)

    async def ready(self, deadline: float) -> None:
        """Returns when there is a connection, and answers are listened for."""
        if self._listening is None:
            async with self._preparing:
                if self._listening is None:
                    interest = Interest(f"{self._inbox}*", "", self._answered, _ignore)
                    await self._connection.want(interest, deadline)
                    self._listening = interest
        if self._connection.client is None:
            await self._reconnected(deadline)

    async def _reconnected(self, deadline: float) -> None:
        try:
            await self._connection.open(deadline)
        except ConnectError as problem:
            raise ConnectionLostError(
                f"nothing was published: {problem}; publish it again when the bus is there"
            ) from None

    def begin(
        self,
        queue: str,
        payload: bytes,
        deadline: float,
        settled: Callable[[Outgoing], None] | None = None,
    ) -> Outgoing:
        """Takes a message on; it is not sent yet."""
        loop = asyncio.get_running_loop()
        self._sent += 1
        token = f"{self._sent:x}"
        message = Outgoing(queue, payload, deadline, token, loop.create_future(), settled)
        self._outgoing[token] = message
        if self._timer is None or deadline < self._timer.when():
            self._wake_within(min(_TICK, deadline - loop.time()))
        return message

    async def send(self, message: Outgoing) -> None:
        """Sends a message, once more or for the first time; what comes of it is told to its future."""
        client = self._connection.client
        if client is None or message.future.done():
            return
        if len(message.payload) + _HEADERS_BYTES > client.max_payload:
            self._fail(message, self._too_large(message, client.max_payload))
            return
        message.attempts += 1
        message.sent_at = _now()
        try:
            await client.publish(
                message.queue, message.payload, reply=self._inbox + message.token, headers=message.headers
            )
        except (OSError, nats.errors.Error) as problem:
            # Sent again with the next connection: this one is gone or going.
            message.why = str(problem)

    async def publish(self, queue: str, payload: bytes, deadline: float) -> Acknowledgement:
        """Returns with the acknowledgement, or raises."""
        await self.ready(deadline)
        message = self.begin(queue, payload, deadline)
        try:
            await self.send(message)
            return await message.future
        finally:
            self.forget(message)

    def forget(self, message: Outgoing) -> None:
        """Takes no more care of a message."""
        self._outgoing.pop(message.token, None)

    def _answered(self, answer: Msg) -> None:
        message = self._outgoing.get(answer.subject[len(self._inbox) :])
        if message is None or message.future.done():
            return
        if answer.headers and answer.headers.get("Status") == _NO_RESPONDERS:
            self._again_later(message, "its stream has no leader")
            return
        try:
            told = json.loads(answer.data.decode())
            error = told.get("error")
            if error is None:
                self._acknowledged(message, told)
            else:
                self._answered_error(message, int(error.get("err_code", 0)), error)
        except (ValueError, TypeError, AttributeError, KeyError):
            self._again_later(message, f"the answer cannot be understood: {answer.data[:80]!r}")

    def _acknowledged(self, message: Outgoing, told: dict[str, object]) -> None:
        if told.get("duplicate") and message.attempts == 1:
            problem = DuplicateError(
                f"the id {message.message_id} of a message to {message.queue} was known to the servers before "
                "it was sent, so this message is not stored: somebody foresaw the id; tell whoever runs the bus",
                queue=message.queue,
                message_id=message.message_id,
            )
            self._fail(message, problem)
            return
        sequence = told["seq"]
        if not isinstance(sequence, int):
            raise TypeError("seq")
        self._outgoing.pop(message.token, None)
        message.future.set_result(Acknowledgement(str(told["stream"]), sequence, message.message_id))
        if message.settled is not None:
            message.settled(message)

    def _answered_error(self, message: Outgoing, code: int, error: dict[str, object]) -> None:
        why = str(error.get("description", "no reason given"))
        about = {"queue": message.queue, "message_id": message.message_id}
        # An earlier try may have been stored without our hearing of it.
        stored = False if message.attempts == 1 else None
        if code in _TOO_LARGE:
            self._fail(message, TooLargeError(_too_large_text(message, why), stored=stored, **about))
        elif code in _FULL or (code == _STORE_FAILED and _FULL_WORDS in why):
            text = (
                f"{message.queue} takes no more: {why}; read and let messages age, or raise the limits of its "
                "domain (maxBytes, maxMessagesPerQueue) in the bus's resource"
            )
            self._fail(message, StreamFullError(text, stored=stored, **about))
        elif error.get("code") == _PASSING or code == _IN_PROCESS:
            self._again_later(message, why)
        else:
            text = f"the servers refuse a message to {message.queue}: {why} (error {code})"
            self._fail(message, RefusedError(text, stored=stored, **about))

    def _again_later(self, message: Outgoing, why: str) -> None:
        message.why = why
        message.sent_at = _now()
        pause = message.pause * random.uniform(0.5, 1.0)  # noqa: S311 - not for secrets
        message.pause = min(message.pause * 2, _LONGEST_PAUSE)
        asyncio.get_running_loop().call_later(pause, self._send_soon, message)

    def _send_soon(self, message: Outgoing) -> None:
        if not message.future.done():
            keep(asyncio.get_running_loop().create_task(self.send(message)))

    def _send_all(self) -> None:
        """There is a connection again: whatever was sent on the last one may be lost."""
        for message in self._outgoing.values():
            self._send_soon(message)

    def _refused(self, subject: str) -> None:
        for message in list(self._outgoing.values()):
            # A user that also hears the queue publishes under a name of its account's own.
            if subject in {message.queue, f"pub.{message.queue}"}:
                self._fail(message, self._not_permitted(message))

    def _not_permitted(self, message: Outgoing) -> PublishNotPermittedError:
        settings = self._connection.settings
        user = settings.user if settings is not None and settings.user else "this user"
        about = {"queue": message.queue, "message_id": message.message_id}
        if message.queue not in self._known:
            return UndeclaredQueueError(
                f"{user} may not publish to {message.queue}, which is none of the queues that this client "
                f"knows{queues.suggestion(message.queue, self._known)}: where the bus declares it (`domains` "
                "of its resource), add it to `publish` of the user there",
                **about,
            )
        return PublishNotPermittedError(
            f"{user} may not publish to {message.queue}: add it to `publish` of the user in the bus's "
            "resource, and see that `domains` there, if any, declares it",
            **about,
        )

    def _too_large(self, message: Outgoing, limit: int) -> TooLargeError:
        why = f"it has {len(message.payload)} bytes, and with its headers at most {limit} are taken"
        return TooLargeError(_too_large_text(message, why), queue=message.queue, message_id=message.message_id)

    def _overdue(self, message: Outgoing) -> PublishError:
        """Why a message whose time is up was not acknowledged."""
        stored = None if message.attempts else False
        doubt = "whether it is stored is not known" if message.attempts else "it is not stored"
        about = {"queue": message.queue, "message_id": message.message_id}
        if self._connection.client is None:
            return ConnectionLostError(
                f"a message to {message.queue} was not acknowledged in time, and {doubt}: "
                f"{self._connection.problem or 'there is no connection'}; publish it again, or give it a "
                "longer deadline",
                stored=stored,
                **about,
            )
        return NoQuorumError(
            f"no majority of the servers acknowledged a message to {message.queue} in time, and {doubt}: "
            f"{message.why} ({message.attempts} attempts); see that most servers run, and publish it again",
            stored=stored,
            **about,
        )

    def _fail(self, message: Outgoing, problem: PublishError) -> None:
        self._outgoing.pop(message.token, None)
        if not message.future.done():
            message.future.set_exception(problem)
            if message.settled is not None:
                message.settled(message)

    def _wake_within(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + max(delay, 0)
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._tick)

    def _tick(self) -> None:
        """Fails what is overdue, and sends again what nobody answered."""
        self._timer = None
        now = _now()
        nearest = now + _TICK
        for message in list(self._outgoing.values()):
            if now >= message.deadline:
                self._fail(message, self._overdue(message))
                continue
            nearest = min(nearest, message.deadline)
            if message.sent_at is not None and now - message.sent_at > _ANSWERED_WITHIN:
                self._send_soon(message)
        if self._outgoing:
            self._wake_within(nearest - now)


def _too_large_text(message: Outgoing, why: str) -> str:
    return f"a message to {message.queue} is too large: {why}; put the data elsewhere and publish where they are"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _ignore(_refusal: NotPermittedError) -> None:
    """The inbox is everybody's right; the servers never refuse it."""
