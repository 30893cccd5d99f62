"""The permissions of each function in template.yaml, for the table and the signing secret."""

from __future__ import annotations

from typing import Any

import pytest

from infra.packaging import template as source
from infra.packaging.template import Grant, Template
from tests.infra.flaws import Flaw, Rule, add_function, flawed, plant, policies, variables

SEALING = {"users", "clients", "api_keys", "audit", "transfer", "partners"}  # their lists have sealed cursors
DERIVING = {"mailer", "confirm", "email"}  # the digits and links of mails
KNOWING_DEVICES = {"login", "password", "email"}  # device tokens
POLICY_READERS = {"login", "refresh", "token"}
POLICY_WRITERS = {"rotate", "signing", "issuer"}
SEAL_WRITERS = {"rotate", "signing"}
SECRET_READ = "secretsmanager:GetSecretValue"
IN_FORCE = frozenset({"AWSCURRENT"})

OPERATOR = {
    *(("BatchGetItem", item) for item in ("USER#*", "SESSIONS#*", "CLIENT#*")),
    *(("GetItem", item) for item in ("APIKEY#*", "CLIENT#*", "CONFIG")),
}
"""What a function reads to find out who calls, and what they may do."""


@pytest.fixture(scope="module")
def template() -> Template:
    return source.load()


def granted(template: Template) -> list[tuple[str, Grant]]:
    """Return every right of every function."""
    functions = source.functions(template).items()
    return [(name, grant) for name, function in functions for grant in source.grants(function)]


def table_rights(template: Template, name: str) -> set[tuple[str, str]]:
    """Return what a function may do to the table, by type of items: IAM adds up all statements. `*` is every item."""
    grants = [grant for grant in source.grants(source.functions(template)[name]) if grant.resource == "Table"]
    return {(grant.action.removeprefix("dynamodb:"), item) for grant in grants for item in grant.items or {"*"}}


# ---- The rules: each returns what breaks it --------------------------------------------------------------------------


def wildcards(template: Template) -> list[str]:
    """Name the statements that allow a family of actions, or any resource."""
    functions = source.functions(template)
    return [
        f"{name}: {statement}"
        for name, function in functions.items()
        for statement in source.statements(function)
        if any("*" in action for action in statement["Action"]) or not isinstance(statement["Resource"], dict)
    ]


def writers_of_other_logs(template: Template) -> list[str]:
    """Name the functions that may write a log which is not theirs: SAM gives every role the right to write any."""
    shared = template["Globals"]["Function"]["LoggingConfig"]["LogGroup"]["Ref"]
    return [
        name
        for name, function in source.functions(template).items()
        if list(source.statements(function, "Deny"))
        != [all_logs_but(function.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref", shared))]
    ]


def all_logs_but(group: str) -> dict[str, Any]:
    """Return the statement that denies every log but one group, and no more: its streams, and the group itself."""
    itself = f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:${{{group}}}"
    spared = [{"Fn::GetAtt": f"{group}.Arn"}, {"Fn::Sub": itself}]
    return {"Effect": "Deny", "Action": ["logs:*"], "NotResource": spared}


def unlimited_table_rights(template: Template) -> list[str]:
    """Name the rights that reach every item of the table."""
    rights = granted(template)
    return [f"{name}: {grant.action}" for name, grant in rights if grant.resource == "Table" and not grant.items]


def wrong_readers_of_the_secret(template: Template) -> list[str]:
    """Name the functions that may read the signing secret and need not, or need to and may not."""
    return sorted(readers_of(template, "SigningSecret") ^ (POLICY_READERS | POLICY_WRITERS))


def wrong_readers_of_the_seal_keys(template: Template) -> list[str]:
    """Name the functions that may read the seal keys and need not, or need to and may not."""
    return sorted(readers_of(template, "SealSecret") ^ (SEALING | DERIVING | KNOWING_DEVICES | SEAL_WRITERS))


def readers_of(template: Template, secret: str) -> set[str]:
    """Return the functions that may read a secret."""
    return {name for name, grant in granted(template) if grant.action == SECRET_READ and grant.resource == secret}


def readers_of_a_pending_policy(template: Template) -> list[str]:
    """Name the functions that may read a policy which is not in force, though they do not write it."""
    loose = {name for name, grant in granted(template) if grant.action == SECRET_READ and grant.stages != IN_FORCE}
    return sorted(loose - POLICY_WRITERS)


def idle_knowledge(template: Template) -> list[str]:
    """Name the functions that know the table or the secret although they may touch neither."""
    told = {"LATCHKEY_TABLE", "LATCHKEY_SIGNING_SECRET", "LATCHKEY_SEAL_SECRET"}
    functions = source.functions(template).items()
    return [
        name for name, function in functions if told & set(source.environment(function)) and not source.grants(function)
    ]


# ---- The gates: each rule with a flaw that it must notice ------------------------------------------------------------

READS_SECRET = {"Action": [SECRET_READ], "Resource": {"Ref": "SigningSecret"}}
READS_SEAL_KEYS = {"Action": [SECRET_READ], "Resource": {"Ref": "SealSecret"}}
GATES: dict[str, tuple[Rule, Flaw]] = {
    "any action": (wildcards, add_function(Policies=policies(Action=["dynamodb:*"]))),
    "any resource": (wildcards, add_function(Policies=policies(Resource="*"))),
    "any log": (writers_of_other_logs, add_function()),
    "log of another function": (
        writers_of_other_logs,
        plant("AuthorizerFunction", "Properties", "LoggingConfig", value={"LogGroup": {"Ref": "FunctionLogs"}}),
    ),
    "whole table": (unlimited_table_rights, add_function(Policies=policies())),
    "one more reader of the secret": (
        wrong_readers_of_the_secret,
        add_function(Policies=policies(**READS_SECRET)),
    ),
    "one more reader of the seal keys": (
        wrong_readers_of_the_seal_keys,
        add_function(Policies=policies(**READS_SEAL_KEYS)),
    ),
    "reader of a pending policy": (readers_of_a_pending_policy, add_function(Policies=policies(**READS_SECRET))),
    "name of a table out of reach": (idle_knowledge, add_function(Environment=variables(LATCHKEY_TABLE="t"))),
}
RULES = {rule.__name__: rule for rule, _ in GATES.values()}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_rights_keep_every_rule(template: Template, rule: Rule) -> None:
    """The rights of the functions break no rule."""
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "flaw"), GATES.values(), ids=GATES)
def test_every_rule_of_rights_notices_its_flaw(template: Template, rule: Rule, flaw: Flaw) -> None:
    """A rule that does not notice a planted flaw proves nothing."""
    assert rule(flawed(template, flaw)) != []


# ---- The signing secret ----------------------------------------------------------------------------------------------


def test_only_rotation_and_an_admin_write_the_secret(template: Template) -> None:
    """The functions that mint may read the signing secret; only the two that change it may write it."""
    writers = {
        name for name, grant in granted(template) if grant.resource == "SigningSecret" and grant.action != SECRET_READ
    }
    assert writers == POLICY_WRITERS


def test_hs256_gives_three_functions_one_right_each(template: Template) -> None:
    """With AllowHS256, the authorizer, `hash` and `validate` may read the policy in force, and nothing else changes."""
    allowing = source.load("AllowsHS256")
    authorizer = source.functions(allowing)["authorizer"]
    assert source.grants(authorizer) == {Grant(SECRET_READ, "SigningSecret", stages=IN_FORCE)}
    assert source.environment(authorizer)["LATCHKEY_HS256_SECRET"] == {"Ref": "SigningSecret"}
    verifiers = {"authorizer", "hash", "validate"}
    assert readers_of(allowing, "SigningSecret") - readers_of(template, "SigningSecret") == verifiers
    assert without_verifiers(allowing) == without_verifiers(template)


def without_verifiers(template: Template) -> Template:
    verifiers = dict.fromkeys(("AuthorizerFunction", "HashFunction", "ValidateFunction"))
    return template | {"Resources": template["Resources"] | verifiers}


def test_functions_that_use_the_policy_know_the_caches(template: Template) -> None:
    """A function that makes policies knows all three caches. A function that reads them knows its own."""
    functions = source.functions(template)
    caches = {
        "LATCHKEY_POLICY_CACHE": {"Ref": "PolicyCacheSeconds"},
        "LATCHKEY_JWKS_MAX_AGE": {"Ref": "JwksMaxAgeSeconds"},
        "LATCHKEY_AUTHORIZER_CACHE": {"Ref": "AuthorizerCacheSeconds"},
    }
    ignorant = [name for name in POLICY_WRITERS if not caches.items() <= source.environment(functions[name]).items()]
    assert ignorant == []
    assert all("LATCHKEY_POLICY_CACHE" in source.environment(functions[name]) for name in POLICY_READERS)
    assert "LATCHKEY_JWKS_MAX_AGE" in source.environment(functions["well_known"])


# ---- A key of one's own ----------------------------------------------------------------------------------------------


def keys(template: Template) -> list[tuple[str, str, frozenset[str]]]:
    """Return what each function may do with the key, and through which service."""
    return sorted(
        {
            (name, statement["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Sub"], frozenset(statement["Action"]))
            for name, function in source.functions(template).items()
            for statement in source.statements(function)
            if statement["Resource"] == {"Ref": "KmsKeyArn"}
        },
        key=str,
    )


def test_key_of_ones_own_encrypts_the_table_and_both_secrets(template: Template) -> None:
    """Without one, AWS uses keys of its own."""
    own = source.load("HasKmsKey")["Resources"]
    key = {"Ref": "KmsKeyArn"}
    encrypted = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    assert own["Table"]["Properties"]["SSESpecification"] == encrypted
    secrets = source.resources(source.load("HasKmsKey"), "AWS::SecretsManager::Secret").values()
    assert [each["Properties"]["KmsKeyId"] for each in secrets] == [key, key]
    assert "KmsKeyArn" not in str(template["Resources"])


@pytest.mark.parametrize("others", [(), ("AllowsHS256", "SendsMail")])
def test_functions_may_use_the_key_for_what_they_reach_and_no_more(others: tuple[str, ...]) -> None:
    """DynamoDB and Secrets Manager open data for the function that asks, with its own right to the key.

    A new version of a secret needs a data key (Secrets Manager user guide, "secret encryption and decryption").
    """
    own = source.load("HasKmsKey", *others)
    dynamodb, secrets = (f"{service}.${{AWS::Region}}.amazonaws.com" for service in ("dynamodb", "secretsmanager"))
    reads, writes = frozenset({"kms:Decrypt"}), frozenset({"kms:Decrypt", "kms:GenerateDataKey"})
    rights = granted(own)
    wanted = {(name, dynamodb, reads) for name, grant in rights if grant.resource.startswith(("Table", "${Table."))}
    in_force = (SECRET_READ, IN_FORCE)
    wanted |= {(name, secrets, reads) for name, grant in rights if (grant.action, grant.stages) == in_force}
    wanted |= {(name, secrets, writes) for name, grant in rights if grant.action == "secretsmanager:PutSecretValue"}
    assert keys(own) == sorted(wanted, key=str)


# ---- The table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["authorizer", "status", "hello", "preflight"])
def test_function_that_needs_no_data_has_no_rights(template: Template, name: str) -> None:
    """These functions may write their own log, which SAM allows, and do nothing else."""
    assert source.grants(source.functions(template)[name]) == frozenset()


def test_admin_of_the_policy_changes_only_keys_and_codes(template: Template) -> None:
    """The function checks who is calling, and writes nothing that belongs to a user."""
    assert table_rights(template, "signing") == OPERATOR | {
        ("PutItem", "CONFIG"),
        ("PutItem", "CODE#*"),
        ("UpdateItem", "CONFIG"),
        ("UpdateItem", "CODE#*"),
    }


def test_import_and_export_change_no_account(template: Template) -> None:
    """The function creates accounts and reads them. It updates nothing but the count of admins."""
    assert table_rights(template, "transfer") == OPERATOR | {
        ("Query", "USERS"),
        ("Query", "USER#*"),
        ("BatchGetItem", "USER#*"),
        ("BatchGetItem", "LOGIN#*"),
        ("GetItem", "USER#*"),
        ("GetItem", "LOGIN#*"),
        ("PutItem", "USER#*"),
        ("PutItem", "LOGIN#*"),
        ("PutItem", "USERS"),
        ("UpdateItem", "ADMINS"),
    }


def test_managing_api_keys_changes_keys_and_their_clients_count_alone(template: Template) -> None:
    """The function may show a key, change its name and status, replace it and delete it."""
    assert table_rights(template, "api_keys") == OPERATOR | {
        ("Query", "APIKEYS"),
        ("BatchGetItem", "APIKEY#*"),
        ("PutItem", "APIKEY#*"),
        ("PutItem", "APIKEYS"),
        ("DeleteItem", "APIKEY#*"),
        ("DeleteItem", "APIKEYS"),
        ("UpdateItem", "APIKEY#*"),
        ("UpdateItem", "CLIENT#*"),
    }


def test_validation_writes_only_a_counter(template: Template) -> None:
    """Checking a token changes nothing but a counter of attempts."""
    rights = source.grants(source.functions(template)["validate"])
    writes = {(g.action, g.items) for g in rights if not g.action.endswith(("GetItem", "Query", "GetSecretValue"))}
    assert writes == {("dynamodb:UpdateItem", frozenset({"THROTTLE#*"}))}


@pytest.mark.parametrize("name", ["rotate", "well_known"])
def test_rotation_and_discovery_reach_only_public_keys(template: Template, name: str) -> None:
    """Neither can reach a user."""
    assert {item for _, item in table_rights(template, name)} == {"CONFIG"}


def test_key_authorizer_reads_only_clients_keys_and_roles(template: Template) -> None:
    """It reaches no user, no session and no secret; it writes only the day on which a key was used."""
    assert table_rights(template, "key_authorizer") == {
        ("GetItem", "APIKEY#*"),
        ("GetItem", "CLIENT#*"),
        ("GetItem", "CONFIG"),
        ("UpdateItem", "APIKEY#*"),
    }


def test_function_of_the_first_admin_only_adds_items(template: Template) -> None:
    """It puts new items, whose conditions reject existing ones, and reads nothing. No other function puts the count."""
    assert table_rights(template, "init_admin") == {
        ("PutItem", item) for item in ("USER#*", "LOGIN#*", "USERS", "ADMINS")
    }
    counting = {
        name for name, grant in granted(template) if grant.action == "dynamodb:PutItem" and "ADMINS" in grant.items
    }
    assert counting == {"init_admin"}


def test_function_of_the_issuer_reaches_the_policy_alone(template: Template) -> None:
    """It reads and writes the signing policy and its public half. It reaches no user and no seal key."""
    rights = source.grants(source.functions(template)["issuer"])
    assert table_rights(template, "issuer") == {("PutItem", "CONFIG"), ("UpdateItem", "CONFIG")}
    assert {grant.resource for grant in rights} == {"Table", "SigningSecret"}
