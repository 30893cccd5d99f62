"""The rotation of the signing secret, called by Secrets Manager: when the stack is made, and on schedule."""

import time
from typing import Any

from latchkey.edge import bootstrap
from latchkey.edge.telemetry import logger


def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001 - Lambda's signature
    """Carry out one of the four steps. An error makes Secrets Manager try again."""
    step, token = event["Step"], event["ClientRequestToken"]
    logger().info("rotation_step", extra={"step": step})
    rotation, moment = bootstrap.rotation(), bootstrap.moment(int(time.time()))
    match step:
        case "createSecret":
            rotation.create(token, moment)
        case "setSecret":
            rotation.publish(token, moment)
        case "testSecret":
            rotation.test(token, moment)
        case "finishSecret":
            rotation.finish(token, moment)
