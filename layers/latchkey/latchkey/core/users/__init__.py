"""Accounts: sign-up, erasure, operators' view, and transfer."""
