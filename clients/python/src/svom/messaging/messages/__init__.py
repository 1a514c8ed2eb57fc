"""The mission's typed messages, and the way from bytes to them and back.

One definition of each message gives both its class and its JSON Schema (`schema`).
"""

from .json_text import MAX_BYTES, MAX_DEPTH
from .mission import DataNotification, ServiceDescriptor, ServiceStatus
from .model import MissionMessage
from .reading import MESSAGE_TYPES, check, parse
from .timestamp import Timestamp

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MESSAGE_TYPES",
    "DataNotification",
    "MissionMessage",
    "ServiceDescriptor",
    "ServiceStatus",
    "Timestamp",
    "check",
    "parse",
]
