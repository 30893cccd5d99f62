"""Administration of the signing policy."""

import os
from functools import cache

from latchkey.core.roles.roles import Operator
from latchkey.core.signing_policy.admin import PolicyAdmin, Settings
from latchkey.edge import bootstrap
from latchkey.edge.forms import Members, nothing_given
from latchkey.edge.http import MAX_BODY, Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.settings import Environment
from latchkey.signing.keys import Algorithm

routes = Routes("Administration of the signing policy")
handler = routes.handler

_LIFETIMES = ("access_ttl", "refresh_ttl", "refresh_idle_ttl", "refresh_retry_limit")


@routes("GET /v1/admin/signing", needs="signing:read")
def show(request: Request, operator: Operator) -> Response:
    """Return 200 with the policy, without any private part."""
    return Response(200, policy_admin().show(request.now))


@routes("PATCH /v1/admin/signing", needs="signing:write")
def change(request: Request, operator: Operator) -> Response:
    """Change the algorithm or lifetimes, and return 200 with the policy."""
    changed = policy_admin().change(operator.sub, _settings(request), bootstrap.moment(request.now))
    return Response(200, changed)


@routes("POST /v1/admin/signing/rotate", needs="signing:write")
def rotate(request: Request, operator: Operator) -> Response:
    """Start using the next key as soon as every verifier knows it, and return 200 with the policy."""
    request.require_empty()
    return Response(200, policy_admin().rotate(operator.sub, bootstrap.moment(request.now)))


@routes("POST /v1/admin/signing/reset", needs="signing:write")
def reset(request: Request, operator: Operator) -> Response:
    """Revoke every key at once, in two calls: the first returns 409 with a token, the second confirms with it."""
    members = Members.of_json(request)
    confirmation = members.optional("confirmation_token", longest=MAX_BODY)
    understood = members.flag("understood")
    end_sessions = members.flag("end_sessions")
    members.nothing_else()
    moment = bootstrap.moment(request.now)
    if confirmation and understood:
        return Response(200, policy_admin().reset(operator.sub, confirmation, moment))
    raise policy_admin().propose_reset(operator.sub, moment, end_sessions=end_sessions)


@routes("GET /v1/admin/signing/validation-key", needs="signing:read")
def show_validation_key(request: Request, operator: Operator) -> Response:
    """Return 200 with the key that validates tokens. A shared secret also needs `signing:read_secret`."""
    secret = operator.holds(("signing:read_secret",))
    key = policy_admin().validation_key(
        operator.sub, may_read_secret=secret, auth_time=operator.auth_time, now=request.now
    )
    return Response(200, key)


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


@cache
def policy_admin() -> PolicyAdmin:
    """Return the administration of the signing policy."""
    allow_hs256 = Environment(os.environ).flag("LATCHKEY_ALLOW_HS256")
    return PolicyAdmin(bootstrap.policy_writer(), bootstrap.seal_writer(), bootstrap.store(), allow_hs256)
