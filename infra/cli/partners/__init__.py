"""`latchkey partner`: outside systems whose tokens sign their users in."""
