"""Catch the mail that the service sends, and show it at `/_local/mail`."""

from __future__ import annotations

import email
import email.policy
import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from html import escape
from threading import Lock
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.ses.models import SESBackend

from infra.local.gateway.messages import Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.client import BaseClient

    from infra.local.gateway.messages import Request

PATH = "/_local/mail"
MAX_KEPT = 500

_NO_STORE = ("Cache-Control", "no-store")
_PAGE = """<!doctype html><meta charset="utf-8"><title>Latchkey mail</title>
<style>body{{font:16px/1.5 system-ui;max-width:50em;margin:2em auto;padding:0 1em}}article{{border-top:1px solid #999}}
pre{{white-space:pre-wrap}}iframe{{width:100%;height:20em;border:1px solid #ccc}}</style>
<h1>Mail</h1>{letters}"""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail. `received_at` is in seconds since the epoch."""

    to: list[str]
    subject: str
    text: str
    html: str
    received_at: int


class MailCatcher:
    """Keeps the mail that SES was asked to send, newest last."""

    def __init__(self) -> None:
        self._letters: list[Letter] = []
        self._lock = Lock()

    def observe(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        """Keep the mail of a successful SES call, and ignore all other calls."""
        service = client.meta.service_model.service_name
        if (service, operation) == ("sesv2", "SendEmail"):
            self._keep(_from_version_2(parameters))
        elif (service, operation) == ("ses", "SendEmail"):
            self._keep(_from_simple(parameters.get("Destination", {}), parameters["Message"]))
        elif (service, operation) == ("ses", "SendRawEmail"):
            self._keep(_from_raw(parameters.get("Destinations", []), parameters["RawMessage"]["Data"]))

    def letters(self) -> list[Letter]:
        """Return the mail that was caught."""
        with self._lock:
            return list(self._letters)

    def answer(self, request: Request) -> Response:
        """Answer a request for `/_local/mail`: GET lists the mail (JSON or a page), DELETE deletes all of it."""
        if request.method == "DELETE":
            with self._lock:
                self._letters.clear()
            return Response(204)
        if request.method != "GET":
            return Response(405, (("Allow", "GET, DELETE"),))
        if "application/json" in (request.header("Accept") or ""):
            body = json.dumps([asdict(letter) for letter in self.letters()])
            return Response(200, (("Content-Type", "application/json"), _NO_STORE), body.encode())
        page = _PAGE.format(letters="".join(_article(letter) for letter in reversed(self.letters())) or "<p>None yet.")
        return Response(200, (("Content-Type", "text/html; charset=utf-8"), _NO_STORE), page.encode())

    def _keep(self, letter: Letter) -> None:
        with self._lock:
            self._letters = [*self._letters, letter][-MAX_KEPT:]


@contextmanager
def every_sender_verified() -> Iterator[None]:
    """Let moto's SES send from any address: no address can be verified here."""
    with patch.object(SESBackend, "_is_verified_address", return_value=True):
        yield


def _from_version_2(parameters: Mapping[str, Any]) -> Letter:
    content, destination = parameters["Content"], parameters.get("Destination", {})
    if "Raw" in content:
        return _from_raw(_recipients(destination), content["Raw"]["Data"])
    return _from_simple(destination, content["Simple"])


def _from_simple(destination: Mapping[str, Any], message: Mapping[str, Any]) -> Letter:
    body = message["Body"]
    return Letter(
        to=_recipients(destination),
        subject=message["Subject"]["Data"],
        text=body.get("Text", {}).get("Data", ""),
        html=body.get("Html", {}).get("Data", ""),
        received_at=int(time.time()),
    )


def _from_raw(recipients: list[str], data: bytes) -> Letter:
    message = email.message_from_bytes(data, policy=email.policy.default)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    return Letter(
        to=recipients or [str(message["To"])],
        subject=str(message["Subject"] or ""),
        text=str(text.get_content()) if text else "",
        html=str(html.get_content()) if html else "",
        received_at=int(time.time()),
    )


def _recipients(destination: Mapping[str, Any]) -> list[str]:
    return [address for kind in ("To", "Cc", "Bcc") for address in destination.get(f"{kind}Addresses", [])]


def _article(letter: Letter) -> str:
    # The HTML of a mail is shown in a sandbox, because it can contain text that a stranger typed.
    html = f'<iframe sandbox srcdoc="{escape(letter.html)}"></iframe>' if letter.html else ""
    sent = time.strftime("%H:%M:%S", time.localtime(letter.received_at))
    head = f"<h2>{escape(letter.subject)}</h2><p>{escape(', '.join(letter.to))}, {sent}</p>"
    return f"<article>{head}<pre>{escape(letter.text)}</pre>{html}</article>"
