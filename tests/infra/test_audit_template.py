"""The audit log in template.yaml: its lines, its writer, its readers and its retention."""

from __future__ import annotations

import pytest

from infra.packaging import template as source
from infra.packaging.template import Grant, Template

INDEX = "${Table.Arn}/index/by_subject"


@pytest.fixture(scope="module")
def template() -> Template:
    return source.load()


def test_lines_with_an_event_reach_the_audit_log(template: Template) -> None:
    """The filter passes every line with the member `event`. It waits until CloudWatch Logs may call the writer."""
    [audited] = source.resources(template, "AWS::Logs::SubscriptionFilter").values()
    assert audited["DependsOn"] == ["AuditPermission"]
    assert audited["Properties"] == {
        "LogGroupName": {"Ref": "FunctionLogs"},
        "FilterPattern": "{ $.event = * }",
        "DestinationArn": {"Fn::GetAtt": "AuditWriterFunction.Arn"},
    }


def test_only_the_log_of_the_stack_may_write_the_audit_log(template: Template) -> None:
    """CloudWatch Logs may call the writer, for this account and this log group. No one else can invent events."""
    assert template["Resources"]["AuditPermission"]["Properties"] == {
        "FunctionName": {"Fn::GetAtt": "AuditWriterFunction.Arn"},
        "Action": "lambda:InvokeFunction",
        "Principal": "logs.amazonaws.com",
        "SourceAccount": {"Ref": "AWS::AccountId"},
        "SourceArn": {"Fn::GetAtt": "FunctionLogs.Arn"},
    }


def test_one_function_writes_the_audit_log_and_can_do_nothing_else(template: Template) -> None:
    """It writes events and reads nothing. No other function writes or deletes an event."""
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


def test_operators_and_the_export_of_an_account_read_the_audit_log(template: Template) -> None:
    """Only operators read it by day. The owner of an account also reads it by subject."""
    granted = [(name, g) for name, function in source.functions(template).items() for g in source.grants(function)]
    by_day = {name for name, grant in granted if "AUDIT#*" in grant.items and name != "audit_writer"}
    by_subject = {(name, grant.action) for name, grant in granted if grant.resource == INDEX}
    assert by_day == {"audit"}
    assert by_subject == {("audit", "dynamodb:Query"), ("me", "dynamodb:Query")}


def test_events_are_kept_for_a_year_by_default(template: Template) -> None:
    """The parameter allows one day to ten years."""
    parameter = template["Parameters"]["AuditRetentionDays"]
    environment = source.environment(source.functions(template)["audit_writer"])
    assert [parameter[name] for name in ("Default", "MinValue", "MaxValue")] == [365, 1, 3653]
    assert environment["LATCHKEY_AUDIT_RETENTION_DAYS"] == {"Ref": "AuditRetentionDays"}
