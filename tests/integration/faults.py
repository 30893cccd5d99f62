"""A bad network: a loopback proxy that spoils the next calls as planned, and passes all others on."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

HANG = 2.5
"""Seconds: longer than the service waits for an answer."""


class Fault(Enum):
    """The fault that one call meets."""

    PASSED = auto()
    RESET = auto()  # nothing is done, the connection breaks
    HANGS = auto()  # nothing is done, no answer comes
    LOST = auto()  # it is done, and the connection breaks before the answer
    FORGOTTEN = auto()  # the same, and DynamoDB no longer knows the request's token, as after ten minutes


@dataclass(frozen=True)
class Refusal:
    """An error response of AWS, which is returned instead of executing the call."""

    status: int
    code: str
    members: dict[str, Any] = field(default_factory=dict)


THROTTLED = Refusal(400, "ThrottlingException")
OVER_CAPACITY = Refusal(400, "ProvisionedThroughputExceededException")
FAILED = Refusal(500, "InternalServerError")
CONFLICT = Refusal(
    400, "TransactionCanceledException", {"CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]}
)
FORBIDDEN = Refusal(400, "AccessDeniedException")


class BadNetwork:
    """The proxy: `plan` spoils the next calls in order, `seen` lists the operations that arrived."""

    def __init__(self, target: str, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.target = urlsplit(target)
        self.plan: deque[Fault | Refusal] = deque()
        self.seen: list[str] = []
        self.bodies: list[dict[str, Any]] = []

    def spoil(self, *faults: Fault | Refusal) -> None:
        """Start again with this plan."""
        self.plan = deque(faults)
        self.seen, self.bodies = [], []

    def forward(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Do the call and return the answer."""
        connection = HTTPConnection(str(self.target.hostname), self.target.port, timeout=10)
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def bad_network(target: str) -> Iterator[BadNetwork]:
    """Stand in front of the target until the context ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        network = _Handler.network = BadNetwork(target, server.server_port)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield network
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    network: BadNetwork

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
        self.network.seen.append(self.headers["X-Amz-Target"].rpartition(".")[2])
        self.network.bodies.append(json.loads(body))
        fault = self.network.plan.popleft() if self.network.plan else Fault.PASSED
        if isinstance(fault, Refusal):
            self._answer(
                fault.status, json.dumps({"__type": fault.code, "message": "planned", **fault.members}).encode()
            )
            return
        if fault is Fault.HANGS:
            time.sleep(HANG)
        if fault is Fault.FORGOTTEN:
            self.network.forward(json.dumps({**json.loads(body), "ClientRequestToken": "another"}).encode(), headers)
        if fault in {Fault.PASSED, Fault.LOST}:
            answer = self.network.forward(body, headers)
        if fault is Fault.PASSED:
            self._answer(*answer)
        self.close_connection = True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
