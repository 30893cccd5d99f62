"""The shape of `infra/local`: the imports that are allowed."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "infra" / "local"

MAY_IMPORT = {"stack": {"stack"}, "aws": {"stack", "aws"}, "gateway": {"stack", "gateway"}}
"""The packages that each package may import. The modules beside them may import all three."""


def module_of(path: Path) -> str:
    """Return the dotted name of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def own_imports(path: Path) -> set[str]:
    """Return the modules of `infra.local` that a module imports, also for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("infra.local"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & {module_of(each) for each in LOCAL.rglob("*.py")} - {"infra.local"}


GRAPH = {module_of(path): own_imports(path) for path in sorted(LOCAL.rglob("*.py"))}


def steps_up(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports that run against the order of the packages."""
    return [
        (module, imported)
        for module, found in graph.items()
        for imported in found
        if (package := module.split(".")[2:3]) and package[0] in MAY_IMPORT
        if imported.split(".")[2] not in MAY_IMPORT[package[0]]
    ]


def test_packages_import_one_way() -> None:
    """`aws` and `gateway` use `stack`, and no package imports a module beside it."""
    assert len(GRAPH) > 20
    assert steps_up(GRAPH) == []


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("infra.local.stack.api", "infra.local.aws.backend"),
        ("infra.local.aws.logs", "infra.local.gateway.messages"),
        ("infra.local.gateway.server", "infra.local.twin"),
    ],
)
def test_import_against_the_order_is_noticed(module: str, imported: str) -> None:
    """The check finds a planted import against the order."""
    assert steps_up(GRAPH | {module: {imported}}) == [(module, imported)]


def test_modules_form_no_circle() -> None:
    """Every module can be read before those that import it."""
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {error.args[1]}")
