"""Run Lambda authorizers as API Gateway does, and cache their answers as it does."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from infra.local.gateway.events import request_event, token_event
from infra.local.gateway.messages import Refused
from infra.local.gateway.policies import BadPolicyDocument, Decision, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.gateway.events import Exchange
    from infra.local.stack.api import Authorizer
    from infra.local.stack.functions import Invoke

MAX_CACHED = 10_000
"""The largest number of cached answers. It is small because the twin is for one developer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an authorizer about one identity."""

    principal_id: str
    policy: Any
    context: Mapping[str, str]
    latency: int


Cached = dict[tuple[str, ...], tuple[float, Answer]]
"""Answers by authorizer and identity, each with the moment when it expires."""


class Authorizers:
    """The authorizers of an API and the cache of their answers.

    The cache key is the identity source alone, and the cached policy is evaluated again for every request. So an answer
    that was given for one route decides about all other routes too, as in AWS. `clock` is in seconds. `cached` are the
    answers that were kept before an update of the stack: each stays for the time that held then.
    """

    def __init__(
        self, invoke: Invoke, clock: Callable[[], float] = time.monotonic, cached: Cached | None = None
    ) -> None:
        self._invoke = invoke
        self._clock = clock
        self._lock = threading.Lock()
        self.cached: Cached = {} if cached is None else cached

    def authorize(self, authorizer: Authorizer, exchange: Exchange) -> dict[str, Any]:
        """Return the members that the authorizer adds to the request context. Raise `Refused`."""
        identity = _identity(authorizer, exchange)
        key = (authorizer.name, *identity)
        answer = self._cached(key) if authorizer.ttl else None
        if answer is None:
            answer = self._ask(authorizer, exchange, identity)
            self._keep(key, answer, authorizer.ttl)
        _enforce(answer, exchange.method_arn)
        return {"principalId": answer.principal_id, "integrationLatency": answer.latency, **answer.context}

    def _cached(self, key: tuple[str, ...]) -> Answer | None:
        with self._lock:
            expires_at, answer = self.cached.get(key, (0.0, None))
        return answer if self._clock() < expires_at else None

    def _keep(self, key: tuple[str, ...], answer: Answer, ttl: int) -> None:
        if not ttl:
            return
        with self._lock:
            if len(self.cached) >= MAX_CACHED:
                self.cached.clear()
            self.cached[key] = (self._clock() + ttl, answer)

    def _ask(self, authorizer: Authorizer, exchange: Exchange, identity: tuple[str, ...]) -> Answer:
        is_token = authorizer.kind == "token"
        event = token_event(exchange, identity[0]) if is_token else request_event(exchange)
        began = time.monotonic()
        try:
            answer = self._invoke(authorizer.function, event)
        except Exception as error:  # noqa: BLE001 - Lambda itself is this boundary: any exception becomes an answer
            raise _failure(error) from None
        return _parse(answer, latency=int((time.monotonic() - began) * 1000))


def _identity(authorizer: Authorizer, exchange: Exchange) -> tuple[str, ...]:
    """Return the values of the identity sources. Raise `Refused` if one is missing or does not match."""
    values = tuple(_source(source, exchange) for source in authorizer.sources)
    if not all(values):
        raise Refused("UNAUTHORIZED", "Unauthorized")
    if authorizer.expression and not authorizer.expression.fullmatch(values[0]):
        raise Refused("UNAUTHORIZED", "Unauthorized")
    return values


def _source(source: str, exchange: Exchange) -> str:
    """Return the value of one identity source, or an empty text when the request has none."""
    place, _, name = source.rpartition(".")
    if place == "method.request.header":
        return exchange.request.header(name) or ""
    if place == "method.request.querystring":
        return dict(parse_qsl(exchange.request.query)).get(name, "")
    raise Refused("AUTHORIZER_CONFIGURATION_ERROR", f"unknown identity source {source}")


def _failure(error: Exception) -> Refused:
    """Return how API Gateway answers an exception: 401 if its text is `Unauthorized`, otherwise 500."""
    if str(error) == "Unauthorized":
        return Refused("UNAUTHORIZED", "Unauthorized")
    traceback.print_exception(error, file=sys.stderr)
    return _misconfigured()


def _parse(answer: Any, *, latency: int) -> Answer:
    """Check the shape of an authorizer's answer as strictly as API Gateway does."""
    context = answer.get("context") or {} if isinstance(answer, dict) else None
    if not isinstance(context, dict) or not isinstance(answer.get("principalId"), str):
        raise _misconfigured()
    if not all(isinstance(value, str | int | float) for value in context.values()):
        raise _misconfigured()
    return Answer(
        principal_id=answer["principalId"],
        policy=answer.get("policyDocument"),
        context={name: _text(value) for name, value in context.items()},
        latency=latency,
    )


def _text(value: str | float) -> str:
    """Return a context value as functions get it: always text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _enforce(answer: Answer, method_arn: str) -> None:
    try:
        decision = decide(answer.policy, method_arn)
    except BadPolicyDocument:
        raise _misconfigured() from None
    if decision is Decision.EXPLICIT_DENY:
        raise Refused("ACCESS_DENIED", "User is not authorized to access this resource with an explicit deny")
    if decision is Decision.IMPLICIT_DENY:
        raise Refused("ACCESS_DENIED", "User is not authorized to access this resource")


def _misconfigured() -> Refused:
    return Refused("AUTHORIZER_CONFIGURATION_ERROR", "Internal server error")
