"""The terminal: output, tables, questions. No module here knows of a server."""
