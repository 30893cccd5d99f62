"""Find a running Latchkey, sign in to it, and call it."""
