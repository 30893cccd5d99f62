"""Latchkey: a serverless auth service. Imports run one way: edge → adapters → core → signing."""

__version__ = "0.1.0"
