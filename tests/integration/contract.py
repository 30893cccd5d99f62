"""How the tests of stores ask and what they expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.throttle import ThrottleRule
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.grants.store import Rotation
    from latchkey.core.model import Session

RULE = ThrottleRule(free=2, waits=(30, 60), window=1000)
"""Two attempts at any pace; `NOW` is the first second of one of its windows."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def refuses(error: Errors) -> pytest.RaisesExc[ServiceError]:
    """Expect this error of the table."""
    return pytest.RaisesExc(ServiceError, check=lambda raised: raised.error is error)


def rotate(store: Store, session: Session, generation: int = 0, **terms: int) -> Rotation:
    """Rotate a second later, as the session's own client, for two more hours."""
    return store.rotate(
        session.sub,
        session.sid,
        generation,
        client_id="cli_app",
        epoch=terms.get("epoch", 3),
        now=terms.get("now", NOW + 1),
        expires_at=terms.get("expires_at", NOW + 7200),
    )
