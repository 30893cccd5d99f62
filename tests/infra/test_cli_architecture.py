"""The shape of the `latchkey` command: the imports that are allowed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "infra" / "cli"

LADDER = (
    {"errors", "answers"},
    {"terminal"},
    {"service"},
    {"options", "results", "grammar", "lists"},
    {
        "users",
        "roles",
        "permissions",
        "clients",
        "api_keys",
        "partners",
        "signing",
        "transfer",
        "audit",
        "init_admin",
        "issuer",
        "hash_key",
    },
    {"app"},
)
"""Each rung may import those above it. Nouns do not import each other."""

MODULES = {".".join(path.relative_to(CLI).with_suffix("").parts): path for path in sorted(CLI.rglob("*.py"))}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def imports(module: str) -> Iterator[str]:
    """Yield the modules of the command that a module imports, by their names below `infra.cli`."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("infra.cli"):
            package = (node.module or "").removeprefix("infra.cli").strip(".")
            for alias in node.names:
                inner = f"{package}.{alias.name}".strip(".")
                yield inner if inner in MODULES else package


def rung(module: str) -> int:
    first = module.split(".", maxsplit=1)[0]
    return next(number for number, names in enumerate(LADDER) if first in names)


PROGRAMS = [module for module in MODULES if not module.endswith("__init__")]


@pytest.mark.parametrize("module", PROGRAMS)
def test_imports_run_one_way(module: str) -> None:
    """Imports run from the command to its nouns, to what they share, to the server and the terminal, and never back."""
    own = module.split(".", maxsplit=1)[0]
    found = [each for each in imports(module) if each.split(".")[0] != own]
    same = rung(module)
    shared = {"answers", "errors"}, {"options", "results", "grammar", "lists"}
    assert [each for each in found if rung(each) > same] == []
    assert [each for each in found if rung(each) == same and LADDER[same] not in shared] == []


def test_there_is_no_circle() -> None:
    """No module imports itself, directly or through others."""
    order = TopologicalSorter({module: set(imports(module)) for module in PROGRAMS}).static_order()
    assert set(order) >= set(PROGRAMS)


def test_ladder_names_every_module() -> None:
    """A new module must be placed on the ladder."""
    first = {module.split(".")[0] for module in PROGRAMS}
    assert first == {name for names in LADDER for name in names}


@pytest.mark.parametrize("module", [module for module in PROGRAMS if module != "service.api"])
def test_one_module_speaks_http(module: str) -> None:
    """Only one module imports an HTTP client, so that TLS, limits and proxies are decided once."""
    tree = tree_of(module)
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {"httpx", "urllib.request", "http.client", "socket", "ssl"} & named == set()
