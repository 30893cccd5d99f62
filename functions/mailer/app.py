"""The mailer, called by the table's stream: sends what lies in the outbox."""

import time
from typing import Any

from latchkey.edge import bootstrap, mailer
from latchkey.edge.telemetry import logger

logger()  # refuses to start where events would be logged: they hold addresses


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Send the mails of one batch; what is named in the answer comes again."""
    return mailer.deliver(event, bootstrap.mailroom(), now=int(time.time()))
