from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration import races
from tests.integration.conftest import NewStore

if TYPE_CHECKING:
    from latchkey.adapters.store import Store


def test_one_refresh_token_advances_its_session_once(store: Store, rounds: int) -> None:
    """Of fifty refreshes of one token, round after round, one advances the session each time, and all see its salt."""
    for _ in range(rounds):
        races.race_for_an_advance(store)


def test_one_repeat_is_counted_once(store: Store, rounds: int) -> None:
    """Of fifty that judged a repeat by the same read, round after round, one counts it each time."""
    for _ in range(rounds):
        races.race_to_count_a_repeat(store)


def test_one_login_belongs_to_one_user(empty_store: Store, rounds: int) -> None:
    """Thirty registrations of one login, round after round, make one user each time and leave nothing of the rest."""
    for _ in range(rounds):
        races.race_for_a_login(empty_store)


def test_one_code_is_used_once(store: Store, rounds: int) -> None:
    """Thirty uses of one code, round after round, succeed once each time."""
    for _ in range(rounds):
        races.race_for_a_code(store)


def test_tries_of_a_short_code_are_never_more(store: Store, rounds: int) -> None:
    """Thirty guesses at one code, round after round, get exactly five tries each time."""
    for _ in range(rounds // 2):
        races.race_for_tries(store)


def test_one_confirmation_of_a_draft_makes_the_account(store: Store, rounds: int) -> None:
    """Thirty confirmations of one draft, round after round, make one account each time."""
    for _ in range(rounds // 4):
        races.race_to_confirm(store)


def test_one_of_many_drafts_gets_the_login(store: Store, rounds: int) -> None:
    """Thirty drafts of one login that are confirmed at once, round after round, make one account each time."""
    for _ in range(rounds // 4):
        races.race_of_drafts(store)


def test_tries_of_a_draft_are_never_more(store: Store, rounds: int) -> None:
    """Thirty guesses at the digits of one draft, round after round, get exactly five tries each time."""
    for _ in range(rounds // 2):
        races.race_for_draft_tries(store)


def test_one_writer_holds_a_lease(store: Store, rounds: int) -> None:
    """Thirty writers who want one lease, round after round, find one holder each time, and one again when it ends."""
    for _ in range(rounds // 2):
        races.race_for_a_lease(store)


def test_the_free_attempts_are_never_more(store: Store, rounds: int) -> None:
    """Thirty attempts at one counter, round after round, let exactly the ten free ones through each time."""
    for _ in range(rounds):
        races.race_for_attempts(store)


def test_parallel_attempts_of_a_device_never_exceed_its_rule(store: Store, rounds: int) -> None:
    """Thirty at once, the first of them on that day, get exactly the free attempts each time."""
    for _ in range(rounds // 4):
        races.race_of_one_device(store)


def test_parallel_devices_never_exceed_the_room_of_a_login(store: Store, rounds: int) -> None:
    """Thirty new devices at once get exactly as many counts as there is room for each time."""
    for _ in range(rounds // 4):
        races.race_of_many_devices(store)


def test_mails_are_counted_once_and_within_the_rule(store: Store, rounds: int) -> None:
    """Thirty mails to one mailbox at once, round after round, are counted exactly as often as the rule allows."""
    for _ in range(rounds // 4):
        races.race_to_charge(store)


def test_what_is_given_back_is_never_more_than_there_is(store: Store, rounds: int) -> None:
    """Fifteen who reserve and fifteen who give back at once, round after round, leave no count below 0."""
    for _ in range(rounds // 2):
        races.race_to_give_back(store)


def test_one_admin_stays(empty_store: Store, rounds: int) -> None:
    """Thirty admins who step down at once, round after round, leave exactly one each time."""
    for _ in range(rounds // 4):
        races.race_for_the_last_admin(empty_store)


def test_one_admin_stays_when_all_delete_themselves(empty_store: Store, rounds: int) -> None:
    """Thirty admins who delete their accounts at once, round after round, leave exactly one each time."""
    for _ in range(rounds // 4):
        races.race_of_admins_who_delete_themselves(empty_store)


def test_one_becomes_the_first_admin(new_store: NewStore) -> None:
    """Thirty who want to be the first admin of an empty store, round after round, make one account each time."""
    for _ in range(3):
        races.race_for_the_first_admin(new_store())


def test_one_external_id_belongs_to_one_user(empty_store: Store, rounds: int) -> None:
    """Thirty first sign-ins of one external id, round after round, make one user each time and leave nothing else."""
    for _ in range(rounds // 4):
        races.race_for_an_external_id(empty_store)


def test_one_assertion_is_used_once(store: Store, rounds: int) -> None:
    """Thirty uses of one assertion, round after round, succeed once each time."""
    for _ in range(rounds // 2):
        races.race_for_an_assertion(store)


def test_one_identity_is_linked_with_one_account(store: Store) -> None:
    """Of thirty accounts that claim one identity at once, one gets it."""
    races.race_to_link(store)


def test_last_link_stays(store: Store) -> None:
    """Of thirty links that are removed at once, each on condition that the next exists, one stays."""
    races.race_to_part(store)


def test_one_issuer_belongs_to_one_partner(store: Store) -> None:
    """Of thirty partners that claim one issuer at once, one gets it."""
    races.race_for_an_issuer(store)


def test_seats_are_never_more(store: Store) -> None:
    """Thirty newcomers for seven seats at once fill exactly seven."""
    races.race_for_seats(store)
