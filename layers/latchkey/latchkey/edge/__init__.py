"""From Lambda events to calls of the core, and from its answers to responses."""
