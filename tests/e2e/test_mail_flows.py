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
from tests.e2e.mailbox import code_in, digits_in, letters, registration_in, wait_for

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


def register(twin: RunningTwin, login: str, locale: str = "en", password: str = PASSWORD) -> Response:
    return twin.call("POST", "/v1/user", json={"login": login, "password": password, "locale": locale})


def confirm(twin: RunningTwin, **members: str) -> int:
    return twin.call("POST", "/v1/user/confirm", json=members).status


@pytest.mark.parametrize(
    ("locale", "subject"),
    [
        ("en", "Confirm your e-mail address"),
        ("ru-RU", "Подтвердите адрес электронной почты"),
        ("de", "Confirm your e-mail address"),
    ],
)
def test_an_account_is_opened_by_mail(mailed_twin: RunningTwin, locale: str, subject: str) -> None:
    """The digits make the account, also if they are sent twice. Wrong digits and another flow do not."""
    login = new_login()
    answer = register(mailed_twin, login, locale)
    assert (answer.status, answer.json["status"]) == (202, "pending")
    letter = wait_for(mailed_twin, login)
    digits, code = registration_in(mailed_twin, letter)
    assert (letter["subject"], f"https://app.example/v1/user/confirm/{code}" in letter["html"]) == (subject, True)
    assert log_in(mailed_twin, login, PASSWORD) == 401
    flow, other = answer.json["flow"], register(mailed_twin, new_login()).json["flow"]
    wrong = f"{(int(digits) + 1) % 10**6:06}"
    assert [confirm(mailed_twin, flow=flow, code=wrong), confirm(mailed_twin, flow=other, code=digits)] == [410, 410]
    assert [confirm(mailed_twin, flow=flow, code=digits) for _ in range(2)] == [204, 204]
    assert log_in(mailed_twin, login, PASSWORD) == 200


def test_a_link_opens_an_account_with_its_password(mailed_twin: RunningTwin) -> None:
    """Reading the link changes nothing. The password of the registration confirms it, on either route."""
    for route in ("/v1/user/confirm", "/v1/user/confirm/{code}"):
        login = new_login()
        register(mailed_twin, login)
        _, code = registration_in(mailed_twin, wait_for(mailed_twin, login))
        looked = mailed_twin.call("GET", f"/v1/user/confirm/{code}")
        assert (looked.status, looked.json) == (200, {"status": "pending"})
        body = {} if "{" in route else {"code": code}
        tries = [
            mailed_twin.call("POST", route.format(code=code), json=body | {"password": password}).status
            for password in ("not my password", PASSWORD, PASSWORD)
        ]
        assert tries == [410, 204, 204]
        assert log_in(mailed_twin, login, PASSWORD) == 200


def test_a_strangers_registration_opens_nothing(mailed_twin: RunningTwin) -> None:
    """A stranger registers the address first, and its owner registers too and follows both mails.

    Only the owner's own registration becomes an account, only the owner's password opens it, and the stranger's draft
    is dead, whether the stranger has seen the mails or not.
    """
    login, stranger = new_login(), "the stranger's own words"
    theirs = register(mailed_twin, login, password=stranger).json["flow"]
    their_digits, their_code = registration_in(mailed_twin, wait_for(mailed_twin, login))
    mine = register(mailed_twin, login).json["flow"]
    _, my_code = registration_in(mailed_twin, wait_for(mailed_twin, login, 2))
    assert confirm(mailed_twin, code=their_code, password=PASSWORD) == 410
    assert confirm(mailed_twin, flow=mine, code=their_digits) == 410
    assert [log_in(mailed_twin, login, each) for each in (stranger, PASSWORD)] == [401, 401]
    assert confirm(mailed_twin, code=my_code, password=PASSWORD) == 204
    assert confirm(mailed_twin, flow=theirs, code=their_digits) == 410
    assert confirm(mailed_twin, code=their_code, password=stranger) == 410
    assert [log_in(mailed_twin, login, each) for each in (stranger, PASSWORD)] == [401, 200]


def test_a_taken_login_gets_the_same_answer(mailed_twin: RunningTwin) -> None:
    """Only the owner learns that there is an account, and no digits confirm the registration."""
    login = new_login()
    flow = register(mailed_twin, login).json["flow"]
    digits, _ = registration_in(mailed_twin, wait_for(mailed_twin, login))
    confirm(mailed_twin, flow=flow, code=digits)
    free, taken = register(mailed_twin, new_login()), register(mailed_twin, login)
    same = [(answer.status, sorted(answer.json), len(answer.body)) for answer in (free, taken)]
    assert same[0] == same[1]
    assert wait_for(mailed_twin, login, 2)["subject"] == "You already have an account"
    assert confirm(mailed_twin, flow=taken.json["flow"], code=digits) == 410
    assert log_in(mailed_twin, login, PASSWORD) == 200


def test_a_confirmation_is_sent_again(mailed_twin: RunningTwin) -> None:
    """Another mail has new digits and the same link. A login without an account gets the same answer and no mail."""
    login = new_login()
    flow = register(mailed_twin, login).json["flow"]
    _, first = registration_in(mailed_twin, wait_for(mailed_twin, login))
    bodies = [{"flow": flow}, {"login": login}]
    answers = [mailed_twin.call("POST", "/v1/user/resendEmail", json=body) for body in bodies]
    assert [(answer.status, answer.json) for answer in answers] == [(202, answers[0].json)] * 2
    digits, second = registration_in(mailed_twin, wait_for(mailed_twin, login, 2))
    assert first == second
    assert confirm(mailed_twin, flow=flow, code=digits) == 204


def test_an_address_is_confirmed_later(twin: RunningTwin) -> None:
    """An account of a stack that is open is not verified until its owner follows the mail and gives the password."""
    ann = accounts.person(twin)
    assert ann.me().json["verified_at"] is None
    assert twin.call("POST", "/v1/user/resendEmail", json={"login": ann.login}).status == 202
    code = code_in(twin, wait_for(twin, ann.login))
    path = f"/v1/user/confirm/{code}"
    assert twin.call("GET", path).json == {"status": "pending"}
    tries = [twin.call("POST", path, json={"password": each}).status for each in ("not my password", PASSWORD)]
    assert (tries, ann.me().json["verified_at"] is None) == ([410, 204], False)


def test_an_unknown_code_confirms_nothing(mailed_twin: RunningTwin) -> None:
    """An unknown code is a 410, as a used or expired one is."""
    body = {"password": PASSWORD}
    answer = mailed_twin.call("POST", "/v1/user/confirm/lkc_nothing", json=body)
    assert (answer.status, answer.json["code"]) == (410, "code_used_or_expired")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"flow": "drf_a.b", "code": "12345"}, "code"),
        ({"flow": "drf_a.b", "code": "123456", "password": PASSWORD}, "password"),
        ({"flow": "drf_a.b"}, "code"),
        ({"code": "lkc_nothing"}, "password"),
        ({"password": PASSWORD}, "code"),
    ],
)
def test_a_malformed_confirmation_is_named(mailed_twin: RunningTwin, body: dict[str, str], field: str) -> None:
    """A mistake of the app gets a clear answer, and counts as no try."""
    answer = mailed_twin.call("POST", "/v1/user/confirm", json=body)
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, field)


def test_a_forgotten_password_is_reset(twin: RunningTwin) -> None:
    """The mail's code sets a new password once, every session ends, and the owner is told."""
    ann = accounts.person(twin)
    assert restore(twin, ann.login).status == 202
    code = code_in(twin, wait_for(twin, ann.login))
    assert reset(twin, code, "short").json["code"] == "weak_password"
    assert [reset(twin, code).status for _ in range(2)] == [200, 410]
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
    won = [number for number, answer in enumerate(answers) if answer.status == 200]
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
        200,
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


def ask_to_move(person: Person, new: str) -> Response:
    body = {"email": new, "current_password": PASSWORD}
    return person.twin.call("POST", "/v1/user/email/change", json=body, headers=person.bearer)


def confirm_move(person: Person, digits: str) -> Response:
    return person.twin.call("POST", "/v1/user/email/confirm", json={"code": digits}, headers=person.bearer)


def test_an_account_moves_to_another_address(twin: RunningTwin) -> None:
    """The new address has the digits, which work in one session, once; that goes on under the new login."""
    ann, new = accounts.person(twin), new_login()
    other = sign_in(twin, ann.login)
    assert ask_to_move(ann, new).status == 202
    digits = digits_in(wait_for(twin, new))
    strangers = [confirm_move(other, digits), twin.call("POST", "/v1/user/email/confirm", json={"code": digits})]
    assert [each.status for each in strangers] == [410, 401]
    assert [confirm_move(ann, digits).status for _ in range(2)] == [200, 410]
    assert (log_in(twin, ann.login, PASSWORD), log_in(twin, new, PASSWORD), ann.me().json["login"]) == (401, 200, new)
    assert ann.me().json["verified_at"] > 0
    assert new in wait_for(twin, ann.login)["text"]
    assert register(twin, ann.login).json["code"] == "user_exists"


def test_a_second_change_and_a_deletion_wait(twin: RunningTwin) -> None:
    """For a day after a new address. The answer says how long."""
    ann, new = accounts.person(twin), new_login()
    ask_to_move(ann, new)
    assert confirm_move(ann, digits_in(wait_for(twin, new))).status == 200
    refused = [
        ask_to_move(ann, new_login()),
        twin.call("DELETE", "/v1/auth/me", json={"password": PASSWORD}, headers=ann.bearer),
    ]
    assert [(each.status, each.json["code"]) for each in refused] == [(409, "address_change_pending")] * 2
    assert all(86_300 < int(each.headers["retry-after"]) <= 86_400 for each in refused)


def test_five_wrong_digits_are_all(twin: RunningTwin) -> None:
    """Then the right ones are refused too, and the account stays where it is."""
    ann, new = accounts.person(twin), new_login()
    ask_to_move(ann, new)
    digits = digits_in(wait_for(twin, new))
    wrong = f"{(int(digits) + 1) % 1_000_000:06d}"
    answers = [confirm_move(ann, each) for each in [wrong] * 5 + [digits]]
    assert {(each.status, each.json["code"]) for each in answers} == {(410, "code_used_or_expired")}
    assert ann.me().json["login"] == ann.login


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
        ("/v1/user/email/undo", {"code": "lkc_nothing"}),
    ],
)
def test_an_unknown_member_is_named(twin: RunningTwin, path: str, body: dict[str, str]) -> None:
    """A second address beside the first, or anything else, is refused."""
    answer = twin.call("POST", path, json=body | {"cc": "thief@example.com"})
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "cc")
