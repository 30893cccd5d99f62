"""The README names every security event that the source records, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORDED_IN = ("core", "adapters", "edge")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def catalogue() -> set[str]:
    """Return the events in the table of the README."""
    rows = (ROOT / "README.md").read_text().partition("| event |")[2].partition("\n\n")[0].splitlines()
    return {name for row in rows[2:] for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}


def names_in(tree: ast.Module) -> Iterator[set[str]]:
    """Yield, for each event that a module records, the names that it may have."""
    for function in ast.walk(tree):
        if isinstance(function, Function):
            for call in calls_of("Event", function):
                name = call.args[0] if call.args else call.keywords[0].value
                yield texts(name) or assigned(name, function) or passed(name, function, tree)


def calls_of(called: str, tree: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of a function or a method."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called in {getattr(node.func, "id", ""), getattr(node.func, "attr", "")}:
            yield node


def texts(value: ast.expr) -> set[str]:
    """Return the texts that an expression may be."""
    branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    return {each.value for each in branches if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def assigned(name: ast.expr, function: Function) -> set[str]:
    """Return the texts that a variable of a function gets there."""
    assignments = [node for node in ast.walk(function) if isinstance(node, ast.Assign)]
    mine = [node.value for node in assignments if any(same(name, each) for each in node.targets)]
    return {text for value in mine for text in texts(value)}


def passed(name: ast.expr, function: Function, tree: ast.Module) -> set[str]:
    """Return the texts that a parameter of a function gets in its module."""
    parameters = [each.arg for each in function.args.args if each.arg != "self"]
    place = parameters.index(getattr(name, "id", ""))
    return {text for call in calls_of(function.name, tree) for text in texts(call.args[place])}


def same(one: ast.expr, other: ast.expr) -> bool:
    """Say whether two expressions are the same variable."""
    return isinstance(one, ast.Name) and isinstance(other, ast.Name) and one.id == other.id


def test_the_readme_lists_every_security_event() -> None:
    """What an alarm may wait for is written down, and what is written down can happen."""
    package = ROOT / "layers" / "latchkey" / "latchkey"
    trees = [ast.parse(path.read_text()) for folder in RECORDED_IN for path in (package / folder).rglob("*.py")]
    recorded = [names for tree in trees for names in names_in(tree)]
    assert all(recorded), "an event whose name this test cannot find out"
    assert len(recorded) > 20
    assert catalogue() == {name for names in recorded for name in names}
