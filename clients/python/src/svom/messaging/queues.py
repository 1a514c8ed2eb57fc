"""Names of queues, patterns and durables, and what follows from them.

In: names as a person writes them. Out: the same, or a `SubjectError` that says what is wrong. A queue
is `domain.program`; its stream is the domain in capitals.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from .errors import SubjectError

MISSION_QUEUES = tuple(
    f"{domain}.{program}"
    for domain, programs in (
        ("activity", ("calibration", "core_program", "general_program", "infrastructure", "too")),
        ("data", ("mdb", "vhf", "xband")),
        ("science", ("calibration", "core_program", "general_program", "infrastructure", "too")),
    )
    for program in programs
)
"""The thirteen queues that a bus has unless its resource names others."""

_DOMAIN = r"[a-z](?:[-_a-z0-9]*[a-z0-9])?"
_PROGRAM = r"[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?"
_QUEUE = re.compile(rf"({_DOMAIN})\.{_PROGRAM}")
_PATTERN = re.compile(rf"(?:({_DOMAIN})|\*)\.(?:{_PROGRAM}|\*)")
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_RESERVED = frozenset({"live", "pub", "deliver", "svom"})


def queue(name: object) -> str:
    """The name, when a queue can be called so."""
    if not isinstance(name, str):
        raise SubjectError(f"a queue is a text such as data.vhf, and not {type(name).__name__}")
    match = _QUEUE.fullmatch(name)
    if match is None or match[1] in _RESERVED:
        raise SubjectError(
            f"{name!r} cannot be a queue: write domain.program in lower-case letters, digits, - and _, "
            f"such as data.vhf{_nearest(name)}"
        )
    return name


def pattern(name: object) -> str:
    """The name, when it is a queue or stands for several of them."""
    if not isinstance(name, str):
        raise SubjectError(f"a pattern is a text such as data.*, and not {type(name).__name__}")
    match = _PATTERN.fullmatch(name)
    if match is None or match[1] in _RESERVED or name == "*.*":
        raise SubjectError(
            f"{name!r} cannot be subscribed to: write a queue such as data.vhf, the queues of one domain "
            "such as data.*, or one program of every domain such as *.too"
        )
    return name


def label(name: object, what: str) -> str:
    """The name, when a user or a durable can be called so."""
    if not isinstance(name, str) or _LABEL.fullmatch(name) is None:
        raise SubjectError(f"{name!r} cannot be the name of a {what}: write it as the resource does")
    return name


def stream(domain: str) -> str:
    """The stream of a domain."""
    return domain.upper()


def domains(known: Iterable[str]) -> list[str]:
    """The domains of these queues, each once, in their order."""
    return list(dict.fromkeys(name.partition(".")[0] for name in known))


def suggestion(name: str, known: Iterable[str]) -> str:
    """A known queue whose name is like this one, as a question; nothing where there is none."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""


def _nearest(name: str) -> str:
    return suggestion(name[:80], MISSION_QUEUES)
