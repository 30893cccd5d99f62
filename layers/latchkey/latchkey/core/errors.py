"""Every error that Latchkey can answer with, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row of the table.

    `detail` is the public sentence. `oauth` is the name of the error at `/oauth2/*`
    (RFC 6749 section 5.2, RFC 6750 section 3.1).
    """

    code: str
    status: int
    title: str
    detail: str
    oauth: str


class Errors(Enum):
    """The table: code, HTTP status, title, public sentence, OAuth name."""

    INVALID_REQUEST = ErrorKind("invalid_request", 400, "Bad request", "The request is malformed.", "invalid_request")
    WEAK_PASSWORD = ErrorKind(
        "weak_password", 400, "Weak password", "This password is too easy to guess.", "invalid_request"
    )
    UNSUPPORTED_GRANT_TYPE = ErrorKind(
        "unsupported_grant_type",
        400,
        "Unsupported grant",
        "This grant type is not supported.",
        "unsupported_grant_type",
    )
    UNSUPPORTED_TOKEN_TYPE = ErrorKind(
        "unsupported_token_type",
        400,
        "Unsupported token type",
        "This token has no session and stays valid until it expires.",
        "unsupported_token_type",
    )
    UNAUTHORIZED_CLIENT = ErrorKind(
        "unauthorized_client", 400, "Unauthorized client", "This client may not use this grant.", "unauthorized_client"
    )
    INVALID_SCOPE = ErrorKind(
        "invalid_scope", 400, "Invalid scope", "The scope is unknown or wider than granted.", "invalid_scope"
    )
    INVALID_CREDENTIALS = ErrorKind(
        "invalid_credentials", 401, "Invalid credentials", "The login or the password is wrong.", "invalid_grant"
    )
    INVALID_TOKEN = ErrorKind(
        "invalid_token",
        401,
        "Invalid token",
        "The access token is missing, malformed, expired or revoked.",
        "invalid_token",
    )
    INVALID_GRANT = ErrorKind(
        "invalid_grant", 401, "Invalid grant", "The token is invalid, expired or revoked.", "invalid_grant"
    )
    INVALID_CLIENT = ErrorKind(
        "invalid_client", 401, "Invalid client", "Client authentication failed.", "invalid_client"
    )
    INVALID_API_KEY = ErrorKind(
        "invalid_api_key",
        401,
        "Invalid API key",
        "The API key is missing, malformed, expired or revoked.",
        "invalid_client",
    )
    REGISTRATION_CLOSED = ErrorKind(
        "registration_closed", 403, "Registration closed", "This service does not take registrations.", "access_denied"
    )
    FORBIDDEN = ErrorKind(
        "forbidden", 403, "Forbidden", "You do not have the permission that this needs.", "insufficient_scope"
    )
    ACCOUNT_DISABLED = ErrorKind(
        "account_disabled", 403, "Account disabled", "This account is disabled or deleted.", "invalid_grant"
    )
    LINK_SUSPENDED = ErrorKind(
        "link_suspended",
        403,
        "Link suspended",
        "The password was reset by mail since this link was confirmed. Sign in with the password and confirm the link.",
        "invalid_grant",
    )
    OWN_SIGN_IN_REQUIRED = ErrorKind(
        "own_sign_in_required",
        403,
        "Own sign-in required",
        "A partner opened this session. Sign in with your own password to do this.",
        "access_denied",
    )
    RECENT_SIGN_IN_REQUIRED = ErrorKind(
        "recent_sign_in_required",
        403,
        "Recent sign-in required",
        "Sign in again, and repeat this within 10 minutes. A service cannot do it.",
        "access_denied",
    )
    NOT_FOUND = ErrorKind("not_found", 404, "Not found", "This resource does not exist.", "invalid_request")
    USER_EXISTS = ErrorKind("user_exists", 409, "User exists", "This login is taken.", "invalid_request")
    CODE_USED_OR_EXPIRED = ErrorKind(
        "code_used_or_expired", 410, "Code used or expired", "This code is used, expired or unknown.", "invalid_request"
    )
    CONFLICT = ErrorKind(
        "conflict",
        409,
        "Conflict",
        "Someone else changed this at the same time. Read it and try again.",
        "invalid_request",
    )
    ADDRESS_CHANGE_PENDING = ErrorKind(
        "address_change_pending",
        409,
        "Address change pending",
        "The address of this account has just changed. Try again later, or undo the change.",
        "invalid_request",
    )
    LAST_ADMIN = ErrorKind(
        "last_admin", 409, "Last admin", "At least one active admin who can sign in must remain.", "invalid_request"
    )
    ADMIN_EXISTS = ErrorKind(
        "admin_exists",
        409,
        "Admin exists",
        "This stack already has its first admin. Its admins open the other accounts.",
        "invalid_request",
    )
    NO_MAIL = ErrorKind(
        "no_mail",
        409,
        "No mail",
        "No mail can be sent: the stack sends none, the login is not an e-mail address, or the account is disabled.",
        "invalid_request",
    )
    BUILT_IN_ROLE = ErrorKind(
        "built_in_role", 409, "Built-in role", "This role is built in and cannot be changed.", "invalid_request"
    )
    IN_USE = ErrorKind(
        "in_use",
        409,
        "In use",
        "Something else needs this, so it cannot be deleted or disabled.",
        "invalid_request",
    )
    LIMIT_REACHED = ErrorKind(
        "limit_reached", 409, "Limit reached", "The maximum number of these is reached.", "invalid_request"
    )
    ISSUER_TAKEN = ErrorKind(
        "issuer_taken", 409, "Issuer taken", "This issuer belongs to another partner.", "invalid_request"
    )
    ALREADY_LINKED = ErrorKind(
        "already_linked", 409, "Already linked", "This identity or this partner is already linked.", "invalid_request"
    )
    CONFIRMATION_REQUIRED = ErrorKind(
        "confirmation_required",
        409,
        "Confirmation required",
        "Repeat the request with the confirmation token and understood: true.",
        "invalid_request",
    )
    CONFIRMATION_FAILED = ErrorKind(
        "confirmation_failed",
        409,
        "Confirmation failed",
        "The confirmation token is used, expired or not yours.",
        "invalid_request",
    )
    VALIDATION_FAILED = ErrorKind(
        "validation_failed", 422, "Validation failed", "A value is not acceptable here.", "invalid_request"
    )
    PAYLOAD_TOO_LARGE = ErrorKind(
        "payload_too_large", 413, "Payload too large", "The request body is too large.", "invalid_request"
    )
    UNSUPPORTED_MEDIA_TYPE = ErrorKind(
        "unsupported_media_type",
        415,
        "Unsupported media type",
        "The request body has the wrong content type.",
        "invalid_request",
    )
    RATE_LIMITED = ErrorKind(
        "rate_limited", 429, "Too many attempts", "Too many attempts. Wait, then try again.", "temporarily_unavailable"
    )
    INTERNAL = ErrorKind("internal_error", 500, "Internal error", "Something went wrong on our side.", "server_error")
    UNAVAILABLE = ErrorKind(
        "temporarily_unavailable",
        503,
        "Temporarily unavailable",
        "The service cannot answer just now. Try again.",
        "temporarily_unavailable",
    )


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error of one member of the request: its name, a stable code, a public sentence."""

    field: str
    code: str
    message: str


class ServiceError(Exception):
    """An error of the table, raised.

    `private` is only for the log. `fields` name the members at fault. `retry_after` is in seconds. `members` are
    further members of the problem document (RFC 9457 section 3.2).
    """

    def __init__(
        self,
        error: Errors,
        private: str = "",
        *,
        fields: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(error.value.code)
        self.kind = error.value
        self.error = error
        self.private = private
        self.fields = fields
        self.retry_after = retry_after
        self.members = members or {}


def invalid_field(field: str, code: str, message: str) -> ServiceError:
    """Return the error for one bad member of a request."""
    return ServiceError(Errors.INVALID_REQUEST, f"{field}: {code}", fields=(FieldError(field, code, message),))
