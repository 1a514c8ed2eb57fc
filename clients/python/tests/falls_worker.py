"""A reader of the durable `all`, in a process of its own: one line of standard output for each message.

Ends in order with the end of its input.
"""

from __future__ import annotations

import os
import sys

from svom.messaging.natsio import Delivery, NatsIo


def handle(delivery: Delivery) -> None:
    os.write(1, f"{delivery.text}\n".encode())  # in one piece, whatever the other worker writes


with NatsIo.from_secret(sys.argv[1]) as client, client.durable("all", handle, workers=2):
    os.write(1, b"ready\n")
    sys.stdin.read()
