"""The mailer, invoked by the table's stream: sends the mails in the outbox."""

import os
import secrets
import time
from functools import cache
from typing import Any

from latchkey.adapters import dynamodb, ses
from latchkey.adapters.dynamodb.mail import mail_of
from latchkey.core.mail.mailroom import Mailroom
from latchkey.edge.settings import Environment
from latchkey.edge.telemetry import LogJournal, log_crash, logger
from latchkey.mails.letters import JinjaWriter

logger()  # refuses to start if events would be logged: they hold addresses


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Send the mails of one batch, and name the first that could not be sent. Lambda retries from there."""
    return deliver(event, mailroom(), now=int(time.time()))


def deliver(event: dict[str, Any], mailroom: Mailroom, *, now: int) -> dict[str, Any]:
    """Send the mails of a stream event in order; return the answer that `ReportBatchItemFailures` asks for."""
    for record in event["Records"]:
        image = record["dynamodb"]
        try:
            mailroom.deliver(mail_of(image["NewImage"]), now=now)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the mail must not be lost with it
            log_crash(error)
            return {"batchItemFailures": [{"itemIdentifier": image["SequenceNumber"]}]}
    return {"batchItemFailures": []}


@cache
def mailroom() -> Mailroom:
    """Return the sender of mails."""
    env = Environment(os.environ)
    table = dynamodb.DynamoStore(dynamodb.connect(), env.text("LATCHKEY_TABLE"))
    return Mailroom(
        outbox=table,
        codes=table,
        credentials=table,
        writer=JinjaWriter(),
        postman=ses.SesPostman(ses.connect(), env.text("LATCHKEY_MAIL_FROM")),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        link_base=(env.text("LATCHKEY_MAIL_LINK_BASE", "") or env.text("LATCHKEY_ISSUER")).rstrip("/"),
        service_name=env.text("LATCHKEY_SERVICE_NAME", "latchkey"),
    )
