"""The proof of a sign-in: who signed in, by which methods, and when.

Every way to sign in ends in a proof. A proof is not a session yet: `gate.py` decides whether it opens one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from latchkey.core.clients.directory import ServiceRights
from latchkey.core.model import Client, Partner, User


@dataclass(frozen=True, slots=True)
class PersonProof:
    """A person has proven that they own an account.

    `user` is the account as it was read. `methods` are names of RFC 8176 section 2, as `amr` has them. `at` is when it
    was proven, in seconds. `client` asks for the session. `epoch` is that of the credential, so that a session never
    outlives it. `partner` is the one whose assertion proved it, if one did.
    """

    user: User
    methods: tuple[str, ...]
    at: int
    client: Client
    epoch: int
    device: str = ""
    partner: Partner | None = None


@dataclass(frozen=True, slots=True)
class MachineProof:
    """A service has proven that it holds an API key. The rights are those that key and client have at this moment."""

    rights: ServiceRights
    methods: tuple[str, ...]
    at: int


Proof: TypeAlias = PersonProof | MachineProof
