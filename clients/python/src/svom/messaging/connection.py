"""The connection to the bus: made, watched, and made again when it is lost.

In: where the settings come from. Out: a nats-py client while there is one, the same subscriptions on
each new one, and what the servers refuse. The settings are read anew for every attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import re
from collections.abc import Callable, Sequence

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from .dialling import TlsClient, all_hung_up, arrived, dial, hang_up, keep
from .errors import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    ConnectError,
    NotPermittedError,
    TlsError,
    UnreachableError,
)
from .problems import Disconnected, Problem, Reconnected, StillDown
from .settings import Settings, Source

logger = logging.getLogger("svom.messaging")

_BEATS_EVERY = 5.0
"""Seconds between looks whether the server still answers."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_LOGS_EVERY = 10
"""Failed rounds between two complaints."""
_FLUSHED_WITHIN = 5

_REFUSED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')
_HARMLESS = re.compile("returning true from eof_received")

# asyncio warns at each orderly end of a TLS connection that nats-py began without TLS.
logging.getLogger("asyncio").addFilter(lambda record: _HARMLESS.match(str(record.msg)) is None)


@dataclasses.dataclass(eq=False)
class Interest:
    """What is subscribed to, on this connection and the next ones."""

    subject: str
    group: str
    arrived: Callable[[Msg], None]
    revoked: Callable[[NotPermittedError], None]
    live: Subscription | None = None
    in_force: bool = False
    refused: NotPermittedError | None = None


class Connection:
    """The connection of one user. It belongs to one event loop."""

    def __init__(self, source: Source, name: str, connect_timeout: float) -> None:
        """Connects to nothing yet."""
        self._source = source
        self._name = name
        self._connect_timeout = connect_timeout
        self._client: TlsClient | None = None
        self._up = asyncio.Event()
        self._opening = asyncio.Lock()
        self._restoring: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._interests: list[Interest] = []
        self._closed = False
        self.settings: Settings | None = None
        self.problem: ConnectError | None = None
        """Why there is no connection."""
        self.on_up: list[Callable[[], None]] = []
        """Called whenever there is a connection again."""
        self.on_problem: list[Callable[[Problem], None]] = []
        self.on_refused_publish: list[Callable[[str], None]] = []
        """Called with the subject, in lower case, of a publish that the server refuses."""

    @property
    def client(self) -> TlsClient | None:
        """The client, while there is a connection."""
        return self._client

    @property
    def server(self) -> str | None:
        """The server that it is connected to."""
        client = self._client
        return None if client is None else self._server_of(client)

    async def open(self, deadline: float) -> TlsClient:
        """Makes the connection, or waits for it until the deadline of the loop's clock."""
        if self._client is not None:
            return self._client
        if self._closed:
            raise ClosedError("this client was closed: make a new one, or close it later")
        if self._restoring is None:
            async with self._opening:
                if self._client is None and self._restoring is None:
                    await self._first(min(deadline, _now() + self._connect_timeout))
        remaining = deadline - _now()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._up.wait(), max(remaining, 0))
        if self._client is None:
            if self._closed:
                raise ClosedError("this client was closed while it was waited for")
            raise self.problem or UnreachableError("there is no connection to the bus")
        return self._client

    async def want(self, interest: Interest, deadline: float) -> None:
        """Subscribes, now and on every later connection; raises where the server refuses at once."""
        client = await self.open(deadline)
        self._interests.append(interest)
        try:
            await self._subscribe(client, interest)
            await arrived(client)
        except nats.errors.Error:
            if self._client is client:
                self._lost(client, "it did not take a subscription")
            await self.open(deadline)
        except BaseException:
            self._forget(interest)
            raise
        if interest.refused is not None:
            self._forget(interest)
            raise interest.refused
        interest.in_force = True

    async def unwant(self, interest: Interest) -> None:
        """Ends a subscription; returns when everything that was on its way has arrived."""
        self._forget(interest)
        client, live = self._client, interest.live
        if client is not None and live is not None:
            with contextlib.suppress(nats.errors.Error):
                await live.unsubscribe()
                await arrived(client)

    async def close(self) -> None:
        """Ends everything."""
        if self._closed:
            return
        self._closed = True
        for task in (self._restoring, self._beating):
            if task is not None:
                task.cancel()
        client, self._client = self._client, None
        self._up.set()
        if client is not None:
            hang_up(client)
        await all_hung_up()

    async def _first(self, deadline: float) -> None:
        """Rounds over the servers, until one takes us, all that answer refuse, or time is up."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._round()
            except ConnectError as problem:
                final = not isinstance(problem, UnreachableError)
                if final or _now() + pause > deadline:
                    raise
            else:
                return
            await asyncio.sleep(_jittered(pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _round(self) -> None:
        """Tries each server once, in an order of chance."""
        settings = self._source()
        failures: list[ConnectError] = []
        for server in random.sample(settings.servers, len(settings.servers)):
            try:
                await self._take(server, settings)
            except ConnectError as failure:
                failures.append(failure)
            else:
                return
        self.problem = _worst(failures)
        raise self.problem

    async def _take(self, server: str, settings: Settings) -> None:
        taken: list[TlsClient] = []

        async def error(problem: Exception) -> None:
            self._heard(taken[0], problem)

        async def closed() -> None:
            self._lost(taken[0], "the server closed the connection")

        client = await dial(server, settings, self._name, error, closed)
        taken.append(client)
        try:
            for interest in list(self._interests):
                await self._subscribe(client, interest)
            await arrived(client)
        except (OSError, nats.errors.Error) as problem:
            hang_up(client)
            raise UnreachableError(f"{server} took the connection and left: {problem}") from None
        if self._closed or client.is_closed:
            hang_up(client)
            raise UnreachableError(f"{server} took the connection and left")
        self.settings, self._client, self.problem = settings, client, None
        self._up.set()
        self._beating = asyncio.get_running_loop().create_task(self._beat(client))
        for call in self.on_up:
            call()

    async def _subscribe(self, client: TlsClient, interest: Interest) -> None:
        async def take(message: Msg) -> None:
            interest.arrived(message)

        interest.live = await client.subscribe(interest.subject, queue=interest.group, cb=take)

    def _forget(self, interest: Interest) -> None:
        if interest in self._interests:
            self._interests.remove(interest)

    def _heard(self, client: TlsClient, problem: Exception) -> None:
        """What the server, or nats-py, complains about."""
        match = _REFUSED.search(str(problem))
        if match is None:
            if isinstance(problem, (nats.errors.StaleConnectionError, OSError)):
                self._lost(client, str(problem))
            else:
                logger.warning("nats-py reports: %s: %s", type(problem).__name__, problem)
        elif match[1] == "publish":
            for call in self.on_refused_publish:
                call(match[2])
        else:
            for interest in [one for one in self._interests if one.subject.lower() == match[2]]:
                self._refuse(interest)

    def _refuse(self, interest: Interest) -> None:
        user = self.settings.user if self.settings else ""
        refusal = NotPermittedError(
            f"{user or 'this user'} may not subscribe to {interest.subject}: add it to `subscribe` of the "
            "user in the bus's resource, or subscribe to what stands there",
            f"subscribe to {interest.subject}",
        )
        interest.refused = refusal
        self._forget(interest)
        interest.revoked(refusal)

    def _lost(self, client: TlsClient, why: str) -> None:
        if client is not self._client or self._closed:
            return
        self._client = None
        self._up.clear()
        server = self._server_of(client)
        self.problem = UnreachableError(f"the connection to {server} was lost: {why}")
        if self._beating is not None:
            self._beating.cancel()
        hang_up(client)
        self._tell(Disconnected(f"{server}: {why}"))
        self._restoring = asyncio.get_running_loop().create_task(self._restore())

    async def _restore(self) -> None:
        """Rounds over the servers until one takes us; a Secret that is just being changed comes right."""
        pause, rounds = 0.0, 0
        while not self._closed:
            await asyncio.sleep(_jittered(pause))
            try:
                await self._round()
            except ConnectError as problem:
                failure = problem
            except ConfigurationError as problem:
                failure = ConnectError(str(problem))
                self.problem = failure
            else:
                self._restoring = None
                client = self._client
                self._tell(Reconnected(self._server_of(client) if client else "no server"))
                return
            if rounds % _LOGS_EVERY == 1:
                self._tell(StillDown(failure))
            rounds += 1
            pause = min(max(pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)

    async def _beat(self, client: TlsClient) -> None:
        """A server that is frozen answers nothing and closes nothing."""
        while True:
            await asyncio.sleep(_BEATS_EVERY)
            try:
                await client.flush(_FLUSHED_WITHIN)
            except (OSError, nats.errors.Error):
                keep(asyncio.get_running_loop().create_task(self._is_silent(client)))
                return

    async def _is_silent(self, client: TlsClient) -> None:
        self._lost(client, f"it was silent for {_FLUSHED_WITHIN} s")

    def _tell(self, problem: Problem) -> None:
        for call in self.on_problem:
            call(problem)

    @staticmethod
    def _server_of(client: TlsClient) -> str:
        url = client.connected_url or (client.servers[0] if client.servers else None)
        return url.netloc if url is not None else "the server"


def _worst(failures: Sequence[ConnectError]) -> ConnectError:
    """What most needs a person: refused credentials, then a certificate, then silence."""
    for kind in (AuthenticationError, TlsError):
        for failure in failures:
            if isinstance(failure, kind):
                return failure
    if len(failures) == 1:
        return failures[0]
    return UnreachableError("no server takes a connection. " + "; ".join(str(one) for one in failures))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _jittered(pause: float) -> float:
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - not for secrets
