"""`svom-msg doctor`: why is there no connection, or no right?

In: the same words as every command. Out: one line for each step, in the order in which they build on one
another; with the first that fails it is said what to do, and those that need it are left out. Publish
rights are tried with a message that every stream refuses to store, so that nothing is published.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
import sys
from datetime import datetime, timezone
from urllib.parse import urlsplit

from ..connection import Connection, Interest
from ..durable import find
from ..errors import (
    ConfigurationError,
    ConnectError,
    MessagingError,
    NotPermittedError,
    PublishError,
    PublishNotPermittedError,
    RefusedError,
)
from ..publish import Publisher
from ..queues import MISSION_QUEUES
from ..settings import Settings, Source
from .words import source

_WITHIN = 5.0
_NO_SUCH_STREAM = "svom-no-such-stream"


class Report:
    """What was found, told as it is found."""

    def __init__(self, as_json: bool) -> None:
        """As text or as JSON."""
        self._as_json = as_json
        self.is_good = True

    def say(self, step: str, good: bool | None, text: str) -> None:
        """One step: good, bad, or neither."""
        self.is_good = self.is_good and good is not False
        if self._as_json:
            sys.stdout.write(json.dumps({"step": step, "ok": good, "text": text}) + "\n")
        else:
            mark = {True: "ok  ", False: "FAIL", None: "    "}[good]
            sys.stdout.write(f"{mark} {step}: {text}\n")
        sys.stdout.flush()


def doctor(words: argparse.Namespace) -> int:
    """Every step; exit code 0 where all are good."""
    report = Report(words.json)
    try:
        chosen = source(words)
        settings = chosen()
        settings.tls()
    except ConfigurationError as problem:
        report.say("settings", False, str(problem))
        return 1
    user = settings.user or "an NKey"
    report.say("settings", True, f"{user} at {', '.join(settings.servers)}, trusting {settings.ca}")
    reached = [_server(report, server, settings) for server in settings.servers]
    if any(reached):
        asyncio.run(_user(report, chosen, settings, words))
    return 0 if report.is_good else 1


def _server(report: Report, server: str, settings: Settings) -> bool:
    """The way to one server: its name, its port, its greeting, its certificate."""
    parts = urlsplit(server)
    host, port = parts.hostname or "", parts.port or 0
    try:
        addresses = sorted({str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except OSError as problem:
        report.say(f"name {host}", False, f"it has no address ({problem.strerror}): is it written right, is DNS there?")
        return False
    report.say(f"name {host}", True, ", ".join(addresses))
    try:
        with socket.create_connection((host, port), timeout=_WITHIN) as connection:
            report.say(f"port {port}", True, "takes connections")
            return _greeting(report, connection, host, settings)
    except OSError as problem:
        why = problem.strerror or str(problem) or "no answer"
        report.say(f"port {port}", False, f"{why}: is the bus running, is the port right, does a firewall drop it?")
        return False


def _greeting(report: Report, connection: socket.socket, host: str, settings: Settings) -> bool:
    with connection.makefile("rb") as lines:
        line = lines.readline(1 << 16)
    try:
        if not line.startswith(b"INFO "):
            raise ValueError(line[:40])
        info = json.loads(line[5:])
        version, wants_tls = str(info.get("version")), bool(info.get("tls_required"))
    except (ValueError, AttributeError) as problem:
        report.say("greeting", False, f"who answers is no NATS server: {problem}")
        return False
    report.say("greeting", True, f"nats-server {version}, {info.get('server_name')}")
    if not wants_tls:
        report.say("TLS", False, "the server asks for none, so this is not the bus, or somebody sits between")
        return False
    try:
        with settings.tls().wrap_socket(connection, server_hostname=host) as protected:
            ends = ssl.cert_time_to_seconds(str((protected.getpeercert() or {}).get("notAfter")))
            until = datetime.fromtimestamp(ends, timezone.utc).date()
            report.say("TLS", True, f"{protected.version()}, certificate from our authority, good until {until}")
            return True
    except ssl.SSLCertVerificationError as problem:
        text = f"{problem.verify_message}: is {settings.ca} of this bus, is {host} one of the server's names?"
        report.say("TLS", False, text)
    except (OSError, ValueError) as problem:
        report.say("TLS", False, str(problem))
    return False


async def _user(report: Report, chosen: Source, settings: Settings, words: argparse.Namespace) -> None:
    """What the user may do."""
    connection = Connection(chosen, "svom-msg doctor", _WITHIN)
    try:
        try:
            client = await connection.open(_until())
        except ConnectError as problem:
            report.say("credentials", False, str(problem))
            return
        server = client.connected_url.netloc if client.connected_url else "a server"
        report.say("credentials", True, f"{server} takes them")
        known = words.queue or list(MISSION_QUEUES)
        await _rights(report, connection, known)
        for name in words.durable:
            try:
                found = await find(connection, name, None, known, _until())
            except MessagingError as problem:
                report.say(f"durable {name}", False, str(problem))
            else:
                report.say(f"durable {name}", True, f"{found.name} of the stream {found.stream}")
    finally:
        await connection.close()


async def _rights(report: Report, connection: Connection, known: list[str]) -> None:
    publisher = Publisher(connection, known)
    publish = [queue for queue in known if await _may_publish(report, publisher, queue)]
    subscribe = [queue for queue in known if await _may_subscribe(report, connection, queue)]
    for what, allowed in (("publish", publish), ("subscribe", subscribe)):
        report.say(what, True if allowed else None, ", ".join(allowed) or "nothing of what was tried")
    if not publish and not subscribe:
        report.say("rights", False, "none of the queues that were tried is this user's; name others with --queue")


async def _may_publish(report: Report, publisher: Publisher, queue: str) -> bool:
    await publisher.ready(_until())
    message = publisher.begin(queue, b"", _until())
    message.headers["Nats-Expected-Stream"] = _NO_SUCH_STREAM
    try:
        await publisher.send(message)
        await message.future
    except RefusedError:
        return True  # the stream answered, and stored nothing
    except PublishNotPermittedError:
        return False
    except PublishError as problem:
        report.say(f"publish to {queue}", False, str(problem))
        return False
    return True


async def _may_subscribe(report: Report, connection: Connection, queue: str) -> bool:
    interest = Interest(queue, "", lambda _: None, lambda _: None)
    try:
        await connection.want(interest, _until())
    except NotPermittedError:
        return False
    except ConnectError as problem:
        report.say(f"subscribe to {queue}", False, str(problem))
        return False
    await connection.unwant(interest)
    return True


def _until() -> float:
    return asyncio.get_running_loop().time() + _WITHIN
