"""A small API on loopback for the tests of the `latchkey` command, and the command to call it with."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from typer.testing import CliRunner, Result

from infra.cli.app import app

PASSWORD = "a quiet river at dawn"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"
LOGIN, LOGOUT = "/v1/auth/login", "/v1/auth/logout"
SIGNING = "/v1/admin/signing"
KID = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": None, "FORCE_COLOR": None})


def problem(status: int, code: str, detail: str, **members: Any) -> tuple[int, dict[str, Any]]:
    named = {"type": f"urn:latchkey:error:{code}", "title": "No", "status": status, "detail": detail, "code": code}
    return status, named | {"request_id": "req-1"} | members


def a_key(kid: str, state: str, **times: int) -> dict[str, Any]:
    undecided = {"published_at": 1_780_000_000, "activates_at": None, "retire_at": None}
    return {"kid": kid, "alg": "RS256", "state": state} | undecided | times


def a_policy(**members: Any) -> dict[str, Any]:
    """Return a signing policy as the server shows it."""
    now = int(time.time())
    keys = [a_key(KID, "current", activates_at=now - 3 * 86_400 - 60), a_key("spare", "next")]
    return {
        "version": 7,
        "issuer": "https://auth.example",
        "algorithm": "RS256",
        "access_ttl": 900,
        "refresh_ttl": 7_776_000,
        "refresh_idle_ttl": 2_592_000,
        "refresh_retry_limit": 12,
        "keys": keys,
    } | members


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came; `token` is that of the Authorization header."""

    method: str
    path: str
    token: str
    body: Any


@dataclass
class FakeApi:
    """Answers from a table, repeats the last answer of a route, and records the requests."""

    address: str = ""
    answers: dict[tuple[str, str], list[tuple[int, Any]]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 0

    def will(self, method: str, path: str, *answers: tuple[int, Any]) -> None:
        """Prepare the answers of a route."""
        self.answers[method, path] = list(answers)

    def answer(self, call: Call) -> tuple[int, Any]:
        """Record the request, and answer."""
        self.calls.append(call)
        prepared = self.answers[call.method, call.path]
        return prepared.pop(0) if len(prepared) > 1 else prepared[0]

    def bodies(self, path: str) -> list[Any]:
        """Return the bodies that were sent to a path, in order."""
        return [call.body for call in self.calls if call.path == path]


class Handler(BaseHTTPRequestHandler):
    """Passes each request to the fake of its server, and keeps the connection open."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a response in one packet: else the next would wait for an acknowledgement

    def handle_any(self) -> None:
        """Send the prepared answer."""
        fake = cast("FakeServer", self.server).fake
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        kind = self.headers.get("Content-Type", "")
        call = Call(
            self.command,
            self.path,
            self.headers.get("Authorization", "").removeprefix("Bearer "),
            json.loads(body) if kind == "application/json" else body.decode(),
        )
        status, document = fake.answer(call)
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        content = b"" if status == 204 else content
        self.send_response(status)
        for name, value in fake.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815 - names of the standard library

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class FakeServer(ThreadingHTTPServer):
    """Serves the fake of the present test, and counts the connections."""

    fake: FakeApi

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection."""
        self.fake.connections += 1
        super().process_request(request, client_address)


def write_dev_file(issuer: str) -> None:
    Path(".latchkey").mkdir(exist_ok=True)
    admin = {"login": "admin@example.com", "password": PASSWORD}
    Path(".latchkey/dev.json").write_text(json.dumps({"issuer": issuer, "admin": admin}))


def described(outputs: dict[str, str]) -> tuple[int, bytes]:
    """Return CloudFormation's answer to DescribeStacks."""
    members = "".join(
        f"<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>"
        for name, value in outputs.items()
    )
    return 200, (
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>auth</StackName>"
        f"<Outputs>{members}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    ).encode()


def aws_error(status: int, code: str, message: str) -> tuple[int, bytes]:
    return status, (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    ).encode()


def latchkey(*arguments: str, typed: str = "", **environment: str) -> Result:
    return runner.invoke(app, arguments, input=typed, env=environment, catch_exceptions=False)
