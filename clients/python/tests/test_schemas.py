"""The JSON Schemas and the typed classes say the same, both ways."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from conftest import EXAMPLES, GENERATED, SAMPLES, figure
from harness import generated
from harness.bus import CHECKOUT
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from test_messages import envelopes

from svom.messaging import messages
from svom.messaging.messages import MESSAGE_TYPES, schema

FOLDER = CHECKOUT / "clients" / "schemas"
VALIDATORS = {name: Draft202012Validator(schema.schema(of)) for name, of in MESSAGE_TYPES.items()}


def agree(envelope: object) -> bool:
    """Whether it is a message, and that class and schema are of one mind about it."""
    by_schema = any(validator.is_valid(envelope) for validator in VALIDATORS.values())
    reason = messages.check(json.dumps(envelope))
    assert by_schema == (reason is None), reason
    return by_schema


def test_the_files_are_what_the_definition_gives() -> None:
    assert schema.main([str(FOLDER), "--check"]) == 0
    assert {path.name for path in FOLDER.glob("*.json")} == set(schema.texts())


def test_a_file_that_differs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main([str(tmp_path)]) == 0
    changed = tmp_path / "service-status.v1.schema.json"
    changed.write_text(changed.read_text().replace("required", "wanted"))
    assert schema.main([str(tmp_path), "--check"]) == 1
    assert str(changed) in capsys.readouterr().err


def test_the_schemas_are_schemas() -> None:
    for name, validator in VALIDATORS.items():
        Draft202012Validator.check_schema(validator.schema)
        assert validator.schema["title"] == name


def test_the_samples_are_valid() -> None:
    assert all(agree(json.loads(text)) for text in SAMPLES.values())


@settings(max_examples=EXAMPLES)
@given(envelopes)
def test_what_the_class_takes_the_schema_takes(envelope: object) -> None:
    assert agree(envelope)


@pytest.mark.once
def test_thousands_of_changes_are_refused_by_both_or_by_neither(rng: random.Random) -> None:
    valid = sum(agree(generated.changed(rng, generated.envelope(rng))) for _ in range(GENERATED // 4))
    figure("python schemas and classes of one mind", f"{GENERATED // 4}, of which {valid} valid")
    assert 0 < valid < GENERATED // 4
