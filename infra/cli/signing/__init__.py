"""`latchkey signing`: the signing policy and its keys."""
