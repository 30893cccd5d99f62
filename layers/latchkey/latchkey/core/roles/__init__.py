"""Roles and scopes: what they permit, and who may give them."""
