"""What a message is made of: fields of a few kinds, each with its check and its JSON Schema.

A message class is a frozen dataclass whose fields are declared with `text`, `number`, `date` and `part`.
Its objects are always valid: what is not raises `InvalidMessageError` where it is made. Fields that the
class does not know are kept in `extra` and written back.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, cast

from ..errors import InvalidMessageError
from . import json_text
from .timestamp import PATTERN, Timestamp

PartType = TypeVar("PartType", bound="Part")
MessageType = TypeVar("MessageType", bound="MissionMessage")

_KIND = "kind"


class Kind:
    """Kind of a field."""

    def __init__(self, doc: str) -> None:
        """With what the field is, for people."""
        self.doc = doc

    def read(self, value: object) -> object:
        """The value as the class holds it; raises `InvalidMessageError` where it is of another kind."""
        raise NotImplementedError

    def write(self, value: Any) -> object:  # noqa: ANN401 - what `read` gave
        """The value as JSON holds it."""
        return value

    def schema(self) -> dict[str, object]:
        """Its JSON Schema, without the description."""
        raise NotImplementedError


class _Text(Kind):
    def read(self, value: object) -> object:
        if not isinstance(value, str):
            raise InvalidMessageError(f"must be a text, and is {_described(value)}")
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "string"}


class _Number(Kind):
    def read(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidMessageError(f"must be a number, and is {_described(value)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidMessageError(f"must be a number, and is {value}")
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "number"}


class _Date(Kind):
    def read(self, value: object) -> object:
        if isinstance(value, dt.datetime):
            return Timestamp.of(value)
        if not isinstance(value, str):
            raise InvalidMessageError(f"must be a date, and is {_described(value)}")
        return Timestamp(value)

    def write(self, value: Any) -> object:  # noqa: ANN401
        return str(value)

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": PATTERN}


class _Part(Kind):
    def __init__(self, doc: str, of: type[Part]) -> None:
        super().__init__(doc)
        self.of = of

    def read(self, value: object) -> object:
        return value if isinstance(value, self.of) else self.of.from_value(value)

    def write(self, value: Any) -> object:  # noqa: ANN401
        return value.to_value()

    def schema(self) -> dict[str, object]:
        return {"$ref": f"#/$defs/{self.of.__name__}"}


def _declared(kind: Kind) -> Any:  # noqa: ANN401 - stands where the field's own type is declared
    return dataclasses.field(metadata={_KIND: kind})


def text(doc: str) -> Any:  # noqa: ANN401
    """A field that holds a text."""
    return _declared(_Text(doc))


def number(doc: str) -> Any:  # noqa: ANN401
    """A field that holds a number."""
    return _declared(_Number(doc))


def date(doc: str) -> Any:  # noqa: ANN401
    """A field that holds a date."""
    return _declared(_Date(doc))


def part(doc: str, of: type[Part]) -> Any:  # noqa: ANN401
    """A field that holds an object of its own."""
    return _declared(_Part(doc, of))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """An object within a message, or what a message is about."""

    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Fields that the class does not know, as they came."""

    def __post_init__(self) -> None:
        """Checks every field."""
        known = kinds(type(self))
        for name in self.extra:
            if name in known or not isinstance(name, str):
                raise InvalidMessageError(f"extra.{name} is no further field of {type(self).__name__}")
        # Its fields cannot be assigned to, from here either.
        self.__dict__.update(_checked(known, self.__dict__))

    @classmethod
    def from_value(cls: type[PartType], value: object) -> PartType:
        """From a JSON object without the name of its type around it."""
        if not isinstance(value, Mapping):
            raise InvalidMessageError(f"must be an object, and is {_described(value)}")
        known = kinds(cls)
        if not known.keys() <= value.keys():
            raise InvalidMessageError(f"lacks {', '.join(name for name in known if name not in value)}")
        # Every message that goes out comes by here: what is checked already is not checked again.
        made = cls.__new__(cls)
        made.__dict__.update(_checked(known, value))
        further = len(value) > len(known)
        made.__dict__["extra"] = {name: value[name] for name in value if name not in known} if further else {}
        return made

    def to_value(self) -> dict[str, Any]:
        """As a JSON object: its own fields, then those it does not know."""
        own = {name: kind.write(getattr(self, name)) for name, kind in kinds(type(self)).items()}
        return {**own, **self.extra}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MissionMessage(Part):
    """A message of the mission: an object with one member, which is named after the message's type."""

    SCHEMA_VERSION: ClassVar[int] = 1
    """Changes with a change that makes messages invalid that were valid."""

    @classmethod
    def from_json(cls: type[MessageType], data: bytes | str) -> MessageType:
        """From a JSON text; raises `InvalidMessageError`, and nothing else."""
        return cls.from_envelope(json_text.read(data))

    @classmethod
    def from_envelope(cls: type[MessageType], value: object) -> MessageType:
        """From a JSON value with the name of the type around it."""
        if not isinstance(value, Mapping) or list(value) != [cls.__name__]:
            raise InvalidMessageError(f"must be an object whose one member is {cls.__name__}")
        try:
            return cls.from_value(value[cls.__name__])
        except InvalidMessageError as problem:
            raise InvalidMessageError(f"{cls.__name__}: {problem}") from None

    def to_envelope(self) -> dict[str, Any]:
        """As a JSON value with the name of the type around it."""
        return {type(self).__name__: self.to_value()}

    def to_json(self) -> str:
        """As a JSON text."""
        return json_text.write(self.to_envelope())


def _checked(known: Mapping[str, Kind], values: Mapping[str, Any]) -> dict[str, object]:
    checked: dict[str, object] = {}
    for name, kind in known.items():
        try:
            checked[name] = kind.read(values[name])
        except InvalidMessageError as problem:
            raise InvalidMessageError(f"{name}: {problem}") from None
    return checked


_KINDS: dict[type, Mapping[str, Kind]] = {}


def kinds(cls: type[Part]) -> Mapping[str, Kind]:
    """The declared fields of a class, in their order."""
    known = _KINDS.get(cls)
    if known is None:
        fields = [field for field in dataclasses.fields(cls) if _KIND in field.metadata]
        known = {field.name: cast("Kind", field.metadata[_KIND]) for field in fields}
        _KINDS[cls] = known
    return known


def _described(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object" if isinstance(value, Mapping) else type(value).__name__)
