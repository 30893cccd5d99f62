"""From gateway events to requests: both payload formats, strict bodies, one format of errors."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.events import Event as SecurityEvent
from latchkey.edge.http import MAX_BODY, MAX_NAME, Request, Response, endpoint
from latchkey.edge.telemetry import LogJournal

JSON = {"Content-Type": "application/json"}


def rest(body: str | None = None, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a REST API event (payload 1.0)."""
    headers = JSON if headers is None else headers
    return {
        "resource": "/v1/echo",
        "path": "/v1/echo",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "pathParameters": None,
        "requestContext": {"requestId": "r-1", "identity": {"sourceIp": "192.0.2.7"}},
        "body": body,
        "isBase64Encoded": False,
    } | more


def http_api(body: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the same request as an HTTP API event (payload 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "POST /v1/echo",
        "rawPath": "/v1/echo",
        "headers": {"content-type": "application/json"},
        "requestContext": {"requestId": "r-1", "http": {"method": "POST", "sourceIp": "192.0.2.7"}},
        "body": body,
        "isBase64Encoded": False,
    } | more


@endpoint
def echo(request: Request) -> Response:
    """Return the parsed request."""
    return Response(200, {"json": request.json(), "address": request.address, "path": request.path})


@endpoint
def show(request: Request) -> Response:
    """Return the headers and the caller."""
    return Response(200, {"headers": dict(request.headers), "caller": dict(request.caller)})


def answer(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return status and body of the echo."""
    response = echo(event, None)
    return response["statusCode"], json.loads(response["body"])


@pytest.mark.parametrize("body", ['{"a": 1}', "[]", "", '{"a": 1, "a": 2}', None])
def test_both_payload_formats_give_equal_answers(body: str | None) -> None:
    """A function does not know which kind of API invokes it."""
    assert answer(rest(body)) == answer(http_api(body))


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ("", "", "not_json"),
        ("no", "", "not_json"),
        ("[1]", "", "not_an_object"),
        ('{"a": 1, "a": 2}', "a", "duplicate_member"),
        ('{"a": NaN}', "", "bad_number"),
        ('{"a": ' + "9" * 5000 + "}", "", "bad_number"),
        ('{"a": "\\ud800"}', "", "bad_string"),
        ("[" * 9000, "", "too_deep"),
        ("\ufeff{}", "", "not_json"),
        ("\ud800", "", "not_utf8"),
    ],
)
def test_a_bad_body_is_refused_with_its_reason(body: str, field: str, code: str) -> None:
    """The answer is 400 and names the member, if one is at fault."""
    status, problem = answer(rest(body))
    assert (status, problem["code"]) == (400, "invalid_request")
    assert [(fault["field"], fault["code"]) for fault in problem["errors"]] == [(field, code)]


def test_a_long_name_is_repeated_in_part() -> None:
    """A response and a log line stay small, even if the client sends a long name."""
    name = "a" * 7_000
    assert answer(rest(f'{{"{name}": 1, "{name}": 2}}'))[1]["errors"][0]["field"] == name[:MAX_NAME]


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/problem+json", "*/*"]
)
def test_another_content_type_is_refused(content_type: str | None) -> None:
    """The answer is 415, and the body is not read."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert answer(rest("{}", headers))[1]["code"] == "unsupported_media_type"


PARAMETERS = ["", ";", "; charset=UTF-8", ';charset="utf-8"', "; charset=utf8", "; charset=ISO-8859-1", "; v=1; a=b"]
"""What HTTP libraries append to a content type."""


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_the_content_type_may_be_spelled_in_any_case_and_have_parameters(parameters: str) -> None:
    """RFC 9110 section 8.3.1, and RFC 8259 section 11: JSON is UTF-8 whatever a charset says."""
    assert answer(rest("{}", {"CONTENT-TYPE": f"Application/JSON{parameters}"}))[0] == 200


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_a_form_may_have_the_charset_that_its_library_adds(parameters: str) -> None:
    """Apache HttpClient names ISO-8859-1 for a form of ASCII letters."""
    read = []
    handler = endpoint(lambda request: read.append(request.form()) or Response(204))  # type: ignore[func-returns-value]
    event = rest("grant_type=client_credentials", {"Content-Type": f"application/x-www-form-urlencoded{parameters}"})
    assert (handler(event, None)["statusCode"], read) == (204, ["grant_type=client_credentials"])


def test_a_body_of_another_charset_is_refused() -> None:
    """Nothing is guessed: the body itself must be UTF-8."""
    body = b64encode('{"name": "Zoë"}'.encode("latin-1")).decode()
    event = rest(body, {"Content-Type": "application/json; charset=ISO-8859-1"}, isBase64Encoded=True)
    assert answer(event)[1]["errors"][0]["code"] == "not_utf8"


@pytest.mark.parametrize(("method", "has_body"), [("GET", True), ("HEAD", False)])
def test_an_answer_to_head_has_no_body(method: str, has_body: bool) -> None:
    """Status and headers are those of GET (RFC 9110 section 9.3.2), and so are they of an error."""
    for handle in (lambda _: Response(200, {"a": 1}), lambda _: (_ for _ in ()).throw(ServiceError(Errors.NOT_FOUND))):
        answered = endpoint(handle)(rest("") | {"httpMethod": method}, None)
        assert (bool(answered["body"]), "json" in answered["headers"]["Content-Type"]) == (has_body, True)


def test_a_large_body_is_refused() -> None:
    """One byte over the limit is too much."""
    body = json.dumps({"a": "x" * MAX_BODY})[: MAX_BODY + 1]
    assert answer(rest(body))[0] == 413


@pytest.mark.parametrize(
    ("body", "status"), [(b64encode(b'{"a": 1}').decode(), 200), ("%%%", 400), (b64encode(b"\xff").decode(), 400)]
)
def test_a_base64_body_is_decoded_strictly(body: str, status: int) -> None:
    """A body that the gateway encoded is decoded, and any other is rejected."""
    assert answer(rest(body, isBase64Encoded=True))[0] == status


def test_base64_text_that_is_not_flagged_is_no_json() -> None:
    """The flag decides, and the function does not guess."""
    assert answer(rest(b64encode(b"{}").decode()))[0] == 400


@pytest.mark.parametrize("values", [["Bearer a", "Bearer b"], ["Bearer b"]])
def test_a_repeated_or_disputed_security_header_is_refused(values: list[str]) -> None:
    """Two Authorization headers, or one that disagrees with itself."""
    event = rest("{}", {"Authorization": "Bearer a"}, multiValueHeaders={"authorization": values})
    assert show(event, None)["statusCode"] == 400


def test_a_security_header_in_two_spellings_stands_twice() -> None:
    """Header names are case-insensitive (RFC 9110 section 5.1), so the second one must not quietly win."""
    event = rest("{}", multiValueHeaders={"authorization": ["Bearer a"], "Authorization": ["Bearer b"]})
    assert show(event | {"headers": None}, None)["statusCode"] == 400


def test_headers_may_be_null() -> None:
    """The test console of API Gateway sends null."""
    assert show(rest(headers=None) | {"headers": None, "multiValueHeaders": None}, None)["statusCode"] == 200


def test_only_the_gateway_says_where_a_request_comes_from() -> None:
    """A client can write anything into X-Forwarded-For."""
    event = rest("{}", JSON | {"X-Forwarded-For": "203.0.113.9"})
    assert answer(event)[1]["address"] == "192.0.2.7"


def test_an_ipv6_address_counts_as_its_network() -> None:
    """A household has a /64, so a limit per single address would limit nothing."""
    context = {"requestId": "r-1", "identity": {"sourceIp": "2001:db8:1:2:3:4:5:6"}}
    assert answer(rest("{}", requestContext=context))[1]["address"] == "2001:db8:1:2::/64"


def test_what_the_authorizer_proved_is_read_from_both_formats() -> None:
    """REST APIs pass it flat, and HTTP APIs under `lambda`."""
    flat = rest(requestContext={"authorizer": {"sub": "usr_a", "integrationLatency": 3}})
    nested = http_api(requestContext={"authorizer": {"lambda": {"sub": "usr_a"}}})
    callers = [json.loads(show(event, None)["body"])["caller"] for event in (flat, nested)]
    assert callers == [{"sub": "usr_a"}, {"sub": "usr_a"}]


def failing(error: Exception, path: str = "/v1/echo") -> dict[str, Any]:
    """Return the response of a handler that raises this."""

    @endpoint
    def handler(request: Request) -> Response:
        raise error

    return handler(rest(resource=path), None)


def test_an_error_is_a_problem_document() -> None:
    """RFC 9457, with our code and the request's id."""
    response = failing(ServiceError(Errors.RATE_LIMITED, "private", retry_after=30))
    problem = json.loads(response["body"])
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert response["headers"]["Retry-After"] == "30"
    assert (problem["status"], problem["code"], problem["request_id"]) == (429, "rate_limited", "r-1")
    assert "private" not in response["body"]


@pytest.mark.parametrize(
    ("error", "challenge"),
    [
        (Errors.INVALID_TOKEN, 'Bearer realm="latchkey", error="invalid_token"'),
        (Errors.INVALID_CREDENTIALS, 'Bearer realm="latchkey"'),
    ],
)
def test_a_401_carries_a_bearer_challenge(error: Errors, challenge: str) -> None:
    """RFC 6750 section 3: with an error code only where a token was at fault."""
    assert failing(ServiceError(error))["headers"]["WWW-Authenticate"] == challenge


def test_the_token_endpoint_speaks_oauth() -> None:
    """RFC 6749 section 5.2: its own names, 400 for a bad grant, a Basic challenge for a bad client."""
    grant, client = (failing(ServiceError(e), "/oauth2/token") for e in (Errors.INVALID_GRANT, Errors.INVALID_CLIENT))
    assert (grant["statusCode"], json.loads(grant["body"])["error"]) == (400, "invalid_grant")
    assert (client["statusCode"], client["headers"]["WWW-Authenticate"]) == (401, 'Basic realm="latchkey"')


def test_a_description_at_the_token_endpoint_is_plain_ascii() -> None:
    """RFC 6749 section 5.2 allows neither quotes nor backslashes nor control characters in it."""
    body = failing(invalid_field('"é\\\n[x]~', "duplicate_member", "Twice."), "/oauth2/token")["body"]
    assert json.loads(body)["error_description"] == "[x]~: Twice."


def test_an_unforeseen_error_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The caller gets a bare 500, and the log says where it happened, without the text of the error."""
    response = failing(RuntimeError("hunter2-hunter2"))
    assert (response["statusCode"], json.loads(response["body"])["code"]) == (500, "internal_error")
    log = capsys.readouterr().out
    assert "RuntimeError" in log
    assert "hunter2" not in log + response["body"]


def test_every_answer_forbids_caching_and_sniffing() -> None:
    """One place sets it, for successes and errors alike."""
    for response in (show(rest(), None), failing(RuntimeError())):
        assert response["headers"]["Cache-Control"] == "no-store"
        assert response["headers"]["X-Content-Type-Options"] == "nosniff"


@endpoint
def tell(request: Request) -> Response:
    """Record a security event, as most functions do."""
    LogJournal().record(SecurityEvent("login"))
    match request.query.get("end"):
        case "refused":
            raise ServiceError(Errors.FORBIDDEN)
        case "crash":
            raise RuntimeError
        case _:
            return Response(204)


def from_address(address: str | None, request_id: str | None, end: str = "") -> dict[str, Any]:
    """Return an event of a caller at that address whose header claims another."""
    context = {"requestId": request_id, "identity": {"sourceIp": address}}
    forged = {"X-Forwarded-For": "198.51.100.1"}
    return rest(None, forged, requestContext=context, queryStringParameters={"end": end})


def told(capsys: pytest.CaptureFixture[str]) -> list[tuple[str | None, str | None]]:
    """Return request id and address of the lines, without the metrics."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line.get("request_id"), line.get("address")) for line in lines if "_aws" not in line]


@pytest.mark.parametrize(
    ("address", "shown"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("", None), (None, None)],
)
def test_a_security_event_says_which_request_from_where(
    capsys: pytest.CaptureFixture[str], address: str | None, shown: str | None
) -> None:
    """The address is the one that the gateway saw, or its /64 network, and never one that a header claims."""
    tell(from_address(address, "r-9"), None)
    assert told(capsys) == [("r-9", shown)]


@pytest.mark.parametrize("end", ["", "refused", "crash"])
def test_a_warm_function_carries_nothing_of_one_request_into_the_next(
    capsys: pytest.CaptureFixture[str], end: str
) -> None:
    """No matter how the first one ended, and lines between two requests belong to neither."""
    tell(from_address("192.0.2.7", "r-1", end), None)
    capsys.readouterr()
    LogJournal().record(SecurityEvent("signing_rotated"))
    tell(from_address(None, None), None)
    tell(from_address("192.0.2.8", "r-2"), None)
    assert told(capsys) == [(None, None), (None, None), ("r-2", "192.0.2.8")]
