"""Mail by SES, against moto and against the errors that SES knows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import boto3
import pytest
from botocore.stub import Stubber

from infra.local.aws import backend
from infra.local.mail import MailCatcher, every_sender_verified
from latchkey.adapters import ses
from latchkey.core.errors import Errors
from latchkey.core.mail.store import Letter, Undeliverable
from tests.integration.contract import refuses

LETTER = Letter("Тема", "plain Ж", "<p>rich Ж</p>")


def test_a_letter_goes_out_with_both_its_forms() -> None:
    """The mail has the given sender, recipient, subject and both texts."""
    catcher = MailCatcher()
    with backend.running(catcher.observe), every_sender_verified():
        ses.SesPostman(ses.connect(), "no-reply@example.com").send("ann@example.com", LETTER)
    [caught] = catcher.letters()
    assert (caught.to, caught.subject, caught.text, caught.html) == (
        ["ann@example.com"],
        LETTER.subject,
        LETTER.text,
        LETTER.html,
    )


def undeliverable() -> AbstractContextManager[object]:
    return pytest.raises(Undeliverable)


def unavailable() -> AbstractContextManager[object]:
    return refuses(Errors.UNAVAILABLE)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("MessageRejected", 400, undeliverable),
        ("BadRequestException", 400, undeliverable),
        ("TooManyRequestsException", 429, unavailable),
        ("LimitExceededException", 400, unavailable),
        ("SendingPausedException", 400, unavailable),
        ("InternalServiceError", 500, unavailable),
    ],
)
def test_each_refusal_is_final_or_passes(
    code: str, status: int, expected: Callable[[], AbstractContextManager[object]]
) -> None:
    """A letter is given up if SES rejects it; after any other error it is retried."""
    client = boto3.client("sesv2", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubbed:
        stubbed.add_client_error("send_email", code, http_status_code=status)
        with expected():
            ses.SesPostman(client, "no-reply@example.com").send("ann@example.com", LETTER)


def test_a_refusal_is_told_without_the_address() -> None:
    """The log line names the error, and not the address."""
    client = boto3.client("sesv2", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubbed:
        stubbed.add_client_error("send_email", "MessageRejected", "ann@example.com is not verified")
        with pytest.raises(Undeliverable, match=r"^SendEmail: MessageRejected$"):
            ses.SesPostman(client, "no-reply@example.com").send("ann@example.com", LETTER)
