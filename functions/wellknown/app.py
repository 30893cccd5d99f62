"""`GET /.well-known/…`: the public keys, and what this issuer offers (RFC 7517, RFC 8414)."""

from latchkey.edge import bootstrap, discovery
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the document; verifiers may keep it for five minutes."""
    published = discovery.published(bootstrap.store())
    document = discovery.jwks if request.path == "/.well-known/jwks.json" else discovery.metadata
    return Response(200, document(published), {"Cache-Control": f"public, max-age={discovery.MAX_AGE}"})
