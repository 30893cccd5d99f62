"""template.yaml as AWS deploys it: expanded by the official SAM translator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import BadTemplate, translate
from infra.packaging import template as source

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:SigningSecret"
LOGS_ONLY = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture(scope="module")
def expanded() -> dict[str, Any]:
    return translate(source.PATH.read_text(), {})


@pytest.fixture(scope="module")
def resources(expanded: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = expanded["Resources"]
    return found


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}


def references(value: Any) -> set[str]:
    """Return the logical ids that a value refers to, by `Ref`, `Fn::GetAtt` or `Fn::Sub`."""
    if isinstance(value, list):
        return {name for each in value for name in references(each)}
    if not isinstance(value, dict):
        return set()
    found = {value["Ref"]} if "Ref" in value else set()
    found |= {value["Fn::GetAtt"][0]} if "Fn::GetAtt" in value else set()
    text = value.get("Fn::Sub", "")
    text = text[0] if isinstance(text, list) else text
    found |= {part.split("}")[0].split(".")[0] for part in text.split("${")[1:]}
    return found | references(list(value.values()))


def circles(resources: dict[str, Any]) -> set[str]:
    """Return the resources in or behind a circle of references: CloudFormation can never create them."""
    needed = {name: references(each) | set(each.get("DependsOn", [])) for name, each in resources.items()}
    waiting = {name: needs & set(resources) - {name} for name, needs in needed.items()}
    while ready := {name for name, needs in waiting.items() if not needs & set(waiting)}:
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}
    return set(waiting)


def test_no_resources_wait_for_each_other(resources: dict[str, Any]) -> None:
    """The functions do not refer to the API that refers to them."""
    assert circles(resources) == set()


def policy_sizes(resources: dict[str, Any]) -> dict[str, int]:
    """Return the size of each function's resource policy in bytes, with names as long as AWS allows."""
    sizes: dict[str, int] = {}
    for permission in of_type(resources, "AWS::Lambda::Permission").values():
        function = str(permission["FunctionName"])
        arn = permission.get("SourceArn", "")
        path = arn["Fn::Sub"][0].partition("${__Stage__}")[2] if isinstance(arn, dict) and "Fn::Sub" in arn else ""
        statement = {
            "Sid": "s" * 100,
            "Effect": "Allow",
            "Principal": {"Service": permission["Principal"]},
            "Action": permission["Action"],
            "Resource": f"arn:aws:lambda:ap-southeast-1:123456789012:function:{'f' * 64}",
            "Condition": {
                "ArnLike": {"AWS:SourceArn": f"arn:aws:execute-api:ap-southeast-1:123456789012:a123456789/*{path}"}
            },
        }
        sizes[function] = sizes.get(function, 100) + len(json.dumps(statement, separators=(",", ":"))) + 1
    return sizes


def test_no_function_is_invoked_by_more_routes_than_its_policy_holds(resources: dict[str, Any]) -> None:
    """Lambda rejects a resource policy over 20 KB, and the deployment would fail."""
    assert {name: size for name, size in policy_sizes(resources).items() if size > 20_480} == {}


def test_stack_stays_below_the_limit_of_cloudformation(resources: dict[str, Any]) -> None:
    """CloudFormation takes 500 resources in a stack, and the template uses 400 at most."""
    assert len(resources) <= 400


def test_circle_is_noticed(resources: dict[str, Any]) -> None:
    """If a function that the API calls knows the address of the API, the circle is closed."""
    told = resources["LoginFunction"] | {"Told": {"Fn::Sub": "https://${Api}.example"}}
    assert {"Api", "LoginFunction"} <= circles(resources | {"LoginFunction": told})


def test_api_has_one_stage(resources: dict[str, Any]) -> None:
    """The second stage that SAM adds by default would have neither logs nor limits."""
    stages = of_type(resources, "AWS::ApiGateway::Stage")
    deployments = of_type(resources, "AWS::ApiGateway::Deployment").values()
    assert (len(stages), [each.get("StageName") for each in deployments]) == (1, [None])


def test_every_operation_says_who_may_call_it(resources: dict[str, Any]) -> None:
    """API Gateway gets the authorizer that the template names for each route, or none."""
    paths = resources["Api"]["Properties"]["Body"]["paths"]
    found = {(method.upper(), path, *op["security"][0]) for path, each in paths.items() for method, op in each.items()}
    assert found == {(route.method, route.path, str(route.authorizer)) for route in source.routes(source.load())}


def test_only_this_api_may_invoke_its_functions(resources: dict[str, Any]) -> None:
    """Every permission of API Gateway names this API as its source."""
    permissions = of_type(resources, "AWS::Lambda::Permission").items()
    others = [name for name, each in permissions if "Api" not in references(each.get("SourceArn"))]
    assert sorted(others) == ["AuditPermission", "RotatePermission"]


def authorizer(**parameters: str) -> tuple[Any, Any]:
    """Return the rights and the environment of the authorizer in a stack with these parameters."""
    deployed = translate(source.PATH.read_text(), parameters)
    resolver = Resolver(deployed, {"SigningSecret": SECRET}, parameters)
    role = resolver.resolve(deployed["Resources"]["AuthorizerFunctionRole"]["Properties"])
    function = resolver.resolve(deployed["Resources"]["AuthorizerFunction"]["Properties"])
    assert role["ManagedPolicyArns"] == [LOGS_ONLY]
    return role["Policies"], function["Environment"]["Variables"]


def statements(policies: list[Any]) -> list[Any]:
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


@pytest.mark.parametrize("parameters", [{}, {"AllowHS256": "false"}])
def test_authorizer_may_only_write_its_log(parameters: dict[str, str]) -> None:
    """Code that runs in the authorizer can reach no data and no key."""
    policies, environment = authorizer(**parameters)
    assert [(each["Effect"], each["Action"]) for each in statements(policies)] == [("Deny", ["logs:*"])]
    assert SECRET not in json.dumps(environment)


def test_authorizer_of_a_stack_with_hs256_may_read_the_policy_in_force() -> None:
    """It needs the policy, because a shared secret is published nowhere. It may do nothing else."""
    policies, environment = authorizer(AllowHS256="true")
    statement = {
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue"],
        "Resource": SECRET,
        "Condition": {"ForAnyValue:StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}},
    }
    assert [each for each in statements(policies) if each["Effect"] == "Allow"] == [statement]
    assert environment["LATCHKEY_HS256_SECRET"] == SECRET


def test_no_function_has_a_policy_that_the_template_does_not_show(resources: dict[str, Any]) -> None:
    """Except for the right to log, a role holds only statements that stand in the template."""
    roles = of_type(resources, "AWS::IAM::Role")
    policies = {name: role["ManagedPolicyArns"] for name, role in roles.items() if name.endswith("FunctionRole")}
    assert {arn for arns in policies.values() for arn in arns} == {LOGS_ONLY}


def inline_sizes(resources: dict[str, Any]) -> dict[str, int]:
    """Return the characters of each role's inline policies, with names as long as AWS allows."""
    longest = {"Fn::GetAtt", "Fn::Sub", "Ref"}

    def written(value: Any) -> Any:
        if isinstance(value, list):
            return [written(each) for each in value]
        if isinstance(value, dict):
            return 120 * "x" if longest & set(value) else {name: written(each) for name, each in value.items()}
        return value

    roles = of_type(resources, "AWS::IAM::Role").items()
    return {
        name: sum(len(json.dumps(written(each), separators=(",", ":"))) for each in role.get("Policies", []))
        for name, role in roles
    }


def test_no_role_holds_more_than_iam_takes(resources: dict[str, Any]) -> None:
    """IAM takes 10,240 characters of inline policies in a role, and the deployment would fail."""
    assert {name: size for name, size in inline_sizes(resources).items() if size > 10_240} == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NoSuchParameter", "1"),
        ("Registration", "sometimes"),
        ("PasswordMinLength", "7"),
        ("PasswordMinLength", "65"),
        ("PasswordMinLength", "ten"),
        ("AllowedOrigins", "*"),
        ("AllowedOrigins", "https://app.example.com/"),
    ],
)
def test_parameter_that_cloudformation_would_reject_is_rejected(name: str, value: str) -> None:
    """The twin does not start with a value that could never be deployed, and names the parameter."""
    with pytest.raises(BadTemplate, match=name):
        translate(source.PATH.read_text(), {name: value})


def test_parameters_within_their_bounds_are_accepted() -> None:
    """Words, numbers and patterns are accepted up to their bounds."""
    parameters = {
        "Registration": "closed",
        "PasswordMinLength": "64",
        "LogRetentionDays": "1",
        "AllowedOrigins": "http://localhost:5173,https://app.example.com",
        "AllowedSources": "",
    }
    assert translate(source.PATH.read_text(), parameters)["Resources"]
