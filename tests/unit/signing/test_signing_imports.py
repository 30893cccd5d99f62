"""The verifier imports only what it needs, since an authorizer starts for every burst of requests."""

from __future__ import annotations

import subprocess
import sys

FORBIDDEN = {
    "asyncio",
    "boto3",
    "botocore",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.x509",
    "jwt",
    "latchkey.signing.key_set",
    "pydantic",
    "ssl",
    "urllib.request",
}


PROGRAM = """
import sys
import latchkey.signing.tokens
print(*sys.modules)
import latchkey.signing.minting
print(*sys.modules)
"""


def test_verifying_loads_nothing_heavy() -> None:
    """Importing the verifier loads neither PyJWT, nor AWS, nor the code that opens private keys; minting does."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    verifying, minting = (set(line.split()) for line in run.stdout.splitlines())
    assert verifying & FORBIDDEN == set()
    assert minting & FORBIDDEN >= {"jwt", "latchkey.signing.key_set"}
