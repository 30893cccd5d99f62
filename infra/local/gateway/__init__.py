"""API Gateway inside this process: from a socket to a function and back."""
