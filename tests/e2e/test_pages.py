"""The pages of the documentation: every block of commands runs word for word, and prints what the text says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest

from latchkey.edge.waves import secure_hash
from tests import pages
from tests.e2e.client import RunningTwin, start_twin
from tests.e2e.foreign_verifiers import FOLDER as NODE_FOLDER
from tests.pages import ROOT, Block

ADDRESS = "http://127.0.0.1:8080"
"""Where `make run` serves, as the pages have it. The twins of the tests take any free port."""

LIMIT = 300.0
"""Seconds that all blocks of one page may take on a busy machine."""

LONGEST_CLIENT = 15
"""Lines of a partner's client."""

LAST = "docs/operate.md"
"""The page that changes how tokens are signed: what others show of tokens would not hold after it."""

_NEXT = "\x1e"  # between what two blocks print


def with_commands() -> list[str]:
    """Return the names of the pages that have a block of commands, in the order in which they run."""
    found = [page for page in pages.all_pages() if any(block.language == "sh" for block in pages.blocks(page))]
    return sorted((pages.name_of(page) for page in found), key=lambda name: name == LAST)


@dataclass(frozen=True, slots=True)
class Ran:
    """The output of a page's blocks, and the lines that the twin's functions logged meanwhile."""

    printed: list[str]
    folder: Path
    log: str

    @property
    def text(self) -> str:
        """Everything that was printed."""
        return "".join(self.printed)


Run = Callable[[str], Ran]


@dataclass(frozen=True, slots=True)
class Twins:
    """Twins by the settings of `make run`: pages with the same settings share one."""

    running: ExitStack
    folders: pytest.TempPathFactory
    started: dict[tuple[tuple[str, str], ...], RunningTwin]

    def get(self, settings: dict[str, str]) -> RunningTwin:
        """Return the twin with these settings; it is started when it is first asked for."""
        key = tuple(sorted(settings.items()))
        if key not in self.started:
            folder = self.folders.mktemp("page")
            (folder / ".venv").symlink_to(sys.prefix)
            self.started[key] = self.running.enter_context(start_twin(folder, **settings))
        return self.started[key]


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run the blocks of a page in one shell, once, beside a twin that runs as the page says."""
    with ExitStack() as running:
        twins = Twins(running, tmp_path_factory, {})
        node = cache(partial(has_node, request))
        outcome = cache(lambda name: tried(name, twins, node))
        yield lambda name: passed(outcome(name))
        assert [leak for twin in twins.started.values() for leak in twin.leaks()] == []


def has_node(request: pytest.FixtureRequest) -> bool:
    """Say whether programs for Node can run here; where they must, the fixture fails."""
    try:
        request.getfixturevalue("packages")
    except pytest.skip.Exception:
        return False
    return True


def tried(name: str, twins: Twins, node: Callable[[], bool]) -> Ran | AssertionError:
    """Run a page, and return its failure if it fails: a second run would fail for another reason."""
    try:
        return ran(name, twins, node)
    except AssertionError as failure:
        return failure


def passed(outcome: Ran | AssertionError) -> Ran:
    if isinstance(outcome, AssertionError):
        raise outcome
    return outcome


def ran(name: str, twins: Twins, node: Callable[[], bool]) -> Ran:
    """Write the files of a page and run its commands; raise where one of them fails."""
    blocks = pages.blocks(ROOT / name)
    settings = next((each for block in blocks if (each := block.twin_settings) is not None), {})
    twin = twins.get(settings)
    for block in blocks:
        if block.file_name:
            (twin.folder / block.file_name).write_text(block.text.replace(ADDRESS, twin.address))
    commands = [block for block in blocks if is_run_here(block)]
    if any("node " in block.text for block in commands):
        if node():
            link_to(twin.folder / "node_modules", NODE_FOLDER / "node_modules")
        else:
            commands = [block for block in commands if "node " not in block.text]
    logged = len(twin.output())
    script = f"\nprintf '{_NEXT}'\n".join(block.text for block in commands).replace(ADDRESS, twin.address)
    shell = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=LIMIT, cwd=twin.folder, check=False)
    printed = done.stdout.split(_NEXT)
    at = commands[min(len(printed), len(commands)) - 1].line if commands else 0
    assert done.returncode == 0, f"the block at line {at}:\n{printed[-1]}\n{done.stderr}"
    return Ran(printed, twin.folder, twin.output()[logged:])


def is_run_here(block: Block) -> bool:
    """Say whether a block is commands that the tests can run; `make run` is the twin itself."""
    return block.language == "sh" and not block.mark and block.twin_settings is None


def link_to(link: Path, target: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target)


@pytest.mark.parametrize("page", with_commands())
def test_every_block_of_the_page_runs(run: Run, page: str) -> None:
    """A reader may type every block into one terminal, in the order of the page, with no change."""
    run(page)


def test_no_page_is_overlooked() -> None:
    """The pages with commands are the ones that a reader would expect to have some."""
    assert {"README.md", "docs/operate.md", "docs/import.md", "docs/partners.md", "docs/audit.md"} <= set(
        with_commands()
    )


# ---- What the text promises, page by page --------------------------------------------------------------------------


def test_the_walk_ends_where_it_says(run: Run) -> None:
    """Register, log in, call, refresh, retry, replay: each step answers as the text around it says."""
    walked = run("README.md")
    assert "Welcome, usr_" in walked.text
    assert "a retry gets the same token" in walked.text
    assert walked.text.count('"code": "temporarily_unavailable"') == 1
    assert '"event":"refresh_reuse"' not in walked.log


def test_the_update_of_the_page_takes_effect(run: Run) -> None:
    """The service answers with all parameters as they are now."""
    assert '"MaxSessions": "5"' in run("docs/deploy.md").text.replace('":"', '": "')


def test_the_handlers_of_the_readme_answer(run: Run) -> None:
    """Handlers are called with events under moto: one test signs a person in."""
    assert "1 passed" in run("README.md").text


def test_the_commands_for_moving_users_work(run: Run) -> None:
    """The line of the page is imported by the commands below it, opens its account, and is exported again."""
    moved = run("docs/import.md")
    assert "1 would be imported" in moved.text
    assert "1 imported" in moved.text
    assert "iris@example.com" in (moved.folder / "everyone.jsonl").read_text()


def test_the_commands_for_accounts_and_clients_work(run: Run) -> None:
    """Open, give, list, disable, register, make a key and hash it."""
    operated = run("docs/operate.md")
    assert re.search(r"bob@example.com +active +help_desk, user", operated.text)
    assert "disabled" in operated.text
    assert re.fullmatch(r"lk_\w+\n", (operated.folder / "nightly.key").read_text())
    assert secure_hash((operated.folder / "nightly.key").read_bytes().strip()) in operated.text.splitlines()


def test_the_commands_for_the_signing_keys_work(run: Run) -> None:
    """Show, set, rotate, print and reset."""
    operated = run("docs/operate.md").text
    assert "-----BEGIN PUBLIC KEY-----" in operated
    assert "ES256" in operated


def test_the_commands_for_the_audit_log_work(run: Run) -> None:
    """A table of today, and the events of one account as JSON."""
    shown = run("docs/audit.md").text
    assert "signing_rotated" in shown
    assert '{"events": [' in shown


def test_partners_clients_sign_their_users_in(run: Run) -> None:
    """The fifteen-line clients of the page sign users in as printed, and so do the tokens of the vendors."""
    signed_in = run("docs/partners.md")
    for external_id in ("user-42", "n-1", "p-1"):
        assert re.search(
            rf"[\"']external_id[\"']: ?[\"']{external_id}[\"'], ?[\"']created[\"']: ?(T|t)rue", signed_in.text
        )
    if (signed_in.folder / "node_modules").exists():
        assert '"external_id":"user-43","created":true' in signed_in.text
    clients = [block for block in pages.blocks(ROOT / "docs/partners.md") if block.file_name.startswith("partner.")]
    assert len(clients) == 2
    assert all(len(block.text.splitlines()) - 1 <= LONGEST_CLIENT for block in clients)
