"""The Lambda authorizer that takes an API key, of this API and of any other in the account."""

from typing import Any

from latchkey.edge.key_authorizer import authorize


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer a REQUEST authorizer event of a REST API."""
    return authorize(event)
