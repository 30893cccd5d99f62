"""`GET /.well-known/…`: the public keys, and what this issuer offers (RFC 7517, RFC 8414)."""

from latchkey.edge import bootstrap, discovery
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the document, which verifiers may keep for a while."""
    published = discovery.published(bootstrap.store())
    if request.path == "/.well-known/jwks.json":
        document = discovery.jwks(published, request.now)
    else:
        document = discovery.metadata(published, request.now)
    max_age = bootstrap.moment(request.now).caches.jwks
    return Response(200, document, {"Cache-Control": f"public, max-age={max_age}"})
