"""Grants: from a proof through the gate to a session and its tokens."""
