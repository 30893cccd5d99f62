"""Tables and cards: what a narrow terminal goes without, and what it never cuts."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from infra.cli.terminal.tables import Columns, card, table

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


def printed(shown: Table, width: int | None) -> list[str]:
    """Return the lines that a terminal of so many columns shows, or a pipe."""
    console = Console(width=width or 1_000_000, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    assert width is None or max(map(len, lines)) <= width
    return lines


def listed(width: int | None, *users: dict[str, Any], columns: Columns = COLUMNS) -> list[str]:
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
    """What is left is whole."""
    lines = listed(width, USER)
    assert lines[0].split() == headings
    assert lines[1].startswith(f"{SUB}  ann@example.com")


def test_spare_columns_go_in_their_own_order() -> None:
    """A column in the middle may matter least."""
    columns = Columns(COLUMNS.headings, spare=("status", "roles", "created_at"))
    assert listed(65, USER, columns=columns)[0].split() == ["Id", "Login", "Created"]


def test_list_in_a_cell_is_folded_between_its_words() -> None:
    """Roles take two lines rather than the place of the others."""
    lines = listed(76, USER)
    assert [line.split()[-1] for line in lines[1:]] == ["shop,", "user"]


@pytest.mark.parametrize("width", [40, 30, 20])
def test_id_is_whole_as_long_as_the_terminal_can_hold_it(width: int) -> None:
    """Commands take an id and nothing else. A terminal narrower than an id folds it and cuts nothing."""
    lines = listed(width, USER | {"login": "a-very-long-login-indeed@subdomain.example.com"})
    found = "".join(line[:30].strip() for line in lines[1:])
    assert SUB in found


def test_long_second_column_is_folded_and_never_cut() -> None:
    """A login tells who it is."""
    login = "a-very-long-login-indeed@subdomain.example.com"
    lines = listed(60, USER | {"login": login})
    assert "".join(line[30:].strip() for line in lines[1:]) == login


def test_column_without_a_text_gives_its_place_to_another() -> None:
    """A list whose entries all lack something does not say so at the cost of what they have."""
    columns = Columns(COLUMNS.headings, spare=("created_at", "login"))
    lines = listed(70, USER | {"status": "", "roles": []}, columns=columns)
    assert lines[0].split() == ["Id", "Login", "Created"]


def test_empty_list_is_its_headings() -> None:
    """There is nothing, of which kind is seen."""
    assert [line.split() for line in listed(100)] == [["Id", "Login", "Status", "Roles", "Created"]]


def test_pipe_gets_every_column_in_one_line() -> None:
    """And moments in ISO 8601, as `date -Is` writes them."""
    lines = listed(None, USER | {"roles": [f"role_{number}" for number in range(60)]})
    assert len(lines) == 2
    assert "role_59" in lines[1]
    assert "T" in lines[1].split()[-1]


def test_moment_is_a_distance_in_a_list_and_both_on_a_card() -> None:
    """A person reads `2 min ago` faster than a date, and finds the date where there is room."""
    assert listed(120, USER)[1].endswith("2 min ago")
    shown = printed(card(USER, COLUMNS, width=120, now=NOW), 120)
    assert shown[-1].startswith("Created")
    assert shown[-1].endswith(" (2 min ago)")


def test_card_leaves_out_what_is_empty() -> None:
    """An account without a login has no such row."""
    assert [line.split()[0] for line in printed(card({"id": SUB, "login": ""}, COLUMNS, width=80, now=NOW), 80)] == [
        "Id"
    ]


def test_wide_characters_count_twice() -> None:
    """A name in Chinese moves no column out of the terminal."""
    columns = Columns({"id": "Id", "title": "Title", "status": "Status"})
    assert listed(42, {"id": SUB, "title": "日本", "status": "active"}, columns=columns)[0].split() == ["Id", "Title"]
