"""The end of a session by one of its tokens: sign-out, and the revocation endpoint (RFC 7009)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

from latchkey.adapters.published_policy import PolicyKeys
from latchkey.core.grants.revocation import Revocation
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.policy import VerificationKeys
from latchkey.edge import bootstrap, oauth
from latchkey.edge.forms import Members
from latchkey.edge.http import Request
from latchkey.edge.telemetry import LogJournal

_PERMISSION = "sessions:end"
_NAMES = ("refresh_token", "token")


@cache
def revocation() -> Revocation:
    """Return the end of sessions by their tokens."""
    return Revocation(
        store=bootstrap.store(),
        policies=bootstrap.policies(),
        keys=_keys(),
        sessions=bootstrap.sessions(),
        journal=LogJournal(),
        audience=bootstrap.settings().audience,
    )


@cache
def _keys() -> VerificationKeys:
    """Return the keys of the policy, which these functions read anyway."""
    return PolicyKeys(bootstrap.policies(), time.time)


@dataclass(frozen=True, slots=True)
class SignOut:
    """A request to sign out. Without a refresh token, the access token says whose session it is."""

    refresh_token: str = ""
    everywhere: bool = False


def sign_out_request(request: Request) -> SignOut:
    """Read `{refresh_token|token?, sessions?: current|all}`, or no body."""
    if not request.body:
        return SignOut()
    members = Members.of_json(request)
    token = members.secret(*_NAMES) if members.has_one_of(_NAMES) else ""
    which = members.choice("sessions", ("current", "all"))
    members.nothing_else()
    return SignOut(token, which == "all")


def sign_out(request: Request) -> None:
    """End the session of the refresh token or of the access token, or every session of its account.

    A refresh token decides alone: apps send an access token with every request, and it may have expired. Raises
    `INVALID_GRANT` for a bad refresh token, `INVALID_TOKEN` and `FORBIDDEN` for an access token that may not end it.
    """
    asked = sign_out_request(request)
    sub, sid = _by_refresh_token(asked, request.now) if asked.refresh_token else _by_access_token(request)
    if asked.everywhere:
        _end_everywhere(sub, sid, request.now)
    else:
        bootstrap.sessions().end(sub, sid, reason="logout")


def _by_refresh_token(asked: SignOut, now: int) -> tuple[str, str]:
    token = revocation().holder(asked.refresh_token, now=now)
    return token.sub, token.sid


def _by_access_token(request: Request) -> tuple[str, str]:
    from latchkey.edge.operators import require_person
    from latchkey.edge.own_check import with_caller

    proven = with_caller(request, _keys)
    caller = require_person(proven, permissions=(_PERMISSION,))
    return caller.sub, caller.sid


def _end_everywhere(sub: str, sid: str, now: int) -> None:
    """End every session of an account. A session that has been ended must not end those of the owner."""
    from latchkey.core.authenticators.ownership import require_own_session

    require_own_session(*require_live_session(bootstrap.store(), sub, sid, now=now))
    bootstrap.sessions().end_all(sub, reason="logout_everywhere")


def revoke(request: Request) -> None:
    """Read the form `token, token_type_hint?` with the client's proof, and end the session of the token.

    The token says by itself what it is, so the hint is ignored (RFC 7009 section 2.1). Raises `INVALID_CLIENT`,
    `INVALID_REQUEST` and `UNSUPPORTED_TOKEN_TYPE`.
    """
    members, client_id, client_secret = oauth.client_form(request)
    token = members.secret("token")
    # A disabled client may end its sessions.
    client = "" if oauth.proves_nothing(client_id, client_secret) else _client(request, client_id, client_secret)
    revocation().revoke(token, client, now=request.now)


def _client(request: Request, client_id: str, client_secret: str) -> str:
    client = bootstrap.clients().identify(client_id, client_secret, address=request.address, now=request.now)
    return client.client_id
