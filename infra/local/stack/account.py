"""The AWS account, the region and the name of the twin's stack."""

ACCOUNT = "123456789012"
"""The account id that moto uses."""

REGION = "us-east-1"

STACK = "latchkey-local"
