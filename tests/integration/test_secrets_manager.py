"""The signing policy in Secrets Manager: how long it is cached, and how a rotation changes it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from latchkey.adapters.jwks import KeysUnavailable
from latchkey.adapters.secrets_manager import SecretKeys, SecretPolicySource, SigningSecret, connect
from latchkey.core.errors import Errors, ServiceError
from latchkey.signing.keys import Algorithm
from latchkey.signing.policy import (
    Lifetimes,
    Moment,
    SigningPolicy,
    first_policy,
    plan_issuer_move,
    reset,
    rotate,
)
from tests.integration.contract import Clock, refuses
from tests.integration.samples import NOW, unique

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from latchkey.core.policy import PolicySource

MINUTE = 60
POLICY = first_policy("https://issuer.example", Algorithm.ES256, Lifetimes(), Moment(NOW, os.urandom))


class Secret:
    """A secret of moto's that can be made to fail, and counts its reads."""

    def __init__(self, client: SecretsManagerClient, text: str) -> None:
        self.client = client
        self.name = unique("signing-")
        self.reads = 0
        self.failure: Exception | None = None
        client.create_secret(Name=self.name, SecretString=text)

    def put(self, text: str) -> None:
        """Replace the document in force."""
        self.client.put_secret_value(SecretId=self.name, SecretString=text)

    def on_read(self, **_: object) -> None:
        """Count a read, and fail if told so."""
        self.reads += 1
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def client(moto: None) -> SecretsManagerClient:
    """A client of moto's Secrets Manager."""
    return connect()


@pytest.fixture
def secret(client: SecretsManagerClient) -> Iterator[Secret]:
    """A secret that holds a policy."""
    secret = Secret(client, POLICY.to_json())
    client.meta.events.register("before-parameter-build.secrets-manager.GetSecretValue", secret.on_read)
    yield secret
    client.meta.events.unregister("before-parameter-build.secrets-manager.GetSecretValue", secret.on_read)


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


@pytest.fixture
def source(client: SecretsManagerClient, secret: Secret, clock: Clock) -> PolicySource:
    """A source that has read nothing yet."""
    return SecretPolicySource(client, secret.name, clock)


def outage() -> Exception:
    """Return the error that botocore raises without a response."""
    return ReadTimeoutError(endpoint_url="https://secretsmanager.example")


def version(number: int) -> SigningPolicy:
    """Return the policy at that version."""
    return replace(POLICY, version=number)


def test_a_policy_is_read_whole(source: PolicySource) -> None:
    """A policy is read as it was stored."""
    assert source.policy() == POLICY


def test_a_policy_is_kept_for_a_minute(source: PolicySource, secret: Secret, clock: Clock) -> None:
    """Within sixty seconds nothing is read; after that, once."""
    source.policy()
    secret.put(version(2).to_json())
    clock.now += MINUTE - 1
    assert (source.policy().version, secret.reads) == (1, 1)
    clock.now += 1
    assert (source.policy().version, source.policy().version, secret.reads) == (2, 2, 2)


@pytest.mark.parametrize("max_age", [1, 30])
def test_a_policy_is_kept_for_as_long_as_was_said(
    client: SecretsManagerClient, secret: Secret, clock: Clock, max_age: int
) -> None:
    """The cache time is a setting, and new keys wait for it before they sign."""
    source = SecretPolicySource(client, secret.name, clock, max_age)
    source.policy()
    secret.put(version(2).to_json())
    clock.now += max_age - 0.5
    assert source.policy().version == 1
    clock.now += 0.5
    assert source.policy().version == 2


def test_a_clock_set_back_does_not_keep_a_policy(source: PolicySource, secret: Secret, clock: Clock) -> None:
    """A copy from the future is not fresh."""
    source.policy()
    secret.put(version(2).to_json())
    clock.now -= 3600
    assert source.policy().version == 2


def test_an_old_policy_is_served_for_an_hour_while_reads_fail(
    source: PolicySource, secret: Secret, clock: Clock
) -> None:
    """A warm function works on while Secrets Manager is away, and stops after sixty minutes."""
    source.policy()
    secret.failure = outage()
    clock.now += 60 * MINUTE - 1
    assert source.policy() == POLICY
    clock.now += 1
    with pytest.raises(ServiceError) as unavailable:
        source.policy()
    assert unavailable.value.error is Errors.UNAVAILABLE
    assert unavailable.value.retry_after == 5
    assert "ReadTimeoutError" in unavailable.value.private


def test_a_policy_is_read_again_after_an_outage(source: PolicySource, secret: Secret, clock: Clock) -> None:
    """Once reads succeed again, the copy is fresh again."""
    source.policy()
    secret.failure = outage()
    clock.now += 2 * MINUTE
    source.policy()
    secret.failure = None
    secret.put(version(2).to_json())
    clock.now += 5
    assert source.policy().version == 2


@pytest.mark.parametrize("warm", [True, False], ids=["with an old policy", "without one"])
def test_a_failed_read_is_followed_by_a_pause(
    source: PolicySource,
    secret: Secret,
    clock: Clock,
    warm: bool,
) -> None:
    """For five seconds after a read that failed, nothing is read; then once more."""
    if warm:
        source.policy()
        clock.now += 2 * MINUTE
    secret.failure, secret.reads = outage(), 0
    for elapsed, reads in ((0, 1), (1, 1), (3.9, 1), (0.1, 2), (4.9, 2)):
        clock.now += elapsed
        assert outcome(source) == ("policy" if warm else "unavailable")
        assert secret.reads == reads


def outcome(source: PolicySource) -> str:
    """Say how a read of the policy ends."""
    try:
        source.policy()
    except ServiceError as error:
        assert error.error is Errors.UNAVAILABLE  # noqa: PT017 - asked for many times over
        return "unavailable"
    return "policy"


def test_a_version_never_goes_back(source: PolicySource, secret: Secret, clock: Clock) -> None:
    """An older policy than the one held, as after a restored backup, does not replace it, not even after an hour."""
    secret.put(version(5).to_json())
    source.policy()
    secret.put(version(4).to_json())
    clock.now += 10 * MINUTE
    assert source.policy().version == 5
    clock.now += 51 * MINUTE
    with pytest.raises(ServiceError) as unavailable:
        source.policy()
    assert unavailable.value.private == "signing policy: version 4 is older than 5"


@pytest.mark.parametrize("text", ["{}", "", "not json", '{"version": 2}', "[]"])
def test_a_broken_policy_never_replaces_a_good_one(
    source: PolicySource, secret: Secret, clock: Clock, text: str
) -> None:
    """A document that does not parse is treated as an outage."""
    source.policy()
    secret.client.put_secret_value(SecretId=secret.name, SecretString=text or "\n")
    clock.now += 2 * MINUTE
    assert source.policy() == POLICY


def test_a_stack_without_a_policy_does_not_serve(client: SecretsManagerClient, clock: Clock) -> None:
    """Before the first rotation the secret holds an empty object, and there is nothing to sign with."""
    source: PolicySource = SecretPolicySource(client, Secret(client, "{}").name, clock)
    with refuses(Errors.UNAVAILABLE):
        source.policy()


def test_a_missing_secret_is_named_in_the_log_alone(client: SecretsManagerClient, clock: Clock) -> None:
    """The private reason says which call failed and how, without a word of AWS's message."""
    source: PolicySource = SecretPolicySource(client, "nowhere", clock)
    with pytest.raises(ServiceError) as unavailable:
        source.policy()
    assert unavailable.value.private == "signing policy: GetSecretValue: ResourceNotFoundException"


def test_one_read_is_under_way_at_a_time(secret: Secret, clock: Clock) -> None:
    """Thirty threads that need a first policy cause one read."""
    source = SecretPolicySource(connect(), secret.name, clock)
    slow = SlowClient(source._client, lambda: time.sleep(0.05))
    source._client = slow  # type: ignore[assignment]
    start = Barrier(30)

    def read(_: int) -> SigningPolicy:
        start.wait(timeout=30)
        return source.policy()

    with ThreadPoolExecutor(30) as pool:
        policies = list(pool.map(read, range(30)))
    assert (policies, slow.reads) == ([POLICY] * 30, 1)


def test_no_thread_with_a_copy_waits_for_a_read(secret: Secret, clock: Clock) -> None:
    """While one thread reads again, another gets the copy at once."""
    source = SecretPolicySource(connect(), secret.name, clock)
    source.policy()
    clock.now += 2 * MINUTE
    reading, finish = Event(), Event()

    def pause() -> None:
        reading.set()
        finish.wait(30)

    source._client = SlowClient(source._client, pause)  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(source.policy)
        assert reading.wait(30)
        assert source.policy() == POLICY
        assert not first.done()
        finish.set()


class SlowClient:
    """A client whose reads take their time."""

    def __init__(self, client: Any, pause: Callable[[], None]) -> None:
        self.client = client
        self.pause = pause
        self.reads = 0

    def get_secret_value(self, **parameters: Any) -> Any:
        """Wait, then read."""
        self.reads += 1
        self.pause()
        return self.client.get_secret_value(**parameters)


# The keys of the policy, for the authorizer of a stack that signs with a shared secret


HS256 = first_policy("https://issuer.example", Algorithm.HS256, Lifetimes(), Moment(NOW, os.urandom))
ROTATED = rotate(HS256, Moment(NOW, os.urandom))
OLD_KEY = HS256.keys.current


@pytest.fixture
def shared(client: SecretsManagerClient) -> Iterator[Secret]:
    """A secret that holds a policy of shared secrets."""
    secret = Secret(client, HS256.to_json())
    client.meta.events.register("before-parameter-build.secrets-manager.GetSecretValue", secret.on_read)
    yield secret
    client.meta.events.unregister("before-parameter-build.secrets-manager.GetSecretValue", secret.on_read)


def secret_keys(secret: Secret, clock: Clock, now: int = NOW) -> SecretKeys:
    """Return the keys of a secret, kept for a minute."""
    return SecretKeys(secret.client, secret.name, clock, lambda: now, 60)


def test_a_shared_secret_is_found_by_its_id(shared: Secret, clock: Clock) -> None:
    """The key that signs and the one that will, read once."""
    keys = secret_keys(shared, clock)
    found = [keys.find(key.kid) for key in HS256.keys.keys * 3]
    assert [each and each.key for each in found] == [key.verification_key() for key in HS256.keys.keys * 3]
    assert shared.reads == 1


def test_names_are_those_of_the_policy(shared: Secret, clock: Clock) -> None:
    """A stack that signs with a shared secret publishes no key, and its authorizer learns of a move all the same."""
    moved = plan_issuer_move(HS256, "https://auth.example", Moment(NOW, os.urandom))
    shared.put(moved.to_json())
    found = secret_keys(shared, clock).find(OLD_KEY.kid)
    assert found is not None
    assert found.accepted == moved.accepted(NOW)
    assert found.accepted.issuers_at(NOW) == {"https://issuer.example", "https://auth.example"}


def test_a_secret_is_read_again_after_its_time(shared: Secret, clock: Clock) -> None:
    """A key that was reset is believed for a minute at most."""
    keys = secret_keys(shared, clock)
    keys.find(OLD_KEY.kid)
    shared.put(reset(HS256, Moment(NOW, os.urandom), end_sessions=False).to_json())
    clock.now += 59
    assert keys.find(OLD_KEY.kid) is not None
    clock.now += 1
    assert keys.find(OLD_KEY.kid) is None


def test_an_unknown_id_reads_the_secret_at_most_once_in_ten_seconds(shared: Secret, clock: Clock) -> None:
    """Unknown ids cause no costs, and a new key is found at once."""
    keys = secret_keys(shared, clock)
    keys.find(OLD_KEY.kid)
    shared.put(ROTATED.to_json())
    assert keys.find(ROTATED.keys.spare.kid) is not None
    assert not any(keys.find(f"stranger-{number}") for number in range(100))
    assert shared.reads == 2


def test_a_retired_secret_is_not_found(shared: Secret, clock: Clock) -> None:
    """A key that no longer verifies is left out when the secret is read."""
    retire_at = ROTATED.keys.keys[-1].retire_at
    assert retire_at is not None
    shared.put(ROTATED.to_json())
    found = [secret_keys(shared, clock, now).find(OLD_KEY.kid) is not None for now in (retire_at - 1, retire_at)]
    assert found == [True, False]


def test_old_secrets_are_served_while_reads_fail(shared: Secret, clock: Clock) -> None:
    """The last keys serve for 15 minutes. Without any keys no token is judged."""
    keys = secret_keys(shared, clock)
    keys.find(OLD_KEY.kid)
    shared.failure = outage()
    clock.now += 899
    assert keys.find(OLD_KEY.kid) is not None
    clock.now += 1
    with pytest.raises(KeysUnavailable, match="ReadTimeoutError"):
        keys.find(OLD_KEY.kid)


def test_a_secret_without_a_policy_has_no_keys(client: SecretsManagerClient, clock: Clock) -> None:
    """Before the first rotation there is nothing to verify with."""
    with pytest.raises(KeysUnavailable, match="refused"):
        secret_keys(Secret(client, "{}"), clock).find("")


# Rotation: createSecret, setSecret, testSecret, finishSecret


@pytest.fixture
def signing_secret(client: SecretsManagerClient, secret: Secret) -> SigningSecret:
    """The secret as its rotation sees it."""
    return SigningSecret(client, secret.name)


def new_token() -> str:
    """Return an id of a version, as Secrets Manager would give one."""
    return unique("")


def test_a_rotation_puts_a_new_document_in_force(signing_secret: SigningSecret, source: PolicySource) -> None:
    """The four steps lead from one document in force to the next."""
    token = new_token()
    assert signing_secret.describe(token).stages == frozenset()
    assert signing_secret.pending(token) is None
    signing_secret.put_pending(token, version(2).to_json())
    assert signing_secret.pending(token) == version(2).to_json()
    assert signing_secret.current() == POLICY.to_json()
    assert not signing_secret.describe(token).is_current
    signing_secret.promote(token)
    assert signing_secret.current() == version(2).to_json()
    assert signing_secret.describe(token).is_current
    assert source.policy().version == 2


def test_every_step_of_a_rotation_may_be_repeated(signing_secret: SigningSecret, secret: Secret) -> None:
    """A rotation that died after a step runs it again, and one version is in force afterwards."""
    token = new_token()
    for _ in range(2):
        signing_secret.put_pending(token, version(2).to_json())
    for _ in range(2):
        signing_secret.promote(token)
    assert signing_secret.current() == version(2).to_json()
    versions = secret.client.describe_secret(SecretId=secret.name)["VersionIdsToStages"]
    assert [stages.count("AWSCURRENT") for stages in versions.values()].count(1) == 1


def test_a_version_waits_for_its_document(client: SecretsManagerClient) -> None:
    """Secrets Manager makes the version with its label, and the first step finds nothing in it."""
    token = new_token()
    with Stubber(client) as stub:
        stub.add_response("describe_secret", {"VersionIdsToStages": {token: ["AWSPENDING"]}}, {"SecretId": "s"})
        stub.add_client_error(
            "get_secret_value", "ResourceNotFoundException", expected_params={"SecretId": "s", "VersionId": token}
        )
        assert SigningSecret(client, "s").pending(token) is None


def test_a_document_that_is_unstaged_waits_no_more(signing_secret: SigningSecret) -> None:
    """Dropping it twice is allowed; the policy in force stays, and the next rotation stages its own."""
    token, following = new_token(), new_token()
    signing_secret.put_pending(token, version(2).to_json())
    for _ in range(2):
        signing_secret.unstage(token)
    assert (signing_secret.pending(token), signing_secret.current()) == (None, POLICY.to_json())
    signing_secret.put_pending(following, version(3).to_json())
    assert signing_secret.pending(following) == version(3).to_json()


def test_a_document_of_another_stays_staged(signing_secret: SigningSecret) -> None:
    """A caller who drops their staged document does not drop one that another has staged since."""
    token, other = new_token(), new_token()
    signing_secret.put_pending(token, version(2).to_json())
    signing_secret.put_pending(other, version(3).to_json())
    signing_secret.unstage(token)
    assert (signing_secret.pending(token), signing_secret.pending(other)) == (None, version(3).to_json())


def test_a_document_in_force_still_waits_for_its_rotation(signing_secret: SigningSecret) -> None:
    """The last step may run again, and finds under its token what it has put in force."""
    token = new_token()
    signing_secret.put_pending(token, version(2).to_json())
    signing_secret.promote(token)
    assert signing_secret.pending(token) == signing_secret.current()


def test_two_that_put_in_force_do_not_undo_each_other(client: SecretsManagerClient) -> None:
    """The label is moved from the version that was read with it. If another caller was faster, AWS rejects the move."""
    token, seen = new_token(), new_token()
    move = {"SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": token, "RemoveFromVersionId": seen}
    with Stubber(client) as stub:
        stub.add_response("describe_secret", {"VersionIdsToStages": {seen: ["AWSCURRENT"]}}, {"SecretId": "s"})
        stub.add_client_error("update_secret_version_stage", "InvalidParameterException", expected_params=move)
        with pytest.raises(ClientError, match="InvalidParameterException"):
            SigningSecret(client, "s").promote(token)


def test_a_version_is_never_given_another_document(client: SecretsManagerClient) -> None:
    """Secrets Manager's refusal of another document under the same version is no outage: it is raised as it is."""
    token = new_token()
    sent = {"SecretId": "s", "ClientRequestToken": token, "SecretString": "{}", "VersionStages": ["AWSPENDING"]}
    with Stubber(client) as stub:
        stub.add_client_error("put_secret_value", "ResourceExistsException", expected_params=sent)
        with pytest.raises(ClientError, match="ResourceExistsException"):
            SigningSecret(client, "s").put_pending(token, "{}")


def test_a_version_in_force_is_not_moved(client: SecretsManagerClient) -> None:
    """The last step, repeated after it was done, writes nothing."""
    token = new_token()
    with Stubber(client) as stub:
        stub.add_response("describe_secret", {"VersionIdsToStages": {token: ["AWSCURRENT"]}}, {"SecretId": "s"})
        SigningSecret(client, "s").promote(token)
        stub.assert_no_pending_responses()


def test_the_description_says_whether_the_secret_rotates(client: SecretsManagerClient) -> None:
    """The description returns the rotation settings of Secrets Manager by name."""
    token = new_token()
    stages = {token: ["AWSPENDING"], new_token(): ["AWSCURRENT"]}
    answer = {"RotationEnabled": True, "VersionIdsToStages": stages}
    with Stubber(client) as stub:
        stub.add_response("describe_secret", answer, {"SecretId": "s"})
        described = SigningSecret(client, "s").describe(token)
    assert (described.rotation_enabled, described.is_current) == (True, False)
    assert described.stages == {"AWSPENDING"}


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 400), ("InternalServiceError", 500), ("SomethingNew", 503)]
)
def test_a_step_that_gets_no_answer_is_temporarily_unavailable(
    client: SecretsManagerClient, code: str, status: int
) -> None:
    """Throttling and faults of Secrets Manager are an outage, which a rotation repeats."""
    with Stubber(client) as stub, refuses(Errors.UNAVAILABLE):
        stub.add_client_error("get_secret_value", code, http_status_code=status)
        SigningSecret(client, "s").current()
