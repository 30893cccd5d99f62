"""The life of an account over HTTP, with its mail."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e import accounts
from tests.e2e.accounts import PASSWORD, Person, new_login, sign_in
from tests.e2e.client import Response, RunningTwin, start_twin
from tests.e2e.mailbox import code_in, letters, wait_for

NEW_PASSWORD = "seven grey herons wading"
PARAMETERS = "Registration=confirm MailFrom=no-reply@shop.example MailLinkBase=https://app.example"


@pytest.fixture(scope="module")
def mailed_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin where addresses are confirmed and limits hold."""
    with start_twin(tmp_path_factory.mktemp("mailed-twin"), PARAMETERS=PARAMETERS) as running:
        yield running
        assert running.leaks() == []


def restore(twin: RunningTwin, login: str, **headers: str) -> Response:
    return twin.call("POST", "/v1/user/password/restore", json={"email": login}, headers=headers)


def reset(twin: RunningTwin, code: str, password: str = NEW_PASSWORD) -> Response:
    return twin.call("POST", "/v1/user/password/reset", json={"token": code, "password": password})


def log_in(twin: RunningTwin, login: str, password: str) -> int:
    return twin.call("POST", "/v1/auth/login", json={"login": login, "password": password}).status


def register(twin: RunningTwin, login: str, locale: str = "en") -> Response:
    return twin.call("POST", "/v1/user", json={"login": login, "password": PASSWORD, "locale": locale})


@pytest.mark.parametrize(
    ("locale", "subject"),
    [
        ("en", "Confirm your e-mail address"),
        ("ru-RU", "Подтвердите адрес электронной почты"),
        ("de", "Confirm your e-mail address"),
    ],
)
def test_an_account_is_opened_by_mail(mailed_twin: RunningTwin, locale: str, subject: str) -> None:
    """A new account is pending. Reading the code changes nothing; confirming it activates the account, also twice."""
    login = new_login()
    answer = register(mailed_twin, login, locale)
    assert (answer.status, answer.json["status"]) == (202, "pending")
    letter = wait_for(mailed_twin, login)
    code = code_in(mailed_twin, letter)
    assert (letter["subject"], f"https://app.example/v1/user/confirm/{code}" in letter["html"]) == (subject, True)
    assert log_in(mailed_twin, login, PASSWORD) == 403
    looked = mailed_twin.call("GET", f"/v1/user/confirm/{code}")
    assert (looked.status, looked.json) == (200, {"status": "pending"})
    assert [mailed_twin.call("POST", f"/v1/user/confirm/{code}").status for _ in range(2)] == [204, 204]
    assert log_in(mailed_twin, login, PASSWORD) == 200


def test_a_taken_login_gets_the_same_answer(mailed_twin: RunningTwin) -> None:
    """Only the owner learns that there is an account."""
    login = new_login()
    first, second = register(mailed_twin, login), register(mailed_twin, login)
    assert (first.status, first.body) == (second.status, second.body)
    assert wait_for(mailed_twin, login, 2)["subject"] == "You already have an account"


def test_a_confirmation_is_sent_again(mailed_twin: RunningTwin) -> None:
    """A lost mail can be requested again. A second request at once sends nothing, and gets the same response."""
    login = new_login()
    register(mailed_twin, login)
    wait_for(mailed_twin, login)
    answers = [mailed_twin.call("POST", "/v1/user/resendEmail", json={"login": login}) for _ in range(2)]
    code = code_in(mailed_twin, wait_for(mailed_twin, login, 2))
    assert [answer.status for answer in answers] == [202, 202]
    assert mailed_twin.call("POST", f"/v1/user/confirm/{code}").status == 204


def test_an_unknown_code_confirms_nothing(mailed_twin: RunningTwin) -> None:
    """An unknown code is a 410, as a used or expired one is."""
    answer = mailed_twin.call("POST", "/v1/user/confirm/lkc_nothing")
    assert (answer.status, answer.json["code"]) == (410, "code_used_or_expired")


def test_a_forgotten_password_is_reset(twin: RunningTwin) -> None:
    """The mail's code sets a new password once, every session ends, and the owner is told."""
    ann = accounts.person(twin)
    assert restore(twin, ann.login).status == 202
    code = code_in(twin, wait_for(twin, ann.login))
    assert reset(twin, code, "short").json["code"] == "weak_password"
    assert [reset(twin, code).status for _ in range(2)] == [204, 410]
    assert accounts.refresh(twin, ann.tokens["refresh_token"]).json["code"] == "invalid_grant"
    assert (ann.me().status, log_in(twin, ann.login, PASSWORD), log_in(twin, ann.login, NEW_PASSWORD)) == (
        401,
        401,
        200,
    )
    assert wait_for(twin, ann.login, 2)["subject"] == "Your password was changed"


def test_one_of_twenty_parallel_resets_wins(twin: RunningTwin) -> None:
    """One code sets one password."""
    ann = accounts.person(twin)
    restore(twin, ann.login)
    code = code_in(twin, wait_for(twin, ann.login))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: reset(twin, code, f"{NEW_PASSWORD} {number}"), range(20)))
    won = [number for number, answer in enumerate(answers) if answer.status == 204]
    assert ([answer.status for answer in answers].count(410), len(won)) == (19, 1)
    assert log_in(twin, ann.login, f"{NEW_PASSWORD} {won[0]}") == 200


def test_links_are_never_made_of_what_a_request_says(twin: RunningTwin) -> None:
    """No header of a request can change where the owner's link leads."""
    ann = accounts.person(twin)
    forged = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "Origin": "https://evil.example",
    }
    restore(twin, ann.login, **forged)
    letter = wait_for(twin, ann.login)
    assert "evil" not in str(letter)
    assert f"{twin.dev['issuer']}/v1/user/password/reset#{code_in(twin, letter)}" in letter["text"]


def test_known_and_unknown_logins_are_answered_alike(twin: RunningTwin) -> None:
    """The same status, the same body, and the same time: the mean of one kind lies within the spread of the other."""
    ann = accounts.person(twin)
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    bodies = set()
    for number in range(40):
        pair = [("known", ann.login), ("unknown", new_login())]
        # Turned round every other time, so that the mail sent meanwhile burdens both kinds alike.
        for kind, login in pair if number % 2 else reversed(pair):
            began = time.perf_counter()
            answer = restore(twin, login)
            times[kind].append(time.perf_counter() - began)
            bodies.add((answer.status, answer.body))
    known, unknown = (statistics.median(each) for each in times.values())
    assert len(bodies) == 1
    assert abs(known - unknown) < max(statistics.pstdev(each) for each in times.values())


def test_an_unknown_login_gets_no_mail(twin: RunningTwin) -> None:
    """An unknown login gets no mail. A later mail to another login proves that the first was not just slow."""
    login, ann = new_login(), accounts.person(twin)
    restore(twin, login)
    restore(twin, ann.login)
    wait_for(twin, ann.login)
    assert letters(twin, login) == []


def change(person: Person, current: str, password: str) -> Response:
    body = {"current_password": current, "password": password, "passwordRepeat": password}
    return person.twin.call("POST", "/v1/user/password/change", json=body, headers=person.bearer)


def test_a_password_is_changed_by_its_owner(twin: RunningTwin) -> None:
    """The phone in hand stays signed in, the other is out, and the owner is told."""
    ann = accounts.person(twin)
    other = sign_in(twin, ann.login)
    assert [change(ann, "not my password", NEW_PASSWORD).status, change(ann, PASSWORD, NEW_PASSWORD).status] == [
        401,
        204,
    ]
    assert (ann.me().status, other.me().status) == (200, 401)
    ann.refresh()
    assert wait_for(twin, ann.login)["subject"] == "Your password was changed"


def test_two_passwords_that_differ_are_refused(twin: RunningTwin) -> None:
    """A typing error in the repetition is named."""
    ann = accounts.person(twin)
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD, "passwordRepeat": NEW_PASSWORD + "!"}
    answer = twin.call("POST", "/v1/user/password/change", json=body, headers=ann.bearer)
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "passwordRepeat")


def test_an_account_moves_to_another_address(twin: RunningTwin) -> None:
    """The new address has the code, the old one the notice; the session goes on under the new login."""
    ann, new = accounts.person(twin), new_login()
    body = {"email": new, "current_password": PASSWORD}
    assert twin.call("POST", "/v1/user/email/change", json=body, headers=ann.bearer).status == 202
    code = code_in(twin, wait_for(twin, new))
    moved = [twin.call("POST", "/v1/user/email/confirm", json={"token": code}).status for _ in range(2)]
    assert moved == [204, 410]
    assert (log_in(twin, ann.login, PASSWORD), log_in(twin, new, PASSWORD), ann.me().json["login"]) == (401, 200, new)
    assert new in wait_for(twin, ann.login)["text"]


def test_the_export_holds_the_account_and_no_secret(twin: RunningTwin) -> None:
    """The export is one document: the account and its sessions."""
    ann = accounts.person(twin)
    answer = twin.call("GET", "/v1/auth/me/export", headers=ann.bearer)
    assert answer.status == 200
    assert answer.json["account"]["login"] == ann.login
    assert [session["current"] for session in answer.json["sessions"]] == [True]
    assert [
        word for word in ("hash", "argon2", "epoch", ann.tokens["refresh_token"]) if word in answer.body.decode()
    ] == []


def test_an_account_is_deleted_by_its_owner(twin: RunningTwin) -> None:
    """The password is enough to delete it. Then it cannot be used, the owner is told, and the login is free."""
    ann = accounts.person(twin)

    def delete(password: str) -> int:
        return twin.call("DELETE", "/v1/auth/me", json={"password": password}, headers=ann.bearer).status

    assert [delete("not my password"), delete(PASSWORD), delete(PASSWORD)] == [401, 204, 204]
    assert (ann.me().status, log_in(twin, ann.login, PASSWORD)) == (401, 401)
    assert accounts.refresh(twin, ann.tokens["refresh_token"]).status == 401
    assert wait_for(twin, ann.login)["subject"] == "Your account was deleted"
    assert register(twin, ann.login).status == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/user/password/restore", {"email": "ann@example.com"}),
        ("/v1/user/resendEmail", {"login": "ann@example.com"}),
        ("/v1/user/password/reset", {"token": "lkc_nothing", "password": NEW_PASSWORD}),
        ("/v1/user/email/confirm", {"token": "lkc_nothing"}),
    ],
)
def test_an_unknown_member_is_named(twin: RunningTwin, path: str, body: dict[str, str]) -> None:
    """A second address beside the first, or anything else, is refused."""
    answer = twin.call("POST", path, json=body | {"cc": "thief@example.com"})
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "cc")
