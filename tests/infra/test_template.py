"""The rules of template.yaml for routes, functions, data and logs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.packaging import template as source
from infra.packaging.template import Template
from tests import pages
from tests.infra.flaws import Flaw, Rule, add_function, event, flawed, plant, variables
from tests.pages import ROOT

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
AUTHORIZERS = {"NONE", "Bearer", "ApiKey"}
HASHING = {"register", "confirm", "transfer", "login", "password", "email", "erase", "links"}
COSTLY = (HASHING - {"transfer"}) | {"refresh", "token", "validate", "recover"}

WITHOUT_EVENTS = {"authorizer", "audit_writer"}
"""They record no event, so no line of theirs may reach the audit log."""


@pytest.fixture(scope="module")
def template() -> Template:
    return source.load()


def api(template: Template) -> Any:
    return template["Resources"]["Api"]["Properties"]


def log_groups(template: Template) -> dict[str, str]:
    """Return the log group of every function."""
    shared = template["Globals"]["Function"]["LoggingConfig"]
    functions = source.functions(template).items()
    return {name: (shared | each.get("LoggingConfig", {}))["LogGroup"]["Ref"] for name, each in functions}


# ---- The rules: each returns what breaks it --------------------------------------------------------------------------


def without_auth(template: Template) -> list[str]:
    """Name the routes that do not say who may call them."""
    routes = source.routes(template)
    return [f"{route.method} {route.path}" for route in routes if route.authorizer not in AUTHORIZERS]


def open_to_everyone(template: Template) -> list[str]:
    """Name the routes of operators that need no token."""
    routes = source.routes(template)
    return [route.path for route in routes if route.path.startswith("/v1/admin") and route.authorizer == "NONE"]


def unthrottled(template: Template) -> list[str]:
    """Name the routes that cost much, and have no lower limit than the others."""
    settings = api(template)["MethodSettings"]
    ceiling = next(each["ThrottlingRateLimit"] for each in settings if each["ResourcePath"] == "/*")
    tight = {each["ResourcePath"] for each in settings if each["ThrottlingRateLimit"] < ceiling}
    costly = {route.path for route in source.routes(template) if route.function in COSTLY}
    return [path for path in sorted(costly) if "/" + path.replace("/", "~1") not in tight]


def logged_bodies(template: Template) -> list[str]:
    """Name the settings with which API Gateway logs bodies and headers."""
    return [each["ResourcePath"] for each in api(template)["MethodSettings"] if each.get("DataTraceEnabled", False)]


def logged_events(template: Template) -> list[str]:
    """Return every value that makes a function log its events."""
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    own = [source.environment(function) for function in source.functions(template).values()]
    values = [each.get("POWERTOOLS_LOGGER_LOG_EVENT", "false") for each in [shared, *own]]
    return [value for value in values if value != "false"]


def circular(template: Template) -> list[str]:
    """Name the functions that the API refers to and that refer to the API: CloudFormation refuses the circle."""
    functions = source.functions(template)
    called = {name for name, function in functions.items() if function.get("Events")} | {"authorizer", "key_authorizer"}
    environments = {name: json.dumps(source.environment(functions[name])) for name in called}
    return [name for name, text in environments.items() if '"Api"' in text or "${Api}" in text]


def open_invocation(template: Template) -> list[str]:
    """Name the functions with an address of their own, and the permissions that do not say for whom they are."""
    permissions = source.resources(template, "AWS::Lambda::Permission")
    urls = [name for name, function in source.functions(template).items() if "FunctionUrlConfig" in function]
    return urls + [
        name for name, each in permissions.items() if not {"SourceArn", "SourceAccount"} <= set(each["Properties"])
    ]


def plain_secrets(template: Template) -> list[str]:
    """Name the secrets whose value stands in the template."""
    secrets = source.resources(template, "AWS::SecretsManager::Secret")
    return [name for name, secret in secrets.items() if secret["Properties"]["SecretString"] != "{}"]


def losable_data(template: Template) -> list[str]:
    """Name the tables and secrets that are deleted with the stack, or when they are replaced."""
    kept = {"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"}
    found = {name: each for name, each in template["Resources"].items() if each["Type"] in kept}
    policies = {name: (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")) for name, each in found.items()}
    return [name for name, policy in policies.items() if policy != ("RetainExceptOnCreate", "Retain")]


def without_recovery(template: Template) -> list[str]:
    """Name the tables without point-in-time recovery."""
    tables = source.resources(template, "AWS::DynamoDB::Table")
    recovery = {name: table["Properties"].get("PointInTimeRecoverySpecification", {}) for name, table in tables.items()}
    return [name for name, each in recovery.items() if each.get("PointInTimeRecoveryEnabled") is not True]


def endless_logs(template: Template) -> list[str]:
    """Name the log groups of functions and of the API without a retention period."""
    groups = source.resources(template, "AWS::Logs::LogGroup")
    limited = {name for name, group in groups.items() if "RetentionInDays" in group["Properties"]}
    wanted = {api(template)["AccessLogSetting"]["DestinationArn"]["Fn::GetAtt"].removesuffix(".Arn")}
    return sorted((wanted | set(log_groups(template).values())) - limited)


def unaudited(template: Template) -> list[str]:
    """Name the functions whose lines do not reach the audit log and should, or do and should not."""
    [audited] = source.resources(template, "AWS::Logs::SubscriptionFilter").values()
    group = audited["Properties"]["LogGroupName"]["Ref"]
    return sorted({name for name, own in log_groups(template).items() if own != group} ^ WITHOUT_EVENTS)


def echoes(template: Template) -> list[str]:
    """Name the filters that hand a function its own lines."""
    groups = log_groups(template)
    filters = source.resources(template, "AWS::Logs::SubscriptionFilter").items()
    return [name for name, each in filters if each["Properties"]["LogGroupName"]["Ref"] == groups["audit_writer"]]


# ---- The gates: each rule with a flaw that it must notice ------------------------------------------------------------

API, TABLE = ("Api", "Properties"), ("Table", "Properties")
NO_AUTH = {"Auth": {"Authorizer": "NONE"}}
EVERY_ROUTE = {"ResourcePath": "/*", "ThrottlingRateLimit": 1}
GATES: dict[str, tuple[Rule, Flaw]] = {
    "route that does not say who may call it": (without_auth, add_function(Events=event("/flaw"))),
    "public route of operators": (open_to_everyone, add_function(Events=event("/v1/admin", **NO_AUTH))),
    "no lower limit": (unthrottled, plant(*API, "MethodSettings", value=[EVERY_ROUTE])),
    "bodies in the log": (
        logged_bodies,
        plant(*API, "MethodSettings", value=[EVERY_ROUTE | {"DataTraceEnabled": True}]),
    ),
    "events in the log": (logged_events, add_function(Environment=variables(POWERTOOLS_LOGGER_LOG_EVENT="true"))),
    "address of the API": (circular, add_function(Events=event("/flaw"), Environment=variables(URL="${Api}"))),
    "open function URL": (open_invocation, add_function(FunctionUrlConfig={"AuthType": "NONE"})),
    "audit log that anyone can write": (open_invocation, plant("AuditPermission", "Properties", value={})),
    "rotation that anyone can start": (open_invocation, plant("RotatePermission", "Properties", value={})),
    "key in the template": (plain_secrets, plant("SigningSecret", "Properties", "SecretString", value='{"key": "…"}')),
    "table that goes with the stack": (losable_data, plant("Table", "DeletionPolicy", value="Delete")),
    "secret that a replacement loses": (losable_data, plant("SigningSecret", "UpdateReplacePolicy", value="Delete")),
    "no recovery": (without_recovery, plant(*TABLE, "PointInTimeRecoverySpecification", value={})),
    "function without a log group": (endless_logs, add_function(LoggingConfig={"LogGroup": {"Ref": "Nowhere"}})),
    "logs that are kept forever": (endless_logs, plant("FunctionLogs", "Properties", value={})),
    "function out of sight": (unaudited, add_function(LoggingConfig={"LogGroup": {"Ref": "ApiLogs"}})),
    "authorizer that could invent events": (
        unaudited,
        plant("AuthorizerFunction", "Properties", "LoggingConfig", value={"LogGroup": {"Ref": "FunctionLogs"}}),
    ),
    "audit of the audit": (
        echoes,
        plant("AuditWriterFunction", "Properties", "LoggingConfig", value={"LogGroup": {"Ref": "FunctionLogs"}}),
    ),
}
RULES = {rule.__name__: rule for rule, _ in GATES.values()}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_template_keeps_every_rule(template: Template, rule: Rule) -> None:
    """The template breaks no rule."""
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "flaw"), GATES.values(), ids=GATES)
def test_every_rule_notices_its_flaw(template: Template, rule: Rule, flaw: Flaw) -> None:
    """A rule that does not notice a planted flaw proves nothing."""
    assert rule(flawed(template, flaw)) != []


# ---- Routes and functions --------------------------------------------------------------------------------------------


def test_every_function_has_a_folder_and_every_folder_a_function(template: Template) -> None:
    """The template and functions/ name the same functions."""
    folders = {path.name for path in FUNCTIONS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(source.functions(template)) == folders


def test_route_that_names_no_authorizer_is_closed(template: Template) -> None:
    """The default authorizer is Bearer, so a route that forgets it needs an access token."""
    assert api(template)["Auth"]["DefaultAuthorizer"] == "Bearer"


def test_each_authorizer_is_cached_by_what_it_checks(template: Template) -> None:
    """Each authorizer has its own header, and no answer about a key is kept."""
    authorizers = api(template)["Auth"]["Authorizers"]
    identity = authorizers["ApiKey"]["Identity"]
    assert (identity["Headers"], identity["ReauthorizeEvery"]) == (["X-API-Key"], 0)
    assert authorizers["Bearer"]["Identity"]["Header"] == "Authorization"


def test_answers_of_the_authorizer_are_cached_for_five_minutes_at_most(template: Template) -> None:
    """A parameter says how late a revocation takes effect: a minute by default, at most five, at least none."""
    parameter = template["Parameters"]["AuthorizerCacheSeconds"]
    bounds = parameter["Default"], parameter["MinValue"], parameter["MaxValue"]
    assert (api(template)["Auth"]["Authorizers"]["Bearer"]["Identity"]["ReauthorizeEvery"], bounds) == (
        {"Ref": "AuthorizerCacheSeconds"},
        (60, 0, 300),
    )


def test_shared_environment_names_no_resource(template: Template) -> None:
    """The variables that every function gets name no resource of the stack."""
    shared = json.dumps(template["Globals"]["Function"]["Environment"])
    assert [name for name in template["Resources"] if f'"{name}"' in shared] == []


def test_authorizer_knows_no_resource(template: Template) -> None:
    """The authorizer knows what a token must say, and how long it may keep public keys."""
    assert source.environment(source.functions(template)["authorizer"]) == {
        "LATCHKEY_JWKS_URI": "",
        "LATCHKEY_AUDIENCE": {"Ref": "Audience"},
        "LATCHKEY_JWKS_MAX_AGE": {"Ref": "JwksMaxAgeSeconds"},
        "LATCHKEY_HS256_SECRET": "",
    }


BUDGETS = {"POST /v1/user": (20, 40), "POST /v1/auth/login": (50, 100), "POST /v1/auth/refresh": (300, 600)}
"""Requests a second and at one moment, by the first path of routes that have aliases."""


def limits(template: Template) -> dict[str, tuple[int, int]]:
    """Return rate and burst of the routes that have limits of their own."""
    return {
        f"{each['HttpMethod']} {each['ResourcePath'][1:].replace('~1', '/')}": (
            each["ThrottlingRateLimit"],
            each["ThrottlingBurstLimit"],
        )
        for each in api(template)["MethodSettings"]
        if each["ResourcePath"] != "/*"
    }


def families() -> dict[str, list[str]]:
    """Return each route that the documentation lists with aliases, and the aliases."""
    rows = pages.tables(ROOT / "docs" / "api.md", "route | also as")
    found = [[name for column in row[:2] for name in pages.codes(column)] for row in rows]
    return {paths[0]: paths for paths in found if len(paths) > 1}


def test_route_and_its_aliases_share_one_budget(template: Template) -> None:
    """API Gateway counts each path apart, so the limits of all paths of a route add up to what the route may use."""
    own = limits(template)
    shared = {first: paths for first, paths in families().items() if {*paths} & own.keys()}
    sums = {
        first: tuple(sum(each) for each in zip(*(own[path] for path in paths), strict=True))
        for first, paths in shared.items()
    }
    assert sums == BUDGETS
    assert all(own[first] == max(own[path] for path in paths) for first, paths in shared.items())


def rate_rules() -> dict[str, Any]:
    """Return the rules of the web ACL."""
    acl = source.load("LimitsAddresses")["Resources"]["WebAcl"]["Properties"]
    return {rule["Name"]: rule for rule in acl["Rules"]}


def test_firewall_counts_attempts_under_each_path(template: Template) -> None:
    """Each POST with a low limit counts for its address, in front of the stage or not, and no other request does."""
    statement = rate_rules()["attempts"]["Statement"]["RateBasedStatement"]
    method, path = statement["ScopeDownStatement"]["AndStatement"]["Statements"]
    assert method["ByteMatchStatement"]["SearchString"] == "POST"
    pattern = re.compile(path["RegexMatchStatement"]["RegexString"])
    assert path["RegexMatchStatement"]["TextTransformations"] == [{"Priority": 0, "Type": "URL_DECODE"}]
    posts = {route.path for route in source.routes(template) if route.method == "POST"}
    costly = {name.removeprefix("POST ") for name, (rate, _) in limits(template).items() if rate < 100}
    sent = {path: re.sub(r"\{\w+\}", "x-1_2", path) for path in posts}
    for form in ("{}", "/live{}", "/live{}/"):
        assert {path for path in posts if pattern.search(form.format(sent[path]))} == costly & posts


def test_firewall_has_rules_for_each_address_alone(template: Template) -> None:
    """Both reject with 429. It keeps no samples of requests, which hold tokens, and exists only with its parameter."""
    rules = rate_rules()
    limit = {name: rule["Statement"]["RateBasedStatement"]["Limit"] for name, rule in rules.items()}
    assert limit == {"attempts": {"Ref": "WafAddressLimit"}, "requests": 10_000}
    for rule in rules.values():
        assert rule["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
        assert rule["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 429
        assert rule["VisibilityConfig"]["SampledRequestsEnabled"] is False
    resources = template["Resources"]
    assert {resources[name]["Condition"] for name in ("WebAcl", "WebAclAssociation")} == {"LimitsAddresses"}
    assert template["Parameters"]["WafAddressLimit"]["Default"] == 0


@pytest.mark.parametrize("has_origins", [True, False])
def test_web_app_can_read_that_the_firewall_makes_it_wait(*, has_origins: bool) -> None:
    """With `AllowedOrigins`, a browser lets the app see the 429 and its `Retry-After`; without, nothing invites it."""
    conditions = ("LimitsAddresses", "HasOrigins") if has_origins else ("LimitsAddresses",)
    for rule in source.load(*conditions)["Resources"]["WebAcl"]["Properties"]["Rules"]:
        sent = rule["Action"]["Block"]["CustomResponse"]["ResponseHeaders"]
        headers = {each["Name"]: each["Value"] for each in sent}
        allowed = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
        assert headers == {"Retry-After": "60", "Cache-Control": "no-store"} | (allowed if has_origins else {})


def test_hashing_cannot_starve_the_rest() -> None:
    """A function that hashes has memory for a whole CPU, and its own concurrency if the stack sets one."""
    functions = source.functions(source.load("HasHashingConcurrency"))
    apart = {name for name, function in functions.items() if "ReservedConcurrentExecutions" in function}
    large = {name for name, function in functions.items() if function.get("MemorySize") == {"Ref": "HashingMemory"}}
    assert (apart, large) == (HASHING, HASHING)


@pytest.mark.parametrize(("folder", "name"), [("init_admin", "InitAdminFunction"), ("issuer", "IssuerFunction")])
def test_only_aws_credentials_make_the_first_admin_and_move_the_issuer(
    template: Template, folder: str, name: str
) -> None:
    """No route, no schedule and no permission leads to these functions."""
    function = source.functions(template)[folder]
    permissions = source.resources(template, "AWS::Lambda::Permission").values()
    assert "Events" not in function
    assert name not in json.dumps([*permissions, *source.resources(template, "AWS::Events::Rule")])
    assert template["Outputs"][name]["Value"] == {"Ref": name}


# ---- Keys, data and logs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "default"),
    [("AllowHS256", "false"), ("PolicyCacheSeconds", 60), ("JwksMaxAgeSeconds", 300), ("AuthorizerCacheSeconds", 60)],
)
def test_defaults_of_keys_and_caches_are_the_published_ones(
    template: Template, parameter: str, default: str | int
) -> None:
    """Unless the operator says otherwise, shared secrets are off and every cache lasts as long as is published."""
    assert template["Parameters"][parameter]["Default"] == default


def test_rotation_begins_with_the_stack(template: Template) -> None:
    """The schedule waits for the permission to invoke and then rotates at once: a stack has keys from the start."""
    schedule = template["Resources"]["SigningRotation"]
    assert (schedule["DependsOn"], schedule["Properties"]["RotateImmediatelyOnUpdate"]) == (["RotatePermission"], True)


def test_expired_items_are_deleted(template: Template) -> None:
    """DynamoDB's TTL is on for the attribute `ttl`."""
    table = template["Resources"]["Table"]["Properties"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}


def test_access_log_is_json_without_secrets(template: Template) -> None:
    """A line of the access log is a JSON object and holds no header, query, path or body."""
    line = api(template)["AccessLogSetting"]["Format"]
    values = set(json.loads(line).values())
    allowed = {"requestId", "requestTimeEpoch", "identity.sourceIp", "httpMethod", "resourcePath", "status"}
    allowed |= {"error.responseType", "authorizer.error", "authorizer.latency", "responseLatency", "responseLength"}
    allowed |= {"integration.status", "integration.error", "integration.latency"}
    assert values == {f"$context.{name}" for name in allowed}
