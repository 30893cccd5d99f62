"""Refresh over HTTP: a storm agrees, a replay ends the session and is reported."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from latchkey.signing.policy import SigningPolicy, parse
from latchkey.signing.refresh import RefreshKey, RefreshToken, WrongMac, mint_refresh, verify_refresh
from tests.e2e.accounts import PASSWORD, Person, new_login, person, refresh, sign_in
from tests.e2e.client import RunningTwin, start_twin
from tests.e2e.signing_admin import SigningAdmin

STORM = 50

POLICY_AGE = 1.0
"""Seconds for which the twin's functions keep the signing policy."""


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


def test_a_replay_at_the_endpoint_of_oauth_ends_the_session_too(strict_twin: RunningTwin) -> None:
    """Both endpoints renew the same sessions, and both tell the owner of a theft."""
    someone = person(strict_twin)
    form = {"grant_type": "refresh_token", "refresh_token": someone.tokens["refresh_token"]}
    answers = [strict_twin.call("POST", "/oauth2/token", form=form) for _ in range(2)]
    assert [(answer.status, answer.json.get("error")) for answer in answers] == [(200, None), (400, "invalid_grant")]
    assert someone.me().status == 401


def test_fifty_people_at_once_do_not_disturb_each_other(twin: RunningTwin) -> None:
    """Each person registers, signs in, refreshes five times and signs out, and gets only their own account."""

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


# ---- What is no refresh token ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["access token", "over 1,024 characters", "over 8,192 characters", "two lines", "not ASCII"]
)
def test_what_is_no_refresh_token_is_an_invalid_grant(twin: RunningTwin, kind: str) -> None:
    """The code is `invalid_grant` for any length: it tells an app to sign in again, and `too_long` does not."""
    someone = person(twin)
    text = {
        "access token": str(someone.tokens["access_token"]),
        "over 1,024 characters": "x" * 1_025,
        "over 8,192 characters": "x" * 8_193,
        "two lines": someone.tokens["refresh_token"] + "\n",
        "not ASCII": "lk2.é",
    }[kind]
    ours = [twin.call("POST", "/v1/auth/refresh", json={name: text}) for name in ("refresh_token", "token")]
    oauth = twin.call("POST", "/oauth2/token", form={"grant_type": "refresh_token", "refresh_token": text})
    assert [(answer.status, answer.json["code"]) for answer in ours] == [(401, "invalid_grant")] * 2
    assert (oauth.status, oauth.json["error"]) == (400, "invalid_grant")
    someone.refresh()


def test_other_secrets_that_are_too_long_are_wrong_secrets(twin: RunningTwin) -> None:
    """An access token to validate, a code from a mail, a client's secret and a confirmation: each has its own error."""
    text, worker = "x" * 9_000, twin.dev["clients"][2]["client_id"]
    grant = {"grant_type": "client_credentials", "client_id": worker, "client_secret": text}
    reset = {"confirmation_token": text, "understood": True}
    answers = {
        "invalid_token": twin.call("POST", "/v1/auth/validate", json={"token": text}),
        "code_used_or_expired": twin.call("POST", "/v1/user/email/undo", json={"code": text}),
        "invalid_client": twin.call("POST", "/oauth2/token", form=grant),
        "confirmation_failed": SigningAdmin.of(twin).ask("POST", "/reset", reset),
    }
    codes = {name: answer.json.get("code") or answer.json["error"] for name, answer in answers.items()}
    assert codes == {name: name for name in answers}
    code = twin.call("POST", "/v1/user/password/reset", json={"token": text, "password": PASSWORD})
    assert (code.status, code.json["code"]) == (410, "code_used_or_expired")


# ---- The refresh keys have leaked ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leak:
    """A twin with a signed-in person, and the signing policy with all its secrets, which a thief has read.

    `ended` is a refresh key of that policy which is past its `retire_at`.
    """

    twin: RunningTwin
    policy: SigningPolicy
    ended: RefreshKey
    owner: Person

    def held(self) -> RefreshToken:
        """Return the content of the owner's token."""
        return verify_refresh(self.owner.tokens["refresh_token"], self.policy.refresh_keys, int(time.time()))

    def forged(self) -> str:
        """Return the thief's token from the leaked keys: all is right but the values that only tokens hold."""
        return mint_refresh(replace(self.held(), family=bytes(16), link=bytes(16)), self.policy.refresh_keys)

    def answer(self, token: str) -> tuple[int, str]:
        """Return the status and the code for a refresh token."""
        answer = refresh(self.twin, token)
        return answer.status, answer.json.get("code", "")

    def alarms(self) -> int:
        """Return how many events of the owner's session say that a key has leaked."""
        lines = [json.loads(line) for line in self.twin.output().splitlines() if line.startswith("{")]
        sid = self.owner.tokens["refresh_token"].split(".")[2]
        return sum(line.get("event") == "refresh_forged" and line["sid"] == sid for line in lines)


REFUSED = (401, "invalid_grant")


@pytest.fixture(scope="module")
def leak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leak]:
    """A twin that was stopped, had its secret read from its file, and runs again."""
    folder = tmp_path_factory.mktemp("leak")
    options = {"DATA": "state.db", "ISSUER": "http://localhost:8080", "LIMITS": "off"}
    ended = RefreshKey("of-long-ago", bytes(range(32)), retire_at=int(time.time()) - 1)
    with start_twin(folder, **options) as before:
        owner = person(before)
        before.stop(signal.SIGKILL)
    policy = read_and_age(folder / "state.db", ended)
    with start_twin(folder, **options) as twin:
        yield Leak(twin, policy, ended, replace(owner, twin=twin))
        assert twin.leaks() == []


def read_and_age(file: Path, ended: RefreshKey) -> SigningPolicy:
    """Return the signing policy of a stopped twin, after adding a key that has ended to it."""
    with closing(sqlite3.connect(file)) as database, database:
        for name, text in database.execute("SELECT secret_id, versions FROM secrets").fetchall():
            versions = json.loads(text)
            [current] = [each for each in versions if "AWSCURRENT" in each["stages"]]
            if "refresh_keys" in current["text"]:
                policy = parse(current["text"])
                policy = replace(policy, refresh_keys=(*policy.refresh_keys, ended))
                current["text"] = policy.to_json()
                row = (json.dumps(versions), name)
                database.execute("UPDATE secrets SET versions = ? WHERE secret_id = ?", row)
                return policy
    raise AssertionError("the twin keeps no signing policy")


def test_a_leaked_refresh_key_mints_nothing(leak: Leak) -> None:
    """A forged token is refused and raises an alarm each time. The session goes on: a thief can end no session."""
    before = leak.alarms()
    assert [leak.answer(leak.forged()) for _ in range(3)] == [REFUSED] * 3
    assert leak.alarms() == before + 3
    leak.owner.refresh()
    assert leak.owner.me().status == 200


def test_a_refresh_key_past_its_end_verifies_nothing(leak: Leak) -> None:
    """The owner's token is rejected with the MAC of a retired key, and accepted with the MAC of a live one."""
    held = leak.held()
    assert leak.answer(mint_refresh(held, (leak.ended,))) == REFUSED
    assert leak.answer(mint_refresh(held, leak.policy.refresh_keys)) == (200, "")
    leak.owner.refresh()


def test_after_a_reset_leaked_keys_still_mint_nothing_and_owners_go_on(leak: Leak) -> None:
    """Without `end_sessions` every session goes on. Old keys verify the owners' tokens and reject forged ones."""
    forged, before = leak.forged(), leak.alarms()
    SigningAdmin.of(leak.twin).reset()
    time.sleep(POLICY_AGE)
    assert leak.answer(forged) == REFUSED
    assert leak.alarms() == before + 1
    old = leak.owner.tokens["refresh_token"]
    new = leak.owner.refresh()["refresh_token"]
    with pytest.raises(WrongMac):  # the successor is under a key that the thief does not have
        verify_refresh(new, leak.policy.refresh_keys, int(time.time()))
    assert old != new


def test_a_reset_that_ends_sessions_drops_the_leaked_keys(leak: Leak) -> None:
    """After that, a forged token fails at the MAC, and owners sign in again."""
    someone = person(leak.twin)
    SigningAdmin.of(leak.twin).reset(end_sessions=True)
    time.sleep(POLICY_AGE)
    assert leak.answer(someone.tokens["refresh_token"]) == REFUSED
    assert sign_in(leak.twin, someone.login).me().status == 200
