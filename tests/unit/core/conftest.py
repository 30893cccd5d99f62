"""A whole service without AWS."""

from __future__ import annotations

import pytest

from latchkey.signing.policy import SigningPolicy
from tests.world import World, small_policy


@pytest.fixture(scope="session")
def policy() -> SigningPolicy:
    """A signing policy for all tests: making keys takes time."""
    return small_policy()


@pytest.fixture
def world(policy: SigningPolicy) -> World:
    """A service without accounts."""
    return World(policy)
