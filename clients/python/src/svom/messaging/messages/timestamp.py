"""Dates as the mission's messages hold them: ISO 8601, with or without fraction and zone.

A `Timestamp` is the text as it was written, so that it is written back unchanged; `datetime` is what it
means.
"""

from __future__ import annotations

import datetime as dt
import re

from ..errors import InvalidMessageError

_LONG_MONTH = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
_SHORT_MONTH = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
_FEBRUARY = "02-(?:0[1-9]|1[0-9]|2[0-8])"
_LEAP_YEAR = "(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = f"(?!0000)(?:[0-9]{{4}}-(?:{_LONG_MONTH}|{_SHORT_MONTH}|{_FEBRUARY})|{_LEAP_YEAR}-02-29)"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FRACTION = r"(?:\.[0-9]{1,12})?"
_ZONE = "(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?"

PATTERN = f"^{_DATE}T{_TIME}{_FRACTION}{_ZONE}$(?!\\n)"
"""What a date looks like, as a regular expression that JSON Schema and Python read alike. It knows how
many days each month has."""

_MATCH = re.compile(PATTERN)
_PARTS = re.compile(r"(?P<whole>.{19})(?:\.(?P<fraction>[0-9]+))?(?P<zone>.*)")
_MICROSECOND_DIGITS = 6


class Timestamp(str):
    """A date as it was written."""

    __slots__ = ()

    def __new__(cls, text: str) -> Timestamp:
        """Takes a text that is a date; any other raises `InvalidMessageError`."""
        if not isinstance(text, str) or _MATCH.search(text) is None:
            shown = text[:40] if isinstance(text, str) else text
            raise InvalidMessageError(
                f"{shown!r} is no date: write it like 2019-01-09T14:20:01, with or without a fraction "
                "of the second and a zone (Z or +01:00)"
            )
        return super().__new__(cls, text)

    @classmethod
    def of(cls, moment: dt.datetime) -> Timestamp:
        """A moment, with its zone if it has one; UTC is written as Z."""
        return cls(moment.isoformat().replace("+00:00", "Z"))

    @classmethod
    def now(cls) -> Timestamp:
        """This moment in UTC, to the millisecond."""
        return cls(f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z")

    @property
    def datetime(self) -> dt.datetime:
        """What it means; without a zone where it names none. Digits beyond the microsecond are cut."""
        parts = _PARTS.fullmatch(self)
        if parts is None:  # its own check was stricter
            raise InvalidMessageError(f"{self!r} is no date")
        moment = dt.datetime.fromisoformat(parts["whole"])
        fraction = (parts["fraction"] or "")[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0")
        return moment.replace(microsecond=int(fraction), tzinfo=_zone(parts["zone"]))


def _zone(text: str) -> dt.tzinfo | None:
    if not text:
        return None
    if text == "Z":
        return dt.timezone.utc
    hours, minutes = int(text[1:3]), int(text[-2:])
    offset = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-offset if text[0] == "-" else offset)
