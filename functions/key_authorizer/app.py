"""The Lambda authorizer that takes an API key, for this API and any other API in the account."""

from typing import Any

from latchkey.edge.key_authorizer import authorize


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a REQUEST authorizer event of a REST API."""
    return authorize(event)
