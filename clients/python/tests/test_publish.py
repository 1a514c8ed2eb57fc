"""Publishing: every form of a message, and many at once."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterable

import pytest
from conftest import SAMPLES
from harness.bus import Bus

from svom.messaging import messages, settings
from svom.messaging.errors import InvalidMessageError, PublishManyError
from svom.messaging.natsio import NatsIo


def test_the_call_of_the_first_release(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A host, a port, a user and a password alone: the authority's certificate is found."""
    monkeypatch.chdir(bus.folder)
    monkeypatch.delenv("NATS_CA", raising=False)
    monkeypatch.setattr(settings, "MOUNTED_SECRET", bus.folder / "nowhere")
    nats_client = NatsIo(host="127.0.0.1", port=bus.port, user="svom", password="secret")
    acknowledged = nats_client.publish("data.vhf", "This is not a valid message")
    assert acknowledged.stream == "DATA"
    assert acknowledged.sequence > 0
    assert re.fullmatch("[0-9a-f]{32}", acknowledged.message_id)
    assert "none of the mission's and goes out all the same: it is no JSON" in caplog.text
    nats_client.close()


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("a text, with ä", "a text, with ä".encode()),
        (b"\x00\xff bytes", b"\x00\xff bytes"),
        ({"a": [1, None]}, b'{"a": [1, null]}'),
        (messages.parse(SAMPLES["data"]), SAMPLES["data"].encode()),
        ("", b""),
        (b"x" * (2**20 - 100), b"x" * (2**20 - 100)),
    ],
)
def test_what_is_published_arrives(svom: NatsIo, message: object, sent: bytes) -> None:
    acknowledged = []
    came = svom.wait_for(
        "data.vhf",
        lambda one: bool(acknowledged) and one.message_id == acknowledged[0].message_id,
        trigger=lambda: acknowledged.append(svom.publish("data.vhf", message)),
    )
    assert came.data == sent
    assert (came.stream, came.sequence) == acknowledged[0][:2]
    assert came.queue == "data.vhf"
    assert came.time is not None


@pytest.mark.parametrize("message", [1, None, ["a"], {1, 2}, "\ud800", {"a": float("nan")}, {"a": object()}])
def test_what_cannot_be_sent_is_refused(svom: NatsIo, message: object) -> None:
    with pytest.raises(InvalidMessageError):
        svom.publish("data.vhf", message)


def test_a_valid_message_is_not_logged(bus: Bus, sample: str, caplog: pytest.LogCaptureFixture) -> None:
    with NatsIo.from_secret(bus.secret("svom"), validate="strict") as client, caplog.at_level(logging.WARNING):
        client.publish("data.vhf", sample)
        client.publish("data.vhf", json.loads(sample))
        client.publish("data.vhf", messages.parse(sample))
    assert caplog.text == ""


def test_a_message_that_is_not_looked_at_is_not_logged(svom: NatsIo, caplog: pytest.LogCaptureFixture) -> None:
    svom.publish("data.vhf", "anything")
    assert caplog.text == ""


@pytest.mark.parametrize("kind", [iter, list])
def test_many_come_in_their_order_with_their_acknowledgements(
    svom: NatsIo, kind: Callable[[list[str]], Iterable[str]]
) -> None:
    with svom.subscribe("data.xband") as live:
        sent = [f"number {number}" for number in range(1_000)]
        acknowledged = svom.publish_many("data.xband", kind(sent))
        came = [next(live) for _ in sent]
    assert [one.text for one in came] == sent
    assert [one.sequence for one in came] == [one.sequence for one in acknowledged]
    assert len({one.message_id for one in acknowledged}) == len(sent)


def test_none_of_many_is_nothing(svom: NatsIo) -> None:
    assert svom.publish_many("data.vhf", []) == []


def test_many_from_a_generator_that_raises(svom: NatsIo) -> None:
    def some() -> object:
        yield "one"
        raise LookupError("the source ended")

    with pytest.raises(LookupError, match="the source ended"):
        svom.publish_many("data.vhf", some())
    assert svom.publish("data.vhf", "and on").sequence


@pytest.mark.parametrize("kind", [iter, list])
def test_a_failure_among_many_is_told_with_the_others(
    svom: NatsIo, kind: Callable[[list[str | bytes]], Iterable[str | bytes]]
) -> None:
    with pytest.raises(PublishManyError) as caught:
        svom.publish_many("data.vhf", kind(["a", "b", b"x" * 2**20, "c"]), in_flight=1)
    kinds = [type(one).__name__ for one in caught.value.results]
    assert kinds == ["Acknowledgement", "Acknowledgement", "TooLargeError"]


def test_any_thread_may_publish(svom: NatsIo) -> None:
    sequences: list[int] = []

    def some() -> None:
        sequences.extend(svom.publish("data.mdb", "from a thread").sequence for _ in range(20))

    threads = [threading.Thread(target=some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(sequences)) == 160
