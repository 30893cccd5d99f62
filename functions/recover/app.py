"""Requests for a mail: to confirm an address, or to set a new password."""

from functools import cache

from latchkey.core.mail.requests import MailRequests
from latchkey.core.model import MailKind
from latchkey.edge import bootstrap
from latchkey.edge.forms import LOGIN_NAMES, Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Requests for a mail")
handler = routes.handler


@routes("POST /v1/user/resendEmail", needs=PUBLIC)
def resend_confirmation(request: Request) -> Response:
    """Return 202 and send the confirmation again, if there is an account that waits for it."""
    return _accept(MailKind.CONFIRM, request)


@routes("POST /v1/user/password/restore", needs=PUBLIC)
def restore_password(request: Request) -> Response:
    """Return 202 and send a code for a new password, if there is such an account."""
    return _accept(MailKind.RESET, request)


def _accept(about: MailKind, request: Request) -> Response:
    """Return the same answer whether or not there is an account: this function may not even look."""
    mail_requests()(about, _login(request), address=request.address, now=request.now)
    return Response(202, {"message": "If there is such an account, a mail is on its way"})


def _login(request: Request) -> str:
    """Read `{login|username|email, source?}` and return the login."""
    members = Members.of_json(request)
    login = members.login(*LOGIN_NAMES)
    members.anything("source")
    members.nothing_else()
    return login


@cache
def mail_requests() -> MailRequests:
    """Return the requests for mail."""
    return MailRequests(bootstrap.attempts(), bootstrap.outbox())
