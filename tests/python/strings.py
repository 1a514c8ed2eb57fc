"""Reads what was rendered as JSON, and says what is not as it was meant.

In: frames on standard input: one byte that says what it is, the number of pieces, then each piece
with its length (numbers of 4 bytes, the most significant first).
  L  words that are the same in every configuration
  C  a configuration, then every other string that must stand in it, as often as it must
  N  a context of the `nats` command, then its keys and values, one after the other
Out: a line of JSON for each frame: how many strings were read, and which were wrong.
"""

import base64
import json
import re
import struct
import sys
from collections import Counter

layout = set()


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)


def without_layout(words):
    return Counter(word for word in words if word not in layout)


def configuration(text, wanted):
    found = without_layout(strings(json.loads(text)))
    wanted = without_layout(wanted)
    wrong = [f"missing: {word!r}" for word in wanted - found] + [f"besides: {word!r}" for word in found - wanted]
    return sum(wanted.values()), wrong


def as_the_command_reads(password):
    """What looks like a URI is looked up by the command; of those it knows only `data:` is data."""
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", password)
    if not scheme:
        return password
    prefix = "data:;base64,"
    if not password.startswith(prefix):
        return "looked up elsewhere: " + password
    return base64.b64decode(password[len(prefix):], validate=True).decode()


def context(text, wanted):
    found = json.loads(text)
    if "password" in found:
        found["password"] = as_the_command_reads(found["password"])
    wanted = dict(zip(wanted[::2], wanted[1::2], strict=True))
    wrong = [key for key in sorted(found.keys() | wanted.keys()) if found.get(key) != wanted.get(key)]
    return len(wanted), [f"{key}: {found.get(key)!r} instead of {wanted.get(key)!r}" for key in wrong]


def frame(stream):
    head = stream.read(5)
    if not head:
        return None
    kind, count = struct.unpack(">cI", head)
    pieces = []
    for _ in range(count):
        (length,) = struct.unpack(">I", stream.read(4))
        pieces.append(stream.read(length).decode("utf-8", "strict"))
    return kind, pieces


def judge(kind, pieces):
    if kind == b"L":
        layout.update(pieces)
        return 0, []
    read = {b"C": configuration, b"N": context}[kind]
    try:
        return read(pieces[0], pieces[1:])
    except ValueError as problem:
        return 0, [f"not read: {problem}"]


while (given := frame(sys.stdin.buffer)) is not None:
    read, wrong = judge(*given)
    print(json.dumps({"read": read, "wrong": wrong[:5]}), flush=True)
