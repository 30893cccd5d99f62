"""Partners: outside issuers whose signed JWTs sign their users in."""
