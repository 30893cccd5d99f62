"""Keys, signatures and tokens. Pure: no I/O, no clock, no environment."""
