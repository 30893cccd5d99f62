"""A bearer token alone changes nothing of what opens an account, whatever its thief does with it, and in any order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchkey.core.authenticators.links import NewLink
from latchkey.core.errors import ServiceError
from latchkey.core.grants.issuing import TokenAnswer
from latchkey.core.model import MailKind, Partner
from tests.partner_world import PartnerWorld, claims
from tests.world import ADDRESS, LOGIN, NOW, PASSWORD

GUESSES = ("", "a guess of the thief")
THIEFS_PASSWORD = "seven grey herons wading"


@dataclass
class Theft:
    """Ann's account with a live and a suspended link, and access tokens of two of her sessions in a thief's hands.

    The thief also has an identity of their own with a partner that Ann does not use.
    """

    world: PartnerWorld
    sub: str
    live: Partner
    suspended: Partner
    thiefs: Partner
    sids: tuple[str, ...]

    def opens(self) -> tuple[object, ...]:
        """Return everything that opens the account."""
        user, held = self.world.store.find_user(self.sub), self.world.store.find_credential(LOGIN)
        return (
            user and (user.status, user.login, user.reset_at, user.linked_at),
            held,
            self.world.store.list_links(self.sub),
        )


def theft() -> Theft:
    """Return the account, a second after a reset of its password."""
    world = PartnerWorld()
    sub = world.register().sub
    live, suspended, thiefs = (world.partner(f"https://{name}.example") for name in ("live", "gone", "thief"))
    sid = _sid(world, world.log_in())
    for partner in (live, suspended):
        token = world.signer.sign(claims(partner.issuer, "ann"))
        world.links.add(sub, sid, NewLink(token, "", PASSWORD, ADDRESS), now=NOW)
    world.outbox.post(MailKind.RESET, to=LOGIN, now=NOW)
    world.passwords.reset(world.code(MailKind.RESET), PASSWORD + "!", now=NOW)
    own = _sid(world, world.log_in(password=PASSWORD + "!", now=NOW), now=NOW)
    world.links.confirm(sub, own, live.partner_id, PASSWORD + "!", now=NOW)
    by_partner = _sid(world, world.come(live, "ann").tokens)
    return Theft(world, sub, live, suspended, thiefs, (own, by_partner))


def _sid(world: PartnerWorld, answer: TokenAnswer, *, now: int = NOW) -> str:
    return world.claims(answer, now=now).sid or ""


def _add(theft: Theft, sid: str, guess: str, now: int) -> None:
    token = theft.world.signer.sign(claims(theft.thiefs.issuer, "thief", now=now))
    theft.world.links.add(theft.sub, sid, NewLink(token, "", guess, ADDRESS), now=now)


def _remove(theft: Theft, sid: str, guess: str, now: int) -> None:
    theft.world.links.remove(theft.sub, sid, theft.live.partner_id, guess, now=now)


def _confirm(theft: Theft, sid: str, guess: str, now: int) -> None:
    theft.world.links.confirm(theft.sub, sid, theft.suspended.partner_id, guess, now=now)


def _change_password(theft: Theft, sid: str, guess: str, now: int) -> None:
    theft.world.passwords.change(theft.sub, sid, guess, THIEFS_PASSWORD, now=now)


def _change_email(theft: Theft, sid: str, guess: str, now: int) -> None:
    theft.world.emails.request(theft.sub, sid, "thief@example.com", guess, now=now)


def _delete(theft: Theft, sid: str, guess: str, now: int) -> None:
    theft.world.erasure(theft.sub, sid, guess, now=now)


ACTS: dict[str, Callable[[Theft, str, str, int], None]] = {
    act.__name__: act for act in (_add, _remove, _confirm, _change_password, _change_email, _delete)
}
STEPS = st.tuples(st.sampled_from(list(ACTS)), st.integers(0, 1), st.sampled_from(GUESSES), st.integers(0, 400))


@given(steps=st.lists(STEPS, min_size=1, max_size=6))
def test_no_sequence_of_acts_changes_what_opens_the_account(steps: list[tuple[str, int, str, int]]) -> None:
    """Each act is refused, at any time after the sign-in, and no mail goes to the thief's address."""
    stolen, now = theft(), NOW
    before = stolen.opens()
    for act, session, guess, pause in steps:
        now += pause
        with pytest.raises(ServiceError):
            ACTS[act](stolen, stolen.sids[session], guess, now)
        assert stolen.opens() == before
    assert [mail.to for mail in stolen.world.waiting() if mail.to != LOGIN] == []
    with pytest.raises(ServiceError, match="link_suspended"):
        stolen.world.come(stolen.suspended, "ann", now=now)
