"""The mailer's side of the table's stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latchkey.adapters.dynamodb.mail import mail_of
from latchkey.core.mail.mailroom import Mailroom
from latchkey.edge.telemetry import log_crash

Event = Mapping[str, Any]


def deliver(event: Event, mailroom: Mailroom, *, now: int) -> dict[str, Any]:
    """Send the mails of a stream event, in order, and name the first that could not be sent.

    Lambda comes back with that one and those behind it, as `ReportBatchItemFailures` says.
    """
    for record in event["Records"]:
        image = record["dynamodb"]
        try:
            mailroom.deliver(mail_of(image["NewImage"]), now=now)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the mail must not be lost with it
            log_crash(error)
            return {"batchItemFailures": [{"itemIdentifier": image["SequenceNumber"]}]}
    return {"batchItemFailures": []}
