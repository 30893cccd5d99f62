"""The shape of the tree: the imports that are allowed, the place of each file, and forbidden calls."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers" / "latchkey" / "latchkey"
FUNCTIONS = ROOT / "functions"

LADDER = ("signing", "core", "adapters", "mails", "edge", "functions")
"""Each may import itself and what stands left of it."""

ROOMS: dict[str, int] = {
    "kernel": 0,
    "roles": 1,
    "credentials": 1,
    "mail": 2,
    "clients": 2,
    "partners": 3,
    "signing_policy": 3,
    "grants": 4,
    "authenticators": 5,
    "users": 6,
}
"""The packages of the core by their step: each may import itself and what stands on a lower one."""

OWNERS: dict[str, str | tuple[str, ...]] = {
    "boto3": "adapters/",
    "botocore": "adapters/",
    "aws_lambda_powertools": "edge/",
    "bcrypt": "core/credentials/foreign_hashes.py",
    "jinja2": "mails/letters.py",
    "precis_i18n": "core/credentials/user_names.py",
    "jwt": ("signing/minting.py", "signing/assertions.py"),
}
"""The only place, or places, that may import a library."""

IMPURE = {
    "asyncio",
    "http",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "time",
    "urllib",
    "uuid",
}
"""What signing and core may not import: clock, randomness, environment and every way out are arguments."""

ASKING = {"now", "today", "utcnow", "open", "print", "input"}
"""Calls that need no import of the above."""

CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
"""The methods that change a container."""

HEAVY = {"boto3", "botocore", "aws_lambda_powertools", "jwt", "pydantic", "asyncio", "urllib.request"}
"""What the authorizer must start without."""

MAX_LINES = 200
"""Lines of a function's file: its routes, what they take and show, and how its service is built."""

MAX_LINES_WAITED_FOR = 40
"""Lines, without the empty ones, of a function that people wait for: Lambda compiles its file at every cold start."""

WAITED_FOR = {"login", "refresh", "register", "token", "me", "authorizer", "key_authorizer"}


def package(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


def apps() -> list[Path]:
    return sorted(FUNCTIONS.glob("*/*.py"))


def shipped() -> list[Path]:
    return package("") + apps()


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def offences(paths: Iterable[Path], found_in: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """Return the findings of a rule by module. Fail if the rule had no module to check."""
    looked_at = list(paths)
    assert looked_at
    return {name_of(path): found for path in looked_at if (found := found_in(path))}


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything a module imports, wherever in it the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names)


def layer_of(dotted: str) -> str | None:
    """Return which rung of the ladder a dotted name stands on; `None` for other people's code."""
    first, _, rest = dotted.partition(".")
    second = rest.partition(".")[0]
    if first == "latchkey" and second in LADDER:
        return second
    return first if first in {"functions", "infra", "tests", ""} else None


def steps_up(path: Path) -> list[str]:
    """Return the imports of a module that run against the ladder; a relative import says nothing and counts too."""
    own = "functions" if path.is_relative_to(FUNCTIONS) else path.relative_to(PACKAGE).parts[0]
    allowed = {None, *LADDER[: LADDER.index(own) + 1]} if own in LADDER else {None}
    return [dotted for dotted in imports(tree_of(path)) if layer_of(dotted) not in allowed]


def room_of(dotted: str) -> str:
    """Return the package of the core that a dotted name stands in; `kernel` for the modules beside the packages."""
    package = dotted.split(".")[2]
    return package if package in ROOMS else "kernel"


def steps_up_inside(path: Path) -> list[str]:
    """Return the imports of a module of the core that run against the core's own ladder."""
    own = room_of(f"latchkey.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}")
    seen = [dotted for dotted in imports(tree_of(path)) if dotted.startswith("latchkey.core.")]
    return [dotted for dotted in seen if room_of(dotted) != own and ROOMS[room_of(dotted)] >= ROOMS[own]]


def modules_imported(path: Path) -> set[Path]:
    """Return the files of the package that a module imports, wherever in it the import stands."""
    found: set[Path] = set()
    for dotted in imports(tree_of(path)):
        if dotted.startswith("latchkey."):
            parts = dotted.split(".")[1:]
            candidates = [PACKAGE.joinpath(*parts[:length]).with_suffix(".py") for length in range(len(parts), 0, -1)]
            found |= {next((file for file in candidates if file.is_file()), path)}
    return found - {path}


def circles(arrows: Mapping[Path, set[Path]]) -> list[Path]:
    """Return the modules that lead back to themselves."""

    def reached(start: Path) -> set[Path]:
        seen: set[Path] = set()
        todo = [start]
        while todo:
            new = arrows.get(todo.pop(), set()) - seen
            seen |= new
            todo.extend(new)
        return seen

    return [start for start in arrows if start in reached(start)]


def calls_of(names: Iterable[str]) -> Callable[[Path], list[str]]:
    """Return what finds the calls of these names in a module."""
    wanted = set(names)

    def found(path: Path) -> list[str]:
        calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
        return [name for call in calls if (name := ast.unparse(call.func).rpartition(".")[2]) in wanted]

    return found


def imported_from(path: Path, libraries: Iterable[str]) -> list[str]:
    return [dotted for dotted in imports(tree_of(path)) if dotted.split(".")[0] in libraries]


def test_imports_run_one_way() -> None:
    """Imports run functions -> edge -> adapters -> core -> signing, and never to infra or tests."""
    assert offences(shipped(), steps_up) == {}


def test_core_has_a_ladder_of_its_own() -> None:
    """Inside the core imports run users -> authenticators -> grants -> partners -> clients, mail -> roles -> kernel."""
    assert offences(package("core"), steps_up_inside) == {}


def test_every_package_of_the_core_has_its_step() -> None:
    """A package that no ladder names would be free to import anything."""
    assert {path.name for path in (PACKAGE / "core").iterdir() if (path / "__init__.py").is_file()} == set(ROOMS) - {
        "kernel"
    }


def test_no_modules_import_each_other_in_a_circle() -> None:
    """A reader of a circle of imports has no module to begin with."""
    assert circles({path: modules_imported(path) for path in package("")}) == []


def test_circle_is_noticed() -> None:
    """The gate catches what it is there for."""
    a, b, c = Path("a"), Path("b"), Path("c")
    assert circles({a: {b}, b: {c}, c: {b}}) == [b, c]


def test_core_knows_its_ports_and_no_store() -> None:
    """The union of the ports is for adapters and the composition root: a service says what it uses."""
    assert offences(package("core"), lambda path: [each for each in imports(tree_of(path)) if "adapters" in each]) == {}


def test_every_session_passes_the_gate() -> None:
    """`grants/sessions.py` alone makes sessions, and `grants/gate.py` alone asks it to."""
    makers = offences(package("core", "edge") + apps(), calls_of({"Session"}))
    callers = offences(package("core", "edge") + apps(), calls_of({"open_session", "open_service_session"}))
    stores = offences(package("core", "edge") + apps(), calls_of({"create_session"}))
    assert (set(makers), set(callers), set(stores)) == (
        {"core/grants/sessions.py"},
        {"core/grants/gate.py"},
        {"core/grants/gate.py"},
    )


def test_functions_do_not_import_each_other() -> None:
    """A function is deployed alone: it has the layers and nothing of its neighbours."""
    assert offences(apps(), lambda path: imported_from(path, {"functions"})) == {}


def test_library_is_imported_by_its_owner_alone() -> None:
    """boto3 belongs to the adapters, Powertools to the edge, PyJWT to minting and to partners' assertions."""

    def borrowed(path: Path) -> list[str]:
        return imported_from(
            path, [library for library, owner in OWNERS.items() if not name_of(path).startswith(owner)]
        )

    assert offences(shipped(), borrowed) == {}


def test_pure_modules_import_nothing_impure() -> None:
    """Neither core nor signing can reach a clock, randomness, the environment, a log or a network."""
    assert offences(package("core", "signing"), lambda path: imported_from(path, IMPURE)) == {}


def test_pure_modules_ask_no_clock_and_open_no_file() -> None:
    """`datetime.now()` needs no forbidden import, and neither does `open()`."""

    def asked(path: Path) -> list[str]:
        calls = [ast.unparse(node.func) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
        return [call for call in calls if call.rpartition(".")[2] in ASKING]

    assert offences(package("core", "signing"), asked) == {}


def test_pure_modules_remember_nothing() -> None:
    """A cached function is a global in disguise."""

    def cached(path: Path) -> list[str]:
        return sorted({"functools.cache", "functools.lru_cache"} & set(imports(tree_of(path))))

    assert offences(package("core", "signing"), cached) == {}


def test_randomness_is_the_operating_systems() -> None:
    """`random` is predictable, so no module uses it."""
    assert offences(shipped(), lambda path: imported_from(path, {"random"})) == {}


def changed_globals(tree: ast.Module) -> list[str]:
    """Return the module's variables that its code changes or rebinds, and its empty containers."""
    assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    values = {ast.unparse(target): node.value for node in assigned for target in targets_of(node)}
    empty = {name for name, value in values.items() if value and ast.unparse(value) in {"[]", "{}", "set()"}}
    return sorted(empty | {name for node in ast.walk(tree) for name in changed_by(node) if name in values})


def targets_of(node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Delete) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]


def changed_by(node: ast.AST) -> list[str]:
    """Return the names that a piece of code may change: `x[…] = …`, `del x[…]`, `x.append(…)`, `global x`."""
    if isinstance(node, ast.Global):
        return node.names
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Delete):
        return [ast.unparse(each.value) for each in targets_of(node) if isinstance(each, ast.Subscript)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
        return [ast.unparse(node.func.value)]
    return []


def test_no_module_changes_a_global() -> None:
    """A warm Lambda would carry it from one caller to the next."""
    assert offences(shipped(), lambda path: changed_globals(tree_of(path))) == {}


@pytest.mark.parametrize(
    "flaw",
    [
        "seen = {}",
        "seen = {1: 2}\ndef see(x): seen[x] = 1",
        "seen = [1]\ndef see(x): seen.append(x)",
        "seen = 0\ndef see():\n global seen\n seen += 1",
        "seen: dict = {1: 2}\ndef forget(x): del seen[x]",
    ],
    ids=["empty", "assigned", "appended", "rebound", "deleted"],
)
def test_changed_global_is_noticed(flaw: str) -> None:
    """The gate catches what it is there for."""
    assert changed_globals(ast.parse(flaw)) == ["seen"]


@pytest.mark.parametrize(
    ("module", "flaw"),
    [
        ("core/flaw.py", "from latchkey.adapters import dynamodb"),
        ("signing/flaw.py", "import latchkey.core.model"),
        ("edge/flaw.py", "from functions.login import app"),
        ("adapters/flaw.py", "from infra.local import aws"),
        ("core/flaw.py", "def f():\n from ..edge import http"),
    ],
)
def test_step_up_the_ladder_is_noticed(module: str, flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate catches what it is there for."""
    monkeypatch.setitem(globals(), "tree_of", lambda _: ast.parse(flaw))
    assert steps_up(PACKAGE / module) != []


@pytest.mark.parametrize(
    ("module", "flaw"),
    [
        ("core/clients/flaw.py", "from latchkey.core.users.accounts import Accounts"),
        ("core/grants/flaw.py", "from latchkey.core.authenticators import links"),
        ("core/flaw.py", "from latchkey.core.roles.roles import Roles"),
        ("core/mail/flaw.py", "from latchkey.core.clients.store import ClientStore"),
    ],
)
def test_step_up_inside_the_core_is_noticed(module: str, flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate catches what it is there for."""
    monkeypatch.setitem(globals(), "tree_of", lambda _: ast.parse(flaw))
    assert steps_up_inside(PACKAGE / module) != []


def test_a_function_fits_in_one_short_file() -> None:
    """A function whose file grows longer does too much."""
    assert offences(apps(), lambda path: path.read_text().splitlines()[MAX_LINES:]) == {}


def test_functions_that_people_wait_for_leave_the_rest_to_the_layer() -> None:
    """The layer holds byte code, and the folder of a function holds none."""

    def long(path: Path) -> list[str]:
        return [line for line in path.read_text().splitlines() if line.strip()][MAX_LINES_WAITED_FOR:]

    waited_for = [path for path in apps() if path.parent.name in WAITED_FOR]
    assert {path.parent.name for path in waited_for} == WAITED_FOR
    assert offences(waited_for, long) == {}


def files_below(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)) for path in found}


def test_function_folder_is_one_file() -> None:
    """Every file in a function's folder is deployed, so app.py is the only one."""
    folders = {path.name for path in FUNCTIONS.iterdir() if path.name != "__pycache__"}
    assert files_below(FUNCTIONS) == {f"{folder}/app.py" for folder in folders}


def test_layer_of_dependencies_is_its_lock() -> None:
    """The makefile installs what the lock pins, and nothing else lies in the folder."""
    assert files_below(ROOT / "layers" / "dependencies") == {"Makefile", "requirements.txt"}


def test_layer_of_latchkey_is_its_package() -> None:
    """The makefile copies Python, its types and the package's data: no test, no pyproject.toml, no notes."""
    files = files_below(PACKAGE.parent)
    modules = {name for name in files if name.startswith("latchkey/") and name.endswith(".py")}
    assert files - modules == {
        "Makefile",
        "latchkey/data/NOTICE",
        "latchkey/data/common-passwords.bin",
        "latchkey/mails/layout.html",
        "latchkey/mails/layout.txt",
        "latchkey/py.typed",
    }


def test_no_layer_is_forgotten() -> None:
    """There are two layers, and both are checked here."""
    assert {path.name for path in (ROOT / "layers").iterdir()} == {"dependencies", "latchkey"}


def test_authorizer_starts_without_the_heavy_libraries() -> None:
    """The authorizer's cold start delays every protected call."""
    probe = "import sys, functions.authorizer.app; print(*sys.modules, sep='\\n')"
    environment = {"PYTHONPATH": f"{ROOT}:{PACKAGE.parent}", "LATCHKEY_AUDIENCE": "https://api.example"}
    command = [sys.executable, "-c", probe]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert HEAVY & set(run.stdout.split()) == set()


def test_every_test_is_a_sentence() -> None:
    """Every test has a docstring that is a sentence."""

    def speechless(path: Path) -> list[str]:
        found = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef)]
        said = {node.name: ast.get_docstring(node) or "" for node in found if node.name.startswith("test_")}
        return [name for name, sentence in said.items() if not sentence.strip().endswith((".", "!", "?"))]

    assert offences(sorted((ROOT / "tests").rglob("test_*.py")), speechless) == {}
