"""A stack that changes while it is used: its updates and moves, and the people who must not notice."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from infra.local.aws.resources import ROTATION_STEPS
from tests.e2e.accounts import bearer, person
from tests.e2e.client import Response, RunningTwin, call, start_twin
from tests.e2e.moved_clock import put_forward
from tests.e2e.tokens import claims

ISSUER_FUNCTION = "IssuerFunction"
ROTATE_FUNCTION = "RotateFunction"

CACHES = 2.5
"""Seconds until nothing that the twin caches is older than the last change: twice its longest cache, and some more."""

_PAUSE = 1.0
"""Seconds that each of the crowd rests, unless a test waits for it."""


@dataclass(slots=True)
class ChangingTwin:
    """A twin that is updated while it runs, and whose clock is put forward."""

    twin: RunningTwin
    ahead: float = 0.0

    @classmethod
    def start(cls, folder: Path, **environment: str) -> Self:
        """Start it."""
        put_forward(folder, 0)
        return cls(start_twin(folder, program="tests.e2e.moved_clock", LIMITS="off", **environment))

    def now(self) -> float:
        """Return what the clock of the twin shows."""
        return time.time() + self.ahead

    def wait_until(self, moment: float) -> None:
        """Put the clock forward to a moment.

        First, let everything expire that is cached by a clock that cannot be put forward (`time.monotonic`).
        """
        time.sleep(CACHES)
        self.ahead = max(self.ahead, moment - time.time())
        put_forward(self.twin.folder, self.ahead)

    def update(self, **parameters: str) -> None:
        """Update the stack."""
        answer = self.twin.call("POST", "/_local/update", json={"parameters": parameters})
        assert answer.status == 200, answer.body
        assert answer.json["parameters"].items() >= parameters.items()

    def at_domain(self) -> RunningTwin:
        """Return the same twin at the domain that an update gave it."""
        return replace(self.twin, address=self.twin.address.replace("127.0.0.1", "localhost"))

    def invoke(self, function: str, event: object) -> Any:
        """Invoke a function as an operator does with AWS credentials."""
        answer = self.twin.call("POST", f"/2015-03-31/functions/{function}/invocations", json=event)
        assert answer.status == 200, answer.body
        assert "x-amz-function-error" not in answer.headers, answer.body
        return answer.json

    def issuer(self, **body: str) -> dict[str, Any]:
        """Show the names that tokens carry, or move the issuer with `iss`."""
        event = {
            "httpMethod": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(body),
            "requestContext": {},
        }
        answer = self.invoke(ISSUER_FUNCTION, event)
        assert answer["statusCode"] == 200, answer["body"]
        shown: dict[str, Any] = json.loads(answer["body"])
        return shown

    def rotate(self) -> None:
        """Rotate the secret, as Secrets Manager does on schedule."""
        token = str(uuid.uuid4())
        for step in ROTATION_STEPS:
            self.invoke(ROTATE_FUNCTION, {"ClientRequestToken": token, "Step": step})


class Mishap(NamedTuple):
    """A request that failed though nothing was wrong with it."""

    request: str
    status: int
    body: bytes


@dataclass
class Crowd:
    """Two phones and an operator who use a twin all the time while the context lasts.

    Each phone calls a protected route, asks who it is, and refreshes. The operator signs in, and reads and writes what
    only operators may. `mishaps` are requests that failed; a token that has expired may be refused. `begun` and
    `turns` count what each of the three has begun and done.
    """

    changing: ChangingTwin
    address: str = ""
    mishaps: list[Mishap] = field(default_factory=list)
    begun: list[int] = field(default_factory=lambda: [0, 0, 0])
    turns: list[int] = field(default_factory=lambda: [0, 0, 0])

    def __enter__(self) -> Self:
        self.address = self.address or self.changing.twin.address
        self._over = False
        self._awaited = [threading.Event() for _ in self.turns]
        self._pool = ThreadPoolExecutor(3)
        phones = [person(self.changing.twin).tokens for _ in range(2)]
        self._lives: list[Future[None]] = [
            *(self._pool.submit(self._live, place, _Phone(self, tokens).turn) for place, tokens in enumerate(phones)),
            self._pool.submit(self._live, 2, _Operator(self).turn),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        for each in self._awaited:
            each.set()
        self._pool.shutdown()
        for life in self._lives:
            life.result()

    def everyone_goes_on(self) -> None:
        """Wait until each of them has done something from beginning to end since now."""
        deadline = time.monotonic() + 60
        awaited = {place: begun + 1 for place, begun in enumerate(self.begun)}
        for place in awaited:
            self._awaited[place].set()
        while awaited:
            assert time.monotonic() < deadline, (self.turns, self.mishaps)
            time.sleep(0.01)
            for place in [place for place, wanted in awaited.items() if self.turns[place] >= wanted]:
                self._awaited[place].clear()
                del awaited[place]

    def ask(self, method: str, path: str, token: str = "", json_body: object = None) -> Response:
        """Send a request, and note it if it fails although its token, if it has one, has not expired."""
        headers = bearer(token) if token else {}
        answer = call(self.address, method, path, json_body=json_body, headers=headers)
        expired = token and answer.status == 401 and claims(token)["exp"] <= self.changing.now()
        if answer.status not in {200, 201} and not expired:
            self.mishaps.append(Mishap(f"{method} {path}", answer.status, answer.body))
        return answer

    def _live(self, place: int, turn: Callable[[], None]) -> None:
        while not self._over:
            self.begun[place] += 1
            turn()
            self.turns[place] += 1
            self._awaited[place].wait(_PAUSE)


@dataclass
class _Phone:
    """One session, which is never signed in again."""

    crowd: Crowd
    tokens: dict[str, Any]

    def turn(self) -> None:
        for path in ("/v1/hello", "/v1/auth/me"):
            self.crowd.ask("GET", path, self.tokens["access_token"])
        answer = self.crowd.ask("POST", "/v1/auth/refresh", json_body={"refresh_token": self.tokens["refresh_token"]})
        if answer.status == 200:
            self.tokens = answer.json


@dataclass
class _Operator:
    """The seeded admin, who signs in each time."""

    crowd: Crowd

    def turn(self) -> None:
        signed_in = self.crowd.ask("POST", "/v1/auth/login", json_body=self.crowd.changing.twin.dev["admin"])
        if signed_in.status == 200:
            token = signed_in.json["access_token"]
            self.crowd.ask("GET", "/v1/admin/signing", token)
            self.crowd.ask("PUT", "/v1/admin/roles/reader", token, json_body={"permissions": ["users:read"]})
