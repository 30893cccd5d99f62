"""The signing policy in Secrets Manager: read by every function that mints, written by rotation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from latchkey.adapters.aws import CONFIG, answered, reason
from latchkey.adapters.jwks import KeyCache, TrustedKey
from latchkey.adapters.last_good import Copy, LastGood, Patience, Unreadable
from latchkey.core.errors import Errors, ServiceError
from latchkey.signing.policy import BadPolicy, SigningPolicy, parse
from latchkey.signing.sealing import BadSealKeys, SealKeys, parse_seal_keys

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

T = TypeVar("T")

_CURRENT = "AWSCURRENT"
_PENDING = "AWSPENDING"
_PATIENCE = Patience(fresh=60, stale=3600, pause=5, pause_empty=5)
_RETRY_AFTER = 5

REREAD_PAUSE = 10
"""Seconds between two reads that unknown keys cause, so that forged tokens cause few reads."""


def connect() -> SecretsManagerClient:
    """Return a client with the service's time-outs; region, credentials and endpoint come from the environment."""
    return boto3.client("secretsmanager", config=CONFIG)


class SecretPolicySource:
    """Implements `PolicySource`. A policy that does not parse, or is older than the one held, never replaces it.

    While reads fail, the last good one serves until it is `last_good` seconds old.
    """

    def __init__(
        self,
        client: SecretsManagerClient,
        secret_id: str,
        clock: Callable[[], float],
        max_age: int = 60,
        *,
        last_good: int = 3600,
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._policies = LastGood(self._read, clock, replace(_PATIENCE, fresh=max_age, stale=last_good))

    def policy(self) -> SigningPolicy:
        """Return the policy in force, at most `max_age` seconds old, or older while reads fail."""
        return _served(self._policies.get, "signing policy")

    def reread(self) -> SigningPolicy:
        """Return the policy in force, at most 10 s old, for a key that the copy in hand does not know."""
        return _served(lambda: self._policies.at_most(REREAD_PAUSE), "signing policy")

    def _read(self, held: SigningPolicy | None) -> SigningPolicy:
        policy = _read_policy(self._client, self._secret_id)
        if held is not None and policy.version < held.version:
            raise Unreadable(f"version {policy.version} is older than {held.version}")
        return policy


class SecretSealSource:
    """Implements `SealSource`. Keys that do not parse, or are older than those held, never replace them."""

    def __init__(
        self, client: SecretsManagerClient, secret_id: str, clock: Callable[[], float], max_age: int = 60
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._keys = LastGood(self._read, clock, replace(_PATIENCE, fresh=max_age))

    def seal_keys(self) -> SealKeys:
        """Return the seal keys, at most `max_age` seconds old, or up to 60 min while reads fail."""
        return _served(self._keys.get, "seal keys")

    def reread_seal_keys(self) -> SealKeys:
        """Return the seal keys, at most 10 s old, for a key that the copy in hand does not know."""
        return _served(lambda: self._keys.at_most(REREAD_PAUSE), "seal keys")

    def _read(self, held: SealKeys | None) -> SealKeys:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=_CURRENT)
            keys = parse_seal_keys(answer.get("SecretString", ""))
        except (ClientError, BotoCoreError) as error:
            raise Unreadable(reason(error)) from error
        except BadSealKeys as error:
            raise Unreadable(f"refused: {error}") from error
        if held is not None and keys.version < held.version:
            raise Unreadable(f"version {keys.version} is older than {held.version}")
        return keys


class SecretKeys(KeyCache[TrustedKey]):
    """The keys and names of the policy itself: for the authorizer of a stack that signs with a shared secret.

    `clock` is monotonic, `now` the time of day; both in seconds.
    """

    def __init__(
        self,
        client: SecretsManagerClient,
        secret_id: str,
        clock: Callable[[], float],
        now: Callable[[], float],
        max_age: float,
    ) -> None:
        super().__init__(self._read, clock, max_age)
        self._client = client
        self._secret_id = secret_id
        self._now = now

    def _read(self) -> Mapping[str, TrustedKey]:
        policy, now = _read_policy(self._client, self._secret_id), int(self._now())
        accepted = policy.accepted(now)
        return {key.kid: TrustedKey(key.verification_key(), accepted) for key in policy.keys.keys if key.lives(now)}


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """The state of the version of a rotation: whether the secret rotates, and the version's staging labels."""

    rotation_enabled: bool
    stages: frozenset[str]

    @property
    def is_current(self) -> bool:
        """Whether the version is the one in force."""
        return _CURRENT in self.stages


class SigningSecret:
    """The secret as its rotation sees it: `token` is the id of the version that the rotation makes.

    Every operation may be repeated. A call that gets no answer raises `UNAVAILABLE`.
    """

    def __init__(self, client: SecretsManagerClient, secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id
        self._not_found = client.exceptions.ResourceNotFoundException

    def describe(self, token: str) -> SecretVersion:
        """Return the state of this version. A version that does not exist yet has no stages."""
        with answered():
            answer = self._client.describe_secret(SecretId=self._secret_id)
        stages = answer.get("VersionIdsToStages", {}).get(token, [])
        return SecretVersion(answer.get("RotationEnabled", False), frozenset(stages))

    def current(self) -> str:
        """Return the document in force."""
        with answered():
            answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=_CURRENT)
        return answer["SecretString"]

    def pending(self, token: str) -> str | None:
        """Return the document staged under this version, or `None` if it is not staged yet, or no longer."""
        if _PENDING not in self.describe(token).stages:  # asking for a version by a label that it lacks is an error
            return None
        try:
            with answered():
                answer = self._client.get_secret_value(SecretId=self._secret_id, VersionId=token)
        except self._not_found:  # Secrets Manager makes the version before its rotation does
            return None
        return answer["SecretString"]

    def put_pending(self, token: str, text: str) -> None:
        """Stage a document under this version. Repeating it is harmless; another document is rejected."""
        with answered():
            self._client.put_secret_value(
                SecretId=self._secret_id, ClientRequestToken=token, SecretString=text, VersionStages=[_PENDING]
            )

    def unstage(self, token: str) -> None:
        """Remove the label from this version, unless another version has it."""
        if _PENDING in self.describe(token).stages:
            with answered():
                self._client.update_secret_version_stage(
                    SecretId=self._secret_id, VersionStage=_PENDING, RemoveFromVersionId=token
                )

    def promote(self, token: str) -> None:
        """Put this version in force, unless it is."""
        with answered():
            versions = self._client.describe_secret(SecretId=self._secret_id).get("VersionIdsToStages", {})
        current = next((version for version, stages in versions.items() if _CURRENT in stages), None)
        if current == token:
            return
        move = {"RemoveFromVersionId": current} if current else {}
        with answered():
            self._client.update_secret_version_stage(
                SecretId=self._secret_id, VersionStage=_CURRENT, MoveToVersionId=token, **move
            )


class SealSecret:
    """Implements `latchkey.core.signing_policy.store.SealSecret`. A call that gets no answer raises `UNAVAILABLE`."""

    def __init__(self, client: SecretsManagerClient, secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    def current(self) -> str:
        """Return the document in force."""
        with answered():
            answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=_CURRENT)
        return answer["SecretString"]

    def put(self, text: str) -> None:
        """Put a document in force. Its version is named after its content, so repeating it makes no new version."""
        version = hashlib.sha256(text.encode()).hexdigest()
        with answered():
            self._client.put_secret_value(SecretId=self._secret_id, ClientRequestToken=version, SecretString=text)


def _served(read: Callable[[], Copy[T]], what: str) -> T:
    try:
        return read().value
    except Unreadable as error:
        raise ServiceError(Errors.UNAVAILABLE, f"{what}: {error}", retry_after=_RETRY_AFTER) from error


def _read_policy(client: SecretsManagerClient, secret_id: str) -> SigningPolicy:
    try:
        answer = client.get_secret_value(SecretId=secret_id, VersionStage=_CURRENT)
        return parse(answer.get("SecretString", ""))
    except (ClientError, BotoCoreError) as error:
        raise Unreadable(reason(error)) from error
    except BadPolicy as error:
        raise Unreadable(f"refused: {error}") from error
