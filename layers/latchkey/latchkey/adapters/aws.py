"""Calls to AWS: short time-outs, two attempts, and one error for "no answer".

boto3 itself chooses the endpoints: it reads `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>` itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailedError

from latchkey.core.errors import Errors, ServiceError

CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
"""Seconds, and attempts in all: a caller gets the error long before its own time-out."""

RETRY_AFTER = 1
"""Seconds after which a caller may try again."""

_BUSY = frozenset(
    {
        "InternalServerError",
        "InternalServiceError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
_SERVER_ERROR = 500


@contextmanager
def answered() -> Iterator[None]:
    """Turn throttling, time-outs, broken connections and 5xx into `UNAVAILABLE`; let every other error pass."""
    try:
        yield
    except ClientError as error:
        if not _will_pass(error):
            raise
        raise unavailable(reason(error)) from error
    except (ConnectionFailedError, HTTPClientError) as error:
        raise unavailable(reason(error)) from error


def unavailable(private: str) -> ServiceError:
    """Return the error of a service that does not answer just now."""
    return ServiceError(Errors.UNAVAILABLE, private, retry_after=RETRY_AFTER)


def reason(error: Exception) -> str:
    """Return the names of the failure, for the log. AWS's messages are left out: they may repeat the request."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response['Error']['Code']}"
    return type(error).__name__


def _will_pass(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= _SERVER_ERROR or error.response["Error"]["Code"] in _BUSY
