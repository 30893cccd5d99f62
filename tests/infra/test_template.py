"""What template.yaml promises, rule by rule. Every rule is a gate, and every gate must catch a planted flaw."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from infra.packaging import template as source
from infra.packaging.template import Template

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"

PUBLIC = {
    ("register", "POST", "/v1/user"),
    ("register", "POST", "/auth/register"),
    ("login", "POST", "/v1/auth/login"),
    ("login", "POST", "/auth/login"),
    ("login", "POST", "/login"),
    ("refresh", "POST", "/v1/auth/refresh"),
    ("refresh", "POST", "/auth/refresh"),
    ("token", "POST", "/v1/auth/token"),
    ("token", "POST", "/oauth2/token"),
    ("validate", "POST", "/v1/auth/validate"),
    ("token", "POST", "/v1/auth/external-token"),
    ("well_known", "GET", "/.well-known/jwks.json"),
    ("well_known", "GET", "/.well-known/openid-configuration"),
    ("well_known", "GET", "/.well-known/oauth-authorization-server"),
    ("status", "GET", "/status"),
    ("recover", "POST", "/v1/user/resendEmail"),
    ("recover", "POST", "/v1/user/password/restore"),
    ("confirm", "GET", "/v1/user/confirm/{code}"),
    ("confirm", "POST", "/v1/user/confirm/{code}"),
    ("password", "POST", "/v1/user/password/reset"),
    ("email", "POST", "/v1/user/email/confirm"),
}
PROTECTED = {
    ("me", "GET", "/v1/auth/me"),
    ("me", "PATCH", "/v1/auth/me"),
    ("me", "GET", "/auth/me"),
    ("me", "GET", "/v1/user/profile"),
    ("sessions", "POST", "/v1/auth/logout"),
    ("sessions", "GET", "/v1/auth/sessions"),
    ("sessions", "DELETE", "/v1/auth/sessions"),
    ("sessions", "DELETE", "/v1/auth/sessions/{sid}"),
    ("signing", "GET", "/v1/admin/signing"),
    ("signing", "PATCH", "/v1/admin/signing"),
    ("signing", "POST", "/v1/admin/signing/rotate"),
    ("signing", "POST", "/v1/admin/signing/reset"),
    ("signing", "GET", "/v1/admin/signing/validation-key"),
    ("hello", "GET", "/v1/hello"),
    ("me", "GET", "/v1/auth/me/export"),
    ("password", "POST", "/v1/user/password/change"),
    ("email", "POST", "/v1/user/email/change"),
    ("erase", "DELETE", "/v1/auth/me"),
    ("users", "GET", "/v1/admin/users"),
    ("users", "POST", "/v1/admin/users"),
    ("users", "GET", "/v1/admin/users/{sub}"),
    ("users", "PATCH", "/v1/admin/users/{sub}"),
    ("users", "DELETE", "/v1/admin/users/{sub}/sessions"),
    ("transfer", "POST", "/v1/admin/users/import"),
    ("transfer", "GET", "/v1/admin/users/export"),
    ("users", "POST", "/v1/admin/users/{sub}/password-reset"),
    ("roles", "GET", "/v1/admin/roles"),
    ("roles", "GET", "/v1/admin/roles/{name}"),
    ("roles", "PUT", "/v1/admin/roles/{name}"),
    ("roles", "DELETE", "/v1/admin/roles/{name}"),
    ("clients", "POST", "/v1/admin/clients"),
    ("clients", "GET", "/v1/admin/clients"),
    ("clients", "GET", "/v1/admin/clients/{client_id}"),
    ("clients", "PATCH", "/v1/admin/clients/{client_id}"),
    ("clients", "DELETE", "/v1/admin/clients/{client_id}"),
    ("clients", "POST", "/v1/admin/clients/{client_id}/secrets"),
    ("clients", "DELETE", "/v1/admin/clients/{client_id}/secrets/{fingerprint}"),
    ("api_keys", "POST", "/v1/admin/api-keys"),
    ("api_keys", "GET", "/v1/admin/api-keys"),
    ("api_keys", "DELETE", "/v1/admin/api-keys/{key_id}"),
    ("api_keys", "POST", "/v1/admin/api-keys/{key_id}/rotate"),
    ("hash", "POST", "/utils/hash/secure"),
    ("hash", "POST", "/utils/hash/fast"),
    ("audit", "GET", "/v1/admin/audit"),
    ("partners", "GET", "/v1/admin/partners"),
    ("partners", "POST", "/v1/admin/partners"),
    ("partners", "GET", "/v1/admin/partners/{partner}"),
    ("partners", "PATCH", "/v1/admin/partners/{partner}"),
    ("partners", "DELETE", "/v1/admin/partners/{partner}"),
    ("partners", "POST", "/v1/admin/partners/{partner}/keys"),
    ("partners", "DELETE", "/v1/admin/partners/{partner}/keys/{kid}"),
    ("links", "GET", "/v1/auth/me/links"),
    ("links", "POST", "/v1/auth/me/links"),
    ("links", "DELETE", "/v1/auth/me/links/{partner}"),
}
BY_API_KEY = {("hello", "GET", "/v1/service/hello")}
PREFLIGHT = ("preflight", "admin_preflight")
GUARDED_BY_WHAT = {"NONE", "Bearer", "ApiKey"}
COSTLY = {"register", "login", "refresh", "token", "validate", "recover", "password", "email", "erase", "links"}
HASHING = {"register", "login", "password", "email", "erase", "links"}
SEALING = {"users", "clients", "api_keys", "audit", "transfer", "partners"}  # cursors, by the keys of refresh tokens
POLICY_READERS = {"login", "refresh", "token", "validate", "links"} | SEALING
POLICY_WRITERS = {"rotate", "signing"}
SECRET_READ = "secretsmanager:GetSecretValue"
IN_FORCE = frozenset({"AWSCURRENT"})

Rule = Callable[[Template], list[str]]
Flaw = Callable[[Template], None]


@pytest.fixture(scope="module")
def template() -> Template:
    return source.load()


# ---- The rules: each returns what breaks it ----


def api(template: Template) -> Any:
    return template["Resources"]["Api"]["Properties"]


def without_auth(template: Template) -> list[str]:
    return [
        f"{route.method} {route.path}" for route in source.routes(template) if route.authorizer not in GUARDED_BY_WHAT
    ]


def opened(template: Template) -> list[str]:
    public = {
        (route.function, route.method, route.path) for route in source.routes(template) if route.authorizer == "NONE"
    }
    return [f"{method} {path}" for _, method, path in public - PUBLIC if method != "OPTIONS"]


def without_preflight(template: Template) -> list[str]:
    routes = source.routes(template)
    answered = {route.path for route in routes if route.method == "OPTIONS" and route.function in PREFLIGHT}
    return sorted({route.path for route in routes} - answered)


def wildcards(template: Template) -> list[str]:
    functions = source.functions(template)
    return [
        f"{name}: {statement}"
        for name, function in functions.items()
        for statement in source.statements(function)
        if any("*" in action for action in statement["Action"]) or not isinstance(statement["Resource"], dict)
    ]


def unlimited_table_grants(template: Template) -> list[str]:
    functions = source.functions(template).items()
    granted = [(name, grant) for name, function in functions for grant in source.grants(function)]
    return [f"{name}: {grant.action}" for name, grant in granted if grant.resource == "Table" and not grant.items]


def secret_readers(template: Template) -> list[str]:
    functions = source.functions(template).items()
    readers = {name for name, function in functions if SECRET_READ in {g.action for g in source.grants(function)}}
    return sorted(readers ^ (POLICY_READERS | POLICY_WRITERS))


def readers_of_what_is_staged(template: Template) -> list[str]:
    """Name the functions that may read a policy which is not in force, though they do not write it."""
    functions = source.functions(template).items()
    granted = [(name, grant) for name, function in functions for grant in source.grants(function)]
    loose = {name for name, grant in granted if grant.action == SECRET_READ and grant.stages != IN_FORCE}
    return sorted(loose - POLICY_WRITERS)


def idle_knowledge(template: Template) -> list[str]:
    """Name the functions that are told of the table or the secret although their roles may touch neither."""
    told = {"LATCHKEY_TABLE", "LATCHKEY_SIGNING_SECRET"}
    functions = source.functions(template).items()
    return [
        name for name, function in functions if told & set(source.environment(function)) and not source.grants(function)
    ]


def circular(template: Template) -> list[str]:
    """Name the functions that the API refers to and that refer to the API: CloudFormation refuses the circle."""
    called = {name for name, function in source.functions(template).items() if function.get("Events")} | {"authorizer"}
    environments = {name: json.dumps(source.environment(source.functions(template)[name])) for name in called}
    return [name for name, text in environments.items() if '"Api"' in text or "${Api}" in text]


def event_logging(template: Template) -> list[str]:
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    own = [source.environment(function) for function in source.functions(template).values()]
    values = [each.get("POWERTOOLS_LOGGER_LOG_EVENT", "false") for each in [shared, *own]]
    return [value for value in values if value != "false"]


def plain_secrets(template: Template) -> list[str]:
    secrets = source.resources(template, "AWS::SecretsManager::Secret")
    return [name for name, secret in secrets.items() if secret["Properties"]["SecretString"] != "{}"]


def losable_data(template: Template) -> list[str]:
    kept = {"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"}
    found = {name: each for name, each in template["Resources"].items() if each["Type"] in kept}
    policies = {name: (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")) for name, each in found.items()}
    return [name for name, policy in policies.items() if policy != ("RetainExceptOnCreate", "Retain")]


def without_recovery(template: Template) -> list[str]:
    tables = source.resources(template, "AWS::DynamoDB::Table")
    recovery = {name: table["Properties"].get("PointInTimeRecoverySpecification", {}) for name, table in tables.items()}
    return [name for name, each in recovery.items() if each.get("PointInTimeRecoveryEnabled") is not True]


def endless_logs(template: Template) -> list[str]:
    groups = source.resources(template, "AWS::Logs::LogGroup")
    limited = {name for name, group in groups.items() if "RetentionInDays" in group["Properties"]}
    wanted = {api(template)["AccessLogSetting"]["DestinationArn"]["Fn::GetAtt"].removesuffix(".Arn")}
    return sorted((wanted | set(log_groups(template).values())) - limited)


def log_groups(template: Template) -> dict[str, str]:
    """Return the log group of every function."""
    shared = template["Globals"]["Function"]["LoggingConfig"]
    functions = source.functions(template).items()
    return {name: (shared | each.get("LoggingConfig", {}))["LogGroup"]["Ref"] for name, each in functions}


def unaudited(template: Template) -> list[str]:
    """Name the functions whose lines nobody hands to the audit log, but the one that keeps it."""
    [audited] = source.resources(template, "AWS::Logs::SubscriptionFilter").values()
    group = audited["Properties"]["LogGroupName"]["Ref"]
    return sorted(name for name, own in log_groups(template).items() if own != group and name != "audit_writer")


def echoes(template: Template) -> list[str]:
    """Name the filters that hand a function its own lines."""
    groups = log_groups(template)
    filters = source.resources(template, "AWS::Logs::SubscriptionFilter").items()
    return [name for name, each in filters if each["Properties"]["LogGroupName"]["Ref"] == groups["audit_writer"]]


def unthrottled(template: Template) -> list[str]:
    settings = api(template)["MethodSettings"]
    ceiling = next(each["ThrottlingRateLimit"] for each in settings if each["ResourcePath"] == "/*")
    tight = {each["ResourcePath"] for each in settings if each["ThrottlingRateLimit"] < ceiling}
    costly = {route.path for route in source.routes(template) if route.function in COSTLY}
    return [path for path in sorted(costly) if "/" + path.replace("/", "~1") not in tight]


def logged_bodies(template: Template) -> list[str]:
    return [each["ResourcePath"] for each in api(template)["MethodSettings"] if each.get("DataTraceEnabled", False)]


def open_invocation(template: Template) -> list[str]:
    permissions = source.resources(template, "AWS::Lambda::Permission")
    urls = [name for name, function in source.functions(template).items() if "FunctionUrlConfig" in function]
    return urls + [
        name for name, each in permissions.items() if not {"SourceArn", "SourceAccount"} <= set(each["Properties"])
    ]


# ---- The gates, with the flaw that each must catch ----


def plant(*path: str, value: Any) -> Flaw:
    """Return a flaw: another value at one place of the resources."""

    def planted(template: Template) -> None:
        place = template["Resources"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return planted


def add_function(**properties: Any) -> Flaw:
    """Return a flaw: one more function."""
    own = {"CodeUri": "functions/flaw", "Environment": {"Variables": {}}} | properties
    return plant("FlawFunction", value={"Type": "AWS::Serverless::Function", "Properties": own})


def route(path: str, **auth: Any) -> dict[str, Any]:
    return {"Flaw": {"Type": "Api", "Properties": {"Method": "get", "Path": path} | auth}}


def policy(**statement: Any) -> list[Any]:
    table = {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": {"Fn::GetAtt": "Table.Arn"}}
    return [{"Statement": [table | statement]}]


def knows(**variables: str) -> dict[str, Any]:
    return {"Variables": variables}


API, TABLE = ("Api", "Properties"), ("Table", "Properties")
NO_AUTH = {"Auth": {"Authorizer": "NONE"}}
READS_SECRET = {"Action": [SECRET_READ], "Resource": {"Ref": "SigningSecret"}}
EVERY_ROUTE = {"ResourcePath": "/*", "ThrottlingRateLimit": 1}
GATES: dict[str, tuple[Rule, Flaw]] = {
    "route without a word on auth": (without_auth, add_function(Events=route("/flaw"))),
    "public admin route": (opened, add_function(Events=route("/v1/admin", **NO_AUTH))),
    "route without preflight": (without_preflight, add_function(Events=route("/flaw", **NO_AUTH))),
    "wildcard action": (wildcards, add_function(Policies=policy(Action=["dynamodb:*"]))),
    "wildcard resource": (wildcards, add_function(Policies=policy(Resource="*"))),
    "whole table": (unlimited_table_grants, add_function(Policies=policy())),
    "one more reader of the secret": (secret_readers, add_function(Policies=policy(**READS_SECRET))),
    "reader of a policy not in force": (readers_of_what_is_staged, add_function(Policies=policy(**READS_SECRET))),
    "name of a table it may not touch": (idle_knowledge, add_function(Environment=knows(LATCHKEY_TABLE="t"))),
    "address of the API": (circular, add_function(Events=route("/flaw"), Environment=knows(URL="${Api}"))),
    "event logging": (event_logging, add_function(Environment=knows(POWERTOOLS_LOGGER_LOG_EVENT="true"))),
    "key in the template": (plain_secrets, plant("SigningSecret", "Properties", "SecretString", value='{"key": "…"}')),
    "table that goes with the stack": (losable_data, plant("Table", "DeletionPolicy", value="Delete")),
    "secret that a replacement loses": (losable_data, plant("SigningSecret", "UpdateReplacePolicy", value="Delete")),
    "no recovery": (without_recovery, plant(*TABLE, "PointInTimeRecoverySpecification", value={})),
    "function without a log group": (endless_logs, add_function(LoggingConfig={"LogGroup": {"Ref": "Nowhere"}})),
    "logs kept for ever": (endless_logs, plant("FunctionLogs", "Properties", value={})),
    "function out of sight": (unaudited, add_function(LoggingConfig={"LogGroup": {"Ref": "ApiLogs"}})),
    "audit of the audit": (
        echoes,
        plant("AuditFunction", "Properties", "LoggingConfig", value={"LogGroup": {"Ref": "FunctionLogs"}}),
    ),
    "no tighter limit": (unthrottled, plant(*API, "MethodSettings", value=[EVERY_ROUTE])),
    "bodies in the log": (
        logged_bodies,
        plant(*API, "MethodSettings", value=[EVERY_ROUTE | {"DataTraceEnabled": True}]),
    ),
    "open function URL": (open_invocation, add_function(FunctionUrlConfig={"AuthType": "NONE"})),
    "anybody's audit log": (open_invocation, plant("AuditPermission", "Properties", value={})),
    "anybody's rotation": (open_invocation, plant("RotatePermission", "Properties", value={})),
}
RULES = {rule.__name__: rule for rule, _ in GATES.values()}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_template_keeps_every_rule(template: Template, rule: Rule) -> None:
    """The template breaks no rule."""
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "flaw"), GATES.values(), ids=GATES)
def test_gate_catches_its_planted_flaw(template: Template, rule: Rule, flaw: Flaw) -> None:
    """A gate that lets its flaw pass proves nothing."""
    flawed = deepcopy(template)
    flaw(flawed)
    assert rule(flawed) != []


# ---- What holds for this template alone ----


def test_routes_are_exactly_the_published_ones(template: Template) -> None:
    """No route is missing, none is there by accident, and each is guarded as published."""
    found = {(r.function, r.method, r.path, r.authorizer) for r in source.routes(template) if r.method != "OPTIONS"}
    assert found == {(*r, "NONE") for r in PUBLIC} | {(*r, "Bearer") for r in PROTECTED} | {
        (*r, "ApiKey") for r in BY_API_KEY
    }


def test_every_function_has_a_folder_and_every_folder_a_function(template: Template) -> None:
    """The template and functions/ name the same functions."""
    folders = {path.name for path in FUNCTIONS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(source.functions(template)) == folders


def test_route_that_says_nothing_is_closed(template: Template) -> None:
    """The default authorizer is the Bearer one, so that forgetting closes a route."""
    assert api(template)["Auth"]["DefaultAuthorizer"] == "Bearer"


def test_authorizer_answers_are_kept_for_five_minutes_at_most(template: Template) -> None:
    """The bound of a revocation is a parameter: a minute by default, five at most, none possible."""
    parameter = template["Parameters"]["AuthorizerCacheSeconds"]
    bounds = parameter["Default"], parameter["MinValue"], parameter["MaxValue"]
    assert (api(template)["Auth"]["Authorizers"]["Bearer"]["Identity"]["ReauthorizeEvery"], bounds) == (
        {"Ref": "AuthorizerCacheSeconds"},
        (60, 0, 300),
    )


@pytest.mark.parametrize("name", ["authorizer", "status", "hello", *PREFLIGHT])
def test_function_that_needs_no_data_has_no_rights(template: Template, name: str) -> None:
    """Some functions may do nothing at all but write their own log."""
    assert source.grants(source.functions(template)[name]) == frozenset()


def test_authorizer_knows_of_no_resource(template: Template) -> None:
    """The authorizer is told what a token must say, and how long it may keep public keys."""
    assert source.environment(source.functions(template)["authorizer"]) == {
        "LATCHKEY_ISSUER": "",
        "LATCHKEY_AUDIENCE": {"Ref": "Audience"},
        "LATCHKEY_JWKS_MAX_AGE": {"Ref": "JwksMaxAgeSeconds"},
        "LATCHKEY_HS256_SECRET": "",
    }


def without_authorizer(template: Template) -> Template:
    return template | {"Resources": template["Resources"] | {"AuthorizerFunction": None}}


def test_hs256_gives_the_authorizer_one_right(template: Template) -> None:
    """Where a shared secret may sign, the authorizer may read the policy in force, and nothing else is different."""
    allowing = source.load("AllowsHS256")
    authorizer = source.functions(allowing)["authorizer"]
    assert source.grants(authorizer) == {source.Grant(SECRET_READ, "SigningSecret", stages=IN_FORCE)}
    assert source.environment(authorizer)["LATCHKEY_HS256_SECRET"] == {"Ref": "SigningSecret"}
    assert without_authorizer(allowing) == without_authorizer(template)


@pytest.mark.parametrize(
    ("parameter", "default"),
    [("AllowHS256", "false"), ("PolicyCacheSeconds", 60), ("JwksMaxAgeSeconds", 300), ("AuthorizerCacheSeconds", 60)],
)
def test_what_a_key_change_waits_for_is_what_was_promised(
    template: Template, parameter: str, default: str | int
) -> None:
    """Shared secrets are off, and every cache lasts as long as is published, unless somebody says otherwise."""
    assert template["Parameters"][parameter]["Default"] == default


def test_every_cache_is_told_to_who_counts_with_it(template: Template) -> None:
    """Who makes policies knows all three caches; who reads them, the age they may have."""
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


def test_shared_environment_names_no_resource(template: Template) -> None:
    """What every function is told is no resource of the stack."""
    shared = json.dumps(template["Globals"]["Function"]["Environment"])
    assert [name for name in template["Resources"] if f'"{name}"' in shared] == []


def test_only_rotation_and_an_admin_write_the_secret(template: Template) -> None:
    """Who mints may read the signing secret; the two that change it may write it; nobody else may either."""
    writers = {
        name
        for name, function in source.functions(template).items()
        for grant in source.grants(function)
        if grant.resource == "SigningSecret" and grant.action != SECRET_READ
    }
    assert writers == POLICY_WRITERS


def test_admin_of_the_policy_changes_keys_and_codes_alone(template: Template) -> None:
    """An admin's function looks who is asking, and writes nothing of a user."""
    rights = source.grants(source.functions(template)["signing"])
    of_the_table = {(grant.action.removeprefix("dynamodb:"), grant.items) for grant in rights if grant.items}
    assert of_the_table == {
        ("Query", frozenset({"USER#*"})),
        ("GetItem", frozenset({"USER#*", "CLIENT#*", "APIKEY#*", "CONFIG"})),
        ("PutItem", frozenset({"CONFIG", "CODE#*"})),
        ("UpdateItem", frozenset({"CONFIG", "CODE#*"})),
    }


def test_moving_accounts_changes_none(template: Template) -> None:
    """Who imports and exports makes accounts and reads them; it updates nothing but the count of admins."""
    rights = source.grants(source.functions(template)["transfer"])
    of_the_table = {(grant.action.removeprefix("dynamodb:"), grant.items) for grant in rights if grant.items}
    assert of_the_table == {
        ("Query", frozenset({"USER#*", "USERS"})),
        ("BatchGetItem", frozenset({"USER#*", "LOGIN#*"})),
        ("GetItem", frozenset({"USER#*", "LOGIN#*", "CLIENT#*", "APIKEY#*", "CONFIG"})),
        ("PutItem", frozenset({"USER#*", "LOGIN#*", "USERS"})),
        ("UpdateItem", frozenset({"ADMINS"})),
    }


def test_validation_only_reads(template: Template) -> None:
    """Saying whether a token is good changes nothing but a counter of attempts."""
    rights = source.grants(source.functions(template)["validate"])
    writes = {(g.action, g.items) for g in rights if not g.action.endswith(("GetItem", "Query", "GetSecretValue"))}
    assert writes == {("dynamodb:UpdateItem", frozenset({"THROTTLE#*"}))}


def test_public_keys_are_all_that_rotation_and_discovery_touch_in_the_table(template: Template) -> None:
    """Neither can reach a user."""
    functions = source.functions(template)
    found = {
        g.items for name in ("rotate", "well_known") for g in source.grants(functions[name]) if g.resource == "Table"
    }
    assert found == {frozenset({"CONFIG"})}


def test_hashing_cannot_starve_the_rest() -> None:
    """What hashes passwords has memory for a whole CPU and, where one is given, a concurrency of its own."""
    functions = source.functions(source.load("HasHashingConcurrency"))
    apart = {name for name, function in functions.items() if "ReservedConcurrentExecutions" in function}
    large = {name for name, function in functions.items() if function.get("MemorySize") == {"Ref": "HashingMemory"}}
    assert (apart, large) == (HASHING, HASHING)


def test_expired_items_are_swept(template: Template) -> None:
    """DynamoDB's TTL is on for the attribute `ttl`."""
    table = template["Resources"]["Table"]["Properties"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}


def test_rotation_begins_with_the_stack(template: Template) -> None:
    """The schedule waits for the permission to invoke and then rotates at once: a stack has keys from the start."""
    schedule = template["Resources"]["SigningRotation"]
    assert (schedule["DependsOn"], schedule["Properties"]["RotateImmediatelyOnUpdate"]) == (["RotatePermission"], True)


def test_access_log_is_json_without_secrets(template: Template) -> None:
    """A line of the access log is a JSON object and holds no header, query, path or body."""
    line = api(template)["AccessLogSetting"]["Format"]
    values = set(json.loads(line).values())
    allowed = {"requestId", "requestTimeEpoch", "identity.sourceIp", "httpMethod", "resourcePath", "status"}
    allowed |= {"error.responseType", "authorizer.error", "authorizer.latency", "responseLatency", "responseLength"}
    allowed |= {"integration.status", "integration.error", "integration.latency"}
    assert values == {f"$context.{name}" for name in allowed}


def test_key_authorizer_reads_clients_keys_and_roles_alone(template: Template) -> None:
    """It reaches no user, no session and no secret; what it writes is the day on which a key was used."""
    granted = source.grants(source.functions(template)["key_authorizer"])
    rights = {(grant.action, item) for grant in granted for item in grant.items}
    assert rights == {
        ("dynamodb:GetItem", "APIKEY#*"),
        ("dynamodb:GetItem", "CLIENT#*"),
        ("dynamodb:GetItem", "CONFIG"),
        ("dynamodb:UpdateItem", "APIKEY#*"),
    }


def test_each_authorizer_is_cached_by_what_it_judges(template: Template) -> None:
    """An answer for a key is never taken for that of a token: each has its own header, and its own cache."""
    authorizers = api(template)["Auth"]["Authorizers"]
    identity = authorizers["ApiKey"]["Identity"]
    assert (identity["Headers"], identity["ReauthorizeEvery"]) == (["X-API-Key"], {"Ref": "AuthorizerCacheSeconds"})
    assert authorizers["Bearer"]["Identity"]["Header"] == "Authorization"


def test_first_admin_is_made_by_who_may_invoke_and_by_nobody_else(template: Template) -> None:
    """No route, no schedule and no permission leads to the function: AWS credentials alone do."""
    function = source.functions(template)["init_admin"]
    permissions = source.resources(template, "AWS::Lambda::Permission").values()
    assert "Events" not in function
    assert "InitAdminFunction" not in json.dumps([*permissions, *source.resources(template, "AWS::Events::Rule")])
    assert template["Outputs"]["InitAdminFunction"]["Value"] == {"Ref": "InitAdminFunction"}


def test_function_of_the_first_admin_changes_nothing_that_is_there(template: Template) -> None:
    """It puts new items, whose conditions refuse what is there, and reads nothing; no other may put the count."""
    functions = source.functions(template)
    rights = {(grant.action, item) for grant in source.grants(functions["init_admin"]) for item in grant.items}
    assert rights == {("dynamodb:PutItem", item) for item in ("USER#*", "LOGIN#*", "USERS", "ADMINS")}
    counting = {
        name
        for name, function in functions.items()
        for grant in source.grants(function)
        if grant.action == "dynamodb:PutItem" and "ADMINS" in grant.items
    }
    assert counting == {"init_admin"}
