"""Implementations of the ports of `latchkey.core`: AWS and HTTPS."""
