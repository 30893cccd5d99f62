"""Refresh over HTTP: a storm agrees, a replay ends the session and is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.accounts import PASSWORD, new_login, person, refresh, sign_in
from tests.e2e.client import RunningTwin, start_twin

STORM = 50


@pytest.fixture(scope="module")
def strict_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin of a stack where no refresh token works twice."""
    with start_twin(tmp_path_factory.mktemp("strict"), LIMITS="off", PARAMETERS="RefreshRetryLimit=0") as running:
        yield running
        assert running.leaks() == []


def test_a_storm_of_refreshes_gets_one_and_the_same_successor(twin: RunningTwin) -> None:
    """Fifty parallel requests with one token: fifty times 200, one new generation."""
    token = person(twin).tokens["refresh_token"]
    with ThreadPoolExecutor(STORM) as pool:
        answers = list(pool.map(lambda _: refresh(twin, token), range(STORM)))
    assert [answer.status for answer in answers] == [200] * STORM
    (successor,) = {answer.json["refresh_token"] for answer in answers}
    assert int(successor.split(".")[3]) == int(token.split(".")[3]) + 1


def test_a_delayed_duplicate_gets_nothing_and_ends_nothing(twin: RunningTwin) -> None:
    """A token two generations old, a moment after it was spent: 503 with `Retry-After`, and the session goes on."""
    someone = person(twin)
    spent = someone.tokens["refresh_token"]
    someone.refresh()
    someone.refresh()
    duplicate = refresh(twin, spent)
    assert (duplicate.status, duplicate.headers["retry-after"]) == (503, "1")
    someone.refresh()
    assert someone.me().status == 200


def test_a_replay_ends_the_session_and_is_reported_once(strict_twin: RunningTwin) -> None:
    """A token that was used before, where no token works twice: refused, the session is dead, one line names it."""
    someone = person(strict_twin)
    stolen = someone.tokens["refresh_token"]
    someone.refresh()
    replays = [refresh(strict_twin, stolen) for _ in range(2)]
    assert [(replay.status, replay.json["code"]) for replay in replays] == [(401, "invalid_grant")] * 2
    assert refresh(strict_twin, someone.tokens["refresh_token"]).json["code"] == "invalid_grant"
    assert someone.me().status == 401
    sid = stolen.split(".")[2]
    lines = [json.loads(line) for line in strict_twin.output().splitlines() if line.startswith("{")]
    assert [line["sid"] for line in lines if line.get("event") == "refresh_reuse" and line["sid"] == sid] == [sid]


def test_fifty_people_at_once_do_not_disturb_each_other(twin: RunningTwin) -> None:
    """Each registers, signs in, refreshes five times and signs out, and meets only himself."""

    def life(login: str) -> bool:
        twin.call("POST", "/v1/user", json={"login": login, "password": PASSWORD})
        someone = sign_in(twin, login)
        for _ in range(5):
            someone.refresh()
        mine = someone.me().json["login"] == login
        return mine and twin.call("POST", "/v1/auth/logout", headers=someone.bearer).status == 204

    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(life, [new_login() for _ in range(50)]))


def test_one_login_registered_by_many_at_once_is_one_account(twin: RunningTwin) -> None:
    """One 201, the rest 409, and the winner's password works."""
    login = new_login()
    passwords = [f"{PASSWORD} {number}" for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda p: twin.call("POST", "/v1/user", json={"login": login, "password": p}), passwords)
        )
    statuses = [answer.status for answer in answers]
    assert (statuses.count(201), statuses.count(409)) == (1, 9)
    sign_in(twin, login, passwords[statuses.index(201)])
