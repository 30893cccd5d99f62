"""Paths of the admin API."""

from __future__ import annotations

from urllib.parse import quote

import typer


def path_of(*parts: str) -> str:
    """Return a path below `/v1/admin`; each part is one segment, whatever characters it has.

    Raises `typer.BadParameter` for the segments that stand for another folder: `..` in place of a key's id would
    name the thing that the key belongs to.
    """
    for part in parts:
        if part in {"", ".", ".."}:
            raise typer.BadParameter(f"{part!r} is not an id")
    return "/".join(["/v1/admin", *(quote(part, safe="") for part in parts)])
