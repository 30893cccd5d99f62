"""Logs, metrics and the journal of security events. No secret gets into them: see `redact`."""

from __future__ import annotations

import json
import os
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from latchkey.core.events import Event
from latchkey.edge.settings import BadSettings

_SECRETS = re.compile(
    r"""
      (?P<escape>\\(?:u[0-9a-f]{4}|.))                # stays whole: half of one would break the line's JSON
    | [\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}                # a JWT, signed or with its end cut off
    | lk2\.[\w.-]+                                   # a refresh token
    | (?:lkc_)?drf_[a-z2-7]+\.[a-z2-7]+              # a registration: its flow, or the code in its link
    | lk[cs]?_[a-z2-7_]{16,}                         # an API key, a client secret, a code from a mail
    | \$(?:argon2|(?:fb)?scrypt|pbkdf2|bcrypt|wp\$|2[aby]\$|[PHS56]\$)[^\s"\\]+   # a password hash
    | (?:pbkdf2[_:]sha\d+[$:]|scrypt[$:])\d+[^\s"\\]+ # one of Django's or Werkzeug's
    | \{(?:S?(?:SHA\d*|MD5)|CRYPT|pbkdf2|scrypt)\}[^\s"\\]+ # one of LDAP's or Spring's
    | -----BEGIN(?:[^"\\]|\\.)*                      # a key in PEM
    """,
    re.VERBOSE,
)


def redact(line: str) -> str:
    """Return the line of JSON with everything that looks like a secret replaced: the last safeguard, not the first."""
    return _SECRETS.sub(lambda found: found["escape"] or "[redacted]", line)


class RedactingFormatter(LambdaPowertoolsFormatter):
    """Powertools' JSON line, without anything that looks like a secret."""

    def serialize(self, log: Any) -> str:
        """Return the redacted line."""
        return redact(super().serialize(log))


@cache
def logger() -> Logger:
    """Return the logger of this function.

    Raises `BadSettings` if event logging is on: events hold passwords and tokens.
    """
    if os.environ.get("POWERTOOLS_LOGGER_LOG_EVENT", "false").lower() not in {"", "0", "n", "no", "f", "false", "off"}:
        raise BadSettings("POWERTOOLS_LOGGER_LOG_EVENT must stay off: events hold passwords and tokens")
    # ASCII alone: readers of the log must not get a raw line separator or a C1 control character of a terminal.
    to_ascii = partial(json.dumps, default=str, separators=(",", ":"))
    return Logger(logger_formatter=RedactingFormatter(json_serializer=to_ascii))


@contextmanager
def on_behalf_of(request_id: str, address: str) -> Iterator[None]:
    """Put a request's id and its caller's address on every line until the context ends.

    Keys of an earlier request in the same environment are removed first, and none are left for the next one.
    """
    logger().thread_safe_clear_keys()
    known = {"request_id": request_id, "address": address}
    logger().thread_safe_append_keys(**{name: value for name, value in known.items() if value})
    try:
        yield
    finally:
        logger().thread_safe_clear_keys()


class LogJournal:
    """A journal that writes each security event as one line and counts it as one metric.

    Only these lines have the member `event`: the audit log's filter in template.yaml selects them by it.
    """

    def record(self, event: Event) -> None:
        """Write the event with its time in milliseconds, without its empty members."""
        members = {name: value for name, value in asdict(event).items() if value and name != "name"}
        logger().info(event.name, extra={"event": event.name, "time": time.time_ns() // 1_000_000} | members)
        with single_metric(name=event.name, unit=MetricUnit.Count, value=1):
            pass


def log_crash(error: BaseException) -> None:
    """Log where an unexpected error happened, and its type. Its text is left out: it may repeat input of the user."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    logger().error("crash", extra={"error": type(error).__name__, "where": where})
