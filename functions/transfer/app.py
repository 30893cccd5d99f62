"""Accounts on the move: import and export, with the hashes of their passwords."""

import re
import secrets
from functools import cache, partial
from typing import Any

from latchkey.core.credentials.foreign_hashes import UnusableHash
from latchkey.core.credentials.hash_imports import canonical_hash
from latchkey.core.credentials.logins import parse_login
from latchkey.core.credentials.passwords import NO_PASSWORD
from latchkey.core.errors import Errors, FieldError, ServiceError, invalid_field
from latchkey.core.model import UserStatus
from latchkey.core.roles.roles import MAX_ROLES, Operator
from latchkey.core.users.transfer import MAX_BATCH, Batch, Exported, ImportRecord, Refusal, UserTransfer
from latchkey.edge import bootstrap, documents, listing
from latchkey.edge.forms import LABEL, LOGIN_NAMES, Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes
from latchkey.edge.telemetry import LogJournal

routes = Routes("Accounts on the move")
handler = routes.handler

_SUBJECT = re.compile(r"usr_[a-z2-7]{26}")  # 128 bits in base32
_STATUSES = {
    "active": UserStatus.ACTIVE,
    "disabled": UserStatus.DISABLED,
    "pending": UserStatus.ACTIVE,  # as other systems call an account whose address was never confirmed
}


@routes("POST /v1/admin/users/import", needs="users:import")
def import_users(request: Request, operator: Operator) -> Response:
    """Import the accounts of `{users, dry_run?}`, and return 200 with the result of each record."""
    members = Members.of_json(request)
    dry_run = members.flag("dry_run")
    users = members.objects("users", most=MAX_BATCH)
    members.nothing_else()
    report = user_transfer().bring_in(operator, _batch(users), now=request.now, dry_run=dry_run)
    body = {
        "imported": report.imported,
        "present": report.present,
        "refused": [_refused(refusal) for refusal in report.refused],
        "dry_run": dry_run,
    }
    return Response(200, body)


@routes("GET /v1/admin/users/export", needs="users:export")
def export_users(request: Request, operator: Operator) -> Response:
    """Return 200 with a page of accounts, each as an import takes it, and of the users of partners."""
    members, seals = Members.of_query(request), bootstrap.seals()
    fetch = partial(user_transfer().hand_out, operator, now=request.now)
    return Response(200, listing.page(request, members, seals, fetch, _exported, name="users"))


def _batch(users: tuple[dict[str, object], ...]) -> Batch:
    records: dict[int, ImportRecord] = {}
    refused: list[Refusal] = []
    for index, user in enumerate(users):
        try:
            records[index] = _record(Members(user))
        except ServiceError as error:
            refused.append(Refusal(index, error))
    return Batch(records, tuple(refused))


def _record(members: Members) -> ImportRecord:
    """Read one account: a login under any of its names, and the members of `ImportRecord`, all optional."""
    _refuse_a_partners_user(members)
    record = ImportRecord(
        login=parse_login(members.login(*LOGIN_NAMES)),
        password_hash=_hash(members),
        sub=members.shaped("id", _SUBJECT, longest=30) or "",
        name=members.loose_label("name"),
        locale=members.language("locale") or "",
        source=members.shaped("source", LABEL, longest=64) or "",
        roles=members.texts("roles", most=MAX_ROLES) or ("user",),
        status=_STATUSES[members.choice("status", tuple(_STATUSES)) or "active"],
        created_at=members.number("created_at"),
        verified_at=members.number("verified_at") or 0,
    )
    members.nothing_else()
    for name, moment in (("created_at", record.created_at or 0), ("verified_at", record.verified_at)):
        if moment < 0:
            raise invalid_field(name, "bad_value", "This member must be in seconds since 1970.")
    return record


def _refuse_a_partners_user(members: Members) -> None:
    """Take the links of an exported account, which no import makes; refuse an account that has nothing else."""
    if members.anything("links") is not None and not members.has_one_of(LOGIN_NAMES):
        raise invalid_field("links", "partner_user", "A partner's user comes back with the partner's next token.")


def _hash(members: Members) -> str:
    exported = members.anything("password_hash")
    if exported is None:
        return NO_PASSWORD
    try:
        return canonical_hash(exported)
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


def _exported(account: Exported) -> dict[str, Any]:
    """Return an account as an import takes it, without its empty members.

    The roles that a partner gave stand at the link alone: they would otherwise outlive it.
    """
    user, given = account.user, {role for link in account.links for role in link.roles}
    members = {
        "id": user.sub,
        "login": user.login,
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
    return UserTransfer(store, store, store, bootstrap.roles_now(), LogJournal(), secrets.token_bytes)
