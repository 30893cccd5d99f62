"""What a token may do: the roles and the scope that it carries, at the sign-in and at each refresh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from latchkey.core.clients.directory import new_api_key
from latchkey.core.clients.first_party import BUILT_IN_APP
from latchkey.core.errors import Errors
from latchkey.core.grants.issuing import TokenAnswer
from latchkey.core.model import FIRST_PARTY_CLIENT, ApiKey, Client, ClientKind, Partner, Status, User
from latchkey.core.roles.roles import CustomRoles, registry_with
from latchkey.signing.tokens import AccessClaims
from tests.partner_world import PartnerWorld, claims, refuses
from tests.world import ADDRESS, NOW, World

SCOPES = ("openid", "email", "profile:read", "privacy:read", "users:write", "audit:read")
THEIRS = Client("cli_theirs", ClientKind.PUBLIC, "Theirs", NOW, scopes=SCOPES, grants=BUILT_IN_APP.grants)
OURS = replace(THEIRS, client_id="cli_ours", first_party=True)
SERVICE = Client(
    "cli_job",
    ClientKind.SERVICE,
    "Job",
    NOW,
    grants=("client_credentials",),
    scopes=("hello:read", "profile:read"),
    roles=("service", "admin"),
)


@pytest.fixture
def ann(world: World) -> User:
    """A user with a role beyond `user`."""
    world.put_client(THEIRS)
    world.put_client(OURS)
    return with_roles(world, world.register(), "user", "privacy")


def with_roles(world: World, user: User, *roles: str) -> User:
    """Give an account exactly these roles."""
    changed = replace(user, roles=roles)
    world.put_user(changed)
    return changed


def carried(claims: AccessClaims) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return what a token carries of rights."""
    return claims.roles, claims.permissions, claims.scope


def renewed(world: World, answer: TokenAnswer, client: Client, *, now: int = NOW + 60) -> TokenAnswer:
    """Refresh a session of this client."""
    return world.refresh(answer, now=now, client_id=client.client_id)


# People


def test_a_token_for_another_client_carries_the_scope_that_its_user_holds(world: World, ann: User) -> None:
    """It has no roles. OpenID's names stay, and a scope that the user does not hold is dropped."""
    answer = world.open_for(ann, THEIRS)
    assert carried(world.claims(answer)) == ((), (), "openid email profile:read privacy:read")
    assert answer.scope == "openid email profile:read privacy:read"


def test_a_token_for_a_first_party_client_carries_the_roles(world: World, ann: User) -> None:
    """Its scope is cut in the same way, although the roles alone decide."""
    assert carried(world.claims(world.open_for(ann, OURS))) == (
        ("privacy", "user"),
        (),
        "openid email profile:read privacy:read",
    )


def test_nothing_changes_at_a_refresh_if_nothing_has_changed(world: World, ann: User) -> None:
    """The next token carries the same."""
    for client in (THEIRS, OURS):
        first = world.open_for(ann, client)
        second = renewed(world, first, client)
        assert carried(world.claims(second, now=NOW + 60)) == carried(world.claims(first))


def test_a_scope_ends_with_the_role_that_permits_it(world: World, ann: User) -> None:
    """The next refresh leaves it out. A repeat of that refresh gets the same refresh token."""
    first = world.open_for(ann, THEIRS)
    with_roles(world, ann, "user")
    second, repeat = renewed(world, first, THEIRS), renewed(world, first, THEIRS, now=NOW + 61)
    assert [answer.scope for answer in (second, repeat)] == ["openid email profile:read"] * 2
    assert repeat.refresh_token == second.refresh_token


def test_a_role_that_is_given_later_widens_no_session(world: World, ann: User) -> None:
    """A session never gets a scope that it did not have at its sign-in."""
    first = world.open_for(with_roles(world, ann, "user"), THEIRS)
    with_roles(world, ann, "admin")
    assert renewed(world, first, THEIRS).scope == "openid email profile:read"


def test_a_scope_ends_when_the_client_loses_it(world: World, ann: User) -> None:
    """The next refresh leaves it out, one of OpenID's too."""
    first = world.open_for(ann, THEIRS)
    world.put_client(replace(THEIRS, scopes=("openid", "privacy:read")))
    assert renewed(world, first, THEIRS).scope == "openid privacy:read"


def test_a_client_that_is_no_longer_first_party_gets_no_roles(world: World, ann: User) -> None:
    """The change takes effect at the next refresh, in both directions."""
    first = world.open_for(ann, OURS)
    world.put_client(replace(OURS, first_party=False))
    second = renewed(world, first, OURS)
    world.put_client(OURS)
    third = renewed(world, second, OURS, now=NOW + 120)
    assert [world.claims(each, now=NOW + 120).roles for each in (second, third)] == [(), ("privacy", "user")]


def test_a_refresh_may_name_a_scope_that_has_ended(world: World, ann: User) -> None:
    """An app that always sends its scope is not signed out: the scope is left out. A wider one is refused."""
    first = world.open_for(ann, THEIRS)
    with_roles(world, ann, "user")
    narrow = world.refresh(first, now=NOW + 1, client_id=THEIRS.client_id, scope="email privacy:read")
    assert narrow.scope == "email"
    with refuses(Errors.INVALID_SCOPE):
        world.refresh(narrow, now=NOW + 2, client_id=THEIRS.client_id, scope="email users:write")


def test_a_user_without_roles_holds_no_scope(world: World, ann: User) -> None:
    """Only OpenID's names are left."""
    assert world.open_for(with_roles(world, ann), THEIRS).scope == "openid email"


# A client that is disabled or deleted


@pytest.mark.parametrize("client", [THEIRS, OURS], ids=["theirs", "ours"])
@pytest.mark.parametrize("change", ["disabled", "deleted"])
def test_sessions_end_with_their_client(world: World, ann: User, client: Client, change: str) -> None:
    """The refresh is refused and ends the session, so it does not come back when the client is enabled again."""
    first = world.open_for(ann, client)
    if change == "deleted":
        world.store.delete_client(client.client_id)
    else:
        world.put_client(replace(client, status=Status.DISABLED))
    with refuses(Errors.INVALID_GRANT):
        renewed(world, first, client)
    assert (world.journal.events[-1].name, world.journal.events[-1].reason) == ("session_ended", "client_not_active")
    world.put_client(client)
    with refuses(Errors.INVALID_GRANT):
        renewed(world, first, client)
    assert world.store.list_sessions(ann.sub, NOW) == ()


def test_a_request_that_names_another_client_ends_nothing(world: World, ann: User) -> None:
    """A stolen token with the name of a client that is gone, disabled or another is refused, and that is all."""
    world.put_client(replace(OURS, client_id="cli_off", status=Status.DISABLED))
    first = world.open_for(ann, THEIRS)
    for name in ("cli_gone", "cli_off", OURS.client_id, "", FIRST_PARTY_CLIENT):
        with refuses(Errors.INVALID_GRANT):
            world.refresh(first, now=NOW + 60, client_id=name)
    assert renewed(world, first, THEIRS).scope == first.scope


# The first-party app


def test_a_sign_in_works_on_an_empty_table(world: World) -> None:
    """The first-party app is built in, with its scopes and all the roles of its users."""
    user = world.register()
    assert vars(world.store)["_clients"] == {}
    answer = world.log_in()
    assert carried(world.claims(answer)) == (("user",), (), "openid profile offline_access")
    assert world.claims(answer).sub == user.sub
    assert world.refresh(answer, now=NOW + 60).scope == "openid profile offline_access"


def test_the_scopes_of_the_first_party_app_take_effect(world: World) -> None:
    """A sign-in gets those that are stored, and an older session those that are left."""
    user = world.register()
    before = world.log_in()
    world.put_client(replace(BUILT_IN_APP, scopes=("openid", "profile:read", "users:write")))
    assert world.log_in().scope == "openid profile:read"
    assert world.refresh(before, now=NOW + 60).scope == "openid"
    assert world.claims(world.refresh(before, now=NOW + 61), now=NOW + 61).sub == user.sub


# Partners


@pytest.fixture
def partners() -> PartnerWorld:
    """The services with partners, and a client of someone else's."""
    world = PartnerWorld()
    world.store.create_client(THEIRS)
    return world


def came(partners: PartnerWorld, partner: Partner) -> TokenAnswer:
    """Sign a partner's user in to the other client."""
    assertion = partners.signer.sign(claims(partner.issuer))
    return partners.enter(assertion, client=THEIRS).tokens


def test_a_partners_session_is_cut_to_what_the_partner_may_still_give(partners: PartnerWorld) -> None:
    """A scope that the partner loses ends at the next refresh."""
    partner = partners.partner(clients=("cli_theirs",), scopes=("openid", "profile:read", "hello:read"))
    first = came(partners, partner)
    partners.set_partner(partner, scopes=("openid",))
    assert [first.scope, renewed(partners, first, THEIRS).scope] == ["openid profile:read", "openid"]


def test_a_partner_never_gives_the_scope_of_an_operator(partners: PartnerWorld) -> None:
    """The account may be an operator's, but not in a session that a partner opened."""
    known = ("openid", "email", "profile:read", "users:write")
    partner = partners.partner(clients=("cli_theirs",), scopes=known)
    answer = came(partners, partner)
    [user] = vars(partners.store)["_users"].values()
    with_roles(partners, user, "user", "admin")
    assert renewed(partners, answer, THEIRS).scope == "openid email profile:read"
    assert came(partners, partner).scope == "openid email profile:read"


# Machines


def service_session(world: World) -> tuple[TokenAnswer, ApiKey]:
    """Open the session of a service with an API key that has all roles and scopes of its client."""
    key_id, text, stored = new_api_key(world.entropy)
    key = ApiKey(key_id, SERVICE.client_id, "nightly", stored, NOW, scopes=SERVICE.scopes, roles=SERVICE.roles)
    world.put_client(SERVICE)
    world.store.create_api_key(key)
    return world.machines.exchange_api_key(text, address=ADDRESS, now=NOW), key


def lose_at_the_key(world: World, key: ApiKey) -> None:
    vars(world.store)["_api_keys"][key.key_id] = replace(key, scopes=("profile:read",), roles=("service",))


def lose_at_the_client(world: World, key: ApiKey) -> None:
    world.put_client(replace(SERVICE, scopes=("profile:read",), roles=("service",)))


@pytest.mark.parametrize("lose", [lose_at_the_key, lose_at_the_client])
def test_a_services_session_is_cut_to_what_key_and_client_still_have(
    world: World, lose: Callable[[World, ApiKey], None]
) -> None:
    """Its next token lacks the scope and the role that either of them lost."""
    first, key = service_session(world)
    lose(world, key)
    second = world.refresh(first, now=NOW + 60)
    assert [carried(world.claims(each, now=NOW + 60)) for each in (first, second)] == [
        (("admin", "service", "user"), (), "hello:read profile:read"),
        (("service", "user"), (), "profile:read"),
    ]


def test_a_machine_has_no_time_of_sign_in(world: World) -> None:
    """No person signed in, so its tokens have no `auth_time`, and their methods name no password."""
    first, _ = service_session(world)
    plain = world.machines.client_credentials(SERVICE, None, now=NOW)
    tokens = [world.claims(each, now=NOW) for each in (first, world.refresh(first, now=NOW), plain)]
    assert [(each.auth_time, each.amr) for each in tokens] == [(None, ("api_key",))] * 2 + [(None, ())]


def test_a_key_may_open_a_session_by_a_scope(world: World) -> None:
    """A machine's scopes are permissions of its own, `token:issue` too."""
    key_id, text, stored = new_api_key(world.entropy)
    world.put_client(replace(SERVICE, roles=(), scopes=("token:issue",)))
    world.store.create_api_key(ApiKey(key_id, SERVICE.client_id, "n", stored, NOW, scopes=("token:issue",)))
    assert world.machines.exchange_api_key(text, address=ADDRESS, now=NOW).scope == "token:issue"


def test_a_machine_gets_no_scope_that_is_no_longer_known(world: World) -> None:
    """A deleted permission may still be a scope of the client and of the key. Their tokens leave it out."""
    key_id, text, stored = new_api_key(world.entropy)
    scopes = ("gone:read", "hello:read", "openid")
    client = replace(SERVICE, scopes=scopes)
    world.put_client(client)
    world.store.create_api_key(ApiKey(key_id, SERVICE.client_id, "n", stored, NOW, scopes=scopes, roles=("service",)))
    first = world.machines.exchange_api_key(text, address=ADDRESS, now=NOW)
    plain = world.machines.client_credentials(client, None, now=NOW)
    answers = (first, world.refresh(first, now=NOW), plain)
    assert [answer.scope for answer in answers] == ["hello:read openid"] * 3
    with refuses(Errors.INVALID_SCOPE):
        world.machines.client_credentials(client, "gone:read", now=NOW)


def test_a_session_loses_the_scope_whose_permission_is_deleted(world: World) -> None:
    """The next refresh leaves it out."""
    registry = registry_with(CustomRoles(1, permissions=("orders:read",)))
    key_id, text, stored = new_api_key(world.entropy)
    world.put_client(replace(SERVICE, scopes=("orders:read",)))
    key = ApiKey(key_id, SERVICE.client_id, "n", stored, NOW, scopes=("orders:read",), roles=("service",))
    world.store.create_api_key(key)
    first = replace(world.machines, roles=registry).exchange_api_key(text, address=ADDRESS, now=NOW)
    assert (first.scope, world.refresh(first, now=NOW).scope) == ("orders:read", "")
