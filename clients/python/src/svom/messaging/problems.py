"""What a reader is told besides its messages.

Each is logged as a warning, and given to `on_problem` where one was passed.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from .errors import ConnectError, NotPermittedError

logger = logging.getLogger("svom.messaging")


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that a reader should know."""


@dataclasses.dataclass(frozen=True)
class Missed(Problem):
    """Messages of a queue were stored and did not come.

    Live delivery is at most once. They lie between two sequences of the queue's stream, neither of which
    is missing: a durable subscription has them.
    """

    queue: str
    after: int
    before: int

    def __str__(self) -> str:
        """For people."""
        return f"missed messages of {self.queue} between {self.after} and {self.before}; a durable has them"


@dataclasses.dataclass(frozen=True)
class Overrun(Problem):
    """The reader is slower than its messages come: so many were dropped until now."""

    pattern: str
    dropped: int

    def __str__(self) -> str:
        """For people."""
        return (
            f"the reader of {self.pattern} is too slow: {self.dropped} messages were dropped until now; "
            "work faster, raise capacity, or read a durable subscription"
        )


@dataclasses.dataclass(frozen=True)
class Disconnected(Problem):
    """The connection is lost, and is being made again."""

    why: str

    def __str__(self) -> str:
        """For people."""
        return f"disconnected: {self.why}; connecting again"


@dataclasses.dataclass(frozen=True)
class Reconnected(Problem):
    """The connection is there again."""

    server: str

    def __str__(self) -> str:
        """For people."""
        return f"connected again, to {self.server}"


@dataclasses.dataclass(frozen=True)
class StillDown(Problem):
    """The connection cannot be made again yet."""

    why: ConnectError

    def __str__(self) -> str:
        """For people."""
        return f"not connected: {self.why}"


@dataclasses.dataclass(frozen=True)
class Revoked(Problem):
    """The right to read was taken away; no more messages come."""

    why: NotPermittedError

    def __str__(self) -> str:
        """For people."""
        return str(self.why)


@dataclasses.dataclass(frozen=True)
class GivenUp(Problem):
    """A message of a durable subscription failed on its last permitted delivery: it comes no more."""

    queue: str
    sequence: int
    why: BaseException

    def __str__(self) -> str:
        """For people."""
        return (
            f"message {self.sequence} of {self.queue} failed on its last permitted delivery and comes no "
            f"more: {type(self.why).__name__}: {self.why}"
        )


Listener = Callable[[Problem], None]
"""Is given every problem, in the thread in which it is noticed: it must return at once."""


def tell(problem: Problem, listener: Listener | None) -> None:
    """Logs a problem and gives it to the listener; what the listener raises is logged."""
    level = logging.INFO if isinstance(problem, Reconnected) else logging.WARNING
    logger.log(level, "%s", problem)
    if listener is None:
        return
    try:
        listener(problem)
    except Exception:  # whatever a program's own function raises
        logger.exception("on_problem raised for %r", problem)
