"""`latchkey import` and `latchkey export`: move accounts in and out."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from infra.cli.answers import Answer
from infra.cli.errors import BadAnswer, CommandError, ExitCode
from infra.cli.options import AsJson
from infra.cli.service.api import encoded
from infra.cli.service.paths import path_of
from infra.cli.service.sign_in import LastingSession, lasting
from infra.cli.service.targets import Target, find_target
from infra.cli.terminal import screen
from infra.cli.transfer.file import Account, fingerprint, read_firebase_config, require_lines
from infra.cli.transfer.sending import RefusalFile, Sender, run
from infra.cli.transfer.state import State, StateFile

PAGE = 100
"""Accounts in one request."""

FRESH_FOR = 480.0
"""Seconds after which an export signs in again: the server requires a sign-in of the last ten minutes."""

_EXPORT = path_of("users", "export")

_Existing = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE", help="JSON Lines: one account a line."),
]


def bring_in(  # noqa: PLR0913 - Typer makes an option of each
    ctx: typer.Context,
    file: _Existing,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would happen, and change nothing.")] = False,
    firebase_config: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="FILE", help="The password hash parameters of a Firebase project."
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start again instead of resuming an earlier run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import accounts with the password hashes of another system.

    Run it again to resume: no account is imported twice.
    """
    if not file.is_file():  # it is read twice, and a pipe can be read only once
        raise typer.BadParameter(f"{file} is not a file", param_hint="FILE")
    require_lines(file)
    target = find_target(ctx.obj)
    firebase = read_firebase_config(firebase_config) if firebase_config else {}
    kept = StateFile(file.with_name(file.name + ".progress.json"), fingerprint(file), target.address)
    begin = State() if restart or dry_run else kept.load()
    begun = time.monotonic()
    with lasting(target) as session, file.open("rb") as opened:
        sender = Sender(session, dry_run=dry_run)
        done = _import(opened, begin, sender, firebase, refusals=_beside(file), kept=None if dry_run else kept)
    _report(done, time.monotonic() - begun, _beside(file), dry_run=dry_run, as_json=as_json)
    if done.refused:
        raise typer.Exit(ExitCode.FAILED)


def hand_out(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(dir_okay=False, metavar="FILE", help="The file to write: one account a line.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Export every account with its password hash.

    Protect the file: anyone with it can try passwords offline.
    """
    target = find_target(ctx.obj)
    place = file.resolve()  # the target of a link is replaced, and not the link
    if place.exists() and not place.is_file():
        raise typer.BadParameter(f"{file} is not a file", param_hint="FILE")
    unfinished = place.with_name(place.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            count = _export(target, opened)
            opened.flush()
            os.fsync(opened.fileno())
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)
    screen.write(json.dumps({"exported": count}) if as_json else f"{count} accounts are in {file}.")


def _import(  # noqa: PLR0913 - all parts of an import
    file: BinaryIO, state: State, sender: Sender, firebase: Account, *, refusals: Path, kept: StateFile | None
) -> State:
    """Send the rest of a file and save every state; return the last state."""
    report = RefusalFile(refusals, state, keep=state.offset > 0)
    try:
        with screen.progress() as bar:
            shown = bar.add_task("Importing", total=os.fstat(file.fileno()).st_size, completed=state.offset)
            for reached, refused in run(file, state, sender, firebase):
                state = replace(reached, reported=report.add(refused))
                if kept:
                    kept.save(state)
                bar.update(shown, completed=state.offset)
    except KeyboardInterrupt:
        raise CommandError(f"Stopped after line {state.line}. {_go_on(kept)}") from None
    except CommandError as error:
        screen.warn(f"the import stopped after line {state.line}. {_go_on(kept)}")
        raise error from None
    finally:
        report.close()
    if not state.refused:
        refusals.unlink(missing_ok=True)  # a second import of the same file may have deleted it
    if kept:
        kept.remove()
    return state


def _go_on(kept: StateFile | None) -> str:
    return "Run the same command again to resume there." if kept else "Nothing has changed: it was a dry run."


def _beside(file: Path) -> Path:
    return file.with_name(file.name + ".refused.jsonl")


def _report(state: State, seconds: float, refusals: Path, *, dry_run: bool, as_json: bool) -> None:
    refused = sum(state.refused.values())
    if as_json:
        summary: dict[str, Any] = {
            "imported": state.imported,
            "present": state.present,
            "refused": refused,
            "reasons": dict(state.refused),
            "lines": state.line,
            "dry_run": dry_run,
            "seconds": round(seconds, 1),
        }
        screen.write(json.dumps(summary))
        return
    verb = "would be imported" if dry_run else "imported"
    screen.write(f"{state.imported} {verb}, {state.present} already present, {refused} refused, {seconds:.1f} s")
    for code, count in sorted(state.refused.items()):
        screen.write(f"  {count} {code}")
    if refused:
        screen.note(f"The refused lines and the reasons are in {refusals}.")


def _export(target: Target, file: BinaryIO) -> int:
    count, cursor = 0, ""
    with lasting(target) as session:
        signed_in = time.monotonic()
        while True:
            if time.monotonic() - signed_in > FRESH_FOR:
                session.sign_in_again()
                signed_in = time.monotonic()
            users, cursor = _page(session, cursor)
            file.writelines(encoded(user) + b"\n" for user in users)
            count += len(users)
            if not cursor:
                return count


def _page(session: LastingSession, cursor: str) -> tuple[list[object], str]:
    path = f"{_EXPORT}?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
    answer: Answer = session.call(lambda api: api.get(path))
    users, following = answer.members.get("users"), answer.members.get("cursor")
    if not isinstance(users, list) or not isinstance(following, str | None):
        raise BadAnswer("bad_member: users or cursor")
    return users, following or ""
