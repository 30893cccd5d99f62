"""The way back to a former address, and the thief whom it shuts out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from latchkey.core.authenticators.address_window import ADDRESS_CHANGE_WAIT, FORMER_LOGIN_HELD
from latchkey.core.credentials.passwords import NO_PASSWORD
from latchkey.core.errors import Errors
from latchkey.core.model import Link, MailKind, UserStatus
from tests.unit.core.authenticators.test_change_email import (
    NEW_LOGIN,
    NEW_PASSWORD,
    THIRD_LOGIN,
    move,
    refuses,
    signed_in,
    user_of,
)
from tests.world import LOGIN, NOW, PASSWORD, World

WAIT = ADDRESS_CHANGE_WAIT


def undo_code(world: World, who: tuple[str, str], to: str = NEW_LOGIN, *, now: int = NOW) -> str:
    """Move the account and return the code that undoes it."""
    [notice] = move(world, who, to, now=now)
    return notice.code


def link(world: World, who: tuple[str, str], partner_id: str, *, at: int, roles: tuple[str, ...] = ()) -> Link:
    """Link the account with a partner, and let the partner give it roles."""
    added = Link(who[0], partner_id, f"{partner_id}-7", at, confirmed_at=at)
    assert world.store.add_link(user_of(world, who), added)
    user, given = user_of(world, who), replace(added, roles=roles)
    assert world.store.renew_link(user, replace(user, roles=(*user.roles, *roles)), given)
    return given


def test_the_reader_of_the_old_mailbox_takes_the_account_back(world: World) -> None:
    """The login is the old one, no password opens it, the thief's sessions end, and a mail sets a new password."""
    world.register()
    mine = world.log_in()
    thief = signed_in(world)
    code = undo_code(world, thief)
    world.passwords.change(*thief, PASSWORD, NEW_PASSWORD, now=NOW + 1)
    world.deliver(now=NOW + 1)
    world.email_undo(code, now=NOW + 2)
    assert user_of(world, thief).login == LOGIN
    for login in (LOGIN, NEW_LOGIN):
        for password in (PASSWORD, NEW_PASSWORD):
            with refuses(Errors.INVALID_CREDENTIALS):
                world.log_in(login, password, now=NOW + 2)
    with refuses(Errors.INVALID_GRANT):
        world.refresh(mine, now=NOW + 2)
    with refuses(Errors.INVALID_TOKEN):
        world.emails.request(*thief, THIRD_LOGIN, NEW_PASSWORD, now=NOW + 2)
    reset, notice = world.deliver(now=NOW + 2)
    assert (reset.to, reset.about) == (LOGIN, MailKind.RESET)
    assert (notice.to, notice.about) == (NEW_LOGIN, MailKind.EMAIL_CHANGE_UNDONE)
    world.passwords.reset(reset.code, "a third one that is long", now=NOW + 3)
    assert world.log_in(LOGIN, "a third one that is long", now=NOW + 3)
    assert world.journal.names().count("email_change_undone") == 1


def test_the_address_that_the_account_loses_is_free(world: World) -> None:
    """It may be a thief's, but it may also be that of a person who wants an account."""
    world.register()
    world.email_undo(undo_code(world, signed_in(world)), now=NOW)
    assert world.register(NEW_LOGIN)


def test_a_change_is_undone_once(world: World) -> None:
    """The second use is refused and changes nothing."""
    world.register()
    who = signed_in(world)
    code = undo_code(world, who)
    world.email_undo(code, now=NOW)
    held = world.store.find_credential(LOGIN)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.email_undo(code, now=NOW)
    assert (world.store.find_credential(LOGIN), held and held.password_hash) == (held, NO_PASSWORD)


@pytest.mark.parametrize(("after", "works"), [(FORMER_LOGIN_HELD - 1, True), (FORMER_LOGIN_HELD, False)])
def test_a_change_can_be_undone_for_three_days(
    world: World,
    after: int,
    works: bool,
) -> None:
    """After that, the address may belong to another person."""
    world.register()
    who = signed_in(world)
    code = undo_code(world, who)
    if works:
        world.email_undo(code, now=NOW + after)
    else:
        with refuses(Errors.CODE_USED_OR_EXPIRED):
            world.email_undo(code, now=NOW + after)
    assert user_of(world, who).login == (LOGIN if works else NEW_LOGIN)


def test_links_added_since_go_with_the_roles_that_they_gave(world: World) -> None:
    """A link from before the change stays, and so do its roles."""
    world.register()
    who = signed_in(world)
    own = user_of(world, who).roles
    mine = link(world, who, "prt_mine", at=NOW - 1, roles=("reader",))
    code = undo_code(world, who)
    thiefs = link(world, who, "prt_thief", at=NOW, roles=("writer", "editor"))
    world.email_undo(code, now=NOW + 1)
    assert world.store.list_links(who[0]) == (mine,)
    assert world.store.find_external(thiefs.partner_id, thiefs.external_id) is None
    assert user_of(world, who).roles == (*own, "reader")
    unlinked = [event for event in world.journal.events if event.name == "identity_unlinked"]
    assert [(event.sub, event.partner_id) for event in unlinked] == [(who[0], "prt_thief")]


def test_a_link_confirmed_since_goes_too(world: World) -> None:
    """A thief may have confirmed an old link with the password."""
    world.register()
    who = signed_in(world)
    old = link(world, who, "prt_old", at=NOW - 9)
    code = undo_code(world, who)
    vars(world.store)["_links"][who[0], "prt_old"] = replace(old, confirmed_at=NOW + 1)
    world.email_undo(code, now=NOW + 2)
    assert world.store.list_links(who[0]) == ()


def test_a_change_is_undone_whatever_the_login_is_by_then(world: World) -> None:
    """A thief waits a day and moves on: the first link still takes the account back, and the thief's own is void."""
    world.register()
    thief = signed_in(world)
    first = undo_code(world, thief)
    second = undo_code(world, thief, THIRD_LOGIN, now=NOW + WAIT)
    world.email_undo(first, now=NOW + WAIT + 1)
    assert user_of(world, thief).login == LOGIN
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.email_undo(second, now=NOW + WAIT + 2)
    assert (user_of(world, thief).login, world.store.find_credential(THIRD_LOGIN)) == (LOGIN, None)
    assert world.register(NEW_LOGIN)


def test_a_thief_who_undoes_a_later_change_saves_nothing(world: World) -> None:
    """The link of the earlier change still works."""
    world.register()
    thief = signed_in(world)
    first = undo_code(world, thief)
    second = undo_code(world, thief, THIRD_LOGIN, now=NOW + WAIT)
    world.email_undo(second, now=NOW + WAIT + 1)
    assert user_of(world, thief).login == NEW_LOGIN
    world.email_undo(first, now=NOW + WAIT + 2)
    assert user_of(world, thief).login == LOGIN


def test_nothing_waits_after_a_change_is_undone(world: World) -> None:
    """The owner, who has proved to read the mailbox, may move or go at once."""
    world.register()
    who = signed_in(world)
    world.email_undo(undo_code(world, who), now=NOW + 1)
    world.passwords.reset(world.code(MailKind.RESET, now=NOW + 1), PASSWORD, now=NOW + 1)
    again = signed_in(world, now=NOW + 2)
    assert (user_of(world, who).verified_at, user_of(world, who).address_changed_at) == (NOW + 1, 0)
    move(world, again, THIRD_LOGIN, now=NOW + 2)
    assert user_of(world, who).login == THIRD_LOGIN


def test_a_disabled_account_gets_its_login_back_and_stays_disabled(world: World) -> None:
    """Undoing a change undoes no decision of an operator."""
    world.register()
    who = signed_in(world)
    code = undo_code(world, who)
    world.put_user(replace(user_of(world, who), status=UserStatus.DISABLED))
    world.email_undo(code, now=NOW)
    assert (user_of(world, who).login, user_of(world, who).status) == (LOGIN, UserStatus.DISABLED)


def test_a_deleted_account_does_not_come_back(world: World) -> None:
    """Its former login is reserved until the time is over, and opens nothing."""
    world.register()
    who = signed_in(world)
    code = undo_code(world, who)
    world.erasure(*who, PASSWORD, now=NOW + WAIT)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.email_undo(code, now=NOW + WAIT)


@pytest.mark.parametrize("code", ["", "lkc_", "nonsense", "é" * 400, "123456"])
def test_what_is_no_code_undoes_nothing(world: World, code: str) -> None:
    """Any other text is an unknown code and does not crash."""
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.email_undo(code, now=NOW)


def test_a_code_to_undo_is_no_other_code(world: World) -> None:
    """A code has one purpose."""
    world.register()
    who = signed_in(world)
    code = undo_code(world, who)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.passwords.reset(code, NEW_PASSWORD, now=NOW)
    with refuses(Errors.CODE_USED_OR_EXPIRED):
        world.emails.confirm(*who, code, now=NOW)


def before_the_write(world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], times: int = 1) -> None:
    """Let something happen between the reads of an undo and its write."""
    real, left = world.store.undo_change, [act] * times

    def undo_change(undone: object) -> bool:
        if left:
            left.pop()()
        return real(undone)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store, "undo_change", undo_change)


def test_a_thief_who_changes_the_password_meanwhile_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is read again, and the change is undone."""
    world.register()
    thief = signed_in(world)
    code = undo_code(world, thief)
    act = lambda: world.passwords.change(*thief, PASSWORD, NEW_PASSWORD, now=NOW)  # noqa: E731 - one act
    before_the_write(world, monkeypatch, act)
    world.email_undo(code, now=NOW)
    assert user_of(world, thief).login == LOGIN


def test_a_link_that_a_thief_adds_meanwhile_goes_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write fails if a link was added since the account was read."""
    world.register()
    thief = signed_in(world)
    code = undo_code(world, thief)
    before_the_write(world, monkeypatch, lambda: link(world, thief, "prt_thief", at=NOW))
    world.email_undo(code, now=NOW)
    assert (user_of(world, thief).login, world.store.list_links(thief[0])) == (LOGIN, ())


def test_an_account_that_never_stands_still_is_a_conflict(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is not used, so the owner can try again."""
    world.register()
    thief = signed_in(world)
    code = undo_code(world, thief)
    epochs = iter(range(5, 99))
    act = lambda: world.put_user(replace(user_of(world, thief), epoch=next(epochs)))  # noqa: E731 - one act
    before_the_write(world, monkeypatch, act, times=3)
    with refuses(Errors.CONFLICT):
        world.email_undo(code, now=NOW)
    assert user_of(world, thief).login == NEW_LOGIN
    world.email_undo(code, now=NOW)
    assert user_of(world, thief).login == LOGIN


@pytest.mark.parametrize(
    ("step", "moment"), [("undo_change", "before"), ("undo_change", "after"), ("end_sessions", "before")]
)
def test_a_crash_leaves_the_change_undone_wholly_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    """After the one write, the sessions have ended and the mail waits, even if the function is gone."""
    world.register()
    thief = signed_in(world)
    answer = world.log_in()
    code = undo_code(world, thief)
    answer = world.log_in(NEW_LOGIN)
    real = getattr(world.store, step)

    def crash(*args: object) -> None:
        if moment == "after":
            real(*args)
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(world.store, step, crash)
        with pytest.raises(RuntimeError):
            world.email_undo(code, now=NOW)
    done = (step, moment) != ("undo_change", "before")
    assert (user_of(world, thief).login == LOGIN) is done
    if done:
        assert world.code(MailKind.RESET)
        with refuses(Errors.INVALID_GRANT):
            world.refresh(answer, now=NOW + 1)
    else:
        world.email_undo(code, now=NOW)
        assert user_of(world, thief).login == LOGIN
