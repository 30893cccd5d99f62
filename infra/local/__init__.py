"""The local twin: API Gateway, Lambda and AWS inside one process."""
