"""Accounts on the move: import and export, with the hashes of their passwords."""

import hashlib
import re
import secrets
from functools import cache, partial
from typing import Any

from latchkey.core.credentials.foreign_hashes import ForeignHash, UnusableHash
from latchkey.core.credentials.hash_imports import ImportedHash, read_hash
from latchkey.core.credentials.logins import look_of, parse_login, trimmed
from latchkey.core.credentials.passwords import NO_PASSWORD, Argon2Cost
from latchkey.core.errors import Errors, FieldError, ServiceError, invalid_field
from latchkey.core.model import UserStatus
from latchkey.core.roles.roles import MAX_ROLES, Operator
from latchkey.core.users.transfer import MAX_BATCH, Batch, Exported, ImportRecord, Planned, Refusal, UserTransfer
from latchkey.edge import bootstrap, documents, listing, operators
from latchkey.edge.forms import LABEL, Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.telemetry import LogJournal

routes = Routes("Accounts on the move")
handler = routes.handler

_SUBJECT = re.compile(r"usr_[a-z2-7]{26}")  # 128 bits in base32
_PENDING = "pending"
"""The status of an account that has not confirmed its address. Here it is active, and its address not confirmed."""

_STATUSES = (UserStatus.ACTIVE, UserStatus.DISABLED, _PENDING)
_LOGIN_NAMES = ("email", "login", "username")
"""The members that may hold a login. The first of them that is there is the one that mail goes to."""


@routes("POST /v1/admin/users/import", needs="users:import")
def import_users(request: Request, operator: Operator) -> Response:
    """Import the accounts of `{users, dry_run?}`, and return 200 with the result of each record."""
    members = Members.of_json(request)
    dry_run = members.flag("dry_run")
    users = members.objects("users", most=MAX_BATCH)
    members.nothing_else()
    report = user_transfer().bring_in(operator, _batch(users, request.now), now=request.now, dry_run=dry_run)
    if any(refusal.error.error is Errors.FORBIDDEN for refusal in report.refused):
        operators.record_forbidden(request, "an account with permissions that the operator lacks")
    body = {
        "imported": report.imported,
        "present": report.present,
        "refused": [_refused(refusal) for refusal in report.refused],
        "dry_run": dry_run,
    }
    return Response(200, body | ({"planned": [_planned(each) for each in report.planned]} if dry_run else {}))


@routes("GET /v1/admin/users/export", needs="users:export")
def export_users(request: Request, operator: Operator) -> Response:
    """Return 200 with a page of accounts, each as an import takes it, and of the users of partners."""
    members, seals = Members.of_query(request), bootstrap.seals()
    fetch = partial(user_transfer().hand_out, operator, now=request.now)
    return Response(200, listing.page(request, members, seals, fetch, _exported, name="users"))


def _batch(users: tuple[dict[str, object], ...], now: int) -> Batch:
    records: dict[int, ImportRecord] = {}
    refused: list[Refusal] = []
    for index, user in enumerate(users):
        try:
            records[index] = _record(Members(user), now)
        except ServiceError as error:
            refused.append(Refusal(index, error))
    return Batch(records, tuple(refused))


def _record(members: Members, now: int) -> ImportRecord:
    """Read `{login|username|email, password_hash?, …}`: docs/import.md has the table."""
    _refuse_a_partners_user(members)
    login, username = _logins(members)
    status = members.choice("status", _STATUSES) or UserStatus.ACTIVE
    # Most systems know that an address was confirmed, and not when.
    confirmed = now if members.flag("email_verified") else 0
    verified_at = _time(members, "verified_at") or confirmed
    record = ImportRecord(
        login=login,
        username=username,
        password_hash=_hash(members),
        sub=members.shaped("id", _SUBJECT, longest=30) or "",
        name=members.loose_label("name"),
        locale=members.language("locale") or "",
        source=members.shaped("source", LABEL, longest=64) or "",
        roles=members.texts("roles", most=MAX_ROLES) or ("user",),
        status=UserStatus.ACTIVE if status == _PENDING else UserStatus(status),
        created_at=_time(members, "created_at"),
        verified_at=0 if status == _PENDING else verified_at,
    )
    members.nothing_else()
    return record


def _logins(members: Members) -> tuple[str, str]:
    """Return the login of a record, and its second login or an empty text.

    An account of Keycloak, Cognito or Django has a user name and an address, and either signs in.
    """
    logins: list[str] = []
    for name in _LOGIN_NAMES:
        typed = members.anything(name)
        if typed is not None and (not isinstance(typed, str) or trimmed(typed)):  # an empty one is absent
            logins.append(parse_login(Members({name: typed}).login(name), name))
    logins = list(dict.fromkeys(logins))
    if not logins:
        raise invalid_field("login", "required", f"One of {', '.join(_LOGIN_NAMES)} is required.")
    if len(logins) > 2:  # noqa: PLR2004 - an address and a user name
        raise invalid_field("login", "ambiguous", "An account can have two logins at most.")
    if len({look_of(login) for login in logins}) < len(logins):
        raise invalid_field("login", "ambiguous", "Two logins of one account must not look alike.")
    return logins[0], logins[1] if len(logins) > 1 else ""


def _refuse_a_partners_user(members: Members) -> None:
    """Take the links of an exported account, which no import makes; refuse an account that has nothing else."""
    if members.anything("links") is not None and not members.has_one_of(_LOGIN_NAMES):
        raise invalid_field("links", "partner_user", "A partner's user comes back with the partner's next token.")


def _time(members: Members, name: str) -> int | None:
    seconds = members.number(name)
    if seconds is not None and seconds < 0:
        raise invalid_field(name, "bad_value", "This member must be in seconds since 1970.")
    return seconds


def _hash(members: Members) -> ImportedHash:
    exported = members.anything("password_hash")
    try:
        return None if exported is None else read_hash(exported)
    except UnusableHash as error:
        raise invalid_field("password_hash", error.code, error.message) from None


def _refused(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal by its first fault: the fault of a member, or of the whole record."""
    error = refusal.error
    fault = error.fields[0] if error.fields else FieldError("", error.kind.code, error.kind.detail)
    if error.error is Errors.FORBIDDEN:
        fault = FieldError("roles", error.kind.code, "A role has permissions that you lack.")
    named = {"field": fault.field} if fault.field else {}
    return {"index": refusal.index, "code": fault.code, **named, "message": fault.message}


def _planned(planned: Planned) -> dict[str, Any]:
    """Return what an account of a dry run would take: digests, by which the command finds the same in other batches."""
    record = planned.record
    taken = {
        "login": look_of(record.login),
        "username": look_of(record.username),
        "id": planned.sub,
        "password_hash": f"{record.login}\n{_comparable(record.password_hash)}",
    }
    return {"index": planned.index} | {name: _digest(text) for name, text in taken.items() if text}


def _comparable(password_hash: ImportedHash) -> str:
    if password_hash is None:
        return NO_PASSWORD
    if isinstance(password_hash, ForeignHash):
        return password_hash.recipe.text + password_hash.output.hex()
    return password_hash.text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _exported(account: Exported) -> dict[str, Any]:
    """Return an account as an import takes it, without its empty members.

    The roles that a partner gave stand at the link alone: they would otherwise outlive it.
    """
    user, given = account.user, {role for link in account.links for role in link.roles}
    members = {
        "id": user.sub,
        "login": user.login,
        "username": user.username,
        "password_hash": "" if account.password_hash == NO_PASSWORD else account.password_hash,
        "name": user.name,
        "locale": user.locale,
        "source": user.source,
        "verified_at": user.verified_at,
        "links": [documents.link(each) for each in account.links],
    }
    own = [role for role in user.roles if role not in given]
    always = {"roles": own, "status": user.status, "created_at": user.created_at}
    return {name: value for name, value in members.items() if value} | always


@cache
def user_transfer() -> UserTransfer:
    """Return the import and export of accounts."""
    store = bootstrap.store()
    return UserTransfer(store, store, store, bootstrap.roles_now(), LogJournal(), secrets.token_bytes, Argon2Cost())
