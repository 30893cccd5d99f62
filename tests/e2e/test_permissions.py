"""Every route, called by every kind of caller: the response follows the route's declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from latchkey.core.roles.roles import BUILT_IN
from latchkey.edge.routing import API_KEY, BEARER, PUBLIC, KeyOrToken, Need, Person
from tests.e2e.accounts import PASSWORD, admin, bearer, person, sign_in
from tests.e2e.client import Response, RunningTwin
from tests.e2e.partners import register_app
from tests.routes import declared

NEEDED = {name: route.needs for name, (_, route) in declared().items()}
NEEDED["GET /v1/service/private"] = PRIVATE = KeyOrToken("privacy:read")  # its function asks for it, of keys alone
READ_ONLY = "GET"
SCOPE = ("openid", "profile:read", "sessions:end")


@dataclass(slots=True)
class Crowd:
    """Callers of every kind. For a route that may end their sessions, they sign in again."""

    twin: RunningTwin
    owner: dict[str, str]
    session: str
    signed_in: dict[str, dict[str, str]] = field(default_factory=dict)

    def headers(self, who: str, route: str) -> dict[str, str]:
        """Return the headers that a caller sends to a route."""
        if isinstance(NEEDED[route], Person) and not route.startswith(READ_ONLY):
            self.signed_in.pop(who, None)  # it may end their other sessions too
            return self._shown("other user" if who == "user" else who)
        if who not in self.signed_in:
            self.signed_in[who] = self._shown(who)
        return self.signed_in[who]

    def _shown(self, who: str) -> dict[str, str]:
        match who:
            case "anonymous" | "stranger with a forged token" | "holder of an API key":
                return self._without_sign_in(who)
            case "service" | "user of another client":
                return self._service() if who == "service" else self._guest()
            case "admin":
                return admin(self.twin).bearer
            case "operator by an own role":
                return self._deputy()
            case "user":
                return self.owner
            case _:
                return person(self.twin).bearer

    def _guest(self) -> dict[str, str]:
        """Sign in a user to a client that is not first-party, with a scope that the routes of users ask for."""
        client_id, partner = register_app(self.twin, admin(self.twin), *SCOPE)
        return partner.come_to(client_id, *SCOPE).bearer

    def _deputy(self) -> dict[str, str]:
        """Sign in an operator with a role of the stack's own that permits what admins may do."""
        boss, login = admin(self.twin).bearer, "deputy@example.com"
        permissions = sorted(BUILT_IN.roles["admin"])
        self.twin.call("PUT", "/v1/admin/roles/deputy", json={"permissions": permissions}, headers=boss)
        account = {"login": login, "password": PASSWORD, "roles": ["deputy"]}
        self.twin.call("POST", "/v1/admin/users", json=account, headers=boss)
        return sign_in(self.twin, login).bearer

    def _without_sign_in(self, who: str) -> dict[str, str]:
        if who == "anonymous":
            return {}
        return {"X-API-Key": self.twin.dev["api_key"]} if who == "holder of an API key" else bearer("e30.e30.AAAA")

    def _service(self) -> dict[str, str]:
        answer = self.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": self.twin.dev["api_key"]})
        assert answer.status == 200, answer.body
        return bearer(answer.json["access_token"])


@pytest.fixture(scope="module")
def crowd(twin: RunningTwin) -> Iterator[Crowd]:
    """Callers, and one session that only its owner may end."""
    owner = person(twin)
    listed = twin.call("GET", "/v1/auth/sessions", headers=owner.bearer)
    [session] = [each["id"] for each in listed.json["sessions"]]
    yield Crowd(twin, owner.bearer, session)
    assert owner.me().status == 200  # none of the others ended it


def ask(crowd: Crowd, route: str, who: str) -> Response:
    """Send a member that no route knows, so that an accepted request changes nothing."""
    method, path = route.split(" ")
    path = re.sub(r"{\w+}", "nothing", path.replace("{sid}", crowd.session))
    body = None if method == READ_ONLY else {"not_a_member": True}
    return crowd.twin.call(method, path, json=body, headers=crowd.headers(who, route))


def is_let_in(answer: Response) -> bool:
    """Say whether the caller's rights were enough."""
    return answer.status < 500 and answer.status not in {401, 403}


def is_sent_away(status: int, code: str) -> Callable[[Response], bool]:
    """Return a check of whether the caller's rights were too little, with this answer."""
    return lambda answer: (answer.status, answer.json.get("code")) == (status, code)


def is_decided_by_the_function(answer: Response) -> bool:
    """Return whether gateway and permissions let the request pass. A public route may still ask for its own secret."""
    return answer.status < 500 and (answer.json or {}).get("code") not in {"invalid_token", "forbidden"}


NO_TOKEN, NO_RIGHT = is_sent_away(401, "invalid_token"), is_sent_away(403, "forbidden")
CALLERS = [
    "anonymous",
    "stranger with a forged token",
    "user",
    "other user",
    "user of another client",
    "service",
    "holder of an API key",
    "admin",
    "operator by an own role",
]


def expected(needed: Need, who: str) -> Callable[[Response], bool]:
    """Return the check for a route's required access and a kind of caller."""
    if needed is PUBLIC:
        return is_decided_by_the_function
    if who == "holder of an API key" and isinstance(needed, KeyOrToken):
        return NO_RIGHT
    if needed in {API_KEY, PRIVATE}:
        return is_let_in if who == "holder of an API key" else NO_TOKEN
    if who in {"anonymous", "stranger with a forged token", "holder of an API key"}:
        return NO_TOKEN
    if needed is BEARER:
        return is_let_in
    return is_let_in if has_the_right(needed, who) else NO_RIGHT


def has_the_right(needed: Need, who: str) -> bool:
    """Return whether a caller with a token may use a route that asks for a permission."""
    if not isinstance(needed, Person):
        return who in {"admin", "operator by an own role"}
    return set(needed.permissions) <= set(SCOPE) if who == "user of another client" else who != "service"


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("route", sorted(NEEDED))
def test_route_answers_as_it_is_declared(crowd: Crowd, route: str, who: str) -> None:
    """401 without a token, 403 without the right, and otherwise the answer of the route itself."""
    answer = ask(crowd, route, who)
    assert expected(NEEDED[route], who)(answer), (answer.status, answer.body)


def test_session_of_another_user_is_not_found(crowd: Crowd) -> None:
    """Another user or an admin cannot end a session by guessing its id."""
    for who in ("other user", "admin"):
        assert ask(crowd, "DELETE /v1/auth/sessions/{sid}", who).status == 404
