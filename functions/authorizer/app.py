"""The Lambda authorizer of this API, and of any other API that trusts this issuer."""

from typing import Any

from latchkey.edge.authorizer import authorize


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer an authorizer event of a REST or an HTTP API."""
    return authorize(event)
