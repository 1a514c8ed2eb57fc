"""One connection to one server: made, or refused in words.

In: a server and the settings. Out: a nats-py client that is connected, over TLS whose certificate was
checked, or a `ConnectError`. Reconnecting is left to who asks: a client that lost its connection is
done.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable

import nats.errors
from nats.aio.client import Client

from .errors import AuthenticationError, ConfigurationError, ConnectError, TlsError, UnreachableError
from .settings import Settings

ANSWERS_WITHIN = 5.0
"""Seconds that a server has to take a connection."""

_FLUSHED_WITHIN = 5

ErrorCallback = Callable[[Exception], Awaitable[None]]
ClosedCallback = Callable[[], Awaitable[None]]


class _DialError(Exception):
    """Carries the reason out of nats-py, which would otherwise try on by itself."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class TlsClient(Client):
    """A nats-py client that shows credentials over TLS alone.

    nats-py speaks TLS where the server's first, unprotected line asks for it. Whoever sits between could
    leave that out, and be shown the password.
    """

    tls_begun = False

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Asked for when the handshake begins; one that fails raises."""
        self.tls_begun = True
        return super().ssl_context

    def _connect_command(self) -> bytes:
        if not self.tls_begun:
            raise _DialError(TlsError("the server asks for no TLS, so it is shown no credentials"))
        return super()._connect_command()


if not hasattr(Client, "_connect_command"):  # the guard above would guard nothing
    raise ImportError("this version of nats-py is not known: install one that the package names")


async def dial(
    server: str, settings: Settings, name: str, on_error: ErrorCallback, on_closed: ClosedCallback
) -> TlsClient:
    """A connection to this server; what happens to it later goes to the callbacks."""
    client = TlsClient()
    connected = False

    async def error(problem: Exception) -> None:
        if not connected:
            raise _DialError(problem)
        await on_error(problem)

    async def closed() -> None:
        if connected:
            await on_closed()

    connecting = client.connect(
        servers=[server],
        tls=settings.tls(),
        user=settings.user if settings.password is not None else None,
        password=settings.password,
        nkeys_seed_str=settings.seed,
        name=name,
        allow_reconnect=False,
        connect_timeout=ANSWERS_WITHIN,  # type: ignore[arg-type] # nats-py says int and takes any number
        error_cb=error,
        closed_cb=closed,
    )
    try:
        await asyncio.wait_for(connecting, ANSWERS_WITHIN)
        if not client.is_connected:
            raise _DialError(ConnectionError("it closed the connection while the user showed who it is"))
    except _DialError as problem:
        hang_up(client)
        raise _explained(problem.reason, server, settings) from None
    except (OSError, asyncio.TimeoutError, nats.errors.Error) as problem:
        hang_up(client)
        raise _explained(problem, server, settings) from None
    except ImportError:
        hang_up(client)
        raise ConfigurationError("an NKey needs the package nkeys: pip install 'svom-messaging[nkeys]'") from None
    except BaseException:
        hang_up(client)
        raise
    connected = True
    return client


async def arrived(client: Client) -> None:
    """Returns when the server has read everything that was sent, and what it says about it has come.

    nats-py's ping overtakes what waits to be written; the second one does not.
    """
    for _ in range(2):
        await client.flush(_FLUSHED_WITHIN)


def hang_up(client: Client) -> asyncio.Task[None]:
    """Closes a client without waiting for a server that may be frozen."""
    return keep(asyncio.get_running_loop().create_task(_close(client)))


async def all_hung_up() -> None:
    """Returns when every client of this loop is closed: a loop that ends before they are complains."""
    loop = asyncio.get_running_loop()
    tasks = {task for task in _running if task.get_loop() is loop}
    if tasks:
        await asyncio.wait(tasks, timeout=ANSWERS_WITHIN)


async def _close(client: Client) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), ANSWERS_WITHIN)


_running: set[asyncio.Task[None]] = set()


def keep(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """Holds on to a task that nobody waits for; a loop alone would let it go."""
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task


def _explained(reason: Exception, server: str, settings: Settings) -> ConnectError:
    if isinstance(reason, ConnectError):
        return type(reason)(f"{server}: {reason}")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return TlsError(f"{server}: {_untrusted(reason, settings)}")
    if isinstance(reason, ssl.SSLError):
        required = "CERTIFICATE_REQUIRED" in str(reason).upper().replace(" ", "_")
        hint = ": every client shows a certificate here, so pass cert and key" if required else ""
        return TlsError(f"{server}: TLS failed: {reason.reason or reason}{hint}")
    if "authorization violation" in str(reason).lower():
        return AuthenticationError(
            f"{server} does not take the credentials of {settings.user or 'this NKey'}: compare them with "
            "the user's Secret; where it has just changed, pass them anew or use from_secret"
        )
    if isinstance(reason, (asyncio.TimeoutError, nats.errors.TimeoutError)):
        return UnreachableError(f"{server} did not answer within {ANSWERS_WITHIN:.0f} s")
    return UnreachableError(f"{server}: {reason}; is the bus running, and is this its address?")


def _untrusted(reason: ssl.SSLCertVerificationError, settings: Settings) -> str:
    detail = reason.verify_message
    lower = detail.lower()
    if "mismatch" in lower or "doesn't match" in lower:
        return f"{detail}: the server has another name than the one that is connected to; pass one of its names"
    if "expired" in lower or "not yet valid" in lower:
        return f"the server's certificate does not hold now: {detail}; compare the clocks"
    return (
        f"the server's certificate is not from the authority in {settings.ca} ({detail}); pass ca=, the file "
        "ca.crt of this bus, or find out who answers there"
    )
