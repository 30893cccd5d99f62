"""The issuer of a running stack. No route leads here: IAM decides who may invoke this function.

It needs no access token, so it also repairs a stack that accepts none.
"""

from functools import cache
from typing import Any

from latchkey.adapters.issuer_address import FetchedAddress
from latchkey.core.signing_policy.admin import describe
from latchkey.core.signing_policy.moves import IssuerMove
from latchkey.edge import bootstrap
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response, endpoint
from latchkey.signing.policy import Moment

LONGEST = 256
"""Characters of an issuer."""


@endpoint
def handler(request: Request) -> Response:
    """Move the issuer if the body names one, and return 200 with the issuers.

    Event and response are those of a proxy integration.
    """
    moment = bootstrap.moment(request.now)
    iss = _iss(request)
    return Response(200, _shown(moment) if iss is None else issuer_move().move(iss, moment))


def _iss(request: Request) -> str | None:
    """Read `{iss?}`."""
    members = Members.of_json(request)
    iss = members.optional("iss", longest=LONGEST)
    members.nothing_else()
    return iss


def _shown(moment: Moment) -> dict[str, Any]:
    """Return the policy without any private part, and the seconds between a move and the first token that names it."""
    described = describe(issuer_move().writer.read(), moment.now)
    return {**described, "publish_lead": moment.caches.publish_lead}


@cache
def issuer_move() -> IssuerMove:
    """Return the move of the issuer."""
    return IssuerMove(bootstrap.policy_writer(), FetchedAddress())
