"""How long the property tests look for a counterexample: a moment while you work, and longer in `make test`."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=12, deadline=None)
settings.register_profile("thorough", max_examples=100, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
