"""The rotation of the signing secret, called by Secrets Manager: when the stack is made, and on schedule."""

import time
from typing import Any

from latchkey.edge import bootstrap
from latchkey.edge.telemetry import logger


def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001 - Lambda's signature
    """Carry out one of the four steps. An error makes Secrets Manager try again."""
    step, token, now = event["Step"], event["ClientRequestToken"], int(time.time())
    logger().info("rotation_step", extra={"step": step})
    rotation = bootstrap.rotation()
    match step:
        case "createSecret":
            rotation.create(token, now=now)
        case "setSecret":
            rotation.publish(token, now=now)
        case "testSecret":
            rotation.test(token, now=now)
        case "finishSecret":
            rotation.finish(token)
