"""The hashes that a Waves node offers its admin, of the body's bytes as they come, quotes included."""

import hashlib
from collections.abc import Callable

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.roles.roles import Operator
from latchkey.edge.forms import Members
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import Routes, key_or_token
from latchkey.edge.waves import fast_hash, secure_hash

routes = Routes("Hashes of a Waves node")
handler = routes.handler

_MAX_MESSAGE = 1024  # bytes


@routes("POST /utils/hash/secure", needs=key_or_token("api_keys:write"))
def secure(request: Request, operator: Operator) -> Response:
    """Return 200 with the hash that API keys of a Waves node are stored as."""
    return _hashed(request, secure_hash)


@routes("POST /utils/hash/fast", needs=key_or_token("api_keys:write"))
def fast(request: Request, operator: Operator) -> Response:
    """Return 200 with BLAKE2b-256 in Base58."""
    return _hashed(request, fast_hash)


def _hashed(request: Request, waves: Callable[[bytes], str]) -> Response:
    """Return the hash of the body. With `?echo=true`, also return the body; `?alg=sha256` returns SHA-256 in hex.

    Raises `PAYLOAD_TOO_LARGE` and `INVALID_REQUEST`.
    """
    members = Members.of_query(request)
    echo = members.choice("echo", ("true", "false")) == "true"
    algorithm = members.choice("alg", ("waves", "sha256"))
    members.nothing_else()
    if len(request.body) > _MAX_MESSAGE:
        raise ServiceError(Errors.PAYLOAD_TOO_LARGE, f"{len(request.body)} bytes")
    digest = hashlib.sha256(request.body).hexdigest() if algorithm == "sha256" else waves(request.body)
    return Response(200, {"hash": digest} | ({"message": request.body.decode(errors="replace")} if echo else {}))
