"""Moving the issuer and the audience of a running stack: the answers and errors that operators get."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.signing_policy.rotation import LEASE
from latchkey.signing.accepted import Accepted
from latchkey.signing.keys import Algorithm
from latchkey.signing.names import Name
from latchkey.signing.policy import Lifetimes, first_policy
from tests.signing_world import CACHES, ISSUER, LATER, MOVED, THIRD, Fate, SigningWorld, begun
from tests.world import AUDIENCE, NOW

AT = LATER + CACHES.publish_lead
UNTIL = AT + 900 + CACHES.name_margin


@pytest.fixture
def world() -> SigningWorld:
    """A stack with its first policy."""
    return begun()


def refused(act: Callable[[], object]) -> ServiceError:
    """Return the error that this raises."""
    with pytest.raises(ServiceError) as caught:
        act()
    return caught.value


# The issuer


def test_move_says_when_tokens_change_and_when_the_old_issuer_ends(world: SigningWorld) -> None:
    """The operator knows for how long both addresses must work."""
    assert world.issuer_move().move(MOVED, world.moment(LATER)) == {
        "version": 2,
        "issuer": ISSUER,
        "next_issuer": {"iss": MOVED, "at": AT, "previous_until": UNTIL},
        "previous_issuers": [],
        "audience": AUDIENCE,
        "next_audience": None,
        "previous_audiences": [],
    }
    assert [(event.name, event.reason) for event in world.journal.events] == [("issuer_move_planned", "version 2")]


def test_move_is_published_before_it_comes_about(world: SigningWorld) -> None:
    """Verifiers accept both issuers at once, and the old one until its end."""
    world.issuer_move().move(MOVED, world.moment(LATER))
    for now in (LATER, AT, UNTIL - 1):
        assert world.names_served(now) == Accepted({ISSUER: UNTIL, MOVED: None}, {AUDIENCE: None})
    assert world.names_served(UNTIL) == Accepted({MOVED: None}, {AUDIENCE: None})
    world.require_sound(LATER, whole=True)


def test_move_is_shown_to_admins(world: SigningWorld) -> None:
    """Admins see the state of the move at that moment."""
    world.issuer_move().move(MOVED, world.moment(LATER))
    shown = [world.admin().show(now) for now in (AT - 1, AT, UNTIL)]
    assert [each["issuer"] for each in shown] == [ISSUER, MOVED, MOVED]
    assert [each["next_issuer"] is None for each in shown] == [False, True, True]
    assert [each["previous_issuers"] for each in shown] == [[], [{"iss": ISSUER, "until": UNTIL}], []]


def test_repeated_move_changes_nothing_and_publishes_again(world: SigningWorld) -> None:
    """An operator who got no answer repeats the command. The repeat also publishes the names if a writer had died."""
    first = world.issuer_move().move(MOVED, world.moment(LATER))
    fate = Fate()
    assert world.issuer_move(fate).move(MOVED, world.moment(LATER + 9)) == first
    assert [name for name in fate.calls if name not in {"take_lease", "return_lease"}] == [
        "current", "current", "current", "publish_keys",
    ]  # fmt: skip
    assert len(world.journal.events) == 1


def test_move_to_the_present_issuer_repairs_what_is_published(world: SigningWorld) -> None:
    """Nothing is planned, and the names in force are published again."""
    world.issuer_move().move(ISSUER, world.moment(LATER))
    assert (world.policy.version, world.policy.issuers) == (1, Name(ISSUER))
    world.require_sound(LATER, whole=True)


def test_mistyped_move_is_corrected_by_another(world: SigningWorld) -> None:
    """The mistyped move never comes about, and its name stays accepted for a while."""
    world.issuer_move().move("https://auht.example", world.moment(LATER))
    world.issuer_move().move(MOVED, world.moment(LATER + 30))
    assert world.policy.issuers.minted(UNTIL) == MOVED
    assert [each.name for each in world.policy.issuers.previous] == ["https://auht.example"]
    world.require_sound(LATER + 30, whole=True)


def test_move_can_go_back(world: SigningWorld) -> None:
    """A move can go back to an issuer that is still accepted, and to one that is not."""
    world.issuer_move().move(MOVED, world.moment(LATER))
    for now in (AT, UNTIL + 86_400):
        world.issuer_move().move(ISSUER, world.moment(now))
        assert world.policy.issuers.minted(now + CACHES.publish_lead) == ISSUER
        world.require_sound(now, whole=True)
        world.issuer_move().move(MOVED, world.moment(now + 1000))


@pytest.mark.parametrize(
    "iss",
    [
        "",
        "auth.example",
        "http://auth.example",
        "https://auth.example/",
        "https://auth.example?a",
        "https://auth.example#a",
        "https://a b",
        "ftp://auth.example",
        "https://auth.example/" + "a" * 256,
        "HTTPS://auth.example",
    ],
)
def test_what_cannot_be_an_issuer_is_refused(world: SigningWorld, iss: str) -> None:
    """An invalid issuer is rejected, and nothing is written."""
    error = refused(lambda: world.issuer_move().move(iss, world.moment(LATER)))
    assert (error.error, error.fields[0].field, error.fields[0].code) == (Errors.VALIDATION_FAILED, "iss", "bad_issuer")
    assert world.policy.version == 1


def test_address_of_something_else_is_refused(world: SigningWorld) -> None:
    """The address must answer with this stack's published keys. Otherwise nothing is written."""
    world.address.refusal = ServiceError(Errors.VALIDATION_FAILED, "iss: no_answer")
    error = refused(lambda: world.issuer_move().move(MOVED, world.moment(LATER)))
    [(iss, published)] = world.address.asked
    assert (error, iss, published.version, published.issuer) == (world.address.refusal, MOVED, 1, ISSUER)
    assert (world.policy.version, world.journal.events) == (1, [])


def test_stack_on_a_laptop_moves_to_plain_http() -> None:
    """Such a stack has no certificate. A stack that has https cannot move back to plain http."""
    world = SigningWorld()
    policy = first_policy("http://127.0.0.1:8080", Algorithm.HS256, Lifetimes(), world.moment(NOW), audience=AUDIENCE)
    world = SigningWorld(policy.to_json())
    assert world.issuer_move().move("http://localhost:8080", world.moment(LATER))["next_issuer"]["at"] == AT


def test_move_conflicts_while_another_writes(world: SigningWorld) -> None:
    """The error says when to come back."""
    world.store.take_lease("signing", "another", now=LATER, until=LATER + LEASE)
    error = refused(lambda: world.issuer_move().move(MOVED, world.moment(LATER)))
    assert (error.error, error.retry_after) == (Errors.CONFLICT, LEASE)


def test_move_before_the_first_rotation_has_to_wait() -> None:
    """There is no policy to move."""
    world = SigningWorld()
    assert refused(lambda: world.issuer_move().move(MOVED, world.moment(LATER))).error is Errors.UNAVAILABLE


# The audience


def test_both_may_move_at_once(world: SigningWorld) -> None:
    """Neither waits for the other."""
    world.audience = "shop"
    world.issuer_move().move(MOVED, world.moment(LATER))
    world.rotate("t", LATER + 5)
    world.issuer_move().move(THIRD, world.moment(LATER + 10))
    assert world.policy.audiences is not None
    assert (world.policy.issuers.minted(AT + 10), world.policy.audiences.minted(AT + 10)) == (THIRD, "shop")
    world.require_sound(LATER + 10, whole=True)
