"""The messages that the mission defines."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from . import json_text
from .model import MissionMessage, Part, date, number, part, text
from .timestamp import Timestamp


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceDescriptor(Part):
    """Which service it is."""

    name: str = text("Name of the service, such as WEBSOCKET_GATEWAY")
    creation_date: Timestamp = date("When the service was started")
    uri: str = text("Address of the service, such as svom://natsgateway")
    instrument: str = text("Instrument that it works for, or ANY")
    mode: str = text("Mode of the mission in which it works, or ANY")
    version: float = number("Version of the service")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceStatus(MissionMessage):
    """A service tells in which state it is."""

    descriptor: ServiceDescriptor = part("Which service it is", ServiceDescriptor)
    activity: str = text("What it does, such as Running")
    date: Timestamp = date("Since when, or when it was so")

    @classmethod
    def of(
        cls,
        activity: str,
        name: str,
        *,
        uri: str,
        creation_date: str | dt.datetime | None = None,
        instrument: str = "ANY",
        mode: str = "ANY",
        version: float = 1.0,
        date: str | dt.datetime | None = None,
    ) -> ServiceStatus:
        """The state of a service; dates that are left out are now."""
        now = Timestamp.now()
        descriptor = ServiceDescriptor(
            name=name,
            creation_date=_date(creation_date, now),
            uri=uri,
            instrument=instrument,
            mode=mode,
            version=version,
        )
        return cls(descriptor=descriptor, activity=activity, date=_date(date, now))

    @classmethod
    def running(
        cls,
        name: str,
        *,
        uri: str,
        creation_date: str | dt.datetime | None = None,
        instrument: str = "ANY",
        mode: str = "ANY",
        version: float = 1.0,
        date: str | dt.datetime | None = None,
    ) -> ServiceStatus:
        """A service that runs; dates that are left out are now."""
        return cls.of(
            "Running",
            name,
            uri=uri,
            creation_date=creation_date,
            instrument=instrument,
            mode=mode,
            version=version,
            date=date,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataNotification(MissionMessage):
    """New data are there."""

    source: str = text("Where the data come from, such as VHF")
    data_type: str = text("What they are, such as ECLALERTL1")
    date: Timestamp = date("When they came")
    message: str = text("What is told about them; a JSON text within this text where it has a structure")
    resource_locator: str = text("Where they are to be had")

    @classmethod
    def of(
        cls,
        source: str,
        data_type: str,
        message: str | Mapping[str, Any],
        resource_locator: str,
        *,
        date: str | dt.datetime | None = None,
    ) -> DataNotification:
        """New data; a mapping is written as JSON, and a date that is left out is now."""
        return cls(
            source=source,
            data_type=data_type,
            date=_date(date, Timestamp.now()),
            message=message if isinstance(message, str) else json_text.write(message),
            resource_locator=resource_locator,
        )

    def content(self) -> Any:  # noqa: ANN401 - a JSON value is anything
        """The value of `message`, where that is a JSON text; raises `InvalidMessageError` where not."""
        return json_text.read(self.message)


def _date(given: str | dt.datetime | None, otherwise: Timestamp) -> Timestamp:
    if given is None:
        return otherwise
    return Timestamp(given) if isinstance(given, str) else Timestamp.of(given)
