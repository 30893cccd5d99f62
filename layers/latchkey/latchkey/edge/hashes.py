"""The routes that hash: what a Waves node offers its admin, with the body's bytes as they come, quotes included."""

from __future__ import annotations

import hashlib
from typing import Any

from latchkey.core.errors import Errors, ServiceError
from latchkey.edge.forms import Members
from latchkey.edge.http import Request
from latchkey.edge.operators import permitted
from latchkey.edge.waves import fast_hash, secure_hash

MAX_MESSAGE = 1024
"""Bytes of a body to hash."""


def answer(request: Request) -> dict[str, Any]:
    """Return the hash of the body and, with `?echo=true`, the body as text.

    `?alg=sha256` gives SHA-256 in hex in place of the node's own algorithm. Raises `PAYLOAD_TOO_LARGE` and
    `INVALID_REQUEST`.
    """
    permitted(request)
    members = Members.of_query(request)
    echo = members.choice("echo", ("true", "false")) == "true"
    algorithm = members.choice("alg", ("waves", "sha256"))
    members.nothing_else()
    if len(request.body) > MAX_MESSAGE:
        raise ServiceError(Errors.PAYLOAD_TOO_LARGE, f"{len(request.body)} bytes")
    if algorithm == "sha256":
        digest = hashlib.sha256(request.body).hexdigest()
    else:
        digest = (secure_hash if request.path.endswith("/secure") else fast_hash)(request.body)
    return {"hash": digest} | ({"message": request.body.decode(errors="replace")} if echo else {})
