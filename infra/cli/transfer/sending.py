"""Send a file of accounts: several requests at once, each retried until it is answered, the outcomes in order."""

from __future__ import annotations

import json
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import BinaryIO

from infra.cli.answers import Answer
from infra.cli.errors import BadAnswer, CommandError, Unreachable
from infra.cli.service.paths import path_of
from infra.cli.service.problems import Problem, Refused
from infra.cli.service.sign_in import LastingSession
from infra.cli.transfer.claims import Claims, Planned, read_planned
from infra.cli.transfer.file import Account, Batch, Refusal, batches, login_of
from infra.cli.transfer.state import State

IN_FLIGHT = 4
"""Requests at once."""

TRIES = 8
LONGEST_PAUSE = 30.0
"""Seconds between two tries of one request, at most."""

_PATH = path_of("users", "import")
_TAKEN = "An earlier line of this file has it."
_MOMENTARY = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a batch. `planned` has the accounts that a dry run would open."""

    imported: int
    present: int
    refused: tuple[Refusal, ...]
    planned: tuple[Planned, ...] = ()


class Sender:
    """Sends batches. A batch can be sent twice without harm, so errors that may pass are retried."""

    def __init__(self, session: LastingSession, *, dry_run: bool) -> None:
        self._session = session
        self._dry_run = dry_run
        self.stopped = Event()

    def send(self, batch: Batch) -> Outcome:
        """Return the outcome of a batch; raise the error of the last try."""
        if not batch.accounts:
            return Outcome(0, 0, tuple(batch.refused))
        body = {"users": batch.accounts, "dry_run": self._dry_run}
        answer = self._insist(lambda: self._session.call(lambda api: api.post(_PATH, body)))
        return _outcome(answer, batch)

    def _insist(self, call: Callable[[], Answer]) -> Answer:
        for tried in range(TRIES):
            try:
                return call()
            except (Refused, Unreachable) as error:
                problem = error.problem if isinstance(error, Refused) else None
                if tried == TRIES - 1 or (problem and problem.status not in _MOMENTARY):
                    raise
                if self.stopped.wait(_pause(problem, tried)):
                    raise
        raise AssertionError("the last try returns or raises")


def run(file: BinaryIO, state: State, sender: Sender, firebase: Account) -> Iterator[tuple[State, tuple[Refusal, ...]]]:
    """Send the rest of a file; yield each state as soon as everything before it is done, with the new refusals.

    Raises the error that ended a request. To resume, begin with the last state that was yielded.
    """
    with closing(Claims()) as claims, _threads(sender) as pool:
        waiting: deque[tuple[Batch, Future[Outcome]]] = deque()
        for batch in batches(file, offset=state.offset, line=state.line, firebase=firebase):
            waiting.append((batch, pool.submit(sender.send, batch)))
            if len(waiting) > IN_FLIGHT:
                state, refused = _settled(state, *waiting.popleft(), claims)
                yield state, refused
        for batch, future in waiting:
            state, refused = _settled(state, batch, future, claims)
            yield state, refused


class RefusalFile:
    """The file of the refused lines: one JSON object for each."""

    def __init__(self, path: Path, state: State, *, keep: bool) -> None:
        """Open the file and cut off what an interrupted run wrote after the given state."""
        path.touch(mode=0o600)
        self._file = path.open("r+b")
        self._file.truncate(state.reported if keep else 0)
        self._file.seek(0, 2)

    def add(self, refused: tuple[Refusal, ...]) -> int:
        """Write refusals; return the length of the file, in bytes."""
        self._file.writelines(json.dumps(asdict(refusal)).encode() + b"\n" for refusal in refused)
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def _threads(sender: Sender) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(IN_FLIGHT)
    try:
        yield pool
    finally:
        sender.stopped.set()
        pool.shutdown(cancel_futures=True)


def _settled(state: State, batch: Batch, future: Future[Outcome], claims: Claims) -> tuple[State, tuple[Refusal, ...]]:
    outcome = _compared(future.result(), batch, claims)
    counts = Counter(state.refused) + Counter(refusal.code for refusal in outcome.refused)
    settled = replace(
        state,
        offset=batch.offset,
        line=batch.line,
        imported=state.imported + outcome.imported,
        present=state.present + outcome.present,
        refused=dict(counts),
    )
    return settled, outcome.refused


def _compared(outcome: Outcome, batch: Batch, claims: Claims) -> Outcome:
    """Return the outcome of a dry run as it would be in earnest, behind all batches before it."""
    present, refused = 0, []
    for planned in outcome.planned:
        taken = claims.take(planned, has_id=batch.accounts[planned.index].get("id") is not None)
        if taken == "present":
            present += 1
        elif taken:
            fault = {"index": planned.index, "code": "user_exists", "field": taken, "message": _TAKEN}
            refused.append(_refusal(fault, batch))
    return replace(
        outcome,
        imported=outcome.imported - present - len(refused),
        present=outcome.present + present,
        refused=_in_order(outcome.refused, refused),
    )


def _pause(problem: Problem | None, tried: int) -> float:
    """Return the seconds to wait: what the server asks for, or twice as long each time, with a random share."""
    if problem and problem.retry_after.isdecimal():
        return min(float(problem.retry_after), LONGEST_PAUSE)
    return min(2.0**tried / 4, LONGEST_PAUSE) * (1 + secrets.randbelow(100) / 100)


def _outcome(answer: Answer, batch: Batch) -> Outcome:
    imported, present = (answer.members.get(name) for name in ("imported", "present"))
    refused = answer.members.get("refused")
    if not isinstance(imported, int) or not isinstance(present, int) or not isinstance(refused, list):
        raise BadAnswer("bad_member: imported, present or refused")
    if imported + present + len(refused) != len(batch.accounts):
        raise CommandError("The server's counts do not add up. Run the command again: no account is imported twice.")
    found = _in_order(batch.refused, [_refusal(each, batch) for each in refused])
    return Outcome(imported, present, found, _planned(answer, batch))


def _planned(answer: Answer, batch: Batch) -> tuple[Planned, ...]:
    planned = answer.members.get("planned", [])
    if not isinstance(planned, list):
        raise BadAnswer("bad_member: planned")
    found = tuple(read_planned(each) for each in planned)
    if not all(each.index in range(len(batch.accounts)) for each in found):
        raise BadAnswer("bad_member: planned")
    return found


def _in_order(*refused: Sequence[Refusal]) -> tuple[Refusal, ...]:
    return tuple(sorted((each for several in refused for each in several), key=lambda each: each.line))


def _refusal(each: object, batch: Batch) -> Refusal:
    if not isinstance(each, dict) or each.get("index") not in range(len(batch.accounts)):
        raise BadAnswer("bad_member: refused")
    index = each["index"]
    said = f"{each['field']}: {each.get('message')}" if each.get("field") else str(each.get("message"))
    return Refusal(batch.lines[index], login_of(batch.accounts[index])[:320], str(each.get("code")), said)
