"""Credentials: logins, passwords and their hashes."""
