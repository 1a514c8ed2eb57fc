"""Typed messages: what is read is written back, and nothing that anybody sends breaks the reading."""

from __future__ import annotations

import datetime as dt
import json
import random

import pytest
from conftest import EXAMPLES, GENERATED, SAMPLES, figure
from harness import generated
from hypothesis import given, settings
from hypothesis import strategies as st

from svom.messaging import messages
from svom.messaging.errors import InvalidMessageError
from svom.messaging.messages import DataNotification, ServiceDescriptor, ServiceStatus, Timestamp

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
zones = st.sampled_from(["", "Z", "+01:00", "-1130", "+00:00"])
fractions = st.integers(0, 10**12 - 1).map(lambda digits: f".{digits}") | st.just("")
moments = st.datetimes(min_value=dt.datetime(1, 1, 3), max_value=dt.datetime(9999, 12, 29))
dates = st.builds(
    lambda moment, fraction, zone: f"{moment.replace(microsecond=0).isoformat()}{fraction}{zone}",
    moments, fractions, zones,
)  # fmt: skip
numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def an_object(known: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict[str, object]]:
    extra = st.dictionaries(texts.filter(lambda name: name not in known), values, max_size=2)
    return st.builds(lambda own, more: {**own, **more}, st.fixed_dictionaries(known), extra)


descriptors = an_object(
    {"name": texts, "creation_date": dates, "uri": texts, "instrument": texts, "mode": texts, "version": numbers}
)
envelopes = st.one_of(
    an_object({"descriptor": descriptors, "activity": texts, "date": dates}).map(lambda own: {"ServiceStatus": own}),
    an_object(
        {"source": texts, "data_type": texts, "date": dates, "message": texts, "resource_locator": texts}
    ).map(lambda own: {"DataNotification": own}),
)  # fmt: skip


def test_the_samples_are_written_back_unchanged(sample: str) -> None:
    assert messages.parse(sample).to_json() == sample
    assert messages.parse(sample.encode()).to_envelope() == json.loads(sample)


@settings(max_examples=EXAMPLES)
@given(envelopes)
def test_what_is_read_is_written_back(envelope: dict[str, object]) -> None:
    message = messages.parse(json.dumps(envelope))
    assert json.loads(message.to_json()) == envelope
    assert messages.parse(message.to_json()) == message


@pytest.mark.once
def test_thousands_are_written_back(rng: random.Random) -> None:
    valid = 0
    for _ in range(GENERATED):
        envelope = generated.envelope(rng)
        if messages.check(json.dumps(envelope)) is None:
            valid += 1
            message = messages.parse(json.dumps(envelope))
            assert json.loads(message.to_json()) == envelope
            assert messages.parse(message.to_json()) == message
    figure("python messages written back", valid)
    assert valid > GENERATED / 2


@pytest.mark.once
def test_thousands_of_mutated_samples_are_read_or_refused(rng: random.Random) -> None:
    read = 0
    for _ in range(GENERATED):
        data = generated.cut(rng, rng.choice(sorted(SAMPLES.values())).encode())
        reason = messages.check(data)
        if reason is None:
            read += 1
            assert messages.parse(data).to_envelope() == json.loads(data)
        else:
            assert "\n" not in reason
            with pytest.raises(InvalidMessageError):
                messages.parse(data)
    figure("python mutated samples", f"{GENERATED}, of which {read} are messages all the same")


@settings(max_examples=EXAMPLES * 5)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_anything_is_read_or_refused(data: bytes) -> None:
    messages.check(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"ServiceStatus":' * 60 + b"1" + b"}" * 60,
        b"[" * 100 + b"]" * 100,
        b'{"ServiceStatus": {"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
        b"9" * 1_000_000,
        b'{"a": ' + b"9" * 100_000 + b"}",
        b"1e999999",
        b"-1e400",
        b"NaN",
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b'"\\ud800"',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'"' + b"\\" * 999_999,
        b'"\\"' * 300_000 + b"[" * 100,
        b"",
        b" " * 9_000_000,
        b"null",
        b"{}",
        b"[]",
        b'{"ServiceStatus": null}',
        b'{"DataNotification": []}',
        b'{"ServiceStatus": {}, "DataNotification": {}}',
    ],
    ids=range(25),
)
def test_hostile_texts_are_refused(data: bytes) -> None:
    assert messages.check(data) is not None


def test_a_bracket_within_a_string_opens_nothing(sample: str) -> None:
    text = sample.replace("WEBSOCKET_GATEWAY", "[{" * 200).replace("ECLALERTL1", "[{" * 200)
    assert messages.check(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2019-01-09T14:20:01", dt.datetime(2019, 1, 9, 14, 20, 1)),
        ("2018-12-04T14:59:04.535Z", dt.datetime(2018, 12, 4, 14, 59, 4, 535_000, dt.timezone.utc)),
        ("2018-12-04T14:59:04.123456789Z", dt.datetime(2018, 12, 4, 14, 59, 4, 123_456, dt.timezone.utc)),
        ("2020-02-29T00:00:00-0130", dt.datetime(2020, 2, 29, tzinfo=dt.timezone(-dt.timedelta(minutes=90)))),
        ("2000-02-29T23:59:59+14:00", dt.datetime(2000, 2, 29, 23, 59, 59, 0, dt.timezone(dt.timedelta(hours=14)))),
    ],
)
def test_dates_mean_what_they_say(text: str, meant: dt.datetime) -> None:
    assert Timestamp(text).datetime == meant
    assert Timestamp(text) == text


@settings(max_examples=EXAMPLES)
@given(moments, st.sampled_from([None, dt.timezone.utc, dt.timezone(dt.timedelta(hours=-3))]))
def test_a_moment_is_a_date(moment: dt.datetime, zone: dt.tzinfo | None) -> None:
    assert Timestamp.of(moment.replace(tzinfo=zone)).datetime == moment.replace(tzinfo=zone)


@pytest.mark.parametrize(
    "text",
    ["2019-02-29T00:00:00", "1900-02-29T00:00:00", "0000-01-01T00:00:00", "2019-13-01T00:00:00", "2019-04-31T00:00:00",
     "2019-01-09", "2019-01-09 14:20:01", "2019-01-09T24:00:00", "2019-01-09T14:20:01\n", "2019-01-09T14:20:01z",
     "2019-01-09T14:20", "٢٠١٩-01-09T14:20:01", "", "now"],
)  # fmt: skip
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessageError):
        Timestamp(text)


@settings(max_examples=EXAMPLES)
@given(dates)
def test_every_date_has_a_meaning(text: str) -> None:
    assert isinstance(Timestamp(text).datetime, dt.datetime)


def test_a_running_service_is_told_in_one_call() -> None:
    status = ServiceStatus.running("GATEWAY", uri="svom://gateway", version=2, creation_date="2019-01-09T14:20:01")
    assert messages.parse(status.to_json()) == status
    assert status.activity == "Running"
    assert status.descriptor == ServiceDescriptor(
        name="GATEWAY", creation_date=Timestamp("2019-01-09T14:20:01"), uri="svom://gateway", instrument="ANY",
        mode="ANY", version=2,
    )  # fmt: skip
    assert status.date.datetime.tzinfo is dt.timezone.utc


def test_a_notification_holds_a_structure_as_text() -> None:
    told = DataNotification.of("VHF", "ECLALERTL1", {"Alert_MsgCount": 0}, "32fef")
    assert told.message == '{"Alert_MsgCount": 0}'
    assert told.content() == {"Alert_MsgCount": 0}


def test_an_object_is_never_invalid() -> None:
    with pytest.raises(InvalidMessageError, match="version: must be a number, and is a text"):
        ServiceStatus.running("X", uri="svom://x", version="1.0")  # type: ignore[arg-type]
    with pytest.raises(InvalidMessageError, match=r"extra\.source is no further field"):
        DataNotification(
            source="VHF", data_type="X", date=Timestamp.now(), message="", resource_locator="", extra={"source": 1}
        )
