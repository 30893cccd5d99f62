"""New passwords, by a code from a mail or by a person who is signed in; and the end of known devices."""

from functools import cache

from latchkey.core.authenticators.change_password import PasswordChanges
from latchkey.core.authenticators.forget_devices import ForgetDevices
from latchkey.core.errors import invalid_field
from latchkey.edge import bootstrap, documents
from latchkey.edge.callers import Caller
from latchkey.edge.forms import LONGEST_PASSWORD, Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes, person
from latchkey.edge.telemetry import LogJournal

routes = Routes("New passwords")
handler = routes.handler


@routes("POST /v1/user/password/reset", needs=PUBLIC)
def reset(request: Request) -> Response:
    """Set a new password with a code from a mail, end every session, and return 200 with a device token."""
    token, password = _reset(request)
    return Response(200, documents.known_device(password_changes().reset(token, password, now=request.now)))


@routes("GET /v1/user/password/reset", needs=PUBLIC)
def show_reset(request: Request) -> Response:
    """Return 200 with what to do with the code of the mail, and change nothing. No server sees the code of the link."""
    return Response(200, {"message": "Enter the code from the mail in the app, and choose a new password."})


@routes("POST /v1/user/password/change", needs=person("profile:write"))
def change(request: Request, caller: Caller) -> Response:
    """Set a new password, end every other session, and return 200 with a device token."""
    current, password = _change(request)
    device_token = password_changes().change(caller.sub, caller.sid, current, password, now=request.now)
    return Response(200, documents.known_device(device_token))


@routes("DELETE /v1/auth/me/devices", needs=person("profile:write"))
def forget(request: Request, caller: Caller) -> Response:
    """Forget every known device, and return 200 with a device token for the one that asks."""
    device_token = forget_devices()(caller.sub, caller.sid, _password(request), now=request.now)
    return Response(200, documents.known_device(device_token))


def _reset(request: Request) -> tuple[str, str]:
    """Read `{token, password, passwordRepeat?}` and return token and password."""
    members = Members.of_json(request)
    token, password = members.code("token"), _new_password(members)
    members.nothing_else()
    return token, password


def _change(request: Request) -> tuple[str, str]:
    """Read `{current_password, password, passwordRepeat?}` and return both passwords."""
    members = Members.of_json(request)
    current, password = members.required("current_password", longest=LONGEST_PASSWORD), _new_password(members)
    members.nothing_else()
    return current, password


def _password(request: Request) -> str:
    """Read `{password}`."""
    members = Members.of_json(request)
    password = members.required("password", longest=LONGEST_PASSWORD)
    members.nothing_else()
    return password


def _new_password(members: Members) -> str:
    password = members.required("password", longest=LONGEST_PASSWORD)
    repeat = members.optional("passwordRepeat", longest=LONGEST_PASSWORD)
    if repeat is not None and repeat != password:
        raise invalid_field("passwordRepeat", "differs", "The two passwords differ.")
    return password


@cache
def password_changes() -> PasswordChanges:
    """Return the changes of passwords."""
    store = bootstrap.store()
    return PasswordChanges(
        authenticators=store,
        credentials=store,
        sessions=store,
        links=store,
        codes=store,
        attempts=bootstrap.attempts(),
        devices=bootstrap.device_tokens(),
        new_passwords=bootstrap.new_passwords(),
        ownership=bootstrap.ownership(),
        outbox=bootstrap.outbox(),
        journal=LogJournal(),
    )


@cache
def forget_devices() -> ForgetDevices:
    """Return the end of known devices."""
    return ForgetDevices(
        known=bootstrap.store(),
        sessions=bootstrap.store(),
        devices=bootstrap.device_tokens(),
        ownership=bootstrap.ownership(),
        journal=LogJournal(),
    )
