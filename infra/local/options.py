"""The options of a twin."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ISSUER = re.compile(r"(?:http://(?:127\.0\.0\.1|localhost|\[::1\])|https://localhost):(\d{1,5})")
_LAST_PORT = 65_535


class BadIssuer(ValueError):
    """Tokens of a twin must not carry this issuer."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a twin runs. An `issuer` of `None` means the twin's own address, and a `data` of `None` means memory.

    Without `admin`, no admin is seeded, as in a stack that has just been deployed. With `containers`, functions in
    containers reach the twin's AWS over HTTP.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    issuer: str | None = None
    key: Path | None = None
    limits: bool = True
    data: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    admin: bool = True
    containers: bool = False

    def __post_init__(self) -> None:
        """Check the issuer: tokens of a twin must never look like tokens of a real stack."""
        if self.issuer is not None:
            port = _ISSUER.fullmatch(self.issuer)
            if port is None or not 0 < int(port[1]) <= _LAST_PORT:
                raise BadIssuer(
                    "it must be http://127.0.0.1:PORT, http://localhost:PORT, https://localhost:PORT or http://[::1]:PORT"
                )
