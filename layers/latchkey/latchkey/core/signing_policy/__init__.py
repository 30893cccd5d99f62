"""The signing policy: its rotation, its reset, and how an admin changes it."""
