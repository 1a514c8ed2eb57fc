"""`svom-msg subscribe` and `svom-msg durable`."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Callable
from typing import Any

from ..received import Delivery, Message
from .words import client


def subscribe(words: argparse.Namespace) -> int:
    """Prints messages as they come."""
    with client(words) as nats, nats.subscribe(words.pattern) as reader:
        _read(reader.next, words)
    return 0


def durable(words: argparse.Namespace) -> int:
    """Prints messages of a durable subscription; each is acknowledged once it is printed."""
    with client(words) as nats, nats.durable(words.name, domain=words.domain) as reader:
        _read(reader.next, words)
    return 0


def _read(take: Callable[[float | None], Message | None], words: argparse.Namespace) -> None:
    taken = 0
    while words.count is None or taken < words.count:
        message = take(words.timeout)
        if message is None:
            return
        taken += 1
        if words.json:
            sys.stdout.write(json.dumps(_described(message)) + "\n")
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(message.data + b"\n")
        sys.stdout.flush()


def _described(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"queue": message.queue, "stream": message.stream, "sequence": message.sequence}
    try:
        told["text"] = message.data.decode("utf-8")
    except UnicodeDecodeError:
        told["base64"] = base64.b64encode(message.data).decode("ascii")
    if message.message_id:
        told["message_id"] = message.message_id
    if isinstance(message, Delivery):
        told |= {"attempt": message.attempt, "is_last": message.is_last, "pending": message.pending}
    return told
