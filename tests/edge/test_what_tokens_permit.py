"""For any roles, scopes and clients: what the authorizer passes on is never more than both user and client may."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from latchkey.core.clients.first_party import BUILT_IN_APP
from latchkey.core.model import Client, ClientKind, User, UserStatus
from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS
from latchkey.core.roles.scopes import OPENID_SCOPES
from latchkey.edge.authorizer import context_of
from tests.world import NOW, World, small_policy

POLICY = small_policy()
ROLES = st.lists(st.sampled_from([*BUILT_IN.roles, "unknown"]), unique=True, max_size=4).map(tuple)
NAMES = sorted({*PERMISSIONS, *OPENID_SCOPES, "orders:read", "profile:reader", "*"})
SCOPES = st.lists(st.sampled_from(NAMES), unique=True, max_size=12).map(tuple)


@dataclass(frozen=True)
class Standing:
    """What a user and a client may do at one moment."""

    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    first_party: bool

    @property
    def permitted(self) -> set[str]:
        """What a token may permit at most."""
        held = set(BUILT_IN.permissions(self.roles))
        return held if self.first_party else held & set(self.scopes)


STANDINGS = st.builds(Standing, ROLES, SCOPES, st.booleans())


@given(at_first=STANDINGS, later=STANDINGS, scope=st.none() | SCOPES.map(" ".join))
def test_tokens_permit_no_more_than_user_and_client_may(at_first: Standing, later: Standing, scope: str | None) -> None:
    """At the sign-in, and after any change of roles, scopes and kind of client at the next refresh."""
    world = World(POLICY)
    user = User("usr_a", "ann", UserStatus.ACTIVE, at_first.roles, 0, NOW)
    client = Client("cli_a", ClientKind.PUBLIC, "A", NOW, scopes=at_first.scopes, first_party=at_first.first_party)
    answer = world.open_for(user, world.put_client(client), scope)
    require_within(world, answer.access_token, at_first)
    world.put_user(replace(user, roles=later.roles))
    world.put_client(replace(client, scopes=later.scopes, first_party=later.first_party))
    renewed = world.refresh(answer, now=NOW, client_id=client.client_id)
    require_within(world, renewed.access_token, later)
    assert set(renewed.scope.split()) <= set(answer.scope.split()) & set(later.scopes)


def require_within(world: World, token: str, standing: Standing) -> None:
    """Assert that a token permits, and says, no more than it may."""
    claims = world.claims_of(token)
    context = context_of(claims)
    permissions = set(context["permissions"].split())
    assert permissions <= standing.permitted
    assert bool(claims.roles or claims.permissions) <= standing.first_party
    if standing.first_party:
        assert permissions == standing.permitted
    else:
        assert permissions == set(claims.scope.split()) - OPENID_SCOPES


@given(roles=ROLES)
def test_the_app_of_the_team_permits_all_that_its_user_may(roles: tuple[str, ...]) -> None:
    """The built-in app asks for no permission by scope, and needs none."""
    world = World(POLICY)
    answer = world.open_for(User("usr_a", "ann", UserStatus.ACTIVE, roles, 0, NOW), BUILT_IN_APP)
    permissions = context_of(world.claims_of(answer.access_token))["permissions"].split()
    assert permissions == list(BUILT_IN.permissions(roles))
