"""The AWS account, the region and the name of the twin's stack."""

ACCOUNT = "123456789012"
"""The account id that moto uses."""

REGION = "us-east-1"

STACK = "latchkey-local"

LOCAL_DOMAIN = "localhost"
"""The only domain at which a twin answers, beside its default endpoint, which is an IP address."""
