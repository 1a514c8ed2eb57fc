"""Live delivery: what comes while one listens, at most once.

In: messages as the server delivers them. Out: the same, one after another, into a sink; and a problem
whenever messages were missed or dropped. What a reader does with them, and in which thread, is not
decided here.
"""

from __future__ import annotations

from collections.abc import Callable

from nats.aio.msg import Msg

from .connection import Connection, Interest
from .errors import NotPermittedError
from .problems import Listener, Missed, Overrun, Problem, Revoked, tell
from .received import Message, live, number

CAPACITY = 65_536
"""Messages that wait for a slow reader before the next are dropped."""


class LiveFeed:
    """A live subscription without its reader."""

    def __init__(
        self,
        pattern: str,
        sink: Callable[[Message], None],
        ended: Callable[[NotPermittedError | None], None],
        listener: Listener | None,
        capacity: int,
    ) -> None:
        """Gives messages to `sink`; `ended` is called once, when no more come."""
        self._sink = sink
        self._ended = ended
        self._listener = listener
        self._capacity = capacity
        self._last: dict[str, int] = {}
        self._came = 0
        self._gone = 0
        self._is_over = False
        self.pattern = pattern
        self.dropped = 0
        self.interest = Interest(pattern, "", self._arrived, self._revoked)

    async def open(self, connection: Connection, deadline: float) -> None:
        """Returns when the subscription is in force; raises where it is refused."""
        await connection.want(self.interest, deadline)
        connection.on_problem.append(self.tell)

    async def close(self, connection: Connection) -> None:
        """Returns when nothing comes any more."""
        await connection.unwant(self.interest)
        if self.tell in connection.on_problem:
            connection.on_problem.remove(self.tell)
        self._end(None)

    def taken(self) -> None:
        """The reader took a message. May be called from any thread: only the reader's counts up."""
        self._gone += 1

    def tell(self, problem: Problem) -> None:
        """Tells the reader of a problem."""
        tell(problem, self._listener)

    def _arrived(self, message: Msg) -> None:
        came = live(message)
        self._look_for_a_gap(came)
        if self._came - self._gone >= self._capacity:
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:  # at 1, 2, 4, 8, ...: said, and not for ever
                self.tell(Overrun(self.pattern, self.dropped))
            return
        self._came += 1
        self._sink(came)

    def _look_for_a_gap(self, message: Message) -> None:
        if not message.sequence:
            return
        seen = self._last.get(message.queue)
        before = number(message.headers, "Nats-Last-Sequence")
        if seen is not None and before > seen:
            self.tell(Missed(message.queue, seen, message.sequence))
        self._last[message.queue] = message.sequence

    def _revoked(self, refusal: NotPermittedError) -> None:
        if not self._is_over and self.interest.in_force:
            self.tell(Revoked(refusal))
        self._end(refusal)

    def _end(self, refusal: NotPermittedError | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._ended(refusal)
