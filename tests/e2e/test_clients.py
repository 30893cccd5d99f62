"""OAuth clients over HTTP: registered, listed, changed and deleted, and their secrets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.accounts import PASSWORD, Person, admin, bearer, new_login, sign_in
from tests.e2e.client import Response, RunningTwin
from tests.e2e.partners import register_app
from tests.e2e.tokens import claims

PATH = "/v1/admin/clients"


@pytest.fixture(scope="module")
def operator(twin: RunningTwin) -> Person:
    """The seeded admin, signed in."""
    return admin(twin)


def create(operator: Person, **members: Any) -> Response:
    asked = {"kind": "confidential", "name": "Shop"} | members
    return operator.twin.call("POST", PATH, json=asked, headers=operator.bearer)


def created(operator: Person, **members: Any) -> dict[str, Any]:
    answer = create(operator, **members)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def ask(operator: Person, method: str, path: str, body: object = None) -> Response:
    return operator.twin.call(method, PATH + path, json=body, headers=operator.bearer)


def token_for(twin: RunningTwin, client_id: str, secret: str) -> Response:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    return twin.call("POST", "/oauth2/token", form=form)


# Who may


def test_a_service_with_the_role_may(operator: Person) -> None:
    """A client with the role `admin` may do what an admin may do."""
    made = created(operator, kind="service", name="Deployer", roles=["admin"])
    token = token_for(operator.twin, made["id"], made["client_secret"]).json["access_token"]
    assert operator.twin.call("GET", PATH, headers=bearer(token)).status == 200


# Creation


def test_a_new_client_shows_its_secret_once(operator: Person) -> None:
    """The response to its creation shows the secret, and no later response does."""
    made = created(operator, redirect_uris=["https://shop.example/cb"], scopes=["openid"])
    shown = ask(operator, "GET", f"/{made['id']}")
    assert shown.json == {name: value for name, value in made.items() if name != "client_secret"}
    assert made["client_secret"].startswith("lks_")
    assert len(made["secrets"]) == 1


def test_a_service_gets_tokens_with_its_secret(operator: Person) -> None:
    """By default a service has the grant client_credentials."""
    made = created(operator, kind="service", name="Billing", scopes=["orders:read"])
    answer = token_for(operator.twin, made["id"], made["client_secret"])
    assert (answer.status, answer.json["scope"]) == (200, "orders:read")


def test_a_public_client_has_no_secret(operator: Person) -> None:
    """A mobile app cannot keep a secret."""
    made = created(operator, kind="public", name="App", redirect_uris=["com.example.app:/callback"])
    assert (made["secrets"], "client_secret" in made) == ([], False)


@pytest.mark.parametrize(
    ("members", "field", "code"),
    [
        ({"client_id": "cli_mine"}, "client_id", "unknown_member"),
        ({"client_secret": "chosen"}, "client_secret", "unknown_member"),
        ({"secret_hashes": ["a" * 64]}, "secret_hashes", "unknown_member"),
        ({"kind": "god"}, "kind", "bad_value"),
        ({"name": ""}, "name", "required"),
        ({"grants": ["password"]}, "grants", "bad_grant"),
        ({"kind": "public", "grants": ["client_credentials"]}, "grants", "bad_grant"),
        ({"kind": "service", "redirect_uris": ["https://a.example/"]}, "redirect_uris", "not_for_this_kind"),
        ({"redirect_uris": ["https://*.example/cb"]}, "redirect_uris", "bad_redirect_uri"),
        ({"scopes": "openid"}, "scopes", "not_a_list"),
        ({"scopes": ["a"] * 51}, "scopes", "too_long"),
        ({"first_party": "yes"}, "first_party", "not_a_flag"),
        ({"kind": "service", "first_party": True}, "first_party", "not_for_this_kind"),
    ],
)
def test_what_a_client_may_not_be_is_named(operator: Person, members: dict[str, Any], field: str, code: str) -> None:
    """The response names the member at fault, and nothing is stored."""
    answer = create(operator, **members)
    [fault] = answer.json["errors"]
    assert (answer.status, fault["field"], fault["code"]) == (400, field, code)


@pytest.mark.parametrize("scope", ["two words", "admin:everything"])
def test_an_unknown_scope_is_refused_by_name(operator: Person, scope: str) -> None:
    """A scope is the name of a permission, or one of OpenID Connect's."""
    answer = create(operator, scopes=["openid", scope])
    [fault] = answer.json["errors"]
    assert (answer.status, fault["field"], fault["code"]) == (422, "scopes", "unknown_scope")


def test_an_unknown_role_is_refused_as_for_accounts(operator: Person) -> None:
    """Clients, API keys and accounts return the same status, and name every unknown role."""
    made, roles = created(operator, roles=["admin"]), ["emperor", "admin", "duke"]
    key = {"client_id": made["id"], "name": "nightly", "roles": roles}
    answers = [
        create(operator, roles=roles),
        ask(operator, "PATCH", f"/{made['id']}", {"roles": roles}),
        operator.twin.call("POST", "/v1/admin/api-keys", json=key, headers=operator.bearer),
        operator.twin.call(
            "POST", "/v1/admin/users", json={"login": new_login(), "roles": roles}, headers=operator.bearer
        ),
    ]
    assert {(answer.status, answer.json["code"]) for answer in answers} == {(422, "validation_failed")}
    faults = [[(fault["field"], fault["message"]) for fault in answer.json["errors"]] for answer in answers]
    assert faults == [[("roles", "duke is not known."), ("roles", "emperor is not known.")]] * len(answers)


def test_an_operator_cannot_give_a_role_that_they_lack(operator: Person) -> None:
    """An operator without the role `privacy` cannot give it to a client, neither to a new nor to an existing one."""
    made, login = created(operator), new_login()
    role = {"permissions": ["clients:read", "clients:write"]}
    account = {"login": login, "password": PASSWORD, "roles": ["shopkeeper"]}
    operator.twin.call("PUT", "/v1/admin/roles/shopkeeper", json=role, headers=operator.bearer)
    operator.twin.call("POST", "/v1/admin/users", json=account, headers=operator.bearer)
    other = sign_in(operator.twin, login)
    assert create(other).status == 201
    answers = [
        create(other, roles=["privacy"]),
        ask(other, "PATCH", f"/{made['id']}", {"roles": ["privacy"]}),
    ]
    assert [answer.json["code"] for answer in answers] == ["forbidden", "forbidden"]


# The list


def test_a_list_is_paged_to_its_end(operator: Person) -> None:
    """Every client is on exactly one page."""
    made = {created(operator)["id"] for _ in range(3)}
    seen: list[str] = []
    cursor = ""
    while True:
        page = ask(operator, "GET", "?limit=2" + (f"&cursor={cursor}" if cursor else "")).json
        seen += [client["id"] for client in page["clients"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert made <= set(seen)
    assert seen == sorted(set(seen))


def test_a_cursor_is_its_makers_alone(operator: Person) -> None:
    """A cursor that was edited, or made for another list, is rejected."""
    created(operator)
    cursor = ask(operator, "GET", "?limit=1").json["cursor"]
    other = operator.twin.call("GET", f"/v1/admin/api-keys?cursor={cursor}", headers=operator.bearer)
    edited = ask(operator, "GET", f"?cursor=A{cursor}")
    assert [each.json["errors"][0]["code"] for each in (other, edited)] == ["bad_cursor", "bad_cursor"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "page=2"])
def test_an_odd_query_is_refused(operator: Person, query: str) -> None:
    """A list takes `limit` from 1 to 100, and `cursor`."""
    assert ask(operator, "GET", f"?{query}").status == 400


# Change and deletion


def test_a_deletion_takes_no_body(operator: Person) -> None:
    """A body is probably a mistake, so nothing is deleted."""
    made = created(operator)
    path = f"/{made['id']}"
    answers = [
        ask(operator, "DELETE", path, {"status": "disabled"}),
        ask(operator, "DELETE", f"{path}/secrets/{made['secrets'][0]}", {"keep": True}),
        operator.twin.call("DELETE", "/v1/admin/api-keys/any", json={"at": 1}, headers=operator.bearer),
    ]
    assert [answer.status for answer in answers] == [400, 400, 400]
    assert ask(operator, "GET", path).json["secrets"] == made["secrets"]


def test_a_change_touches_what_it_names(operator: Person) -> None:
    """A PATCH sets its members and leaves the others."""
    made = created(operator, scopes=["openid"])
    answer = ask(operator, "PATCH", f"/{made['id']}", {"name": "New", "redirect_uris": ["https://n.example/cb"]})
    expected = {name: value for name, value in made.items() if name != "client_secret"}
    assert answer.json == expected | {"name": "New", "redirect_uris": ["https://n.example/cb"]}


@pytest.mark.parametrize(
    "body", [{}, {"kind": "public"}, {"name": ""}, {"grants": ["implicit"]}, {"status": "gone"}, {"enabled": False}]
)
def test_an_impossible_change_is_refused(operator: Person, body: dict[str, Any]) -> None:
    """A PATCH that names nothing, something unknown, or something impossible is 400."""
    made = created(operator)
    assert ask(operator, "PATCH", f"/{made['id']}", body).status == 400


def test_a_disabled_client_gets_no_token(operator: Person) -> None:
    """Disabling takes effect at once."""
    made = created(operator, kind="service")
    ask(operator, "PATCH", f"/{made['id']}", {"status": "disabled"})
    assert token_for(operator.twin, made["id"], made["client_secret"]).json["error"] == "invalid_client"


def test_a_deleted_client_is_gone(operator: Person) -> None:
    """Neither it nor its keys work, and it is not found again."""
    made = created(operator, kind="service", roles=["service"])
    body = {"client_id": made["id"], "name": "k"}
    key = operator.twin.call("POST", "/v1/admin/api-keys", json=body, headers=operator.bearer).json["api_key"]
    deleted = [ask(operator, "DELETE", f"/{made['id']}").status for _ in range(2)]
    statuses = [
        ask(operator, "GET", f"/{made['id']}").status,
        token_for(operator.twin, made["id"], made["client_secret"]).status,
        operator.twin.call("POST", "/v1/auth/token", headers={"X-API-Key": key}).status,
    ]
    assert (deleted, statuses) == ([204, 404], [404, 401, 401])


# First-party clients, and others


def test_a_client_of_others_gets_what_its_scope_names(operator: Person) -> None:
    """Its token has no roles, and opens the routes whose permission the scope names, and no others."""
    twin, scopes = operator.twin, ("openid", "profile:read", "users:read")
    client_id, partner = register_app(twin, operator, *scopes)
    guest = partner.come_to(client_id, *scopes)
    assert (guest.tokens["scope"], "roles" in claims(guest.tokens["access_token"])) == ("openid profile:read", False)
    answers = [
        twin.call(method, path, json=body, headers=guest.bearer)
        for method, path, body in (
            ("GET", "/v1/hello", None),
            ("GET", "/v1/auth/me", None),
            ("PATCH", "/v1/auth/me", {"name": "Eve"}),
            ("GET", "/v1/auth/sessions", None),
            ("GET", PATH, None),
        )
    ]
    assert [answer.status for answer in answers] == [200, 200, 403, 403, 403]


def test_a_first_party_client_gets_the_roles_of_its_users(operator: Person) -> None:
    """A second app of the team's own needs no scope. When it is no longer first-party, it does, from then on."""
    twin = operator.twin
    client_id, partner = register_app(twin, operator, "openid", first_party=True)
    someone = partner.come_to(client_id, "openid")
    assert claims(someone.tokens["access_token"])["roles"] == ["user"]
    assert (someone.me().status, ask(operator, "GET", f"/{client_id}").json["first_party"]) == (200, True)
    assert ask(operator, "PATCH", f"/{client_id}", {"first_party": False}).json["first_party"] is False
    assert someone.me().status == 403


def test_sessions_of_a_disabled_client_end(operator: Person) -> None:
    """Our own routes refuse its tokens at once. Its next refresh ends the session, although it is enabled again."""
    twin = operator.twin
    client_id, partner = register_app(twin, operator, "openid", "profile:read")
    guest = partner.come_to(client_id, "openid", "profile:read")

    def validate() -> int:
        return twin.call("POST", "/v1/auth/validate", json={"token": guest.tokens["access_token"]}).status

    def renew() -> Response:
        form = {"grant_type": "refresh_token", "refresh_token": guest.tokens["refresh_token"], "client_id": client_id}
        return twin.call("POST", "/oauth2/token", form=form)

    before = guest.me().status, validate()
    ask(operator, "PATCH", f"/{client_id}", {"status": "disabled"})
    closed = guest.me().status, validate(), renew().json["error"]
    ask(operator, "PATCH", f"/{client_id}", {"status": "active"})
    after = guest.me().status, renew().json["error"]
    assert (before, closed, after) == ((200, 204), (401, 401, "invalid_grant"), (401, "invalid_grant"))


def test_the_app_of_the_team_is_not_closed(operator: Person) -> None:
    """It is listed and changed as any other client, and every attempt to close it is refused."""
    path = "/cli_app"
    assert ask(operator, "PATCH", path, {"name": "Shop"}).json["name"] == "Shop"
    refused = [
        ask(operator, "DELETE", path),
        ask(operator, "PATCH", path, {"status": "disabled"}),
        ask(operator, "PATCH", path, {"first_party": False}),
    ]
    assert [(answer.status, answer.json["code"]) for answer in refused] == [(409, "in_use")] * 3
    assert "cli_app" in {each["id"] for each in ask(operator, "GET", "").json["clients"]}
    assert operator.me().status == 200


# Secrets


def test_two_secrets_live_side_by_side(operator: Person) -> None:
    """A second secret works beside the first, a third is rejected, and a removed one stops working at once."""
    made = created(operator, kind="service")
    path = f"/{made['id']}/secrets"
    second = ask(operator, "POST", path)
    third = ask(operator, "POST", path)
    secrets = [made["client_secret"], second.json["client_secret"]]
    both = [token_for(operator.twin, made["id"], secret).status for secret in secrets]
    removed = ask(operator, "DELETE", f"{path}/{made['secrets'][0]}")
    left = [token_for(operator.twin, made["id"], secret).status for secret in secrets]
    assert (second.status, third.json["code"], both) == (201, "limit_reached", [200, 200])
    assert (removed.status, left) == (204, [401, 200])


def test_the_last_secret_stays(operator: Person) -> None:
    """A client without any secret could not come back."""
    made = created(operator, kind="service")
    answer = ask(operator, "DELETE", f"/{made['id']}/secrets/{made['secrets'][0]}")
    assert answer.json["errors"][0]["code"] == "last_secret"


def test_an_unknown_secret_is_not_found(operator: Person) -> None:
    """An unknown fingerprint, or half of a known one, is a 404."""
    made = created(operator)
    path = f"/{made['id']}/secrets"
    assert [ask(operator, "DELETE", f"{path}/{name}").status for name in ("0" * 16, made["secrets"][0][:8])] == [
        404,
        404,
    ]


def test_a_public_client_never_gets_a_secret(operator: Person) -> None:
    """It cannot keep one."""
    made = created(operator, kind="public")
    assert ask(operator, "POST", f"/{made['id']}/secrets").json["errors"][0]["code"] == "public_client"
