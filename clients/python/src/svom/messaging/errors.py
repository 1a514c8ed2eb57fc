"""Every exception that the library raises.

Each text says what happened, to what, and what to do. All of them are `MessagingError`; those of a
publish are `PublishError`, those of a connection `ConnectError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .publish import Acknowledgement


class MessagingError(Exception):
    """Whatever goes wrong with the bus."""


class ConfigurationError(MessagingError, ValueError):
    """What the client was given cannot be used, or something is missing that it needs."""


class ClosedError(MessagingError):
    """The client was closed and cannot be used any more."""


class ForkedError(MessagingError):
    """The client was made before this process was forked; its connection is the parent's."""


class ConnectError(MessagingError):
    """There is no connection to the bus."""


class UnreachableError(ConnectError):
    """No server answers."""


class TlsError(ConnectError):
    """A server answers, and its certificate does not hold, or it does not take the client's."""


class AuthenticationError(ConnectError):
    """The servers do not take the user's credentials."""


class SubjectError(MessagingError, ValueError):
    """This can be neither a queue nor a pattern of queues."""


class NotPermittedError(MessagingError):
    """The servers refuse: the user has no right to this.

    `what` is `publish to X`, `subscribe to X` or `read X`.
    """

    def __init__(self, text: str, what: str = "") -> None:
        """With the text, and what was refused."""
        super().__init__(text)
        self.what = what


class PublishError(MessagingError):
    """A message was not acknowledged.

    `queue` is where it should have gone, `message_id` the id under which it was tried, and `stored`
    whether it can be stored all the same: `False` means that it certainly is not, `None` that nobody
    knows.
    """

    def __init__(self, text: str, *, queue: str = "", message_id: str = "", stored: bool | None = False) -> None:
        """With the text and what it is about."""
        super().__init__(text)
        self.queue = queue
        self.message_id = message_id
        self.stored = stored


class PublishNotPermittedError(PublishError, NotPermittedError):
    """The servers refuse the publish: the user has no right to the queue, or nobody declared it."""

    def __init__(self, text: str, *, queue: str = "", message_id: str = "") -> None:
        """With the text and what it is about."""
        PublishError.__init__(self, text, queue=queue, message_id=message_id, stored=False)
        self.what = f"publish to {queue}"


class UndeclaredQueueError(PublishNotPermittedError):
    """The servers refuse the publish, and the queue is none that the client knows."""


class NoQuorumError(PublishError):
    """No majority of the servers stored the message before the deadline."""


class ConnectionLostError(PublishError, ConnectError):
    """The connection was lost, and was not there again before the deadline."""


class TooLargeError(PublishError):
    """The message is larger than the servers take."""


class StreamFullError(PublishError):
    """The queue's stream is full, and is told to refuse rather than to drop what is old."""


class DuplicateError(PublishError):
    """The servers know the message's id already, though it was sent for the first time."""


class RefusedError(PublishError):
    """The servers refuse the message for another reason, which the text gives."""


class InvalidMessageError(MessagingError, ValueError):
    """The message is none of the mission's, or cannot be sent at all."""


class PublishManyError(PublishError):
    """Some of many messages were not acknowledged.

    `results` holds, in the order of the messages, what became of each that was tried: its
    acknowledgement or its exception. Those behind were not sent.
    """

    def __init__(self, text: str, results: Sequence[Acknowledgement | BaseException]) -> None:
        """With the text and what became of each."""
        super().__init__(text, stored=None)
        self.results = list(results)


class DurableNotFoundError(MessagingError, LookupError):
    """The user has no durable subscription of this name."""


class WaitTimeoutError(MessagingError, TimeoutError):
    """No message came that was waited for."""
