"""The audit log's writer, called by CloudWatch Logs with the lines that record security events."""

from typing import Any

from latchkey.edge import bootstrap


def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001 - Lambda's signature
    """Keep the events of one delivery. An error makes Lambda try again."""
    bootstrap.recorder()(event)
