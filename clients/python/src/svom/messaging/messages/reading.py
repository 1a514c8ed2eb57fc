"""From a JSON text to whichever message of the mission it is."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidMessageError
from . import json_text
from .mission import DataNotification, ServiceStatus
from .model import MissionMessage

MESSAGE_TYPES: Mapping[str, type[MissionMessage]] = {kind.__name__: kind for kind in (DataNotification, ServiceStatus)}
"""Every message that the mission defines, by its name."""
_KNOWN = " or ".join(MESSAGE_TYPES)


def parse(data: bytes | str) -> MissionMessage:
    """The message that a JSON text holds; raises `InvalidMessageError`, and nothing else."""
    value = json_text.read(data)
    if not isinstance(value, Mapping):
        raise InvalidMessageError(f"it is no object; a message is an object whose one member is {_KNOWN}")
    kind = MESSAGE_TYPES.get(next(iter(value), ""))
    if kind is None or len(value) != 1:
        names = ", ".join(repr(str(one)[:40]) for one in list(value)[:5]) or "none"
        raise InvalidMessageError(f"its members are {names}; a message has one, which is {_KNOWN}")
    return kind.from_envelope(value)


def check(data: bytes | str) -> str | None:
    """Why a text is no message of the mission; nothing when it is one."""
    try:
        parse(data)
    except InvalidMessageError as problem:
        return str(problem)
    return None
