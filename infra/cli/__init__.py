"""The `latchkey` command: what an operator does to a running Latchkey, through its admin HTTP API."""
