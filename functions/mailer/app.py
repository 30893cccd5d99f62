"""The mailer, invoked by the table's stream: sends the mails in the outbox."""

import os
import secrets
import time
from functools import cache
from typing import Any

from latchkey.adapters import dynamodb, secrets_manager, ses
from latchkey.adapters.dynamodb.mail import mail_of
from latchkey.adapters.secrets_manager import SecretSealSource
from latchkey.adapters.store import Store
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.draft_letters import DraftLetters
from latchkey.core.mail.mailroom import Mailroom
from latchkey.core.mail.postage import Postage
from latchkey.edge.settings import Environment
from latchkey.edge.telemetry import LogJournal, log_crash, logger
from latchkey.mails.letters import JinjaWriter

logger()  # refuses to start if events would be logged: they hold addresses


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Send the mails of one batch, and name the first that could not be sent. Lambda retries from there."""
    now = int(time.time())
    return deliver(event, mailroom(link_base(now)), now=now)


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


def link_base(now: int) -> str:
    """Return where the links of mails begin: the stack's setting or, without one, the issuer that tokens name now."""
    base = Environment(os.environ).text("LATCHKEY_MAIL_LINK_BASE", "")
    if not base:
        published = _table().published_keys()
        if published is None:
            raise ServiceError(Errors.UNAVAILABLE, "no keys are published yet")
        base = published.issuer_at(now)
    return base.rstrip("/")


@cache
def _table() -> Store:
    return dynamodb.DynamoStore(dynamodb.connect(), Environment(os.environ).text("LATCHKEY_TABLE"))


@cache
def _seals() -> SecretSealSource:
    env = Environment(os.environ)
    cached = env.number("LATCHKEY_POLICY_CACHE", 60, low=1, high=60)
    return SecretSealSource(secrets_manager.connect(), env.text("LATCHKEY_SEAL_SECRET"), time.monotonic, cached)


@cache
def mailroom(link_base: str) -> Mailroom:
    """Return the sender of mails whose links begin like this."""
    env = Environment(os.environ)
    return Mailroom(
        outbox=_table(),
        codes=_table(),
        seals=_seals(),
        credentials=_table(),
        postage=Postage(_table()),
        draft_letters=DraftLetters(_table(), Postage(_table()), _table(), _seals()),
        writer=JinjaWriter(),
        postman=ses.SesPostman(ses.connect(), env.text("LATCHKEY_MAIL_FROM")),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        link_base=link_base,
        service_name=env.text("LATCHKEY_SERVICE_NAME", "latchkey"),
    )
