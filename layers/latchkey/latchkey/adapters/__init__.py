"""What stands behind the ports of `latchkey.core.ports`: AWS, memory, HTTPS."""
