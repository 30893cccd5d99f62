"""Call any handler with an event, without a server and without a network: moto, and the stack of template.yaml in it.

In a test: `from tests.lambda_fixture import Stack, stack`. Elsewhere: `with deployed() as stack: ...`.
"""

from tests.lambda_fixture.deployment import Stack, deployed, stack

__all__ = ["Stack", "deployed", "stack"]
