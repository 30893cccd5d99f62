"""One session as the server sees it: its chain, and every past token that was presented, for all policies to judge.

No policy ends anything here. Every policy that answers a repeat gives the same successor, so until a policy ends the
session, the same things happen under all of them. One run therefore serves every policy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from latchkey.core.grants.repeats import RULE, Chain, Presented, Verdict, advanced, classify


@dataclass(frozen=True, slots=True)
class Repeat:
    """A past token that was presented, the chain at that moment, and how many seconds ago the token was spent."""

    request: Presented
    chain: Chain
    age: int

    @property
    def behind(self) -> int:
        """How many generations the token is behind."""
        return self.chain.generation - self.request.generation


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's response: the generation of the session, with or without tokens, or the end of the session."""

    generation: int
    tokens: bool
    over: bool = False


@dataclass(slots=True)
class Session:
    """A session that never ends, and records what a policy would judge.

    Where a token is so old that every policy ends the session, the owner signs in again and goes on in the same chain.
    """

    chain: Chain = field(default_factory=Chain)
    repeats: list[Repeat] = field(default_factory=list)
    _spent_at: list[int] = field(default_factory=list)

    def present(self, request: Presented) -> Answer:
        """Answer one request."""
        if request.generation == self.chain.generation:
            self.chain = advanced(self.chain, request, RULE)
            self._spent_at.append(request.at)
            return Answer(self.chain.generation, tokens=True)
        self.repeats.append(Repeat(request, self.chain, request.at - self._spent_at[request.generation]))
        verdict = classify(request, self.chain, RULE)
        tokens = verdict in {Verdict.FREE, Verdict.LATE}
        return Answer(self.chain.generation, tokens, over=verdict is Verdict.REUSE)
