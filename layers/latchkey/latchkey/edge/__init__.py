"""Where Lambda events become calls of the core, and its answers become responses."""
