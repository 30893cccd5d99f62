"""The comparison of the rights that the template gives with those that the tests used."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.packaging import template as source
from tests import rights_used
from tests.infra.flaws import add_function, flawed, policies
from tests.infra.test_local_rights import is_allowed, key, statement
from tests.rights_used import EXCUSES, Right

READ = Right("Reader", "dynamodb:GetItem", "Table", "USER#*")


def test_twin_notes_what_a_function_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each right once, by the type of the item and not by its key. A call that is refused uses none."""
    monkeypatch.setenv("RIGHTS_USED", str(tmp_path / "rights"))
    granted = [statement("dynamodb:GetItem", items=["USER#*", "USERS"])]
    for pk in ("USER#ann", "USER#bob", "USERS", "LOGIN#ann"):
        is_allowed(granted, "get_item", TableName="Things", Key=key(pk))
    assert set(rights_used.noted(tmp_path / "rights")) == {
        Right("Reader", "dynamodb:GetItem", "Things", items) for items in ("USER#", "USERS")
    }


def test_twin_notes_nothing_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's twin writes no such file."""
    monkeypatch.delenv("RIGHTS_USED", raising=False)
    monkeypatch.chdir(tmp_path)
    is_allowed([statement("dynamodb:GetItem", items=["USER#*"])], "get_item", TableName="Things", Key=key("USER#ann"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("used", "found"),
    [
        (READ, False),
        (Right("Reader", "dynamodb:GetItem", "Table", "USER#"), False),
        (Right("Writer", "dynamodb:GetItem", "Table", "USER#"), True),
        (Right("Reader", "dynamodb:Query", "Table", "USER#"), True),
        (Right("Reader", "dynamodb:GetItem", "Table/index/by_subject", "USER#"), True),
        (Right("Reader", "dynamodb:GetItem", "Table", "USERS"), True),
    ],
)
def test_right_is_idle_unless_it_was_used_itself(used: Right, found: bool) -> None:
    """The function, the action, the resource and the type of the item must all be the same."""
    assert rights_used.idle([READ], {used}) == ([str(READ)] if found else [])


def test_what_the_functions_of_a_twin_share_is_not_judged() -> None:
    """The process keeps secrets and configuration for all functions, so who reads them is chance."""
    secret = Right("Reader", "secretsmanager:GetSecretValue", "SealSecret")
    assert rights_used.idle([secret, Right("Reader", "dynamodb:GetItem", "Table", "CONFIG")], set()) == []
    assert rights_used.idle([Right("Reader", "secretsmanager:PutSecretValue", "SealSecret")], set()) != []


def test_right_in_vain_is_noticed() -> None:
    """One more right than the tests used is named, of a function that is not there yet, too."""
    loose = flawed(source.load(), add_function(Policies=policies()))
    before, after = (list(rights_used.given(each)) for each in (source.load(), loose))
    assert rights_used.idle(after, before) == ["FlawFunction dynamodb:GetItem Table"]


def test_excuse_in_vain_is_noticed() -> None:
    """An excuse goes when a test uses the right, or when the template no longer gives it."""
    assert [each.partition(":")[0] for each in rights_used.complaints([], [str(READ)])] == ["The excuse is not needed"]
    assert list(rights_used.complaints([str(READ)], [str(READ)])) == []


def test_excuses_are_for_rights_of_the_template() -> None:
    """Each line of the list is a right that the template gives."""
    rights = {
        str(right) for conditions in rights_used.PARAMETRISED for right in rights_used.given(source.load(*conditions))
    }
    assert set(EXCUSES) <= rights


def test_no_notes_are_no_proof(tmp_path: Path) -> None:
    """If no twin wrote anything, every right is named."""
    assert rights_used.main([str(tmp_path)]) == 1
