"""What template.yaml promises of mail: who sends it, who is told what waits, and who may look at accounts."""

from __future__ import annotations

import json

import pytest

from infra.packaging import template as source
from infra.packaging.template import Template


@pytest.fixture(scope="module")
def template() -> Template:
    return source.load()


def test_who_asks_for_a_mail_is_served_without_a_look_at_any_account(template: Template) -> None:
    """The function may count and leave a note; it can read nothing, so its time tells nothing."""
    found = {(grant.action, grant.items) for grant in source.grants(source.functions(template)["recover"])}
    assert found == {
        ("dynamodb:UpdateItem", frozenset({"THROTTLE#*"})),
        ("dynamodb:PutItem", frozenset({"OUTBOX#*"})),
    }


def test_mail_is_sent_by_the_mailer_alone_and_from_one_address() -> None:
    """SES is named once in the text of the template, limited to an identity and to a sender."""
    text = source.PATH.read_text()
    [grant] = text.split("Action: [ses:SendEmail]")[1:]
    assert "identity/${MailIdentity}" in grant.splitlines()[1]
    assert grant.splitlines()[2].strip() == "Condition: {StringEquals: {ses:FromAddress: !Ref MailFrom}}"


def test_the_mailer_is_handed_the_outbox_and_nothing_else(template: Template) -> None:
    """The stream carries every item of the table; the filter lets through what waits to be sent, once it is new."""
    [mapping] = source.resources(template, "AWS::Lambda::EventSourceMapping").values()
    [pattern] = mapping["Properties"]["FilterCriteria"]["Filters"]
    wanted = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "OUTBOX#"}]}}}}
    assert json.loads(pattern["Pattern"]) == wanted


def test_a_mail_that_fails_is_tried_again_and_not_for_ever(template: Template) -> None:
    """What failed comes again alone, ten times or for an hour."""
    [mapping] = source.resources(template, "AWS::Lambda::EventSourceMapping").values()
    names = ("FunctionResponseTypes", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError")
    assert [mapping["Properties"][name] for name in names] == [["ReportBatchItemFailures"], 10, 3600, True]
