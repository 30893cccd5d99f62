"""Clients that never stop calling, each with every token that it ever got."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, Self

from tests.e2e.accounts import bearer, person, sign_in
from tests.e2e.client import RunningTwin, call
from tests.e2e.tokens import claims, kid

REFRESH_EVERY = (2, 20, 20)
"""Turns between two refreshes, of each client: the first shows what a new key signs as soon as it signs."""

_PLACES = ("/v1/hello", "/v1/hello", "/v1/auth/me", "/v1/hello", "/v1/auth/validate")
_SIGN_IN_EVERY = 100
_PAUSE = 0.004
_WAIT = 10.0
_ACCEPTED = {200, 204}


class Use(NamedTuple):
    """One token, shown at one place: who signed it, where, and what came back."""

    kid: str
    place: str
    status: int


@dataclass
class Traffic:
    """Traffic on a twin while its context lasts.

    `kids` are the keys of which a token has been let through. `began` says of each key when the first token that it
    signed was issued. `uses` are there when the traffic is over.
    """

    twin: RunningTwin
    kids: set[str] = field(default_factory=set)
    began: dict[str, int] = field(default_factory=dict)
    uses: Counter[Use] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(len(REFRESH_EVERY))
        self._clients: list[Future[Counter[Use]]] = [self._pool.submit(self._live, turns) for turns in REFRESH_EVERY]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        for client in self._clients:
            self.uses.update(client.result())

    def refused(self) -> dict[Use, int]:
        """Return the uses that were turned away, with how often."""
        return {use: times for use, times in self.uses.items() if use.status not in _ACCEPTED}

    def await_use_of(self, kid: str) -> None:
        """Wait until a token of this key has been let through."""
        deadline = time.monotonic() + _WAIT
        while kid not in self.kids:
            assert time.monotonic() < deadline, f"no token of {kid} was let through"
            time.sleep(_PAUSE)

    def _live(self, refresh_every: int) -> Counter[Use]:
        uses: Counter[Use] = Counter()
        tokens: list[str] = []
        for turn, newest in enumerate(self._newest(refresh_every)):
            if self._over.is_set():
                break
            is_new = tokens[-1:] != [newest]
            if is_new:
                tokens.append(newest)
                self.began.setdefault(kid(newest), claims(newest)["iat"])
            use = self._use(newest if is_new else tokens[turn % len(tokens)], turn)
            uses[use] += 1
            if use.status in _ACCEPTED:
                self.kids.add(use.kid)
            time.sleep(_PAUSE)
        return uses

    def _newest(self, refresh_every: int) -> Iterator[str]:
        """Yield the newest token, turn by turn; now and then it is refreshed, or the person signs in again."""
        someone = person(self.twin)
        for turn in count(1):
            yield someone.tokens["access_token"]
            if turn % _SIGN_IN_EVERY == 0:
                someone = sign_in(self.twin, someone.login)
            elif turn % refresh_every == 0:
                someone.refresh()

    def _use(self, token: str, turn: int) -> Use:
        """Send a token to a protected route, to one that reads the store, or to the validation route."""
        place = _PLACES[turn % len(_PLACES)]
        if place == "/v1/auth/validate":
            answer = call(self.twin.address, "POST", place, json_body={"token": token})
        else:
            answer = call(self.twin.address, "GET", place, headers=bearer(token))
        return Use(kid(token), place, answer.status)
