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

_ESCAPE = r"(?P<escape>\\(?:u[0-9a-f]{4}|.))"  # stays whole: half of one would break the line's JSON
_FOREIGN = r"""
      \$(?:argon2|(?:fb)?scrypt|pbkdf2|bcrypt|wp\$|2[aby]\$|[PHS56]\$)[^\s"\\]+   # a password hash
    | (?:pbkdf2[_:]sha\d+[$:]|scrypt[$:])\d+[^\s"\\]+ # one of Django's or Werkzeug's
    | \{(?:S?(?:SHA\d*|MD5)|CRYPT|pbkdf2|scrypt)\}[^\s"\\]+ # one of LDAP's or Spring's
    | -----BEGIN(?:[^"\\]|\\.)*                      # a key in PEM
    """

_SECRETS = re.compile(
    rf"""
      {_ESCAPE}
    | [\w-]{{8,}}\.[\w-]{{8,}}\.[\w-]{{8,}}          # a JWT, signed or with its end cut off
    | lk(?:2|d1)\.[\w.-]+                           # a refresh token, or a device token
    | (?:lkc_)?drf_[a-z2-7]+\.[a-z2-7]+              # a registration: its flow, or the code in its link
    | lk[cs]?_[a-z2-7_]{{16,}}                       # an API key, a client secret, a code from a mail
    | {_FOREIGN}
    """,
    re.VERBOSE,
)
"""What looks like a secret, or like a part of one."""

_WHOLE_SECRETS = re.compile(
    rf"""
      {_ESCAPE}
    | (?<![\w-])e(?:y[A-DI-L]|w[k-r0-3])[\w-]{{5,}}\.[\w-]{{8,}}\.[\w-]{{8,}} # a JWT begins with JSON
    | lk2\.[\w-]+\.[\w-]+\.\d+\.[\w-]+
    | lkd1\.[\w-]+\.\d+\.[\w-]+
    | (?:lkc_)?drf_[a-z2-7]{{26}}\.[a-z2-7]{{59}}
    | lk_[a-z2-7]{{26}}_[a-z2-7]{{59}}
    | lk[cs]_[a-z2-7]{{59}}
    | {_FOREIGN}
    """,
    re.VERBOSE,
)
"""The same in the lengths and with the beginnings that they have."""

_IDENTIFIERS = frozenset({"event", "sub", "sid", "client_id", "actor", "partner_id", "request_id", "address"})
"""Members of a line that hold identifiers of ours. `reason` is one too where the line records a security event: it is
made of our own words, and of names that operators gave to roles, permissions and keys."""


def redact(line: str) -> str:
    """Return the line of JSON with everything that looks like a secret replaced: the last safeguard, not the first."""
    return _SECRETS.sub(_redacted, line)


def redact_identifiers(line: str) -> str:
    """Return JSON of identifiers with every whole secret replaced.

    Operators choose some names, such as `lk_superadmin_of_payments` or a `kid` with two dots. They stay as they are.
    """
    return _WHOLE_SECRETS.sub(_redacted, line)


def _redacted(found: re.Match[str]) -> str:
    return found["escape"] or "[redacted]"


class RedactingFormatter(LambdaPowertoolsFormatter):
    """Powertools' JSON line, without anything that looks like a secret."""

    def serialize(self, log: Any) -> str:
        """Return the redacted line: one JSON object, with its identifiers behind the other members."""
        ours = _IDENTIFIERS | {"reason"} if "event" in log else _IDENTIFIERS
        identifiers = {name: value for name, value in log.items() if name in ours}
        rest = {name: value for name, value in log.items() if name not in ours}
        if not (identifiers and rest):
            return redact(super().serialize(log))
        return f"{redact(super().serialize(rest))[:-1]},{redact_identifiers(super().serialize(identifiers))[1:]}"


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
