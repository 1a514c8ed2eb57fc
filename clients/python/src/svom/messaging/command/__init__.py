"""`svom-msg`: publish, read and diagnose from a shell.

What was asked for goes to standard output, everything else to standard error. The exit codes are 0 (done),
1 (it is said what is wrong) and 2 (the command line itself is wrong).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from ..errors import MessagingError
from . import doctor, reading, writing
from .words import parsed


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the words ask for, and gives the exit code."""
    words = parsed(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.WARNING, format="svom-msg: %(message)s", stream=sys.stderr)
    commands = {
        "publish": writing.publish,
        "validate": writing.validate,
        "subscribe": reading.subscribe,
        "durable": reading.durable,
        "doctor": doctor.doctor,
    }
    try:
        return commands[words.command](words)
    except MessagingError as problem:
        sys.stderr.write(f"svom-msg: {problem}\n")
        return 1
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:
        # Who reads has read enough. What is left in the buffer must not be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
