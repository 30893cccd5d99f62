"""Strangers guess at a login over HTTP, and its owner signs in every time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e.accounts import PASSWORD, admin, bearer, person
from tests.e2e.client import Response, RunningTwin
from tests.e2e.mailbox import code_in, wait_for

STRANGERS = 30
FREE = 10
NEW_PASSWORD = "seven grey herons wading"


def log_in(twin: RunningTwin, login: str, password: str, **members: Any) -> Response:
    """Ask for a sign-in."""
    return twin.call("POST", "/v1/auth/login", json={"login": login, "password": password} | members)


def storm(twin: RunningTwin, login: str) -> list[int]:
    """Let the strangers guess at once, and return what they got, sorted."""
    with ThreadPoolExecutor(STRANGERS) as pool:
        guesses = [f"a guess, number {number}" for number in range(STRANGERS)]
        return sorted(pool.map(lambda each: log_in(twin, login, each).status, guesses))


def test_owner_signs_in_while_strangers_guess(limited_twin: RunningTwin) -> None:
    """On a known device, and on a new one after a reset by mail; every other device waits with the strangers."""
    twin, ann = limited_twin, person(limited_twin)
    phone = ann.tokens["device_token"]
    assert storm(twin, ann.login) == [401] * FREE + [429] * (STRANGERS - FREE)
    assert log_in(twin, ann.login, PASSWORD).status == 429
    for _ in range(3):
        answer = log_in(twin, ann.login, PASSWORD, device_token=phone)
        assert answer.status == 200, answer.body
        phone = answer.json["device_token"]

    twin.call("POST", "/v1/user/password/restore", json={"email": ann.login})
    body = {"token": code_in(twin, wait_for(twin, ann.login)), "password": NEW_PASSWORD}
    reset = twin.call("POST", "/v1/user/password/reset", json=body)
    assert storm(twin, ann.login) == [401] * FREE + [429] * (STRANGERS - FREE)
    assert log_in(twin, ann.login, NEW_PASSWORD).status == 429
    assert log_in(twin, ann.login, NEW_PASSWORD, device_token=phone).status == 429
    tablet = reset.json["device_token"]
    for _ in range(3):
        answer = log_in(twin, ann.login, NEW_PASSWORD, device_token=tablet)
        assert answer.status == 200, answer.body
        tablet = answer.json["device_token"]

    access = bearer(answer.json["access_token"])
    forgotten = twin.call("DELETE", "/v1/auth/me/devices", json={"password": NEW_PASSWORD}, headers=access)
    assert forgotten.status == 200, forgotten.body
    assert log_in(twin, ann.login, NEW_PASSWORD, device_token=tablet).status == 429
    assert log_in(twin, ann.login, NEW_PASSWORD, **forgotten.json).status == 200


def test_operator_forgets_the_devices_of_an_account(limited_twin: RunningTwin) -> None:
    """The owner's sessions go on."""
    twin, ann, boss = limited_twin, person(limited_twin), admin(limited_twin)
    path = f"/v1/admin/users/{ann.me().json['id']}/devices"
    assert twin.call("DELETE", path, headers=ann.bearer).status == 403
    assert twin.call("DELETE", path, headers=boss.bearer).status == 204
    assert ann.me().status == 200
    for _ in range(FREE):
        log_in(twin, ann.login, "a guess")
    assert log_in(twin, ann.login, PASSWORD, device_token=ann.tokens["device_token"]).status == 429


def test_no_device_token_stops_a_sign_in(twin: RunningTwin) -> None:
    """Whatever stands there."""
    login = person(twin).login
    tokens: list[object] = [None, 7, ["lkd1"], {}, "", "lkd1.a.b.c", "x" * 5000, "\u0000"]
    assert {log_in(twin, login, PASSWORD, device_token=each).status for each in tokens} == {200}
