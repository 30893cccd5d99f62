"""The gateway of the twin, tested over real HTTP with a sample API. Its functions are defined here."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.local.gateway.authorizers import Authorizers
from infra.local.gateway.dispatch import Gateway
from infra.local.gateway.reading import MAX_BODY, MAX_HEADER, ConnectionEnded, RequestReader
from infra.local.gateway.routing import Router
from infra.local.gateway.server import PortInUse, Server
from infra.local.stack.api import Route, read_api
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import BadTemplate, translate
from tests.e2e.client import Response, call

SAMPLE = r"""
Transform: AWS::Serverless-2016-10-31
Parameters:
  CacheSeconds: {Type: Number, Default: 60}
Globals: {Function: {Runtime: python3.13, Handler: app.handler}}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      Auth:
        DefaultAuthorizer: Bearer
        Authorizers:
          Bearer:
            FunctionArn: !GetAtt Guard.Arn
            Identity:
              ValidationExpression: ^Bearer [a-z]+$
              ReauthorizeEvery: !Ref CacheSeconds
          ByRequest:
            FunctionArn: !GetAtt Guard.Arn
            FunctionPayloadType: REQUEST
            Identity: {Headers: [X-Key], QueryStrings: [tenant]}
      GatewayResponses:
        UNAUTHORIZED:
          StatusCode: 401
          ResponseParameters:
            Headers: {WWW-Authenticate: "'Bearer realm=\"sample\"'", Content-Type: "'application/problem+json'"}
          ResponseTemplates: {application/problem+json: '{"code":"invalid_token","request_id":"$context.requestId"}'}
        MISSING_AUTHENTICATION_TOKEN:
          StatusCode: 404
          ResponseTemplates: {application/problem+json: '{"code":"not_found"}'}
        REQUEST_TOO_LARGE:
          ResponseTemplates: {application/problem+json: '{"code":"payload_too_large"}'}
        DEFAULT_5XX:
          StatusCode: 500
          ResponseTemplates: {application/problem+json: '{"code":"internal_error"}'}
  Guard: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/guard}}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/echo
      Events:
        Open: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /open, Method: any, Auth: {Authorizer: NONE}}}
        One: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /one, Method: get}}
        Two: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /two, Method: get}}
        Keyed: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /keyed, Method: get, Auth: {Authorizer: ByRequest}}}
        Item: {Type: Api, Properties: {RestApiId: !Ref Api, Path: "/items/{id}", Method: get, Auth: {Authorizer: NONE}}}
        Mine: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /items/mine, Method: get, Auth: {Authorizer: NONE}}}
        All: {Type: Api, Properties: {RestApiId: !Ref Api, Path: "/all/{x+}", Method: get, Auth: {Authorizer: NONE}}}
  Preflight:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/preflight
      Events:
        One: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /one, Method: options, Auth: {Authorizer: NONE}}}
"""

Handler = Callable[[dict[str, Any]], Any]


def echo(event: dict[str, Any]) -> dict[str, Any]:
    """Answer with the event itself."""
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


def allow(resource: str, *, effect: str = "Allow") -> dict[str, Any]:
    """Return an authorizer's answer about one resource pattern."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "usr_1", "policyDocument": policy, "context": {"sub": "usr_1", "age": 7, "good": True}}


def everything(event: dict[str, Any]) -> dict[str, Any]:
    """Allow every route of the stage."""
    api, stage, *_ = event["methodArn"].split("/")
    return allow(f"{api}/{stage}/*/*")


def crash(_: dict[str, Any]) -> None:
    """Fail like a function with a bug."""
    raise KeyError("planted-name")


@dataclass
class Sample:
    """The sample API on a port, with functions that a test can replace."""

    port: int = 0
    functions: dict[str, Handler] = field(default_factory=dict)
    invoked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    now: float = 0.0

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Run a function and remember that it ran."""
        self.invoked.append((name, event))
        return self.functions[name](event)

    def get(self, path: str, **headers: str) -> Response:
        """Send a GET; `_` in a header's name stands for `-`."""
        return self.call("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def call(self, method: str, path: str, **rest: Any) -> Response:
        """Send one request."""
        return call(f"http://127.0.0.1:{self.port}", method, path, **rest)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, end the stream, and return everything that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    def guard_calls(self) -> int:
        """Return how often the authorizer ran."""
        return [name for name, _ in self.invoked].count("Guard")


@pytest.fixture(scope="module")
def expanded() -> dict[str, Any]:
    """The sample template as the official translator expands it."""
    return translate(SAMPLE, {})


@pytest.fixture
def sample(expanded: dict[str, Any]) -> Iterator[Sample]:
    """The sample API, served."""
    running = Sample(functions={"Echo": echo, "Preflight": echo, "Guard": everything})
    api = read_api(Resolver(expanded, {}, {}))
    gateway = Gateway(api, running.invoke, Authorizers(running.invoke, lambda: running.now))
    server = Server("127.0.0.1", 0)
    running.port = server.port
    thread = threading.Thread(target=server.serve, args=(gateway,), daemon=True)
    thread.start()
    yield running
    server.shutdown()
    server.server_close()
    thread.join()


# ---- events ----------------------------------------------------------------------------------------------------------


def test_proxy_event_has_what_rest_apis_send(sample: Sample) -> None:
    """A function sees the members of a REST proxy event, payload 1.0."""
    event = sample.get("/items/a%2Fb?x=1&x=2&y=%C3%A9", X_Test="t").json
    assert event["resource"] == "/items/{id}"
    assert event["path"] == "/items/a%2Fb"
    assert event["httpMethod"] == "GET"
    assert event["pathParameters"] == {"id": "a%2Fb"}
    assert event["queryStringParameters"] == {"x": "2", "y": "é"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["é"]}
    assert event["headers"]["X-Test"] == "t"
    assert event["multiValueHeaders"]["X-Test"] == ["t"]
    assert event["stageVariables"] is None
    assert event["body"] is None
    assert event["isBase64Encoded"] is False


def test_request_context_has_what_rest_apis_send(sample: Sample) -> None:
    """The request context names the resource, the stage, the request and the protocol."""
    context = sample.get("/items/1").json["requestContext"]
    assert context["resourcePath"] == "/items/{id}"
    assert context["httpMethod"] == "GET"
    assert context["stage"] == "live"
    assert context["accountId"] == "123456789012"
    assert context["protocol"] == "HTTP/1.1"
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 60
    assert "authorizer" not in context
    assert len(context["resourceId"]) == 6


def test_request_id_is_new_each_time_and_returned(sample: Sample) -> None:
    """The request id in the event is the one in the answer's header, and never the same twice."""
    answers = [sample.get("/open") for _ in range(2)]
    ids = [answer.json["requestContext"]["requestId"] for answer in answers]
    assert ids == [answer.headers["x-amzn-requestid"] for answer in answers]
    assert len(set(ids)) == 2


def test_source_address_is_the_peer_whatever_headers_say(sample: Sample) -> None:
    """`sourceIp` is the TCP peer; X-Forwarded-For cannot change it."""
    event = sample.get("/open", X_Forwarded_For="203.0.113.9").json
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"


def test_repeated_header_gives_the_last_value_and_all_of_them(sample: Sample) -> None:
    """`headers` has the last value and `multiValueHeaders` all values, under one name for all cases."""
    answer = sample.raw(b"GET /open HTTP/1.1\r\nHost: t\r\nx-a: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n")
    event = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert event["headers"]["x-a"] == "2"
    assert event["multiValueHeaders"]["x-a"] == ["1", "2"]


def test_text_body_arrives_as_text(sample: Sample) -> None:
    """A UTF-8 body is passed on as it is."""
    event = sample.call("POST", "/open", body="é".encode()).json
    assert (event["body"], event["isBase64Encoded"]) == ("é", False)


def test_body_that_is_not_utf8_arrives_in_base64(sample: Sample) -> None:
    """Bytes that are not text reach the function unchanged."""
    event = sample.call("POST", "/open", body=b"\xff\x00\xfe").json
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00\xfe"


def test_base64_answer_is_decoded(sample: Sample) -> None:
    """A function may answer with bytes."""
    sample.functions["Echo"] = lambda _: {
        "statusCode": 200,
        "body": base64.b64encode(b"\x00\xff").decode(),
        "isBase64Encoded": True,
    }
    assert sample.get("/open").body == b"\x00\xff"


def test_multi_value_headers_of_an_answer_are_all_sent(sample: Sample) -> None:
    """Two cookies are two header lines."""
    sample.functions["Echo"] = lambda _: {"statusCode": 204, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}}
    answer = sample.raw(b"GET /open HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    assert answer.count(b"Set-Cookie: ") == 2


# ---- routes ----------------------------------------------------------------------------------------------------------


def test_literal_segment_goes_before_a_parameter(sample: Sample) -> None:
    """`/items/mine` is its own route, not an item called mine."""
    assert sample.get("/items/mine").json["resource"] == "/items/mine"


def test_literal_path_of_any_method_goes_before_a_parameter() -> None:
    """The path decides first, and the method only between routes of one path."""
    routes = [Route("GET", "/a/{x}", "P", None), Route("ANY", "/a/b", "L", None), Route("PUT", "/a/b", "M", None)]
    router = Router(routes)
    found = [router.match(*asked) for asked in (("GET", "/a/b"), ("PUT", "/a/b"), ("GET", "/a/c"), ("PUT", "/a/c"))]
    assert [match.route.function if match else None for match in found] == ["L", "M", "P", None]


def test_greedy_parameter_takes_the_rest(sample: Sample) -> None:
    """`{x+}` takes any number of segments."""
    assert sample.get("/all/a/b/c").json["pathParameters"] == {"x": "a/b/c"}


@pytest.mark.parametrize(
    "path",
    [
        "//open",
        "/./open",
        "/open/",
        "/open/.",
        "/%6fpen",
        "/OPEN",
        "/open;x",
        "/open.",
        "/items/",
        "/items%2f1",
        "/",
        "/x/../open",
    ],
)
def test_variants_of_a_path_are_other_paths(sample: Sample, path: str) -> None:
    """Paths are not normalised: a variant of a route's path is not a route."""
    answer = sample.raw(f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert sample.invoked == []


def test_unknown_route_answers_as_the_template_words_it(sample: Sample) -> None:
    """An unknown route gets MISSING_AUTHENTICATION_TOKEN, with the template's status and body."""
    answer = sample.get("/nothing")
    assert (answer.status, answer.json) == (404, {"code": "not_found"})
    assert answer.headers["content-type"] == "application/problem+json"


def test_other_method_of_a_route_is_no_route(sample: Sample) -> None:
    """API Gateway has no 405."""
    assert sample.call("POST", "/one").status == 404


def test_head_is_not_get(sample: Sample) -> None:
    """A GET route does not answer HEAD, and the answer to HEAD has no body."""
    answer = sample.raw(b"HEAD /items/1 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"\r\n\r\n")


def test_preflight_reaches_its_function_without_a_token(sample: Sample) -> None:
    """OPTIONS of a protected route goes to the function that the template names, past the authorizer."""
    answer = sample.call("OPTIONS", "/one", headers={"Origin": "https://app.example"})
    assert answer.json["headers"]["Origin"] == "https://app.example"
    assert [name for name, _ in sample.invoked] == ["Preflight"]


# ---- the authorizer --------------------------------------------------------------------------------------------------


def test_authorizer_sees_a_token_event(sample: Sample) -> None:
    """A TOKEN authorizer gets type, token and method ARN, and nothing else."""
    sample.get("/one", Authorization="Bearer abc")
    assert sample.invoked[0] == (
        "Guard",
        {
            "type": "TOKEN",
            "authorizationToken": "Bearer abc",
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:Api/live/GET/one",
        },
    )


def test_function_sees_the_authorizers_context_as_text(sample: Sample) -> None:
    """Context values reach the function as text, with principal and latency."""
    authorizer = sample.get("/one", Authorization="Bearer abc").json["requestContext"]["authorizer"]
    latency = authorizer.pop("integrationLatency")
    assert authorizer == {"principalId": "usr_1", "sub": "usr_1", "age": "7", "good": "true"}
    assert latency >= 0


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": ""}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer abc1"}]
)
def test_token_of_another_shape_costs_no_invocation(sample: Sample, headers: dict[str, str]) -> None:
    """A header that is missing or does not match the expression is a 401 without asking the authorizer."""
    answer = sample.call("GET", "/one", headers=headers)
    assert (answer.status, answer.json["code"]) == (401, "invalid_token")
    assert answer.json["request_id"] == answer.headers["x-amzn-requestid"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="sample"'
    assert sample.invoked == []


def test_cached_answer_serves_every_route_of_the_token(sample: Sample) -> None:
    """The authorizer runs once; its answer decides on the second route too."""
    sample.get("/one", Authorization="Bearer abc")
    assert sample.get("/two", Authorization="Bearer abc").status == 200
    assert sample.guard_calls() == 1


def test_policy_for_one_route_falsely_refuses_the_next(sample: Sample) -> None:
    """A well-known mistake has its effect: a policy that names only the method ARN is a 403 on every other route."""
    sample.functions["Guard"] = lambda event: allow(event["methodArn"])
    assert sample.get("/one", Authorization="Bearer abc").status == 200
    assert sample.get("/two", Authorization="Bearer abc").status == 403


def test_cache_ends_with_its_time(sample: Sample) -> None:
    """The authorizer is asked again after the number of seconds in the template, and not before."""
    counts = []
    for sample.now in (0.0, 59.9, 60.0):
        sample.get("/one", Authorization="Bearer abc")
        counts.append(sample.guard_calls())
    assert counts == [1, 1, 2]


def test_other_token_is_another_entry(sample: Sample) -> None:
    """The answer for one token does not apply to another token."""
    sample.get("/one", Authorization="Bearer abc")
    sample.functions["Guard"] = lambda event: allow(event["methodArn"], effect="Deny")
    assert sample.get("/one", Authorization="Bearer abd").status == 403


def test_no_cache_where_the_template_says_zero() -> None:
    """With a time of zero, every request asks the authorizer."""
    template = translate(SAMPLE, {"CacheSeconds": "0"})
    assert read_api(Resolver(template, {}, {"CacheSeconds": "0"})).authorizers["Bearer"].ttl == 0


def test_refusal_is_not_kept(sample: Sample) -> None:
    """`Unauthorized` is a 401 in the template's words, and the next request asks again."""

    def refuse(_: dict[str, Any]) -> None:
        raise RuntimeError("Unauthorized")

    sample.functions["Guard"] = refuse
    assert sample.get("/one", Authorization="Bearer abc").status == 401
    sample.functions["Guard"] = everything
    assert sample.get("/one", Authorization="Bearer abc").status == 200


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"principalId": "u"},
        {"principalId": "u", "policyDocument": {}},
        {"principalId": 1, "policyDocument": allow("*")["policyDocument"]},
        {"principalId": "u", "policyDocument": {"Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]}},
        {"principalId": "u", "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "*"}]}},
        allow("*") | {"context": {"roles": ["admin"]}},
    ],
)
def test_bad_answer_of_an_authorizer_is_a_500(sample: Sample, answer: Any) -> None:
    """An answer that is not a policy with flat context grants no access."""
    sample.functions["Guard"] = lambda _: answer
    response = sample.get("/one", Authorization="Bearer abc")
    assert (response.status, response.json) == (500, {"code": "internal_error"})


def test_crash_of_an_authorizer_is_a_500(sample: Sample) -> None:
    """Any exception other than `Unauthorized` is a server error, and access is denied."""
    sample.functions["Guard"] = crash
    assert sample.get("/one", Authorization="Bearer abc").status == 500


@pytest.mark.parametrize(
    ("statements", "status"),
    [
        ([("Allow", "*")], 200),
        ([("Allow", "arn:aws:execute-api:*:*:*/live/GET/*")], 200),
        ([("Allow", "arn:aws:execute-api:*:*:*/live/GET/on?")], 200),
        ([("Allow", "arn:aws:execute-api:*:*:*/live/POST/*")], 403),
        ([("Allow", "arn:aws:execute-api:*:*:*/live/GET/one/*")], 403),
        ([("Allow", "arn:aws:execute-api:*:*:*/live/GET/o")], 403),
        ([("Allow", "*"), ("Deny", "*/GET/one")], 403),
        ([("Deny", "*/GET/one"), ("Allow", "*")], 403),
        ([("Allow", "*"), ("Deny", "*/GET/two")], 200),
        ([], 403),
    ],
)
def test_policy_decides_as_iam_does(sample: Sample, statements: list[tuple[str, str]], status: int) -> None:
    """Wildcards match as in IAM, a deny wins in any order, and a request that nothing allows is denied."""
    listed = [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": name} for effect, name in statements]
    sample.functions["Guard"] = lambda _: {"principalId": "u", "policyDocument": {"Statement": listed}}
    assert sample.get("/one", Authorization="Bearer abc").status == status


def test_request_authorizer_needs_every_identity_source(sample: Sample) -> None:
    """Listed sources are an AND: one missing is a 401 without an invocation; with all, the event is a REQUEST."""
    assert sample.get("/keyed", X_Key="k").status == 401
    assert sample.invoked == []
    assert sample.get("/keyed?tenant=t", X_Key="k").status == 200
    assert sample.invoked[0][1]["type"] == "REQUEST"
    assert sample.invoked[0][1]["queryStringParameters"] == {"tenant": "t"}


# ---- functions that fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        {"body": "x"},
        {"statusCode": "ok"},
        {"statusCode": 20},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
        {"statusCode": 200, "headers": {"X": "a\r\nY: b"}},
        {"statusCode": 200, "headers": {"X": "a\x01"}},
        {"statusCode": 200, "headers": {"X: a\r\nY": "b"}},
        {"statusCode": 200, "headers": {"X Y": "b"}},
        {"statusCode": 200, "multiValueHeaders": {"X": ["a", "b\n"]}},
    ],
)
def test_malformed_answer_of_a_function_is_a_server_error(sample: Sample, answer: Any) -> None:
    """An answer that is not a proxy answer becomes DEFAULT_5XX, without details."""
    sample.functions["Echo"] = lambda _: answer
    response = sample.get("/open")
    assert (response.status, response.json) == (500, {"code": "internal_error"})


def test_crash_of_a_function_is_a_server_error(sample: Sample, capfd: pytest.CaptureFixture[str]) -> None:
    """The terminal shows an exception, and the client does not see it."""
    sample.functions["Echo"] = crash
    response = sample.get("/open")
    assert response.status == 500
    assert b"planted-name" not in response.body
    assert "planted-name" in capfd.readouterr().err


# ---- HTTP ------------------------------------------------------------------------------------------------------------


def test_body_over_the_limit_is_refused_before_it_is_sent(sample: Sample) -> None:
    """A Content-Length of more than 10 MB is a 413 before the body is sent."""
    head = f"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
    answer = sample.raw(head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'{"code":"payload_too_large"}' in answer
    assert sample.invoked == []


def test_client_that_sends_too_much_sees_the_answer(sample: Sample) -> None:
    """A client that sends all of an oversized body first still reads its 413."""
    assert sample.call("POST", "/open", body=b"x" * (MAX_BODY + 1)).status == 413


def test_body_of_exactly_the_limit_is_taken(sample: Sample) -> None:
    """10 MB is allowed."""
    sample.functions["Echo"] = lambda event: {"statusCode": 200, "body": str(len(event["body"]))}
    assert sample.call("POST", "/open", body=b"x" * MAX_BODY).body == str(MAX_BODY).encode()


def test_chunked_body_is_taken(sample: Sample) -> None:
    """The function gets the chunks as one body."""
    head = b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = sample.raw(head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == "abcde"


def test_chunked_body_over_the_limit_is_refused(sample: Sample) -> None:
    """The limit holds for all chunks together."""
    head = b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (MAX_BODY // 10, b"x" * (MAX_BODY // 10))
    assert sample.raw(head + chunk * 10 + b"1\r\nx\r\n0\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    assert sample.invoked == []


def test_expectation_is_met(sample: Sample) -> None:
    """A client that waits for 100 Continue gets it before its body is read."""
    with socket.create_connection(("127.0.0.1", sample.port), timeout=5) as connection:
        connection.sendall(b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hi")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("fields", [b"X: " + b"a" * 10_240 + b"\r\n", b"X: a\r\n" * 1_800])
def test_headers_over_the_limit_are_refused(sample: Sample, fields: bytes) -> None:
    """Request line and headers of more than 10,240 bytes are refused, in one field or in many."""
    answer = sample.raw(b"GET /open HTTP/1.1\r\nHost: t\r\n" + fields + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert sample.invoked == []


def test_headers_of_exactly_the_limit_are_taken(sample: Sample) -> None:
    """10,240 bytes are allowed, with every line end."""
    head = b"GET /open HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX: %b\r\n\r\n"
    assert sample.raw(head % (b"a" * (MAX_HEADER - len(head % b"")))).startswith(b"HTTP/1.1 200 ")
    assert sample.raw(head % (b"a" * (MAX_HEADER - len(head % b"") + 1))).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /open HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: +1\r\n\r\nx",
        b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: 1, 1\r\n\r\nx",
        b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nshort",
        b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\n\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : a\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t" + b"\r\nTransfer-Encoding: chunked" * 2 + b"\r\n\r\n0\r\n\r\n",
        b"POST /open HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length:\r\n\r\n",
        b"GET /open HTTP/1.1\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\nX: a\r\n folded\r\n\r\n",
        b"GET /open HTTP/1.1\r\n Host: t\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\n\tX: a\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\nX : a\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\n: a\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\nX: a\x01b\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\nX: a\x7fb\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\nX: a\r\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\nX: a\x00b\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\nX: a\rb\r\n\r\n",
        b"GET /open HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n",
        b"GET /open HTTP/1.1\nHost: t\n\n",
        b"GET /open\r\n\r\n",
        b"GET  /open HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /op en HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET open HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET http://[::1/open HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET http://other/open HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET http://t@other/open HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: t\r\n\r\n",
        b"CONNECT t:80 HTTP/1.1\r\nHost: t\r\n\r\n",
        b"\r\n\r\nGET /open HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /open#x HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /open HTTP/1.2\r\nHost: t\r\n\r\n",
        b"GET /open HTTP/2.0\r\nHost: t\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    ],
)
def test_ambiguous_request_is_refused_and_the_connection_closed(sample: Sample, request_head: bytes) -> None:
    """A request that two servers could read differently is a 400, and the bytes after it are not read."""
    answer = sample.raw(request_head + b"GET /open HTTP/1.1\r\nHost: t\r\n\r\n" * (b"Length: 9" not in request_head))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert sample.invoked == []


def test_requests_can_share_a_connection(sample: Sample) -> None:
    """Two requests sent at once on one connection are answered in order."""
    request = b"GET /items/%d HTTP/1.1\r\nHost: t\r\n\r\n"
    answer = sample.raw(request % 1 + request % 2)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.index(b'"id": "1"') < answer.index(b'"id": "2"')


def test_absolute_target_of_the_same_host_is_taken(sample: Sample) -> None:
    """A request target may repeat the host, as RFC 9112 section 3.2.2 requires a server to accept."""
    answer = sample.raw(b"GET http://T:80/items/1?x=2 HTTP/1.1\r\nHost: t:80\r\nConnection: close\r\n\r\n")
    event = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (event["path"], event["queryStringParameters"]) == ("/items/1", {"x": "2"})


def test_empty_line_before_a_request_is_ignored(sample: Sample) -> None:
    """Some clients end a body with a line break that is not part of it (RFC 9112 section 2.2)."""
    post = b"POST /open HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi\r\n"
    answer = sample.raw(post + b"GET /open HTTP/1.1\r\nHost: t\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 2


class Pieces(io.RawIOBase):
    """A stream that arrives in pieces, as on a slow network."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def readable(self) -> bool:
        """Allow reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next piece."""
        piece = self._pieces.pop(0) if self._pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


def requests_in(*pieces: bytes) -> list[tuple[str, bytes]]:
    """Return path and body of all requests that a stream holds."""
    reader, found = RequestReader(io.BufferedReader(Pieces(*pieces)), "127.0.0.1", lambda _: None), []
    with suppress(ConnectionEnded):
        while True:
            request = reader.read()
            found.append((request.path, request.body))
    return found


def test_requests_are_read_alike_however_they_arrive() -> None:
    """Each request gets its own body, and the next request starts behind it, wherever the network splits the bytes."""
    chunks = b"a\r\nffffffffff\r\n2;x=y\r\n\r\n\r\n0\r\nTrailer: t\r\n\r\n"
    chunked = b"POST /1 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    counted = b"POST /2 HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nGET "
    sent = chunked + counted + b"GET /3 HTTP/1.1\r\nHost: t\r\n\r\n"
    wanted = [("/1", b"ffffffffff\r\n"), ("/2", b"GET "), ("/3", b"")]
    assert requests_in(*(sent[at : at + 1] for at in range(len(sent)))) == wanted
    assert [cut for cut in range(1, len(sent)) if requests_in(sent[:cut], sent[cut:]) != wanted] == []


def test_burst_of_connections_is_not_held_up(sample: Sample) -> None:
    """Sixty-four connections at once are answered without a stall of the backlog."""
    began = time.monotonic()
    connections = [socket.create_connection(("127.0.0.1", sample.port), timeout=10) for _ in range(64)]
    for connection in connections:
        connection.sendall(b"GET /open HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    answers = [connection.recv(12) for connection in connections]
    for connection in connections:
        connection.close()
    assert answers == [b"HTTP/1.1 200"] * 64
    assert time.monotonic() - began < 5


def test_port_in_use_is_said(sample: Sample) -> None:
    """A second server on one port is refused at once."""
    with pytest.raises(PortInUse):
        Server("127.0.0.1", sample.port)


def test_template_without_an_api_is_refused() -> None:
    """The twin serves one API."""
    with pytest.raises(BadTemplate):
        read_api(Resolver({"Resources": {}}, {}, {}))


def test_template_that_sam_refuses_is_refused() -> None:
    """An error of the translator is an error of the template."""
    with pytest.raises(BadTemplate, match="Broken"):
        translate("Resources: {Broken: {Type: AWS::Serverless::Function, Properties: {}}}", {})
