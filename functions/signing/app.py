"""`/v1/admin/signing`: the signing policy in an admin's hands."""

from latchkey.edge import bootstrap, signing
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 200 with the policy as it then stands, or with the key that validates."""
    return Response(200, signing.answer(request, bootstrap.policy_admin(), bootstrap.moment(request.now)))
