"""`POST /utils/hash/secure` and `/utils/hash/fast`: the hashes of a Waves node."""

from latchkey.edge import hashes
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the hash of the body."""
    return Response(200, hashes.answer(request))
