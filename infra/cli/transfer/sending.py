"""Send a file of accounts: several requests at once, each repeated until it is answered, the outcome in order."""

from __future__ import annotations

import json
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import BinaryIO

from infra.cli.api import Answer
from infra.cli.errors import BadAnswer, CommandError, Unreachable
from infra.cli.problems import Problem, Refused
from infra.cli.sign_in import LastingSession
from infra.cli.transfer.file import Batch, Record, Refusal, batches, login_of
from infra.cli.transfer.state import State

IN_FLIGHT = 4
"""Requests at once."""

TRIES = 8
LONGEST_PAUSE = 30.0
"""Seconds between two tries of one request."""

_PATH = "/v1/admin/users/import"
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
    """What became of a batch."""

    imported: int
    present: int
    refused: tuple[Refusal, ...]


class Sender:
    """Sends batches. To repeat one is harmless, so whatever may pass is tried again."""

    def __init__(self, session: LastingSession, *, dry_run: bool) -> None:
        self._session = session
        self._dry_run = dry_run
        self.stopped = Event()

    def send(self, batch: Batch) -> Outcome:
        """Return what became of a batch; raise what ended the last try."""
        if not batch.records:
            return Outcome(0, 0, tuple(batch.refused))
        body = {"users": batch.records, "dry_run": self._dry_run}
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
        raise AssertionError("the last try answers or raises")


def run(file: BinaryIO, state: State, sender: Sender, firebase: Record) -> Iterator[tuple[State, tuple[Refusal, ...]]]:
    """Send everything from a state on; yield each state as soon as all before it is done, and the refusals on the way.

    Raise what ended a request; the last state that was yielded is where to go on.
    """
    with _threads(sender) as pool:
        waiting: deque[tuple[Batch, Future[Outcome]]] = deque()
        for batch in batches(file, offset=state.offset, line=state.line, firebase=firebase):
            waiting.append((batch, pool.submit(sender.send, batch)))
            if len(waiting) > IN_FLIGHT:
                state, refused = _settled(state, *waiting.popleft())
                yield state, refused
        for batch, future in waiting:
            state, refused = _settled(state, batch, future)
            yield state, refused


class RefusalFile:
    """The lines that were refused, one JSON object each."""

    def __init__(self, path: Path, state: State, *, keep: bool) -> None:
        """Open the file, with what a state says of it; what an interrupted run wrote behind that is cut off."""
        path.touch(mode=0o600)
        self._file = path.open("r+b")
        self._file.truncate(state.reported if keep else 0)
        self._file.seek(0, 2)

    def add(self, refused: tuple[Refusal, ...]) -> int:
        """Write refusals, and return how long the file is then."""
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


def _settled(state: State, batch: Batch, future: Future[Outcome]) -> tuple[State, tuple[Refusal, ...]]:
    outcome = future.result()
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


def _pause(problem: Problem | None, tried: int) -> float:
    """Return how many seconds to wait: what the server says, or twice as long each time, and never all at once."""
    if problem and problem.retry_after.isdecimal():
        return min(float(problem.retry_after), LONGEST_PAUSE)
    return min(2.0**tried / 4, LONGEST_PAUSE) * (1 + secrets.randbelow(100) / 100)


def _outcome(answer: Answer, batch: Batch) -> Outcome:
    imported, present = (answer.members.get(name) for name in ("imported", "present"))
    refused = answer.members.get("refused")
    if not isinstance(imported, int) or not isinstance(present, int) or not isinstance(refused, list):
        raise BadAnswer("bad_member: imported, present or refused")
    found = sorted([*batch.refused, *(_refusal(each, batch) for each in refused)], key=lambda each: each.line)
    if imported + present + len(refused) != len(batch.records):
        raise CommandError("The server's counts do not add up: run the command again, which changes nothing twice.")
    return Outcome(imported, present, tuple(found))


def _refusal(each: object, batch: Batch) -> Refusal:
    if not isinstance(each, dict) or each.get("index") not in range(len(batch.records)):
        raise BadAnswer("bad_member: refused")
    index = each["index"]
    said = f"{each['field']}: {each.get('message')}" if each.get("field") else str(each.get("message"))
    return Refusal(batch.lines[index], login_of(batch.records[index])[:320], str(each.get("code")), said)
