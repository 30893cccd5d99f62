"""Confirmation of an e-mail address: of a new account, or of an account that was never confirmed."""

import re
import secrets
from functools import cache

from latchkey.core.credentials.passwords import Argon2Cost
from latchkey.core.errors import invalid_field
from latchkey.core.users.confirmations import AddressConfirmations, DraftConfirmations
from latchkey.edge import bootstrap
from latchkey.edge.forms import LONGEST_PASSWORD, Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes
from latchkey.edge.telemetry import LogJournal

routes = Routes("Confirmation of an e-mail address")
handler = routes.handler

_DIGITS = re.compile(r"[0-9]{6}")


@routes("POST /v1/user/confirm", needs=PUBLIC)
def confirm(request: Request) -> Response:
    """Take `{flow, code}` on the device that registered, or `{code, password}` with the code of a link; return 204."""
    members = Members.of_json(request)
    flow, code = members.optional("flow"), members.code("code")
    if flow is None:
        _confirm_by_link(request, code, members)
    else:
        members.nothing_else()
        if not _DIGITS.fullmatch(code):
            raise invalid_field("code", "bad_format", "These must be the six digits of the mail.")
        drafts().on_device(flow, code, now=request.now)
    return Response(204)


@routes("GET /v1/user/confirm/{code}", needs=PUBLIC)
def show(request: Request) -> Response:
    """Return 200 and change nothing: mail scanners follow links."""
    code = request.path_parameters["code"]
    (drafts() if _is_of_draft(code) else addresses()).require_open(code, now=request.now)
    return Response(200, {"status": "pending"})


@routes("POST /v1/user/confirm/{code}", needs=PUBLIC)
def confirm_by_link(request: Request) -> Response:
    """Take `{password}` with the code of a link, and return 204."""
    _confirm_by_link(request, request.path_parameters["code"], Members.of_json(request))
    return Response(204)


def _confirm_by_link(request: Request, code: str, members: Members) -> None:
    password = members.required("password", longest=LONGEST_PASSWORD)
    members.nothing_else()
    service = drafts() if _is_of_draft(code) else addresses()
    service.by_link(code, password, address=request.address, now=request.now)


def _is_of_draft(code: str) -> bool:
    return "." in code


@cache
def drafts() -> DraftConfirmations:
    """Return the confirmation of registrations."""
    return DraftConfirmations(
        users=bootstrap.store(),
        drafts=bootstrap.store(),
        seals=bootstrap.seals(),
        attempts=bootstrap.attempts(),
        journal=LogJournal(),
        entropy=secrets.token_bytes,
        cost=Argon2Cost(),
    )


@cache
def addresses() -> AddressConfirmations:
    """Return the confirmation of the addresses of accounts."""
    return AddressConfirmations(
        users=bootstrap.store(),
        credentials=bootstrap.store(),
        codes=bootstrap.store(),
        attempts=bootstrap.attempts(),
        journal=LogJournal(),
        cost=Argon2Cost(),
    )
