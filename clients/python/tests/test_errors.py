"""Every exception of the library, provoked against the real server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import resources
from harness.bus import Bus, until

from svom.messaging import errors, publish, settings
from svom.messaging.natsio import NatsIo

Scene = tuple[Bus, NatsIo]
provocations: dict[type[errors.MessagingError], Callable[[Bus, NatsIo, pytest.MonkeyPatch], object]] = {}


def provoke(kind: type[errors.MessagingError]) -> Callable[..., None]:
    def take(what: Callable[[Bus, NatsIo, pytest.MonkeyPatch], object]) -> None:
        assert kind not in provocations
        provocations[kind] = what

    return take


def url(bus: Bus, **others: object) -> NatsIo:
    return NatsIo(**{"port": bus.port, "user": "svom", "password": "secret", "ca": bus.ca(), **others})


@provoke(errors.ConfigurationError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    patch.chdir("/")
    NatsIo(port=bus.port, user="svom", password="secret")


@provoke(errors.ClosedError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.close()
    svom.publish("data.vhf", "too late")


@provoke(errors.ForkedError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    svom.publish("data.vhf", "in the parent")
    child = os.fork()
    if child == 0:  # the child ends here, whatever comes
        try:
            svom.publish("data.vhf", "in the child")
        except errors.ForkedError as problem:
            os.write(writing, str(problem).encode())
            svom.close()
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    said = os.read(reading, 10_000).decode()
    svom.publish("data.vhf", "the parent goes on")
    if "forked" in said:
        raise errors.ForkedError(said)


@provoke(errors.UnreachableError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    url(bus, port=bus.port + 7, connect_timeout=0.5).publish("data.vhf", "nobody listens there")


@provoke(errors.TlsError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    stranger = Path(__file__).parents[3] / "tests" / "authority-of-nobody.crt"
    url(bus, ca=stranger).publish("data.vhf", "to a stranger")


@provoke(errors.AuthenticationError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    url(bus, password="guessed").publish("data.vhf", "as somebody else")


@provoke(errors.SubjectError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.publish("data.*", "to many at once")


@provoke(errors.NotPermittedError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.subscribe("activity.*")


@provoke(errors.PublishNotPermittedError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.publish("activity.infrastructure", "not mine")


@provoke(errors.UndeclaredQueueError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.publish("data.uhf", "a typing error")


@provoke(errors.TooLargeError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.publish("data.vhf", b"x" * 2**20)


@provoke(errors.StreamFullError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    with NatsIo.from_secret(bus.secret("order"), known_queues=["orders.pointing"], validate="off") as order:
        for number in range(6):
            order.publish("orders.pointing", f"order {number}")


@provoke(errors.PublishManyError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.publish_many("data.vhf", ["small", b"x" * 2**20, "never sent"], in_flight=1)


@provoke(errors.DuplicateError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    foreseen = uuid.uuid4().hex
    patch.setattr(publish.secrets, "token_hex", lambda _: foreseen)
    svom.publish("data.vhf", "the first of this id")
    svom.publish("data.vhf", "the second of this id")


@provoke(errors.RefusedError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    begin = publish.Publisher.begin

    def begin_for_another_stream(*arguments: object) -> publish.Outgoing:
        message = begin(*arguments)
        message.headers["Nats-Expected-Stream"] = "OTHER"
        return message

    patch.setattr(publish.Publisher, "begin", begin_for_another_stream)
    svom.publish("data.vhf", "to be refused")


@provoke(errors.InvalidMessageError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    url(bus, validate="strict").publish("data.vhf", "This is not a valid message")


@provoke(errors.DurableNotFoundError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.durable("ingest")


@provoke(errors.WaitTimeoutError)
def _(bus: Bus, svom: NatsIo, patch: pytest.MonkeyPatch) -> None:
    svom.wait_for("data.vhf", timeout=0.2)


# Those that need servers to fall have a bus of their own, below.
WITH_FALLS = {errors.NoQuorumError, errors.ConnectionLostError}
ABSTRACT = {errors.MessagingError, errors.ConnectError, errors.PublishError}


@pytest.mark.parametrize("kind", provocations, ids=lambda kind: kind.__name__)
def test_it_is_raised_and_says_what_to_do(
    kind: type[errors.MessagingError], bus: Bus, svom: NatsIo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "MOUNTED_SECRET", Path("/nowhere"))
    monkeypatch.delenv("NATS_CA", raising=False)
    with pytest.raises(kind) as caught:
        provocations[kind](bus, svom, monkeypatch)
    assert type(caught.value) is kind
    assert len(str(caught.value)) > 40


def test_none_is_left_out() -> None:
    every = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MessagingError)
    }
    assert every == set(provocations) | WITH_FALLS | ABSTRACT


@pytest.fixture
def frail() -> Iterator[Bus]:
    bus = Bus(resources.FALLS)
    yield bus
    bus.close()


def test_without_a_majority_and_without_a_server(frail: Bus) -> None:
    with NatsIo.from_secret(frail.secret("producer"), validate="off") as producer:
        first = producer.publish("data.vhf", "while all is well")
        servers = frail.servers()
        for server in servers[:2]:
            frail.kill(server)
        until(lambda: producer.wait_until_connected(10), "the last server to take the connection")
        with pytest.raises(errors.NoQuorumError) as no_quorum:
            producer.publish("data.vhf", "without a majority", deadline=3)
        assert no_quorum.value.stored is None
        frail.kill(servers[2])
        with pytest.raises(errors.ConnectionLostError):
            producer.publish("data.vhf", "without a server", deadline=2)
        for server in servers:
            frail.local("start", server)
        frail.wait_until_ready()
        last = producer.publish("data.vhf", "when all is well again")
        assert last.sequence > first.sequence
