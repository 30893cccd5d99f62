"""The first admin of a stack. No route leads here: IAM decides who may invoke this function."""

from functools import cache

from latchkey.core.roles.roles import BUILT_IN
from latchkey.core.users.accounts import Registration
from latchkey.core.users.first_admin import FirstAdmin
from latchkey.edge import bootstrap, documents
from latchkey.edge.forms import LONGEST_PASSWORD, Members
from latchkey.edge.http import Request, Response, endpoint
from latchkey.edge.telemetry import LogJournal


@endpoint
def handler(request: Request) -> Response:
    """Return 201 with the account. Event and response are those of a proxy integration."""
    user = first_admin().create(_registration(request), now=request.now)
    # A new stack has no roles of its own yet, and this function can only add items.
    return Response(201, documents.profile(user, BUILT_IN))


def _registration(request: Request) -> Registration:
    """Read `{login, password}`."""
    members = Members.of_json(request)
    asked = Registration(
        login=members.login("login"),
        password=members.required("password", longest=LONGEST_PASSWORD),
    )
    members.nothing_else()
    return asked


@cache
def first_admin() -> FirstAdmin:
    """Return the opening of the first admin's account."""
    return FirstAdmin(bootstrap.store(), bootstrap.accounts(), LogJournal())
