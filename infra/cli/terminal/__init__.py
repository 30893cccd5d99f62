"""What an operator sees and types. Nothing here knows of a server."""
