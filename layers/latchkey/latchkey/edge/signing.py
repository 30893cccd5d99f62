"""The routes of the signing policy: what they take."""

from __future__ import annotations

from typing import Any

from latchkey.core.signing_policy.admin import PolicyAdmin, Settings
from latchkey.edge.forms import Members, nothing_given
from latchkey.edge.http import Request
from latchkey.edge.operators import permitted
from latchkey.signing.keys import Algorithm
from latchkey.signing.policy import Moment

READ_SECRET = "signing:read_secret"  # noqa: S105 - the name of a permission
_LIFETIMES = ("access_ttl", "refresh_ttl", "refresh_idle_ttl", "refresh_retry_limit")


def answer(request: Request, admin: PolicyAdmin, moment: Moment) -> dict[str, Any]:
    """Do what the route says and return the body of the answer. Raises `FORBIDDEN` without its permission."""
    match request.method, request.path.removeprefix("/v1/admin/signing"):
        case "GET", "/validation-key":
            return _validation_key(request, admin)
        case "GET", _:
            permitted(request)
            return admin.show(request.now)
        case "PATCH", _:
            who = permitted(request)
            return admin.change(who.sub, _settings(request), moment)
        case "POST", "/rotate":
            who = permitted(request)
            request.require_empty()
            return admin.rotate(who.sub, moment)
        case _:
            return _reset(request, admin, moment)


def _validation_key(request: Request, admin: PolicyAdmin) -> dict[str, Any]:
    who = permitted(request)
    secret = READ_SECRET in who.permissions
    return admin.validation_key(who.sub, may_read_secret=secret, auth_time=who.auth_time, now=request.now)


def _reset(request: Request, admin: PolicyAdmin, moment: Moment) -> dict[str, Any]:
    """Reset in two steps: the first asks for a confirmation, the second brings it with `understood: true`."""
    who = permitted(request)
    members = Members.of_json(request)
    confirmation = members.optional("confirmation_token")
    understood = members.flag("understood")
    end_sessions = members.flag("end_sessions")
    members.nothing_else()
    if confirmation and understood:
        return admin.reset(who.sub, confirmation, moment)
    raise admin.propose_reset(who.sub, moment, end_sessions=end_sessions)


def _settings(request: Request) -> Settings:
    """Read `{algorithm?, access_ttl?, refresh_ttl?, refresh_idle_ttl?, refresh_retry_limit?}`: at least one."""
    members = Members.of_json(request)
    algorithm = members.choice("algorithm", tuple(Algorithm))
    given = {name: members.number(name) for name in _LIFETIMES}
    members.nothing_else()
    lifetimes = {name: value for name, value in given.items() if value is not None}
    if algorithm is None and not lifetimes:
        raise nothing_given("algorithm", *_LIFETIMES)
    return Settings(Algorithm(algorithm) if algorithm else None, lifetimes)
