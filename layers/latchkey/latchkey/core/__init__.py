"""What the service does. Pure: no I/O, no clock, no environment, no logger."""
