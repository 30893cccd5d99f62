"""Tables and cards: the columns that a narrow terminal loses, and the texts that are never cut."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from infra.cli.terminal.tables import Columns, card, card_for_pipe, table, table_for_pipe

NOW = 1_780_000_000
SUB = "usr_" + "a" * 26
COLUMNS = Columns({"id": "Id", "login": "Login", "status": "Status", "roles": "Roles", "created_at": "Created"})
USER = {
    "id": SUB,
    "login": "ann@example.com",
    "status": "active",
    "roles": ["help_desk", "shop", "user"],
    "created_at": NOW - 130,
}


def printed(shown: Table, width: int) -> list[str]:
    """Return the lines that a terminal with so many columns shows."""
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    assert max(map(len, lines)) <= width
    return lines


def listed(width: int, *users: dict[str, Any], columns: Columns = COLUMNS) -> list[str]:
    return printed(table(users, columns, width=width, now=NOW), width)


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (100, ["Id", "Login", "Status", "Roles", "Created"]),
        (80, ["Id", "Login", "Status", "Roles"]),
        (60, ["Id", "Login", "Status"]),
        (50, ["Id", "Login"]),
    ],
)
def test_narrow_terminal_goes_without_the_last_columns(width: int, headings: list[str]) -> None:
    """The columns that remain are shown whole."""
    lines = listed(width, USER)
    assert lines[0].split() == headings
    assert lines[1].startswith(f"{SUB}  ann@example.com")


def test_spare_columns_go_in_their_own_order() -> None:
    """A list can name the columns that go first."""
    columns = Columns(COLUMNS.headings, spare=("status", "roles", "created_at"))
    assert listed(65, USER, columns=columns)[0].split() == ["Id", "Login", "Created"]


def test_list_in_a_cell_is_folded_between_its_words() -> None:
    """Roles are folded to two lines before another column is lost."""
    lines = listed(76, USER)
    assert [line.split()[-1] for line in lines[1:]] == ["shop,", "user"]


@pytest.mark.parametrize("width", [40, 30, 20])
def test_id_is_whole_as_long_as_the_terminal_can_hold_it(width: int) -> None:
    """An id is never cut, because commands take whole ids; a very narrow terminal folds it."""
    lines = listed(width, USER | {"login": "a-very-long-login-indeed@subdomain.example.com"})
    found = "".join(line[:30].strip() for line in lines[1:])
    assert SUB in found


def test_name_that_identifies_is_whole() -> None:
    """The name of a role is its id, so the permissions beside it are folded instead."""
    columns = Columns({"name": "Name", "permissions": "Permissions"})
    role = {"name": "a_role_with_a_long_name_of_40_characters", "permissions": ["users:read", "users:write"] * 5}
    lines = printed(table([role], columns, width=60, now=NOW), 60)
    assert lines[1].startswith(f"{role['name']}  users:read,")


def test_long_second_column_is_folded_and_never_cut() -> None:
    """A long login is folded, and no part of it is lost."""
    login = "a-very-long-login-indeed@subdomain.example.com"
    lines = listed(60, USER | {"login": login})
    assert "".join(line[30:].strip() for line in lines[1:]) == login


def test_column_without_a_text_gives_its_place_to_another() -> None:
    """A column whose cells are all empty is left out."""
    columns = Columns(COLUMNS.headings, spare=("created_at", "login"))
    lines = listed(70, USER | {"status": "", "roles": []}, columns=columns)
    assert lines[0].split() == ["Id", "Login", "Created"]


def test_empty_list_is_its_headings() -> None:
    """An empty list still shows its headings."""
    assert [line.split() for line in listed(100)] == [["Id", "Login", "Status", "Roles", "Created"]]


def test_pipe_gets_every_column_in_one_line() -> None:
    """A pipe gets each entry in one line, with times in ISO 8601."""
    many = USER | {"roles": [f"role_{number}" for number in range(60)], "status": ""}
    lines = table_for_pipe([many, USER], COLUMNS).splitlines()
    assert lines[0].split() == ["Id", "Login", "Status", "Roles", "Created"]
    assert "role_59" in lines[1]
    assert datetime.fromisoformat(lines[1].split()[-1]).timestamp() == USER["created_at"]
    assert [line.index("T") for line in lines[1:]] == [lines[0].index("Created") + len("2026-05-28")] * 2


def test_card_in_a_pipe_is_a_line_for_each_member() -> None:
    """A pipe gets the whole of a long text in one line, without blanks at its end."""
    many = USER | {"roles": [f"role_{number}" for number in range(60)]}
    lines = card_for_pipe(many, COLUMNS).splitlines()
    assert [line.split()[0] for line in lines] == ["Id", "Login", "Status", "Roles", "Created"]
    assert lines[3].endswith("role_59")
    assert [line.rstrip() for line in lines] == lines


def test_moment_is_a_distance_in_a_list_and_both_on_a_card() -> None:
    """A list shows how long ago; a card shows the date as well."""
    assert listed(120, USER)[1].endswith("2 min ago")
    shown = printed(card(USER, COLUMNS, now=NOW), 120)
    assert shown[-1].startswith("Created")
    assert shown[-1].endswith(" (2 min ago)")


def test_card_leaves_out_what_is_empty() -> None:
    """A card has no row for an empty member."""
    assert [line.split()[0] for line in printed(card({"id": SUB, "login": ""}, COLUMNS, now=NOW), 80)] == ["Id"]


def test_wide_characters_count_twice() -> None:
    """Chinese characters take two columns each when the width is counted."""
    columns = Columns({"id": "Id", "title": "Title", "status": "Status"})
    assert listed(42, {"id": SUB, "title": "日本", "status": "active"}, columns=columns)[0].split() == ["Id", "Title"]
