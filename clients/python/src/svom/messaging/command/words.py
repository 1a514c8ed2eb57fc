"""The words of the command line, and the client that they ask for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigurationError
from ..natsio import NatsIo
from ..settings import DEFAULT_PORT, MOUNTED_SECRET, Environment, Given, Secret, Source

_WHO = """Who to be and where: --secret names the folder of a user's Secret; or --host, --port, --user and
--password-file (or --nkey). With neither, the environment that `svom-messaging local env` prints is taken,
or the Secret that is mounted at /var/run/svom."""


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The words, or the end of the program with exit code 2."""
    top = argparse.ArgumentParser(
        prog="svom-msg", description="Publishes to and reads from the SVOM mission's bus.", epilog=_WHO
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    publish = _command(commands, "publish", "publish a message, and say where it is stored")
    publish.add_argument("queue", help="such as data.vhf")
    publish.add_argument("message", nargs="?", help="left out, or -: read from standard input")
    publish.add_argument("--lines", action="store_true", help="each line of standard input is a message")
    publish.add_argument("--validate", choices=["warn", "strict", "off"], default="warn")
    publish.add_argument("--deadline", type=float, default=30.0, help="seconds until it is acknowledged")

    subscribe = _command(commands, "subscribe", "print messages as they come")
    subscribe.add_argument("pattern", help="such as data.vhf, data.* or *.too")
    _add_ends(subscribe)

    durable = _command(commands, "durable", "print and acknowledge messages of a durable subscription")
    durable.add_argument("name", help="as the bus's resource names it")
    durable.add_argument("--domain", help="domain of its queues, where that is none of the mission's")
    _add_ends(durable)

    validate = commands.add_parser("validate", help="say whether files are messages of the mission")
    validate.add_argument("files", nargs="+", metavar="FILE", help="- is standard input")
    validate.add_argument("--json", action="store_true", help="print JSON, one object per line")

    doctor = _command(commands, "doctor", "say step by step why there is no connection, or no right")
    doctor.add_argument("--queue", action="append", metavar="QUEUE", help="instead of the mission's; repeatable")
    doctor.add_argument(
        "--durable", action="append", default=[], metavar="NAME", help="look at it too; may be repeated"
    )
    return top.parse_args(arguments)


def source(words: argparse.Namespace) -> Source:
    """Where the settings come from."""
    if words.secret is not None:
        return Secret(Path(words.secret))
    if words.host is not None or words.user is not None:
        password = None
        if words.password_file is not None:
            password = _first_line(words.password_file)
        return Given(
            host=words.host or "127.0.0.1",
            port=words.port,
            user=words.user,
            password=password,
            ca=words.ca,
            cert=words.cert,
            key=words.key,
            nkey=words.nkey,
        )
    if os.environ.get("NATS_URL"):
        return Environment(os.environ)
    if MOUNTED_SECRET.is_dir():
        return Secret(MOUNTED_SECRET)
    raise ConfigurationError(
        "nothing says where the bus is: pass --secret DIR, the folder of a user's Secret, or --host, --user and "
        '--password-file, or run eval "$(svom-messaging local env USER)"'
    )


def client(words: argparse.Namespace, validate: str = "off", deadline: float = 30.0) -> NatsIo:
    """The client that the words ask for."""
    return NatsIo.of(source(words), name="svom-msg", validate=validate, deadline=deadline)


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about, description=about.capitalize() + ".", epilog=_WHO)
    command.add_argument("--json", action="store_true", help="print JSON, one object per line")
    command.add_argument("--secret", metavar="DIR", help="folder of the user's Secret")
    command.add_argument("--host", help="name or address of a server, or several, comma-separated")
    command.add_argument("--port", type=int, default=DEFAULT_PORT)
    command.add_argument("--user")
    command.add_argument("--password-file", metavar="FILE", help="the password is its first line")
    command.add_argument("--nkey", metavar="FILE", help="seed of the user's NKey")
    command.add_argument("--ca", metavar="FILE", help="the authority's certificate")
    command.add_argument("--cert", metavar="FILE", help="the client's certificate")
    command.add_argument("--key", metavar="FILE", help="key of the client's certificate")
    return command


def _add_ends(command: argparse.ArgumentParser) -> None:
    command.add_argument("--count", type=int, metavar="N", help="end after so many messages")
    command.add_argument("--timeout", type=float, metavar="SECONDS", help="end when none comes for so long")


def _first_line(file: str) -> str:
    try:
        with Path(file).open(encoding="utf-8") as lines:
            return lines.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"the password cannot be read from {file}: {problem}") from None
