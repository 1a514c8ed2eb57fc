"""What a message holds, as bytes, and whether it is one of the mission's.

In: whatever a program publishes. Out: bytes. What is no message of the mission goes out and is logged
(`warn`), raises (`strict`), or is not looked at (`off`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal, get_args

from . import messages
from .errors import ConfigurationError, InvalidMessageError
from .messages import MissionMessage, json_text

logger = logging.getLogger("svom.messaging")

Content = str | bytes | Mapping[str, Any] | MissionMessage
"""What can be published."""
Validate = Literal["warn", "strict", "off"]
"""How messages are looked at before they go out."""


def validation(word: str) -> Validate:
    """The word, where it is one of the three."""
    for known in get_args(Validate):
        if word == known:
            return known  # type: ignore[no-any-return]
    raise ConfigurationError(f"validate is {word!r}: pass 'warn', 'strict' or 'off'")


def encoded(queue: str, content: Content, validate: Validate) -> bytes:
    """The bytes of a message; raises `InvalidMessageError` for what cannot be sent."""
    if isinstance(content, MissionMessage):
        return content.to_json().encode("ascii")
    data = _bytes(queue, content)
    if validate != "off":
        reason = messages.check(data)
        if reason is not None:
            if validate == "strict":
                raise InvalidMessageError(f"a message to {queue} is none of the mission's: {reason}")
            logger.warning("a message to %s is none of the mission's and goes out all the same: %s", queue, reason)
    return data


def _bytes(queue: str, content: object) -> bytes:
    if isinstance(content, str):
        try:
            return content.encode("utf-8")
        except UnicodeEncodeError as problem:
            raise InvalidMessageError(
                f"a message to {queue} cannot be sent: {problem.reason} at character {problem.start}"
            ) from None
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    if isinstance(content, Mapping):
        return json_text.write(dict(content)).encode("ascii")
    raise InvalidMessageError(
        f"a message to {queue} is {type(content).__name__}: pass a text, bytes, a mapping or a typed message"
    )
