"""Requests for a mail: to confirm an address, or to set a new password."""

from functools import cache

from latchkey.core.mail.requests import MailRequests
from latchkey.core.model import MailKind
from latchkey.core.users.sign_up import MailedAgain
from latchkey.edge import bootstrap
from latchkey.edge.forms import LOGIN_NAMES, Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Requests for a mail")
handler = routes.handler


@routes("POST /v1/user/resendEmail", needs=PUBLIC)
def resend_confirmation(request: Request) -> Response:
    """Return 202, and send a registration's mail again, or an account's that was never confirmed.

    Takes `{flow}` for a registration, or a login for an account.
    """
    members = Members.of_json(request)
    flow = members.optional("flow")
    if flow is None:
        return _accept(MailKind.CONFIRM_ADDRESS, members, request)
    members.nothing_else()
    mailed_again()(flow, address=request.address, now=request.now)
    return _accepted()


@routes("POST /v1/user/password/restore", needs=PUBLIC)
def restore_password(request: Request) -> Response:
    """Return 202 and send a code for a new password, if there is such an account."""
    return _accept(MailKind.RESET, Members.of_json(request), request)


def _accept(about: MailKind, members: Members, request: Request) -> Response:
    """Take `{login|username|email, source?}`, and return the same answer whether or not there is an account.

    This function may not even look.
    """
    login = members.login(*LOGIN_NAMES)
    members.anything("source")
    members.nothing_else()
    mail_requests()(about, login, address=request.address, now=request.now)
    return _accepted()


def _accepted() -> Response:
    return Response(202, {"message": "If there is such an account, a mail is on its way"})


@cache
def mail_requests() -> MailRequests:
    """Return the requests for mail."""
    return MailRequests(bootstrap.attempts(), bootstrap.outbox())


@cache
def mailed_again() -> MailedAgain:
    """Return the requests for the mail of a registration."""
    return MailedAgain(bootstrap.attempts(), bootstrap.outbox())
