"""The fixture that calls handlers with events under moto."""

from __future__ import annotations

import importlib
import json
import socket
from typing import Any

import pytest

from functions.authorizer.app import handler as authorize
from functions.login.app import handler as log_in
from functions.me.app import handler as me
from functions.refresh.app import handler as refresh
from functions.register.app import handler as register
from infra.packaging import template
from latchkey.edge.authorizer import Unauthorized
from tests.lambda_fixture import Stack, deployed, stack

__all__ = ["stack"]  # the fixture

ANN = {"login": "ann@example.com", "password": "a quiet river at dawn"}


def signed_in(stack: Stack) -> dict[str, Any]:
    """Open an account, log in, and return the tokens."""
    register(stack.event("POST /v1/user", ANN), None)
    return dict(json.loads(log_in(stack.event("POST /v1/auth/login", ANN), None)["body"]))


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_a_person_signs_in_and_is_recognized(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register, log in, refresh and authorize are plain calls, and none opens a connection."""
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("a connection"))
    with deployed(Algorithm=algorithm) as stack:
        tokens = signed_in(stack)
        renewed = json.loads(
            refresh(stack.event("POST /v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}), None)["body"]
        )
        caller = authorize(stack.token_event(renewed["access_token"]), None)["context"]
        shown = json.loads(me(stack.event("GET /v1/auth/me", caller=caller), None)["body"])
    assert shown["login"] == ANN["login"]


def test_a_rotation_leaves_tokens_valid(stack: Stack) -> None:
    """The keys of the stack rotate as those of a deployed one."""
    tokens = signed_in(stack)
    stack.rotate()
    assert authorize(stack.token_event(tokens["access_token"]), None)["principalId"].startswith("usr_")


def test_a_token_of_another_stack_is_refused() -> None:
    """The authorizer judges, although its keys come from memory."""
    with deployed() as other:
        foreign = signed_in(other)["access_token"]
    with deployed() as stack, pytest.raises(Unauthorized):
        authorize(stack.token_event(foreign), None)


@pytest.mark.parametrize("time", ["first", "second"])
def test_every_stack_begins_empty(time: str, stack: Stack) -> None:
    """An account of an earlier test is not there."""
    assert register(stack.event("POST /v1/user", ANN), None)["statusCode"] == 201


def test_every_function_has_its_environment(stack: Stack) -> None:
    """Each variable that the template gives to a function is set, and the function can be imported."""
    for name, function in template.functions(template.load()).items():
        importlib.import_module(f"functions.{name}.app")
        assert function.get("Environment", {}).get("Variables", {}).keys() <= stack.environment.keys(), name
