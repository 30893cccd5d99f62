"""A new e-mail address."""

from functools import cache

from latchkey.core.authenticators.change_email import EmailChanges
from latchkey.core.authenticators.undo_email import EmailUndo
from latchkey.edge import bootstrap, documents, forms
from latchkey.edge.callers import Caller
from latchkey.edge.forms import LONGEST_PASSWORD, Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes, person
from latchkey.edge.telemetry import LogJournal

routes = Routes("A new e-mail address")
handler = routes.handler


@routes("POST /v1/user/email/change", needs=person("profile:write"))
def change(request: Request, caller: Caller) -> Response:
    """Send six digits to the new address and return 202, whether or not the address is taken."""
    email, current = _change(request)
    email_changes().request(caller.sub, caller.sid, email, current, now=request.now)
    return Response(202, {"message": "If the address can be used, a mail is on its way"})


@routes("POST /v1/user/email/confirm", needs=person("profile:write"))
def confirm(request: Request, caller: Caller) -> Response:
    """Move the account to the new address, with the digits that were sent there, and return 200 with a device token."""
    device_token = email_changes().confirm(caller.sub, caller.sid, forms.code(request), now=request.now)
    return Response(200, documents.known_device(device_token))


@routes("POST /v1/user/email/undo", needs=PUBLIC)
def undo(request: Request) -> Response:
    """Return the account to its former address, with the code that was sent there, and return 204."""
    email_undo()(forms.code(request), now=request.now)
    return Response(204)


@routes("GET /v1/user/email/undo", needs=PUBLIC)
def show_undo(request: Request) -> Response:
    """Return 200 with what to do with the code of the mail, and change nothing. No server sees the code of the link."""
    return Response(200, {"message": "To undo the change of your address, enter the code from the mail in the app."})


def _change(request: Request) -> tuple[str, str]:
    """Read `{email, current_password}` and return both."""
    members = Members.of_json(request)
    email = members.login("email")
    current = members.required("current_password", longest=LONGEST_PASSWORD)
    members.nothing_else()
    return email, current


@cache
def email_changes() -> EmailChanges:
    """Return the changes of e-mail addresses."""
    store = bootstrap.store()
    return EmailChanges(
        addresses=store,
        credentials=store,
        sessions=store,
        codes=store,
        attempts=bootstrap.attempts(),
        seals=bootstrap.seals(),
        devices=bootstrap.device_tokens(),
        ownership=bootstrap.ownership(),
        outbox=bootstrap.outbox(),
        journal=LogJournal(),
    )


@cache
def email_undo() -> EmailUndo:
    """Return the way back from a change of address."""
    store = bootstrap.store()
    return EmailUndo(
        addresses=store,
        credentials=store,
        links=store,
        sessions=store,
        codes=store,
        outbox=bootstrap.outbox(),
        journal=LogJournal(),
    )
