"""Readers of the signing secret: the functions that mint tokens and those that change it, and no others.

Anyone who can read it can mint every token. A function that only verifies reads the public keys from the table. Under
HS256 there are none, so there the three that verify tokens read the secret as well.
"""

from __future__ import annotations

import pytest

from infra.packaging import template as source
from tests.infra.flaws import add_function, flawed, policies

MINT = {"login", "refresh", "token"}
CHANGE = {"signing", "rotate"}
OPTIONAL = {"issuer"}
"""It moves the issuer's name, which is part of the policy, where a stack has it."""

VERIFY_SHARED_KEYS = {"validate", "authorizer", "hash"}
READ = "secretsmanager:GetSecretValue"


def readers(template: source.Template) -> set[str]:
    """Return the functions that may read the signing secret, or any secret."""
    return {
        name
        for name, function in source.functions(template).items()
        for grant in source.grants(function)
        if grant.action in {READ, "secretsmanager:*", "*"} and grant.resource != "SealSecret"
    }


def test_only_functions_that_mint_or_change_the_keys_read_the_signing_secret() -> None:
    """A function that was taken over mints tokens only if minting is its work."""
    assert readers(source.load()) - OPTIONAL == MINT | CHANGE


def test_functions_that_verify_read_it_under_hs256_alone() -> None:
    """A shared key verifies and signs, and is published nowhere."""
    assert readers(source.load("AllowsHS256")) - OPTIONAL == MINT | CHANGE | VERIFY_SHARED_KEYS


@pytest.mark.parametrize("resource", [{"Ref": "SigningSecret"}, {"Fn::Sub": "arn:aws:secretsmanager:*"}])
def test_one_more_reader_is_noticed(resource: dict[str, str]) -> None:
    """Whether it names the secret or all of them."""
    loose = flawed(source.load(), add_function(Policies=policies(Action=[READ], Resource=resource)))
    assert "flaw" in readers(loose)


def test_a_stack_may_begin_with_hs256_where_it_is_allowed() -> None:
    """The parameter takes it, a rule of the template asks for AllowHS256, and the first rotation is told."""
    template = source.load()
    assert "HS256" in template["Parameters"]["Algorithm"]["AllowedValues"]
    rule = template["Rules"]["SharedSecretIsAllowed"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Algorithm"}, "HS256"]}
    assert [each["Assert"] for each in rule["Assertions"]] == [{"Fn::Equals": [{"Ref": "AllowHS256"}, "true"]}]
    rotate = source.environment(source.functions(template)["rotate"])
    assert rotate["LATCHKEY_ALLOW_HS256"] == {"Ref": "AllowHS256"}
