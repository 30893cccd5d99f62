"""Paths of the admin API."""

from __future__ import annotations

from urllib.parse import quote

import typer


def path_of(*parts: str) -> str:
    """Return a path below `/v1/admin`; each part becomes one segment.

    Raises `typer.BadParameter` for an empty part and for dots, since the HTTP client resolves them: `..` in place of
    a key's id would be the path of the key's owner (RFC 3986 section 5.2.4).
    """
    for part in parts:
        if part in {"", ".", ".."}:
            raise typer.BadParameter(f"{part!r} is not an id")
    return "/".join(["/v1/admin", *(quote(part, safe="") for part in parts)])
