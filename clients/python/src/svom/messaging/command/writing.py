"""`svom-msg publish` and `svom-msg validate`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from .. import messages
from ..errors import ConfigurationError
from ..messages import MAX_BYTES
from ..publish import Acknowledgement
from .words import client


def publish(words: argparse.Namespace) -> int:
    """Publishes one message, or each line of standard input."""
    if words.lines and words.message not in {None, "-"}:
        raise ConfigurationError("with --lines the messages are lines of standard input: leave MESSAGE out")
    with client(words, words.validate, words.deadline) as nats:
        if words.lines:
            for line in _lines():
                _say(nats.publish(words.queue, line), words)
            return 0
        message = sys.stdin.buffer.read() if words.message in {None, "-"} else words.message
        _say(nats.publish(words.queue, message), words)
    return 0


def validate(words: argparse.Namespace) -> int:
    """Says of each file whether it is a message of the mission, or why not."""
    wrong = 0
    for name in words.files:
        reason = _reason(name)
        wrong += reason is not None
        if words.json:
            told: dict[str, object] = {"file": name, "valid": reason is None}
            sys.stdout.write(json.dumps(told if reason is None else {**told, "reason": reason}) + "\n")
        else:
            sys.stdout.write(f"{name}: {'valid' if reason is None else reason}\n")
    return 1 if wrong else 0


def _reason(name: str) -> str | None:
    try:
        if name == "-":
            return messages.check(sys.stdin.buffer.read(MAX_BYTES + 1))
        with Path(name).open("rb") as file:
            return messages.check(file.read(MAX_BYTES + 1))
    except OSError as problem:
        return f"it cannot be read: {problem.strerror}"


def _lines() -> Iterator[bytes]:
    for line in sys.stdin.buffer:
        yield line.rstrip(b"\r\n")


def _say(acknowledged: Acknowledgement, words: argparse.Namespace) -> None:
    if words.json:
        told = {"queue": words.queue, **acknowledged._asdict()}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.write(f"{acknowledged.stream} {acknowledged.sequence}\n")
    sys.stdout.flush()
