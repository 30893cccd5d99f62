"""`latchkey audit`: what it requests, what it shows of the answers, and how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner, Result

from infra.cli.answers import Answer
from infra.cli.app import app
from infra.cli.errors import NotSignedIn
from infra.cli.service import sign_in
from infra.cli.terminal import screen

TIME = 1_800_000_000_123
runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": None, "FORCE_COLOR": None, "TZ": "UTC"})


def event(number: int = 0, **members: Any) -> dict[str, Any]:
    """Return an event as the server gives it."""
    known = {"time": TIME - number, "event": "login", "sub": f"usr_{number}", "sid": "ses_a", "client_id": "cli_app"}
    return known | {"actor": "", "reason": "", "request_id": "r-1", "address": "192.0.2.7"} | members


@dataclass
class Server:
    """Answers with a list of events, page by page, or with one document for every request.

    The first `swept` events of the list are missing from their pages.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    document: dict[str, Any] | None = None
    swept: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)

    def get(self, path: str, doing: str) -> Answer:
        """Answer one page; a cursor is the position of the next."""
        assert urlsplit(path).path == "/v1/admin/audit"
        query = {name: value for name, [value] in parse_qs(urlsplit(path).query).items()}
        self.asked.append(query)
        start, size = int(query.get("cursor", "0")), int(query["limit"])
        page = self.events[max(start, self.swept) : start + size]
        cursor = str(start + size) if start + size < len(self.events) else None
        document = self.document if self.document is not None else {"events": page, "cursor": cursor}
        return Answer(json.dumps(document), document)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that every operator is signed in to."""
    made = Server()

    @contextmanager
    def signed_in(_: object) -> Iterator[Server]:
        yield made

    monkeypatch.setattr(sign_in, "find_target", lambda _: None)
    monkeypatch.setattr(sign_in, "signed_in", signed_in)
    return made


def run(*arguments: str) -> Result:
    """Run the command."""
    return runner.invoke(app, ["--local", "audit", *arguments], catch_exceptions=False)


def test_events_are_a_table(server: Server) -> None:
    """Each event is a row: the time in ISO 8601 to the millisecond, and the operator if another person did it."""
    server.events = [event(event="roles_changed", actor="usr_boss", reason="admin"), event(1)]
    result = run()
    lines = [line.split() for line in result.stdout.splitlines()]
    moment = datetime.fromtimestamp(TIME / 1000, UTC).astimezone().isoformat(timespec="milliseconds")
    assert lines[0] == ["Time", "Event", "Subject", "Client", "By", "Address", "Times", "Reason"]
    assert lines[1] == [moment, "roles_changed", "usr_0", "cli_app", "usr_boss", "192.0.2.7", "admin"]
    assert [line[2] for line in lines[1:]] == ["usr_0", "usr_1"]
    assert (result.exit_code, result.stderr) == (0, "")


def test_refusals_that_are_one_event_show_their_number(server: Server) -> None:
    """The number stands in a column of its own, and an event that stands for itself has none."""
    server.events = [event(event="login_failed", sub="", reason="unknown_login", count=20), event(1, count=1)]
    refused, single = [line.split() for line in run().stdout.splitlines()[1:]]
    assert refused[1:] == ["login_failed", "cli_app", "192.0.2.7", "20", "unknown_login"]
    assert single[-1] == "192.0.2.7"


def test_narrow_terminal_keeps_time_event_and_subject(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 60 columns no id is cut or folded, and the time is how long ago it was."""
    monkeypatch.setattr(screen, "width", lambda: 60)
    server.events = [event(sub="usr_" + "a" * 26, reason="a long reason", time=int(time.time() - 130) * 1000)]
    lines = [line.split() for line in run().stdout.splitlines()]
    assert lines == [["Time", "Event", "Subject"], ["2", "min", "ago", "login", "usr_" + "a" * 26]]


def test_long_reason_is_one_line_in_a_pipe(server: Server) -> None:
    """`latchkey audit | grep` finds every word of a long reason."""
    server.events = [event(reason="word " * 200 + "end")]
    assert run().stdout.splitlines()[1].endswith("word end")


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ((), {"day": datetime.now(UTC).date().isoformat()}),
        (("--day", "2027-01-15"), {"day": "2027-01-15"}),
        (("--user", "usr_a&day=x"), {"user": "usr_a&day=x"}),
    ],
)
def test_what_is_asked_for_reaches_the_server(
    server: Server, arguments: tuple[str, ...], asked: dict[str, str]
) -> None:
    """The day or the user is sent; by default it is today in UTC."""
    run(*arguments)
    assert server.asked == [asked | {"limit": "50"}]


@pytest.mark.parametrize(
    ("limit", "sizes", "more"),
    [("250", [100, 100, 50], True), ("300", [100, 100, 100], False), ("1", [1], True), ("260", [100, 100, 60], False)],
)
def test_pages_are_read_up_to_the_limit(server: Server, limit: str, sizes: list[int], more: bool) -> None:
    """No event comes twice or beyond the limit, and a note on stderr says whether there are more."""
    server.events = [event(number) for number in range(260)]
    result = run("--limit", limit)
    subjects = [line.split()[2] for line in result.stdout.splitlines()[1:]]
    assert subjects == [f"usr_{number}" for number in range(min(int(limit), 260))]
    assert [int(query["limit"]) for query in server.asked] == sizes
    assert ("There are more events" in result.stderr) is more


def test_json_is_one_document_of_all_pages(server: Server) -> None:
    """Scripts get the events as the server sent them, with unknown members, and the cursor."""
    server.events = [event(number, news="ü") for number in range(120)]
    assert json.loads(run("--json", "--limit", "200").stdout) == {"events": server.events, "cursor": None}
    first = json.loads(run("--json", "--limit", "110").stdout)
    rest = json.loads(run("--json", "--limit", "110", "--cursor", first["cursor"]).stdout)
    assert (first["events"] + rest["events"], rest["cursor"]) == (server.events, None)


def test_a_page_without_events_is_not_the_end(server: Server) -> None:
    """An empty page can be followed by others, since expired events leave gaps."""
    server.events, server.swept = [event(number) for number in range(101)], 100
    assert "usr_100" in run("--limit", "150").stdout


def test_nothing_is_said_to_be_nothing(server: Server) -> None:
    """An empty result is said in words, because an empty table looks like a mistake."""
    assert run().stdout.strip() == "No events are recorded."


@pytest.mark.parametrize(
    "arguments",
    [
        ("--day", "2027-02-30"),
        ("--day", "yesterday"),
        ("--day", "2027-01-15", "--user", "usr_a"),
        ("--limit", "0"),
        ("--limit", "x"),
        ("more",),
    ],
)
def test_wrong_usage_asks_nothing(server: Server, arguments: tuple[str, ...]) -> None:
    """Wrong usage ends with 2 before the command signs in."""
    assert (run(*arguments).exit_code, server.asked) == (2, [])


@pytest.mark.parametrize(
    "document", [{}, {"events": 7}, {"events": [7]}, {"events": [event(time="x")]}, {"events": [event(time=10**30)]}]
)
def test_an_answer_that_is_none_is_refused(server: Server, document: dict[str, Any]) -> None:
    """An unreadable answer is an error in one line, and no traceback."""
    server.document = document
    result = run()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "bad_member" in result.stderr


def test_text_of_a_stranger_moves_no_terminal(server: Server) -> None:
    """Escape sequences and Rich's markup in an event are shown as text."""
    server.events = [event(reason="\x1b]0;owned\x07[bold]x\u009b1m")]
    result = run()
    assert "[bold]x" in result.stdout
    assert {"\x1b", "\x07", "\u009b"} & set(result.output) == set()


def test_who_is_not_signed_in_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a sign-in the command ends with 3, as every command does."""

    def refuse(_: object) -> None:
        raise NotSignedIn("You are not signed in.")

    monkeypatch.setattr(sign_in, "find_target", refuse)
    assert run().exit_code == 3
