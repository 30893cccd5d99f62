"""Authenticators: what opens an account, and how that changes."""
