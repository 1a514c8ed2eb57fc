"""JSON Schemas (draft 2020-12) of the mission's messages, from the same definition as their classes.

`python -m svom.messaging.messages.schema FOLDER` writes them; with `--check` it writes nothing and
names what differs.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .model import MissionMessage, Part, _Part, kinds
from .reading import MESSAGE_TYPES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(of: type[MissionMessage]) -> dict[str, Any]:
    """The schema of a message, with the name of its type around it."""
    title = of.__name__
    parts: dict[str, type[Part]] = {}
    _collect(of, parts)
    return {
        "$schema": DIALECT,
        "$id": f"urn:svom:messaging:schema:{_file_stem(of)}",
        "title": title,
        "type": "object",
        "properties": {title: {"$ref": f"#/$defs/{title}"}},
        "required": [title],
        "additionalProperties": False,
        "$defs": {name: _object(cls) for name, cls in sorted(parts.items())},
    }


def file_name(of: type[MissionMessage]) -> str:
    """The file of a message's schema."""
    return f"{_file_stem(of)}.schema.json"


def texts() -> dict[str, str]:
    """Every schema as the text of its file."""
    return {file_name(of): json.dumps(schema(of), indent=2, ensure_ascii=False) + "\n" for of in MESSAGE_TYPES.values()}


def main(arguments: Sequence[str]) -> int:
    """Writes every schema, or checks those that are there."""
    only_check = "--check" in arguments
    folders = [Path(argument) for argument in arguments if argument != "--check"]
    if len(folders) != 1:
        sys.stderr.write("name the folder of the schemas, and --check to write nothing\n")
        return 2
    differing = []
    for name, text in texts().items():
        path = folders[0] / name
        if only_check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                differing.append(path)
        else:
            path.write_text(text, encoding="utf-8")
    for path in differing:
        sys.stderr.write(f"{path} is not what the definition gives: write the schemas anew\n")
    return 1 if differing else 0


def _file_stem(of: type[MissionMessage]) -> str:
    words = re.findall("[A-Z][a-z0-9]*", of.__name__)
    return f"{'-'.join(word.lower() for word in words)}.v{of.SCHEMA_VERSION}"


def _collect(of: type[Part], parts: dict[str, type[Part]]) -> None:
    parts[of.__name__] = of
    for kind in kinds(of).values():
        if isinstance(kind, _Part):
            _collect(kind.of, parts)


def _object(of: type[Part]) -> dict[str, Any]:
    known = kinds(of)
    return {
        "type": "object",
        "description": inspect.cleandoc(of.__doc__ or ""),
        "properties": {name: {**kind.schema(), "description": kind.doc} for name, kind in known.items()},
        "required": list(known),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
