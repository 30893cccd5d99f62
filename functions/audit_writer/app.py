"""The writer of the audit log, invoked by CloudWatch Logs with the lines that record security events."""

import gzip
import os
import re
import zlib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from latchkey.adapters import dynamodb
from latchkey.core.events import AuditStore, RecordedEvent, without_repeats
from latchkey.edge.settings import Environment
from latchkey.edge.telemetry import logger
from latchkey.signing.strict_json import StrictJsonError, integer_member, loads, string_member

_DAY = 86_400
_MILLISECONDS = 1000
_LATEST = 9_999_999_999_999
_OPTIONAL = ("sub", "sid", "client_id", "reason", "actor", "request_id", "address", "partner_id")
_LONGEST = 1024
_ID = re.compile(r"[0-9A-Za-z_-]{1,128}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def handler(event: dict[str, Any], context: object) -> None:
    """Keep the events of one delivery. After an error, Lambda retries."""
    recorder()(event)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Keeps the security events of log lines for `retention_days`."""

    store: AuditStore
    retention_days: int

    def __call__(self, delivery: Mapping[str, Any]) -> None:
        """Keep the events of a delivery of CloudWatch Logs, anonymous refusals that are alike as one.

        A line that cannot be read is reported to the log and left out, since a retry would not help. Raises
        `UNAVAILABLE` when the store fails, so that the same delivery comes again.
        """
        events = list(without_repeats(self._events(delivery)))
        if events:
            self.store.record_events(events)

    def _events(self, delivery: Mapping[str, Any]) -> Iterator[RecordedEvent]:
        try:
            document = _document(delivery)
            if document.get("messageType") != "DATA_MESSAGE":  # CONTROL_MESSAGE only checks that the function answers
                return
            lines = list(document["logEvents"])
        except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
            logger().error("audit_unreadable", extra={"error": type(error).__name__})
            return
        for line in lines:
            try:
                yield self._event(line)
            except (KeyError, TypeError, ValueError) as error:
                logger().error("audit_unreadable", extra={"error": str(error)})

    def _event(self, line: Mapping[str, Any]) -> RecordedEvent:
        """Return the event of a line as CloudWatch Logs delivers it. Raises `KeyError`, `TypeError`, `ValueError`."""
        members = _object(line["message"])
        time = integer_member(members, "time")
        if not 0 <= time <= _LATEST:
            raise ValueError("time")
        return RecordedEvent(
            event_id=_shaped(line["id"], _ID, "id"),
            time=time,
            name=_shaped(string_member(members, "event"), _NAME, "event"),
            expires_at=time // _MILLISECONDS + self.retention_days * _DAY,
            count=1,
            **{name: string_member(members, name)[:_LONGEST] for name in _OPTIONAL if name in members},
        )


def _document(delivery: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a delivery holds: JSON in gzip in Base64 (CloudWatch Logs user guide, "subscription filters")."""
    return _object(gzip.decompress(b64decode(delivery["awslogs"]["data"], validate=True)))


def _object(text: bytes | str) -> Mapping[str, Any]:
    document = loads(text)
    if not isinstance(document, Mapping):
        raise StrictJsonError("not_an_object")
    return document


def _shaped(text: str, shape: re.Pattern[str], name: str) -> str:
    if not shape.fullmatch(text):
        raise ValueError(name)
    return text


@cache
def recorder() -> Recorder:
    """Return the writer of the audit log."""
    env = Environment(os.environ)
    table = dynamodb.DynamoStore(dynamodb.connect(), env.text("LATCHKEY_TABLE"))
    return Recorder(table, env.number("LATCHKEY_AUDIT_RETENTION_DAYS", 365, low=1, high=3653))
