"""Mail by Amazon SES, version 2 of its API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from latchkey.adapters.aws import CONFIG, answered, reason, unavailable
from latchkey.core.mail.store import Letter, Undeliverable

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

_FINAL = frozenset({"BadRequestException", "MessageRejected"})
_PASSES = frozenset({"LimitExceededException", "SendingPausedException", "TooManyRequestsException"})


class SesPostman:
    """Implements `Postman`: sends from one address, the stack's."""

    def __init__(self, client: SESV2Client, sender: str) -> None:
        self._client = client
        self._sender = sender

    def send(self, to: str, letter: Letter) -> None:
        """Hand a letter to SES. Raises `Undeliverable` where SES refuses the letter or its reader for good."""
        try:
            with answered():
                self._client.send_email(
                    FromEmailAddress=self._sender,
                    Destination={"ToAddresses": [to]},
                    Content={
                        "Simple": {
                            "Subject": {"Data": letter.subject, "Charset": "UTF-8"},
                            "Body": {
                                "Text": {"Data": letter.text, "Charset": "UTF-8"},
                                "Html": {"Data": letter.html, "Charset": "UTF-8"},
                            },
                        }
                    },
                )
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] in _FINAL:
                raise Undeliverable(reason(refusal)) from refusal
            if refusal.response["Error"]["Code"] in _PASSES:
                raise unavailable(reason(refusal)) from refusal
            raise


def connect() -> SESV2Client:
    """Return a client with the service's time-outs; region, credentials and endpoint come from the environment."""
    return boto3.client("sesv2", config=CONFIG)
