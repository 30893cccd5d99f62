"""Users move here: with every kind of hash, by the command and over HTTP, once each; and away again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from infra.cli.app import app
from tests.e2e.accounts import PASSWORD, Person, admin, new_login, person, sign_in
from tests.e2e.client import RunningTwin, start_twin
from tests.e2e.partners import register

IMPORT, EXPORT = "/v1/admin/users/import", "/v1/admin/users/export"
BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
KINDS: dict[str, tuple[object, str]] = {
    "argon2": ("argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q", "secret"),
    "bcrypt": (BCRYPT, "U*U"),
    "scrypt": (
        (
            "$scrypt$ln=10,r=8,p=16$TmFDbA"
            "$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA"
        ),
        "password",
    ),
    "django": ("pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE=", "password"),
    "keycloak": (
        {
            "type": "password",
            "credentialData": '{"hashIterations": 27500, "algorithm": "pbkdf2-sha256"}',
            "secretData": json.dumps(
                {"salt": "x/bm4Y3DcuV9eU97ervkPA==", "value": "1u7BLvfSPxQFpwc5jpGSA+88EGl9pZYKhaZ8YPIu9N4="}
            ),
        },
        "admin",
    ),
    "firebase": (
        {
            "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
            "salt": "42xEC+ixf3L2lw==",
        },
        "user1password",
    ),
}
FIREBASE_CONFIG = """hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}"""

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTwin]:
    """A twin of its own, because an export holds every account."""
    with start_twin(tmp_path_factory.mktemp("office"), LIMITS="off") as running:
        yield running
        assert running.leaks() == []
        assert "CCCCCCCCCCCCCCCCCCCCC" not in running.output()


@pytest.fixture
def latchkey(office: RunningTwin, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, in the folder of the twin."""
    monkeypatch.chdir(office.folder)
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--local"])


def write(path: Path, *records: object) -> Path:
    """Write a file of JSON Lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def exported(latchkey: Command, path: Path) -> dict[str, dict[str, Any]]:
    """Export every account, and return the records by login, or by id for the users of partners."""
    result = latchkey("export", str(path))
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in path.read_text().splitlines()]
    by_login = {str(record.get("login", record["id"])): record for record in records}
    assert len(by_login) == len(records)
    return by_login


def post(boss: Person, users: list[Any], **members: object) -> Any:
    """Import over HTTP."""
    answer = boss.twin.call("POST", IMPORT, json={"users": users, **members}, headers=boss.bearer)
    assert answer.status == 200, answer.body
    return answer.json


def test_every_kind_signs_in_with_the_old_password(office: RunningTwin, latchkey: Command, tmp_path: Path) -> None:
    """Each user signs in twice. After the first time the old hash is replaced by our Argon2id."""
    (tmp_path / "firebase").write_text(FIREBASE_CONFIG)
    users = [{"login": f"{kind}@example.com", "password_hash": hashed} for kind, (hashed, _) in KINDS.items()]
    file = write(tmp_path / "users.jsonl", *users)
    result = latchkey("import", str(file), "--firebase-config", str(tmp_path / "firebase"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["imported"] == len(KINDS)
    for kind, (_, password) in KINDS.items():
        for _ in range(2):
            assert sign_in(office, f"{kind}@example.com", password).me().status == 200
    records = exported(latchkey, tmp_path / "all.jsonl")
    now = {str(records[f"{kind}@example.com"]["password_hash"]).rpartition("$")[0][:30] for kind in KINDS}
    assert now == {"$argon2id$v=19$m=19456,t=2,p=1"}
    assert (tmp_path / "all.jsonl").stat().st_mode & 0o777 == 0o600


def test_dry_run_changes_nothing(latchkey: Command, tmp_path: Path) -> None:
    """A dry run counts as the import would, and leaves no state behind."""
    login = new_login()
    file = write(tmp_path / "users.jsonl", {"login": login, "password_hash": BCRYPT})
    result = latchkey("import", str(file), "--dry-run", "--json")
    assert (result.exit_code, json.loads(result.stdout)["imported"]) == (0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["users.jsonl"]
    assert login not in exported(latchkey, tmp_path / "all.jsonl")


def test_dry_run_counts_the_same_as_the_import(latchkey: Command, tmp_path: Path) -> None:
    """Accounts that stand twice in a file count once, by case, by user name or by id, in one batch and across."""
    a, b, c = (new_login() for _ in range(3))
    other = BCRYPT.replace("$05$C", "$05$D")
    again = [
        {"email": a.upper(), "password_hash": BCRYPT},
        {"email": a, "password_hash": other},
        {"login": f" {b}\u200b", "username": "Twice-There"},
        {"login": "twice-there", "password_hash": BCRYPT},
        {"login": c, "id": "usr_" + "a" * 26},
        {"login": new_login(), "id": "usr_" + "a" * 26},
    ]
    first = [{"email": a, "password_hash": BCRYPT}, {"login": b, "username": "twice-there"}]
    others = [{"login": new_login(), "name": "x" * 100} for _ in range(60)]
    file = write(tmp_path / "users.jsonl", *first, *again, *others, *again, *first)
    counts = []
    for arguments in (["--dry-run"], []):
        report = json.loads(latchkey("import", str(file), "--json", *arguments).stdout)
        counts.append([report[name] for name in ("imported", "present", "refused", "reasons", "lines")])
    assert counts[0] == counts[1]
    assert counts[1] == [63, 7, 6, {"user_exists": 6}, 76]


def test_file_of_powershell_is_imported(office: RunningTwin, latchkey: Command, tmp_path: Path) -> None:
    """It begins with a byte order mark, its lines end as in Windows, and its nulls are nothing."""
    login = new_login()
    user = {"email": f"{login}\u00a0", "username": None, "password_hash": BCRYPT, "name": None, "roles": None}
    (tmp_path / "users.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(user).encode() + b"\r\n")
    assert latchkey("import", str(tmp_path / "users.jsonl")).exit_code == 0
    assert sign_in(office, login, "U*U").me().status == 200


def test_table_holds_no_hash_of_another_system(latchkey: Command, tmp_path: Path) -> None:
    """An export shows what is stored: Argon2id of the old hash. It is imported again as it is."""
    login = new_login()
    write(tmp_path / "users.jsonl", {"login": login, "password_hash": "{SHA}bROMo65UVjGzq9caTwds51nFcAs="})
    assert latchkey("import", str(tmp_path / "users.jsonl")).exit_code == 0
    stored = str(exported(latchkey, tmp_path / "all.jsonl")[login]["password_hash"])
    assert stored.startswith("$argon2id-wrap$v=19$m=19456,t=2,p=1$")
    assert stored.endswith("$sha1-password-salt$$")
    assert "bROM" not in stored


def test_account_of_two_logins(office: RunningTwin, latchkey: Command, tmp_path: Path) -> None:
    """A user name and an address open one account, and move on together."""
    login, name = new_login(), f"kc-{new_login().partition('@')[0]}"
    user = {"username": name, "email": login, "password_hash": BCRYPT, "verified_at": 1_700_000_000}
    write(tmp_path / "users.jsonl", user)
    assert latchkey("import", str(tmp_path / "users.jsonl")).exit_code == 0
    subs = {sign_in(office, each, "U*U").me().json["id"] for each in (login, name)}
    record = exported(latchkey, tmp_path / "all.jsonl")[login]
    assert {record["id"]} == subs
    assert (record["username"], record["verified_at"]) == (name, 1_700_000_000)
    boss = admin(office)
    assert _account(boss, name) == _account(boss, login)
    assert office.call("POST", "/v1/user", json={"login": name, "password": "a quiet river"}).status == 409
    write(tmp_path / "again.jsonl", record)
    assert json.loads(latchkey("import", str(tmp_path / "again.jsonl"), "--json").stdout)["present"] == 1


def test_refused_line_names_why(latchkey: Command, tmp_path: Path) -> None:
    """A rejected line is reported with its number, login, code and reason, never its hash. Other lines are imported."""
    login = new_login()
    bad = [
        {"login": "no login!"},
        {"login": new_login(), "password": "plain"},
        {"login": new_login(), "password_hash": BCRYPT[:-1]},
        {"login": new_login(), "password_hash": BCRYPT.replace("$05", "$15")},
        {"login": new_login(), "roles": ["wizard"]},
        {"login": new_login(), "created_at": 99_999_999_999},
        {"login": new_login(), "id": "usr_mine"},
        {"login": new_login(), "status": "deleting"},
        {"login": "admin@example.com", "password_hash": BCRYPT},
        "a text",
    ]
    file = write(tmp_path / "users.jsonl", {"login": login, "password_hash": BCRYPT}, *bad)
    result = latchkey("import", str(file))
    refusals = [json.loads(line) for line in (tmp_path / "users.jsonl.refused.jsonl").read_text().splitlines()]
    assert (result.exit_code, [each["line"] for each in refusals]) == (1, list(range(2, 12)))
    assert [each["code"] for each in refusals] == [
        "invalid_login",
        "unknown_member",
        "unknown_hash",
        "hash_too_costly",
        "unknown_role",
        "bad_value",
        "bad_format",
        "bad_value",
        "user_exists",
        "not_an_object",
    ]
    assert "1 hash_too_costly" in result.stdout
    assert BCRYPT[:20] not in (tmp_path / "users.jsonl.refused.jsonl").read_text()
    assert login in exported(latchkey, tmp_path / "all.jsonl")


def test_import_that_was_killed_goes_on(office: RunningTwin, latchkey: Command, tmp_path: Path) -> None:
    """Each user is there once, and the counts are of the whole file; a changed file is refused until --restart."""
    users = [{"login": f"late{number}", "name": "x" * 100} for number in range(200)]  # without a hash, which takes time
    file = write(tmp_path / "users.jsonl", *users, {"login": "?"})
    progress = tmp_path / "users.jsonl.progress.json"
    command = [f"{sys.prefix}/bin/latchkey", "import", str(file), "--local"]
    with subprocess.Popen(command, cwd=office.folder, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while not progress.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
    assert 0 < json.loads(progress.read_text())["state"]["line"] < len(users)
    text = file.read_text()
    file.write_text(text + "\n")
    assert "--restart" in latchkey("import", str(file)).stderr
    file.write_text(text)
    result = json.loads(latchkey("import", str(file), "--json").stdout)
    assert (result["imported"] + result["present"], result["refused"], result["lines"]) == (200, 1, 201)
    again = json.loads(latchkey("import", str(file), "--json").stdout)
    assert (again["imported"], again["present"]) == (0, 200)
    assert not progress.exists()
    assert {user["login"] for user in users} < exported(latchkey, tmp_path / "all.jsonl").keys()


def test_same_batch_thirty_times_at_once_imports_each_once(office: RunningTwin) -> None:
    """One request imports each account, all others find it present, and no line is rejected."""
    boss = admin(office)
    users = [{"login": new_login(), "password_hash": BCRYPT} for _ in range(2)]
    with ThreadPoolExecutor(30) as pool:
        reports = list(pool.map(lambda _: post(boss, users), range(30)))
    assert sum(report["imported"] for report in reports) == 2
    assert [report["imported"] + report["present"] for report in reports] == [2] * 30
    assert office.output().count('"event":"user_imported"') >= 2


def test_users_move_to_another_stack(twin: RunningTwin, latchkey: Command, tmp_path: Path) -> None:
    """Ids, logins, roles, status and hashes stay what they were, and the old password opens the account there."""
    moving, disabled = new_login(), new_login()
    file = write(
        tmp_path / "users.jsonl",
        {"login": moving, "password_hash": BCRYPT, "name": "Änn", "created_at": 17},
        {"login": disabled, "password_hash": BCRYPT, "status": "disabled", "source": "shop", "locale": "de-CH"},
        {"login": new_login()},
    )
    assert latchkey("import", str(file)).exit_code == 0
    records = exported(latchkey, tmp_path / "all.jsonl")
    boss = admin(twin)
    report = post(boss, [records[moving], records[disabled]])
    assert (report["imported"], report["refused"]) == (2, [])
    here, away = (_account(boss, login) for login in (moving, disabled))
    assert [here[name] for name in ("id", "name", "created_at")] == [records[moving]["id"], "Änn", 17]
    assert (here["roles"], away["status"], away["locale"]) == (["user"], "disabled", "de-CH")
    assert sign_in(twin, moving, "U*U").me().status == 200
    assert post(boss, [records[moving], records[disabled]])["present"] == 2


def test_data_of_partners_users_is_there_for_operators(
    office: RunningTwin, twin: RunningTwin, latchkey: Command, tmp_path: Path
) -> None:
    """An operator sees what a partner said about a user, and exports it. An import makes accounts, and no link."""
    boss, ann = admin(office), person(office)
    shop = register(office, boss)
    guest = shop.come("guest", plan="gold").me().json["id"]
    linked = {"token": shop.token("ann", plan="silver"), "password": PASSWORD}
    assert office.call("POST", "/v1/auth/me/links", json=linked, headers=ann.bearer).status == 201
    links = {
        sub: office.call("GET", f"/v1/admin/users/{sub}", headers=boss.bearer).json["links"]
        for sub in (guest, ann.me().json["id"])
    }
    seen = [(each["partner_id"], each["external_id"], each["attributes"]) for [each] in links.values()]
    partner = shop.record["id"]
    assert seen == [(partner, "guest", {"plan": "gold"}), (partner, "ann", {"plan": "silver"})]
    assert links[guest][0]["roles"] == ["user"]
    records = exported(latchkey, tmp_path / "all.jsonl")
    assert [records[guest]["links"], records[ann.login]["links"]] == list(links.values())
    assert (records[guest]["roles"], records[ann.login]["roles"]) == ([], ["user"])
    report = post(admin(twin), [records[guest], records[ann.login]])
    [refused] = report["refused"]
    assert (report["imported"], refused["index"], refused["code"]) == (1, 0, "partner_user")
    back = sign_in(twin, ann.login)
    assert back.me().json["id"] == ann.me().json["id"]
    assert twin.call("GET", "/v1/auth/me/links", headers=back.bearer).json["links"] == []


def _account(boss: Person, login: str) -> dict[str, Any]:
    [account] = boss.twin.call("GET", f"/v1/admin/users?login={login}", headers=boss.bearer).json["users"]
    return dict(account)


def test_batch_is_refused_whole_where_it_is_no_batch(office: RunningTwin) -> None:
    """A malformed batch is rejected as a whole and imports no account."""
    boss = admin(office)
    login = new_login()
    good = {"login": login}
    for body in (
        {},
        {"users": good},
        {"users": [good, "ann"]},
        {"users": [good], "more": 1},
        {"users": [good], "dry_run": 1},
        {"users": [{"login": "x"}] * 26},
    ):
        assert office.call("POST", IMPORT, json=body, headers=boss.bearer).status == 400
    assert office.call("GET", f"/v1/admin/users?login={login}", headers=boss.bearer).json["users"] == []


def test_cursor_of_an_export_is_good_for_its_owner_and_its_route(office: RunningTwin) -> None:
    """A cursor of another admin, and one of the list of users, are rejected."""
    boss = admin(office)
    person(office)
    listed = office.call("GET", "/v1/admin/users?limit=1", headers=boss.bearer).json["cursor"]
    own = office.call("GET", f"{EXPORT}?limit=1", headers=boss.bearer).json["cursor"]
    answers = [office.call("GET", f"{EXPORT}?cursor={cursor}", headers=boss.bearer).status for cursor in (listed, own)]
    assert answers == [400, 200]
