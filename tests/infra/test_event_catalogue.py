"""docs/audit.md names every security event that the source records, with its members, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields

from latchkey.core import events
from tests import pages
from tests.pages import ROOT

RECORDED_IN = ("core", "adapters", "edge")

Function = ast.FunctionDef | ast.AsyncFunctionDef


Catalogue = dict[str, set[str]]
"""The members that an event may have beyond those of every event, by its name."""

MEMBERS = tuple(field.name for field in fields(events.Event))


def catalogue() -> Catalogue:
    """Return the events in the table of the page."""
    rows = pages.tables(ROOT / "docs" / "audit.md", "event")
    return {name: set(pages.codes(row[2])) for row in rows for name in pages.codes(row[0])}


def recorded_in(tree: ast.Module) -> Iterator[tuple[set[str], set[str]]]:
    """Yield, for each event that a module records, the names that it may have, and its members."""
    for function in ast.walk(tree):
        if isinstance(function, Function):
            for call in calls_of("Event", function):
                name = call.args[0] if call.args else call.keywords[0].value
                names = texts(name) or assigned(name, function) or passed(name, function, tree)
                given = {*MEMBERS[: len(call.args)], *(keyword.arg or "" for keyword in call.keywords)}
                yield names, given - {"name"}


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


def recorded() -> list[tuple[set[str], set[str]]]:
    """Return the names and the members of each event that the source records."""
    package = ROOT / "layers" / "latchkey" / "latchkey"
    trees = [ast.parse(path.read_text()) for folder in RECORDED_IN for path in (package / folder).rglob("*.py")]
    calls = [call for tree in trees for call in recorded_in(tree)]
    assert all(names for names, _ in calls), "an event whose name this test cannot find out"
    assert len(calls) > 20
    return calls


def test_the_page_lists_every_security_event() -> None:
    """The page lists exactly the events that the source can record."""
    assert catalogue().keys() == {name for names, _ in recorded() for name in names}


def test_the_page_lists_the_members_of_every_security_event() -> None:
    """The page lists exactly the members that an event can have.

    Events that are recorded in one place share a list of members, and an event need not have all of them.
    """
    told, calls = catalogue(), recorded()
    missing = [(names, members - set().union(*(told[name] for name in names))) for names, members in calls]
    assert [names for names, members in missing if members] == []
    possible = {name: set().union(*(members for names, members in calls if name in names)) for name in told}
    assert {name: members - possible[name] for name, members in told.items() if members - possible[name]} == {}
