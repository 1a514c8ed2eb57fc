"""Messages as a reader gets them."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from typing import Any

from nats.aio.msg import Msg

from . import messages
from .messages import MissionMessage, json_text

_LIVE_SEQUENCE = "Nats-Sequence"
_LIVE_STREAM = "Nats-Stream"
_LIVE_TIME = "Nats-Time-Stamp"
_ID = "Nats-Msg-Id"


class Message:
    """A message, and where it is stored."""

    __slots__ = ("data", "headers", "queue", "sequence", "stream")

    def __init__(self, queue: str, data: bytes, headers: Mapping[str, str], stream: str, sequence: int) -> None:
        """With everything that came."""
        self.queue = queue
        self.data = data
        self.headers = headers
        self.stream = stream
        self.sequence = sequence

    @property
    def message_id(self) -> str:
        """The id that its publisher gave it; empty where it gave none."""
        return self.headers.get(_ID, "")

    @property
    def time(self) -> dt.datetime | None:
        """When it was stored, where that is told."""
        text = self.headers.get(_LIVE_TIME)
        try:
            return messages.Timestamp(text).datetime if text else None
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """Its text; bytes that are no UTF-8 are replaced."""
        return self.data.decode("utf-8", errors="replace")

    def json(self) -> Any:  # noqa: ANN401 - a JSON value is anything
        """Its value, where it is a JSON text; raises `InvalidMessageError` where not."""
        return json_text.read(self.data)

    def parse(self) -> MissionMessage:
        """The message of the mission that it is; raises `InvalidMessageError` where it is none."""
        return messages.parse(self.data)

    def __repr__(self) -> str:
        """For people."""
        return f"<{type(self).__name__} {self.stream} {self.sequence} of {self.queue}, {len(self.data)} bytes>"


def live(message: Msg) -> Message:
    """A message as it is delivered live."""
    headers = message.headers or {}
    return Message(
        message.subject, message.data, headers, headers.get(_LIVE_STREAM, ""), number(headers, _LIVE_SEQUENCE)
    )


def number(headers: Mapping[str, str], name: str) -> int:
    """A number in a header; 0 where there is none."""
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


class Delivery(Message):
    """A message of a durable subscription: it comes again until it is settled.

    `ack`, `nak` and `term` settle it, from any thread, and return at once; the first one counts.
    """

    __slots__ = ("_lock", "_settle", "_settled", "attempt", "is_last", "pending", "reply")

    def __init__(self, message: Msg, last_attempt: int, settle: Callable[[Delivery, bytes], None]) -> None:
        """From what the server delivered; raises `nats.errors.Error` where that is no delivery."""
        delivered = message.metadata
        super().__init__(
            message.subject, message.data, message.headers or {}, delivered.stream, delivered.sequence.stream
        )
        self.reply = message.reply
        self.attempt = delivered.num_delivered
        self.is_last = 0 < last_attempt <= delivered.num_delivered
        self.pending = delivered.num_pending
        self._settle = settle
        self._settled = False
        self._lock = threading.Lock()

    @property
    def settled(self) -> bool:
        """Whether it was acknowledged, given back or given up."""
        return self._settled

    def ack(self) -> None:
        """It was handled."""
        self._once(b"+ACK")

    def nak(self, delay: float = 0.0) -> None:
        """It was not handled: it is to come again, to this reader or another, after so many seconds."""
        self._once(b'-NAK {"delay": %d}' % int(delay * 1e9) if delay > 0 else b"-NAK")

    def term(self) -> None:
        """It can never be handled: it is not to come again."""
        self._once(b"+TERM")

    def _once(self, word: bytes) -> None:
        with self._lock:
            if self._settled:
                return
            self._settled = True
        self._settle(self, word)
