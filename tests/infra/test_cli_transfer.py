"""The parts of `latchkey import` and `latchkey export`: batches, states, retries."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.cli.answers import Answer
from infra.cli.errors import BadAnswer, CommandError, NotSignedIn, Unreachable
from infra.cli.service.api import Api, encoded
from infra.cli.service.problems import Refused, read_problem
from infra.cli.service.sign_in import LastingSession
from infra.cli.service.targets import Credentials, Target
from infra.cli.transfer import sending
from infra.cli.transfer.claims import Claims, Planned
from infra.cli.transfer.file import MAX_BODY, MAX_RECORDS, Batch, batches, read_firebase_config
from infra.cli.transfer.sending import RefusalFile, Sender, run
from infra.cli.transfer.state import State, StateFile
from latchkey.core.users import transfer
from latchkey.edge import http
from tests.infra.fake_api import LOGIN, LOGOUT, TOKEN, Call, FakeApi, latchkey


def lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def read(text: bytes, **firebase: object) -> list[Batch]:
    return list(batches(io.BytesIO(text), offset=0, line=0, firebase=firebase))


def test_bounds_are_those_of_the_server() -> None:
    """The command and the server have the same limits for a request."""
    assert (MAX_BODY, MAX_RECORDS) == (http.MAX_BODY, transfer.MAX_BATCH)


@pytest.mark.parametrize("length", [10, 300, 3000, 9000])
def test_batches_are_as_large_as_a_request_may_be(length: int) -> None:
    """Every account is in one batch, in order; no batch is too large, and no two could be joined."""
    users = [{"login": f"user{n}", "name": "ж" * (length // 2)} for n in range(250)]
    found = read(lines(*users))
    sizes = [len(encoded({"users": batch.accounts, "dry_run": False})) for batch in found]
    assert [record for batch in found for record in batch.accounts] == users
    assert max(sizes) <= MAX_BODY
    assert all(len(a.accounts) == MAX_RECORDS or x + length > MAX_BODY for a, x in zip(found[:-1], sizes, strict=False))


def test_batch_ends_where_the_next_begins() -> None:
    """Reading from the end of a batch finds exactly the rest."""
    text = lines(*({"login": f"user{n}"} for n in range(250)))
    first, *rest = read(text)
    again = list(batches(io.BytesIO(text), offset=first.offset, line=first.line, firebase={}))
    assert [batch.accounts for batch in again] == [batch.accounts for batch in rest]
    assert [batch.lines for batch in again] == [batch.lines for batch in rest]


def test_line_that_cannot_be_sent_refuses_itself() -> None:
    """A bad line is refused by its number; blank lines are counted and skipped."""
    text = b'{"login": "ann"}\n\n{"login": \n[]\n{"login": "a", "login": "b"}\n' + lines(
        {"login": "x", "n": "x" * 20000}
    )
    [batch] = read(text + lines({"login": "bob"}))
    assert batch.lines == [1, 7]
    assert [(refusal.line, refusal.code) for refusal in batch.refused] == [
        (3, "not_json"),
        (4, "not_an_object"),
        (5, "duplicate_member"),
        (6, "payload_too_large"),
    ]


def test_byte_order_mark_is_no_part_of_the_first_line() -> None:
    """A file of a Windows program begins with a mark, and a resumed import begins behind it."""
    text = b"\xef\xbb\xbf" + lines(*({"login": f"user{n}"} for n in range(MAX_RECORDS + 1)))
    first, second = read(text)
    assert ([*first.refused, *second.refused], len(first.accounts), len(second.accounts)) == ([], MAX_RECORDS, 1)
    again = list(batches(io.BytesIO(text), offset=first.offset, line=first.line, firebase={}))
    assert [batch.accounts for batch in again] == [second.accounts]


ONE = lines({"login": "ann@example.com"})
OTHER_FORMS = {
    "UTF-16": ONE.decode().encode("utf-16"),
    "UTF-16, big end first": ONE.decode().encode("utf-16-be"),
    "UTF-16 without a mark": ONE.decode().encode("utf-16-le"),
    "UTF-32": ONE.decode().encode("utf-32"),
    "array": b"[\n" + ONE + b"]",
    "array after a mark": b"\xef\xbb\xbf\r\n [" + ONE.strip() + b"]",
}


@pytest.mark.parametrize("text", OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_file_of_another_form_gets_one_sentence(fake: FakeApi, tmp_path: Path, text: bytes) -> None:
    """The command says what the file is and what to do, before it signs in, and leaves no other file."""
    (tmp_path / "users.jsonl").write_bytes(text)
    result = latchkey("import", str(tmp_path / "users.jsonl"), "--local")
    assert (result.exit_code, result.stdout, fake.calls) == (1, "", [])
    assert re.fullmatch(r"latchkey: \S+ is (not UTF-8, but UTF-16|one JSON array)\. [^\n]+\n", result.stderr)
    assert [path.name for path in tmp_path.glob("users*")] == ["users.jsonl"]


def test_file_of_nothing_but_bad_lines_does_not_pile_up() -> None:
    """A file with many bad lines needs no more memory."""
    assert max(len(batch.refused) for batch in read(b"{\n" * 1000)) <= MAX_RECORDS


CONSOLE = """hash_config {
  algorithm: SCRYPT,
  base64_signer_key: c2lnbmVyX2tleQ==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}"""
AS_JSON = json.dumps(
    {"base64_signer_key": "c2lnbmVyX2tleQ==", "base64_salt_separator": "Bw==", "rounds": 8, "mem_cost": 14}
)


@pytest.mark.parametrize("text", [CONSOLE, AS_JSON])
def test_firebase_parameters_complete_what_firebase_exports(tmp_path: Path, text: str) -> None:
    """The parameters are read from the console's text or JSON, and hashes of other kinds stay as they are."""
    (tmp_path / "config").write_text(text)
    firebase = read_firebase_config(tmp_path / "config")
    exported = {"login": "ann", "password_hash": {"passwordHash": "aa==", "salt": "bb=="}}
    [batch] = read(lines(exported, {"login": "bob", "password_hash": "$2b$"}), **firebase)
    parameters = {"signerKey": "c2lnbmVyX2tleQ==", "saltSeparator": "Bw==", "rounds": 8, "memCost": 14}
    assert batch.accounts[0]["password_hash"] == {"passwordHash": "aa==", "salt": "bb==", **parameters}
    assert batch.accounts[1]["password_hash"] == "$2b$"


@pytest.mark.parametrize("text", ["rounds: 8", CONSOLE.replace("rounds: 8", "rounds: many")])
def test_firebase_parameters_that_are_not_whole_are_refused(tmp_path: Path, text: str) -> None:
    """Incomplete parameters are reported before the command sends anything."""
    (tmp_path / "config").write_text(text)
    with pytest.raises(CommandError):
        read_firebase_config(tmp_path / "config")


def state_file(tmp_path: Path, fingerprint: str = "abc", address: str = "https://a.example") -> StateFile:
    return StateFile(tmp_path / "users.progress.json", fingerprint, address)


def test_state_is_found_again(tmp_path: Path) -> None:
    """A stored state is read again, and no other file is left."""
    state = State(100, 3, 1, 1, {"user_exists": 1}, 80)
    state_file(tmp_path).save(State())
    state_file(tmp_path).save(state)
    assert state_file(tmp_path).load() == state
    assert [path.name for path in tmp_path.iterdir()] == ["users.progress.json"]


@pytest.mark.parametrize("other", [{"fingerprint": "xyz"}, {"address": "https://b.example"}])
def test_state_of_something_else_is_refused(tmp_path: Path, other: dict[str, str]) -> None:
    """Resuming in a changed file or another Latchkey would skip accounts."""
    state_file(tmp_path).save(State(100))
    with pytest.raises(CommandError, match="--restart"):
        state_file(tmp_path, **other).load()


def test_state_that_is_broken_is_refused(tmp_path: Path) -> None:
    """A broken state is not taken for the beginning."""
    (tmp_path / "users.progress.json").write_text("{")
    with pytest.raises(CommandError, match="--restart"):
        state_file(tmp_path).load()


def refused(status: int, **headers: str) -> Refused:
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return Refused(read_problem(status, named, b"{}"))


class FakeSession(LastingSession):
    """A session whose server raises planned errors, then imports everything."""

    def __init__(self, *plan: Exception) -> None:
        self.plan = list(plan)
        self.bodies: list[Any] = []

    def call(self, do: Callable[[Api], Answer]) -> Answer:
        """Raise the planned error, or answer."""
        if self.plan:
            raise self.plan.pop(0)

        class Post:
            def post(_, path: str, members: Any) -> Answer:  # noqa: N805 - the outer self is the session
                self.bodies.append(members)
                return Answer("", {"imported": len(members["users"]), "present": 0, "refused": []})

        return do(Post())  # type: ignore[arg-type]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the requested pauses without waiting."""
    asked: list[float] = []

    def wait(_: object, seconds: float) -> bool:
        asked.append(seconds)
        return False

    monkeypatch.setattr("threading.Event.wait", wait)
    return asked


def test_what_may_pass_is_tried_again(pauses: list[float]) -> None:
    """A retry comes after the time that the server asks for, or after ever longer pauses."""
    session = FakeSession(refused(429, Retry_After="7"), refused(503, Retry_After="900"), Unreachable("lost"))
    [batch] = read(lines({"login": "ann"}))
    assert Sender(session, dry_run=True).send(batch).imported == 1
    assert session.bodies == [{"users": [{"login": "ann"}], "dry_run": True}]
    assert pauses[:2] == [7.0, sending.LONGEST_PAUSE]
    assert 1.0 <= pauses[2] <= 2.0


def test_tries_come_to_an_end(pauses: list[float]) -> None:
    """The command ends if the server stays unreachable."""
    session = FakeSession(*[Unreachable("away")] * sending.TRIES)
    with pytest.raises(Unreachable):
        Sender(session, dry_run=False).send(read(lines({"login": "ann"}))[0])
    assert len(pauses) == sending.TRIES - 1
    assert max(pauses) <= 2 * sending.LONGEST_PAUSE


@pytest.mark.parametrize("status", [400, 403, 413, 500])
def test_what_does_not_pass_is_not_tried_again(pauses: list[float], status: int) -> None:
    """An error that will not pass is not retried."""
    with pytest.raises(Refused):
        Sender(FakeSession(refused(status)), dry_run=False).send(read(lines({"login": "ann"}))[0])
    assert pauses == []


def test_states_come_in_order_and_count_everything() -> None:
    """States are in the order of the file, whatever the order of the answers."""
    text = lines(*({"login": f"user{n}"} for n in range(1000))) + b"{\n"
    states = list(run(io.BytesIO(text), State(), Sender(FakeSession(), dry_run=False), {}))
    offsets = [state.offset for state, _ in states]
    last, refusals = states[-1]
    assert offsets == sorted(offsets)
    assert (last.offset, last.line, last.imported) == (len(text), 1001, 1000)
    assert (last.refused, [refusal.line for refusal in refusals]) == ({"not_json": 1}, [1001])


def test_failure_ends_behind_the_last_batch_that_is_done() -> None:
    """The next run sends what the failed run has not finished."""
    session = FakeSession()
    text = lines(*({"login": f"user{n}"} for n in range(1000)))
    running = run(io.BytesIO(text), State(), Sender(session, dry_run=False), {})
    state, _ = next(running)
    session.plan = [refused(500)] * 20
    reached = [state]
    with pytest.raises(Refused):
        reached.extend(each for each, _ in running)
    state = reached[-1]
    rest = run(io.BytesIO(text), state, Sender(FakeSession(), dry_run=False), {})
    assert [each for each, _ in rest][-1].imported == 1000


def test_refusals_of_an_interrupted_run_stand_once(tmp_path: Path) -> None:
    """Refusals that were written after the last state are written again only once."""
    path = tmp_path / "refused"
    [batch] = read(b"{\n")
    report = RefusalFile(path, State(), keep=False)
    length = report.add(tuple(batch.refused))
    report.add(tuple(batch.refused))
    report.close()
    RefusalFile(path, State(reported=length), keep=True).close()
    assert len(path.read_text().splitlines()) == 1
    assert path.stat().st_mode & 0o777 == 0o600


def planned(number: int, index: int = 0, **taken: str) -> Planned:
    """Return an account of its own, except for what is given."""
    own = {name: f"{name}{number}" for name in ("login", "id", "password_hash")}
    return Planned(index, {name: value.ljust(32, ".") for name, value in (own | taken).items()})


CLAIMS: dict[str, tuple[Planned, bool, str]] = {
    "another account": (planned(2), True, ""),
    "the same": (planned(1), False, "present"),
    "the same id, named": (planned(2, id="id1"), True, "id"),
    "the same id, derived": (planned(2, id="id1"), False, "present"),
    "the login, another hash": (planned(2, login="login1"), False, "login"),
    "the login, the same hash": (planned(2, login="login1", password_hash="password_hash1"), False, "present"),
    "the login, the same id": (planned(2, login="login1", id="id1"), True, "present"),
    "the login as a user name": (planned(2, username="login1"), False, "username"),
    "the user name as a login": (planned(2, login="name1"), False, "login"),
    "the user name": (planned(2, username="name1"), False, "username"),
    "both logins of the same": (planned(1, username="name1"), False, "present"),
    "logins of two": (planned(1, username="login3"), False, "username"),
}


@pytest.mark.parametrize(("later", "has_id", "meets"), CLAIMS.values(), ids=CLAIMS)
def test_dry_run_knows_what_earlier_batches_took(later: Planned, has_id: bool, meets: str) -> None:
    """An account meets the logins and the id of an earlier one, as it would in earnest."""
    with closing(Claims()) as claims:
        earlier = planned(1, username="name1"), planned(3)
        assert [claims.take(each, has_id=True) for each in earlier] == ["", ""]
        assert claims.take(later, has_id=has_id) == meets


class PlanningSession(FakeSession):
    """A server that would open every account, and says what each would take: a record's login and hash."""

    def call(self, do: Callable[[Api], Answer]) -> Answer:
        """Answer a dry run."""

        class Post:
            def post(_, path: str, members: Any) -> Answer:  # noqa: N805 - the outer self is the session
                users = members["users"]
                found = [
                    {"index": index}
                    | dict(
                        planned(
                            0, login=each["login"], id=each["login"] + each["hash"], password_hash=each["hash"]
                        ).taken
                    )
                    for index, each in enumerate(users)
                ]
                return Answer("", {"imported": len(users), "present": 0, "refused": [], "planned": found})

        return do(Post())  # type: ignore[arg-type]


def test_dry_run_counts_across_batches() -> None:
    """Of accounts with one login, a dry run counts one as new, whatever batch they are in."""
    text = lines(*({"login": f"user{number % 40}", "hash": str(number // 80)} for number in range(160)))
    *_, (state, _) = run(io.BytesIO(text), State(), Sender(PlanningSession(), dry_run=True), {})
    assert (state.imported, state.present, dict(state.refused)) == (40, 40, {"user_exists": 80})


@pytest.mark.parametrize(
    "entry", [1, {}, {"index": 0}, {"index": 9} | dict(planned(1).taken), {"index": 0, **planned(1).taken, "id": ""}]
)
def test_plan_that_cannot_be_read_is_refused(entry: object) -> None:
    """What the server says is checked before it is counted."""
    members = {"imported": 1, "present": 0, "refused": [], "planned": [entry]}

    class Odd(FakeSession):
        def call(self, do: Callable[[Api], Answer]) -> Answer:
            return Answer("", members)

    [batch] = read(ONE)
    with pytest.raises(BadAnswer):
        Sender(Odd(), dry_run=True).send(batch)


TARGET = Target("local", "http://127.0.0.1:1", credentials=Credentials("ann", "secret"))
API = Api(TARGET.address, quiet=True)
"""It never connects: `Server` answers in its place."""


class Server:
    """Answers in place of every `Api`: tokens are numbered, and those in `dead` are refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.dead: set[str] = set()
        self.tokens = 0

        def post(api: Any, path: str, members: Any) -> Answer:
            self.calls.append(path)
            if api._authorization.get("Authorization", "").removeprefix("Bearer ") in self.dead:
                raise refused(401)
            self.tokens += 1
            return Answer("", {"access_token": f"t{self.tokens}", "refresh_token": f"r{self.tokens}"})

        monkeypatch.setattr(Api, "post", post)


def test_session_outlives_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """An expired token is renewed once, and the call is made again."""
    server = Server(monkeypatch)
    session = LastingSession(TARGET, API)
    server.dead = {"t1"}
    session.call(lambda api: api.post("/work", {}))
    session.end()
    assert server.calls == ["/v1/auth/login", "/work", "/v1/auth/refresh", "/work", "/v1/auth/logout"]


def test_given_token_that_has_died_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command cannot renew a given token, and the error says what to do."""
    server = Server(monkeypatch)
    session = LastingSession(Target("auth", "http://127.0.0.1:1", token="given"), API)
    server.dead = {"given"}
    with pytest.raises(NotSignedIn, match="LATCHKEY_TOKEN has expired"):
        session.call(lambda api: api.post("/work", {}))
    session.end()
    assert server.calls == ["/work"]


def test_session_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old session ends before the new one begins."""
    server = Server(monkeypatch)
    LastingSession(TARGET, API).sign_in_again()
    assert server.calls == ["/v1/auth/login", "/v1/auth/logout", "/v1/auth/login"]


@pytest.mark.parametrize("name", ["folder", "pipe", "link"])
def test_export_replaces_nothing_but_files(fake: FakeApi, tmp_path: Path, name: str) -> None:
    """A device, a pipe and a folder are not replaced, and the server is not called."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    result = latchkey("export", str(tmp_path / name), "--local")
    assert (result.exit_code, fake.calls) == (2, [])
    assert sorted(path.name for path in tmp_path.iterdir() if path.name in {"folder", "pipe", "link"}) == [
        "folder",
        "link",
        "pipe",
    ]


def test_folder_that_takes_no_file_is_said_in_one_line(fake: FakeApi, tmp_path: Path) -> None:
    """Import and export report the path and the reason."""
    accounts = tmp_path / "users.jsonl"
    accounts.write_bytes(lines({"login": "ann@example.com"}))
    (tmp_path / "users.jsonl.refused.jsonl").mkdir()
    fake.will("POST", LOGIN, (200, {"access_token": TOKEN, "refresh_token": "r"}))
    fake.will("POST", LOGOUT, (204, b""))
    for arguments in (["export", str(tmp_path / "nowhere" / "all.jsonl")], ["import", str(accounts)]):
        result = latchkey(*arguments, "--local")
        assert (result.exit_code, result.stdout) == (1, "")
        assert re.fullmatch(r"latchkey: /\S+: (No such file or|Is a) directory\.\n", result.stderr)


def test_firebase_config_that_is_no_text_lacks_everything(tmp_path: Path) -> None:
    """A binary file is reported without a crash."""
    (tmp_path / "config").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(CommandError, match="lacks base64_salt_separator"):
        read_firebase_config(tmp_path / "config")


def test_import_of_a_pipe_is_refused(fake: FakeApi, tmp_path: Path) -> None:
    """The file is read twice, and a pipe would be empty the second time."""
    os.mkfifo(tmp_path / "pipe")
    result = latchkey("import", str(tmp_path / "pipe"), "--local")
    assert (result.exit_code, fake.calls) == (2, [])


def test_second_import_of_the_same_file_is_no_failure(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two imports of one file both succeed, although one deletes the empty file of refusals."""
    accounts, close = tmp_path / "users.jsonl", RefusalFile.close
    accounts.write_bytes(lines({"login": "ann@example.com"}))
    fake.will("POST", LOGIN, (200, {"access_token": TOKEN, "refresh_token": "r"}))
    fake.will("POST", "/v1/admin/users/import", (200, {"imported": 1, "present": 0, "refused": []}))

    def close_and_lose(report: RefusalFile) -> None:
        close(report)
        (tmp_path / "users.jsonl.refused.jsonl").unlink()

    monkeypatch.setattr(RefusalFile, "close", close_and_lose)
    assert latchkey("import", str(accounts), "--local").exit_code == 0


def test_import_shares_its_connections(fake: FakeApi, tmp_path: Path) -> None:
    """A long import opens no more connections than it sends requests at once."""
    (tmp_path / "users.jsonl").write_bytes(lines(*({"login": f"user{n}"} for n in range(3000))))
    fake.will("POST", LOGIN, (200, {"access_token": TOKEN, "refresh_token": "r"}))
    otherwise = fake.answer

    def answer(call: Call) -> tuple[int, Any]:
        if call.path != "/v1/admin/users/import":
            return otherwise(call)
        return 200, {"imported": len(call.body["users"]), "present": 0, "refused": []}

    fake.answer = answer  # type: ignore[method-assign]
    result = latchkey("import", str(tmp_path / "users.jsonl"), "--local", "--json")
    assert (result.exit_code, json.loads(result.stdout)["imported"]) == (0, 3000)
    assert fake.connections <= sending.IN_FLIGHT
