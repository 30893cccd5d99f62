"""The check that a stack answers at the address that is to become its issuer."""

from __future__ import annotations

from collections.abc import Mapping

from latchkey.adapters.jwks import document_at
from latchkey.adapters.last_good import Unreadable
from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.signing_policy.store import PublishedKeys

TIMEOUT = 5
"""Seconds for each of the two documents, the look-up of the name included."""

MAX_BYTES = 65_536
"""The longest document."""


class FetchedAddress:
    """Implements `latchkey.core.signing_policy.store.IssuerAddress` over HTTPS. It follows no redirect.

    Plain http is fetched from this machine only, which is the twin.
    """

    def require_own(self, iss: str, published: PublishedKeys, now: int) -> None:
        """Raise `VALIDATION_FAILED` unless metadata (RFC 8414 section 3) and keys of this stack are served there."""
        metadata = _document(f"{iss}/.well-known/openid-configuration")
        served = _document(f"{iss}/.well-known/jwks.json").get("keys")
        if metadata.get("issuer") not in published.accepted(now).issuers:
            raise _refusal("other_issuer", "The metadata at this address names an issuer that is not of this stack.")
        if not _holds(served, published.jwks_at(now)["keys"]):
            raise _refusal("other_keys", "The JWKS at this address does not hold the keys of this stack.")


def _document(address: str) -> Mapping[str, object]:
    try:
        return document_at(address, TIMEOUT, MAX_BYTES)
    except Unreadable as error:
        message = "Metadata and keys of this stack must be served at this address, over HTTPS and without a redirect."
        raise _refusal("no_answer", message, private=str(error)) from None


def _holds(served: object, wanted: list[dict[str, str]]) -> bool:
    """Say whether each key is served. A cache may still serve one that has just retired, so more are accepted."""
    if not isinstance(served, list):
        return False
    offered = [key for key in served if isinstance(key, dict)]
    return all(any(key.items() <= each.items() for each in offered) for key in wanted)


def _refusal(code: str, message: str, *, private: str = "") -> ServiceError:
    fields = (FieldError("iss", code, message),)
    return ServiceError(Errors.VALIDATION_FAILED, f"iss: {code} {private}".rstrip(), fields=fields)
