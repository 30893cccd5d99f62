"""No token is rejected before it expires, in whatever order admins and schedules change the policy."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from latchkey.signing import policy
from tests.unit.signing import key_life


def test_keys_live_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are good until they expire, new keys are known before they sign, and verifiers notice a reset in time.

    The tests of the adapters run the same world for longer, and with planted flaws.
    """
    monkeypatch.setattr(policy, "generate", key_life.generate)
    run_state_machine_as_test(
        key_life.KeyLife, settings=settings(max_examples=10, stateful_step_count=20, deadline=None)
    )
