"""`/v1/admin/api-keys`: API keys in an operator's hands."""

from latchkey.edge import api_keys, bootstrap
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer with keys, 201 with a new one, or 204."""
    return api_keys.answer(request, bootstrap.api_key_admin(), bootstrap.policies())
