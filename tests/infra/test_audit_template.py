"""What template.yaml promises of the audit log: what reaches it, who writes it, who reads it, how long it lasts."""

from __future__ import annotations

import pytest

from infra.packaging import template as source
from infra.packaging.template import Grant, Template

INDEX = "${Table.Arn}/index/by_subject"


@pytest.fixture(scope="module")
def template() -> Template:
    return source.load()


def test_lines_with_an_event_reach_the_audit_log(template: Template) -> None:
    """The filter asks for the one member that the journal writes, once CloudWatch Logs may call."""
    [audited] = source.resources(template, "AWS::Logs::SubscriptionFilter").values()
    assert audited["DependsOn"] == ["AuditPermission"]
    assert audited["Properties"] == {
        "LogGroupName": {"Ref": "FunctionLogs"},
        "FilterPattern": "{ $.event = * }",
        "DestinationArn": {"Fn::GetAtt": "AuditWriterFunction.Arn"},
    }


def test_only_our_own_log_may_write_the_audit_log(template: Template) -> None:
    """The service, for this account and this group: nobody else can make up what has happened."""
    assert template["Resources"]["AuditPermission"]["Properties"] == {
        "FunctionName": {"Fn::GetAtt": "AuditWriterFunction.Arn"},
        "Action": "lambda:InvokeFunction",
        "Principal": "logs.amazonaws.com",
        "SourceAccount": {"Ref": "AWS::AccountId"},
        "SourceArn": {"Fn::GetAtt": "FunctionLogs.Arn"},
    }


def test_the_audit_log_is_written_by_one_function_which_can_do_nothing_else(template: Template) -> None:
    """It writes events and reads nothing; no other function writes or deletes an event."""
    own = source.grants(source.functions(template)["audit_writer"])
    assert own == {Grant("dynamodb:BatchWriteItem", "Table", frozenset({"AUDIT#*"}))}
    reading = {"dynamodb:Query", "dynamodb:GetItem", "dynamodb:BatchGetItem"}
    writers = {
        name
        for name, function in source.functions(template).items()
        for grant in source.grants(function)
        if "AUDIT#*" in grant.items and grant.action not in reading
    }
    assert writers == {"audit_writer"}


def test_the_audit_log_is_read_by_operators_and_for_an_export(template: Template) -> None:
    """By day for operators alone; by subject for the owner too."""
    granted = [(name, g) for name, function in source.functions(template).items() for g in source.grants(function)]
    by_day = {name for name, grant in granted if "AUDIT#*" in grant.items and name != "audit_writer"}
    by_subject = {(name, grant.action) for name, grant in granted if grant.resource == INDEX}
    assert by_day == {"audit"}
    assert by_subject == {("audit", "dynamodb:Query"), ("me", "dynamodb:Query")}


def test_events_are_kept_a_year_unless_somebody_says_otherwise(template: Template) -> None:
    """A day at least, ten years at most."""
    parameter = template["Parameters"]["AuditRetentionDays"]
    environment = source.environment(source.functions(template)["audit_writer"])
    assert [parameter[name] for name in ("Default", "MinValue", "MaxValue")] == [365, 1, 3653]
    assert environment["LATCHKEY_AUDIT_RETENTION_DAYS"] == {"Ref": "AuditRetentionDays"}
