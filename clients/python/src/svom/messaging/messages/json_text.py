"""JSON texts from anywhere.

In: bytes or a text that anybody may have written. Out: the value, or an `InvalidMessageError`; nothing
else is raised, whatever the text is, and no text takes longer than its length explains.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from ..errors import InvalidMessageError

MAX_BYTES = 8 * 1024 * 1024
"""Longer texts are not looked into; the servers take at most 1 MiB anyway."""
MAX_DEPTH = 64
"""Deeper texts are not looked into."""

# A whole string, closed or not, so that what opens within it is not counted; or what opens and closes.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_SHOWN = 60


def read(data: bytes | str) -> Any:  # noqa: ANN401 - a JSON value is anything
    """The value of a JSON text.

    Stricter than the standard library: no NaN or infinity, no name twice in one object, no surrogate
    that stands alone.
    """
    text = _text(data)
    _check_depth(text)
    try:
        return _DECODER.decode(text)
    except InvalidMessageError:
        raise
    except (ValueError, RecursionError) as problem:
        raise InvalidMessageError(f"it is no JSON: {problem}") from None


def write(value: object) -> str:
    """The JSON text of a value, in ASCII.

    Raises `InvalidMessageError` for what JSON cannot say.
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(", ", ": "))
    except (TypeError, ValueError, RecursionError) as problem:
        raise InvalidMessageError(f"it cannot be written as JSON: {problem}") from None


def _text(data: bytes | str) -> str:
    if len(data) > MAX_BYTES:
        raise InvalidMessageError(f"it is longer than {MAX_BYTES} bytes")
    if isinstance(data, str):
        text = data
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as problem:
            raise InvalidMessageError(f"it is no UTF-8: {problem.reason} at byte {problem.start}") from None
    return text


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidMessageError(f"it is nested deeper than {MAX_DEPTH}")
        elif mark in "]}":
            depth -= 1


def _constant(name: str) -> NoReturn:
    raise InvalidMessageError(f"it is no JSON: {name} is no number")


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidMessageError(f"it holds a number beyond all bounds: {text[:_SHOWN]}")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidMessageError(f"an object names {twice[:_SHOWN]!r} twice")
    return members


_DECODER = json.JSONDecoder(parse_constant=_constant, parse_float=_number, object_pairs_hook=_object)
