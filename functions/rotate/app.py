"""The rotation of the signing secret, invoked by Secrets Manager: when the stack is created, and on schedule."""

import os
import time
from functools import cache
from typing import Any

from latchkey.core.signing_policy.rotation import FirstPolicy, Rotation
from latchkey.edge import bootstrap
from latchkey.edge.settings import Environment
from latchkey.edge.telemetry import logger
from latchkey.signing.keys import Algorithm
from latchkey.signing.policy import Lifetimes


def handler(event: dict[str, Any], context: object) -> None:
    """Carry out one of the four steps. After an error, Secrets Manager retries."""
    step, token = event["Step"], event["ClientRequestToken"]
    logger().info("rotation_step", extra={"step": step})
    moment = bootstrap.moment(int(time.time()))
    match step:
        case "createSecret":
            rotation().create(token, moment)
        case "setSecret":
            rotation().publish(token, moment)
        case "testSecret":
            rotation().test(token, moment)
        case "finishSecret":
            rotation().finish(token, moment)


@cache
def rotation() -> Rotation:
    """Return the rotation, with the stack's parameters for the very first policy."""
    env = Environment(os.environ)
    lifetimes = Lifetimes(
        access_ttl=env.number("LATCHKEY_ACCESS_TTL", 900, low=60, high=86_400),
        refresh_ttl=env.number("LATCHKEY_REFRESH_TTL", 7_776_000, low=3_600, high=31_536_000),
        refresh_idle_ttl=env.number("LATCHKEY_REFRESH_IDLE_TTL", 2_592_000, low=3_600, high=31_536_000),
        refresh_retry_limit=env.number("LATCHKEY_REFRESH_RETRY_LIMIT", 12, low=0, high=100),
    )
    public = ("RS256", "ES256", "EdDSA")
    allowed = (*public, "HS256") if env.flag("LATCHKEY_ALLOW_HS256") else public
    algorithm = Algorithm(env.choice("LATCHKEY_ALGORITHM", allowed, "RS256"))
    first = FirstPolicy(
        issuer=env.text("LATCHKEY_ISSUER"),
        algorithm=algorithm,
        lifetimes=lifetimes,
        audience=env.text("LATCHKEY_AUDIENCE", ""),
        rsa_bits=int(env.choice("LATCHKEY_RSA_BITS", ("2048", "3072", "4096"), "2048")),
    )
    return Rotation(bootstrap.policy_writer(), bootstrap.seal_writer(), first)
