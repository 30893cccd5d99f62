"""Mail in template.yaml: its sender, its queue, and the function that may read accounts."""

from __future__ import annotations

import json

import pytest

from infra.packaging import template as source
from infra.packaging.template import Template


@pytest.fixture(scope="module")
def template() -> Template:
    return source.load()


def test_request_for_a_mail_is_answered_without_a_look_at_any_account(template: Template) -> None:
    """The function may count the attempt and write to the outbox. It reads nothing, so its duration tells nothing."""
    found = {(grant.action, grant.items) for grant in source.grants(source.functions(template)["recover"])}
    assert found == {
        ("dynamodb:UpdateItem", frozenset({"THROTTLE#*"})),
        ("dynamodb:PutItem", frozenset({"OUTBOX#*"})),
    }


def test_registration_is_answered_without_a_look_at_any_account(template: Template) -> None:
    """The function can read nothing, so it makes the same calls for a login that is free and for one that is taken."""
    found = {(grant.action, grant.items) for grant in source.grants(source.functions(template)["register"])}
    assert found == {
        ("dynamodb:UpdateItem", frozenset({"THROTTLE#*"})),
        ("dynamodb:PutItem", frozenset({"OUTBOX#*", "USER#*", "LOGIN#*", "USERS"})),
    }


def test_only_the_mailer_sends_mail_and_only_from_one_address() -> None:
    """The template allows SES in one place, for one identity and one sender."""
    text = source.PATH.read_text()
    [grant] = text.split("Action: [ses:SendEmail]")[1:]
    assert "identity/${MailIdentity}" in grant.splitlines()[1]
    assert grant.splitlines()[2].strip() == "Condition: {StringEquals: {ses:FromAddress: !Ref MailFrom}}"


def test_the_mailer_gets_only_the_outbox(template: Template) -> None:
    """The stream carries every item of the table. The filter passes only new items of the outbox."""
    [mapping] = source.resources(template, "AWS::Lambda::EventSourceMapping").values()
    [pattern] = mapping["Properties"]["FilterCriteria"]["Filters"]
    wanted = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "OUTBOX#"}]}}}}
    assert json.loads(pattern["Pattern"]) == wanted


def test_a_failed_mail_is_retried_for_an_hour_at_most(template: Template) -> None:
    """A failed mail is retried on its own, ten times or for an hour."""
    [mapping] = source.resources(template, "AWS::Lambda::EventSourceMapping").values()
    names = ("FunctionResponseTypes", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError")
    assert [mapping["Properties"][name] for name in names] == [["ReportBatchItemFailures"], 10, 3600, True]
