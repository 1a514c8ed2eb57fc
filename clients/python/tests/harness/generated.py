"""Messages by the thousand, from a seed: what a search for the smallest failing example is too slow for."""

from __future__ import annotations

import random
import string
from typing import Any

_CHARACTERS = string.printable + 'äß€"\\/\u2028\U0001f680\x00\x7f[]{}'


def text(rng: random.Random) -> str:
    return "".join(rng.choices(_CHARACTERS, k=rng.randrange(20)))


def number(rng: random.Random) -> float:
    return rng.choice([rng.randrange(-(10**18), 10**18), rng.uniform(-1e9, 1e9), rng.randrange(3), 1.0, 0.0, 5e-324])


def date(rng: random.Random) -> str:
    """A date; one in ten is none."""
    year, month, day = rng.randrange(1, 10_000), rng.randrange(1, 13), rng.randrange(1, 29)
    if rng.random() < 0.1:
        year, month, day = rng.choice([1900, 2000, 2019, 2020]), rng.choice([2, 4, 12]), rng.randrange(28, 33)
    fraction = f".{rng.randrange(10**12)}"[: rng.randrange(2, 14)] if rng.random() < 0.5 else ""
    zone = rng.choice(["", "", "Z", "+01:00", "-1130", "+00:00"])
    hour, minute, second = rng.randrange(24), rng.randrange(60), rng.randrange(60)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"


def value(rng: random.Random, depth: int = 3) -> Any:
    kind = rng.randrange(8 if depth else 6)
    if kind == 6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {text(rng): value(rng, depth - 1) for _ in range(rng.randrange(4))}
    return [None, True, False, number(rng), text(rng), date(rng)][kind]


def envelope(rng: random.Random) -> dict[str, Any]:
    """A message; valid, unless a date in it is none."""
    if rng.random() < 0.5:
        descriptor = {name: text(rng) for name in ("name", "uri", "instrument", "mode")}
        descriptor |= {"creation_date": date(rng), "version": number(rng)}
        body = {"descriptor": _with_more(rng, descriptor), "activity": text(rng), "date": date(rng)}
        return {"ServiceStatus": _with_more(rng, body)}
    body = {name: text(rng) for name in ("source", "data_type", "message", "resource_locator")}
    return {"DataNotification": _with_more(rng, {**body, "date": date(rng)})}


def _with_more(rng: random.Random, known: dict[str, Any]) -> dict[str, Any]:
    """With further members, now and then."""
    more = {text(rng): value(rng) for _ in range(rng.choice([0, 0, 1, 2]))}
    return {**more, **known}


def changed(rng: random.Random, of: dict[str, Any]) -> dict[str, Any]:
    """The same with one member somewhere replaced, removed or added."""
    target = of
    while True:
        inner = [one for one in target.values() if isinstance(one, dict)]
        if not inner or rng.random() < 0.3:
            break
        target = rng.choice(inner)
    how = rng.randrange(3)
    if target and how < 2:
        name = rng.choice(sorted(target))
        if how == 0:
            del target[name]
        else:
            target[name] = rng.choice([value, date, number, text])(rng)
    else:
        target[text(rng)] = value(rng)
    return of


def cut(rng: random.Random, data: bytes) -> bytes:
    """The same with some bytes replaced, removed or added."""
    for _ in range(rng.randrange(1, 6)):
        at, length = rng.randrange(len(data) + 1), rng.randrange(6)
        instead = rng.choice([rng.randbytes(2), data[rng.randrange(len(data) + 1) :][:20], b"[", b'"', b"\\", b""])
        data = data[:at] + instead + data[at + length :]
    return data
