"""Measure what hostile requests cost: `make bench-abuse`. This is not a test.

It runs the functions of the twin in this process, sends hostile requests of each kind, and counts every call that they
cause, those of the mailer and of the audit log too. From the calls come DynamoDB's units, and from the units and the
CPU the price of a million requests, by the list prices below.

REQUESTS is how many are sent of each kind. CPU is that of the functions that answer, without the AWS client, the
waiting and the start. So the price of Lambda is the lowest that is possible.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from base64 import b32encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import get_ident
from typing import Any

from botocore.client import BaseClient

from infra.local.options import Options
from infra.local.stack.functions import current_function
from infra.local.twin import Twin
from infra.local.whole_lines import WholeLines
from latchkey.core.ids import with_checksum

# List prices in USD of us-east-1, on demand, read in November 2026 at aws.amazon.com: /api-gateway/pricing (REST API),
# /lambda/pricing (arm64), /dynamodb/pricing/on-demand, /ses/pricing.
GATEWAY = 3.50
INVOCATION = 0.20
GB_SECOND = 0.0000133334
READ_UNIT, WRITE_UNIT = 0.125e-6, 0.625e-6
LETTER = 0.10e-3
FULL_CPU = 1769
"""MB of memory for which Lambda gives one whole CPU."""

PASSWORD = "harbour lights at four"
_SETTLED = 0.8
"""Seconds without a call after which the mailer and the audit log have nothing left to do."""

Answer = dict[str, Any]


@dataclass
class Meter:
    """What the functions do: units of the table, letters, and the CPU seconds that are the AWS client's."""

    reads: float = 0
    writes: float = 0
    letters: int = 0
    client: float = 0
    last: float = 0
    thread: int = field(default_factory=get_ident)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Count the calls of all functions until the context ends."""
        original = BaseClient._make_api_call  # type: ignore[attr-defined]  # every call passes here

        def counted(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
            if current_function() is None:
                return original(client, operation, parameters)
            self._count(operation, parameters)
            begun = time.thread_time()
            try:
                return original(client, operation, parameters)
            finally:
                self.last = time.monotonic()
                if get_ident() == self.thread:
                    self.client += time.thread_time() - begun

        BaseClient._make_api_call = counted  # type: ignore[attr-defined]
        try:
            yield
        finally:
            BaseClient._make_api_call = original  # type: ignore[attr-defined]

    def _count(self, operation: str, parameters: Mapping[str, Any]) -> None:
        match operation:
            case "GetItem" | "Query":
                self.reads += 1
            case "BatchGetItem":
                self.reads += sum(len(table["Keys"]) for table in parameters["RequestItems"].values())
            case "PutItem":
                self.writes += _kilobytes(parameters["Item"])
            case "UpdateItem" | "DeleteItem":
                self.writes += 1
            case "TransactWriteItems":
                steps = [step for item in parameters["TransactItems"] for step in item.values()]
                self.writes += 2 * sum(_kilobytes(step["Item"]) if "Item" in step else 1 for step in steps)
            case "BatchWriteItem":
                items = [put["PutRequest"]["Item"] for each in parameters["RequestItems"].values() for put in each]
                self.writes += sum(_kilobytes(item) * (2 if "subject" in item else 1) for item in items)  # the index
            case "SendEmail":
                self.letters += 1

    def settle(self) -> None:
        """Wait until the mailer and the audit log have nothing left to do."""
        self.last = time.monotonic()
        while time.monotonic() < self.last + _SETTLED:
            time.sleep(0.1)


def _kilobytes(item: Mapping[str, Any]) -> int:
    """Return the write units of an item: one for each kilobyte that is begun."""
    size = sum(len(name) + len(json.dumps(next(iter(value.values())))) for name, value in item.items())
    return -(-size // 1024)


@dataclass(frozen=True)
class Cost:
    """What one hostile request costs on average: units, letters, and CPU seconds of its function."""

    reads: float
    writes: float
    letters: float
    cpu: float
    memory: int
    statuses: str

    def usd(self) -> float:
        """Return the price of a million, without mail."""
        duration = self.cpu / min(1, self.memory / FULL_CPU)
        compute = 1e6 * duration * self.memory / 1024 * GB_SECOND
        return GATEWAY + INVOCATION + compute + 1e6 * (self.reads * READ_UNIT + self.writes * WRITE_UNIT)


@dataclass(frozen=True)
class Kind:
    """A kind of hostile request: the function that answers it, and the request with a number."""

    name: str
    function: str
    request: Callable[[int], Answer]


def post(path: str, body: object, *, kind: str = "application/json", **headers: str) -> Answer:
    """Return the event of a request, without an address."""
    text = body if isinstance(body, str) else json.dumps(body)
    named = {"Content-Type": kind, **headers}
    return {
        "httpMethod": "POST",
        "resource": path,
        "path": path,
        "headers": named,
        "multiValueHeaders": {name: [value] for name, value in named.items()},
        "body": text,
        "isBase64Encoded": False,
    }


def sign_in(login: str) -> Answer:
    """Return a guess at the password of a login."""
    return post("/v1/auth/login", {"login": login, "password": "not this one"})


def junk_client(number: int) -> Answer:
    """Return a request of a client that does not exist."""
    form = f"grant_type=client_credentials&client_id=cli_junk{number}&client_secret=lks_wrong"
    return post("/oauth2/token", form, kind="application/x-www-form-urlencoded")


def junk_key(number: int) -> Answer:
    """Return a request with an API key of the right form, checksum and all, that does not exist."""
    parts = (b32encode(sha256(f"{part} {number}".encode()).digest()).decode().lower() for part in ("id", "secret"))
    key_id, secret = (part[:length] for part, length in zip(parts, (26, 52), strict=True))
    return post("/v1/auth/token", "", **{"X-API-Key": with_checksum(f"lk_{key_id}_{secret}")})


def kinds(victim: str, refresh_token: str, access_token: str) -> list[Kind]:
    """Return the kinds of hostile requests."""
    forged = refresh_token[:-6] + "AAAAAA"
    bad = access_token[:-6] + "AAAAAA"
    reset, again = "/v1/user/password/restore", "/v1/user/resendEmail"
    return [
        Kind("wrong passwords, one login", "LoginFunction", lambda _: sign_in(victim)),
        Kind("wrong passwords, unknown logins", "LoginFunction", lambda n: sign_in(f"u{n}@example.com")),
        Kind(
            "registrations, many mailboxes",
            "RegisterFunction",
            lambda n: post("/v1/user", {"email": f"new{n}@example.com", "password": PASSWORD}),
        ),
        Kind(
            "registrations, one mailbox with tags",
            "RegisterFunction",
            lambda n: post("/v1/user", {"email": f"name+{n}@example.com", "password": PASSWORD}),
        ),
        Kind("mail requests, one login", "RecoverFunction", lambda _: post(reset, {"email": victim})),
        Kind("mail requests, unknown logins", "RecoverFunction", lambda n: post(again, {"email": f"x{n}@example.com"})),
        Kind("junk clients", "TokenFunction", junk_client),
        Kind("junk API keys", "TokenFunction", junk_key),
        Kind("forged refresh tokens", "RefreshFunction", lambda _: post("/v1/auth/refresh", {"refresh_token": forged})),
        Kind("bad tokens at validate", "ValidateFunction", lambda _: post("/v1/auth/validate", {"token": bad})),
    ]


def main() -> None:
    """Print one table: each kind from one address, and from as many addresses as requests."""
    requests = int(os.environ.get("REQUESTS", "240"))
    out, home = sys.stdout, Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        twin = Twin(Options(port=0, parameters={"Algorithm": "RS256", "Registration": "confirm"}))
        sys.stdout = WholeLines(io.StringIO(), twin.observe_line)
        try:
            rows = measured(twin, requests)
        finally:
            sys.stdout = out
            twin.stop()
            os.chdir(home)
    print("| a million of | from | store units: reads + writes | CPU | USD, without mail | letters | answers |")
    print("|---|---|---|---|---|---|---|")
    for (kind, source), cost in rows.items():
        units = f"{cost.reads:.2f} + {cost.writes:.2f} M"
        print(
            f"| {kind} | {source} | {units} | {cost.cpu * 1e6 / 3600:.2f} h | {cost.usd():.2f} | "
            f"{cost.letters * 1e6:,.0f} | {cost.statuses} |"
        )


def measured(twin: Twin, requests: int) -> dict[tuple[str, str], Cost]:
    """Return the cost of each kind, from one address beyond its limits, and from many addresses."""
    document = twin.start()
    meter = Meter()
    rows = {}
    with meter.installed():
        admin = document["admin"]
        login = post("/v1/auth/login", {"login": admin["login"], "password": admin["password"]})
        tokens = json.loads(_sent(twin, "LoginFunction", login, "192.0.2.1")["body"])
        for index, kind in enumerate(kinds(_victim(), tokens["refresh_token"], tokens["access_token"])):
            one = [f"198.51.100.{index}"] * requests
            many = [f"10.{index}.{number // 250}.{number % 250}" for number in range(requests)]
            rows[kind.name, "one address"] = _cost(twin, meter, kind, one)
            rows[kind.name, "many addresses"] = _cost(twin, meter, kind, many)
    return rows


def _victim() -> str:
    """Return the login of an account with a mailbox, which hostile requests name."""
    from latchkey.core.users.accounts import Registration
    from latchkey.edge import bootstrap

    made = bootstrap.accounts().create(
        Registration("victim@example.com", PASSWORD), roles=("user",), now=int(time.time())
    )
    return made.login


def _cost(twin: Twin, meter: Meter, kind: Kind, addresses: list[str]) -> Cost:
    """Return the average of the second half: the first half fills the counters of one address."""
    half = len(addresses) // 2
    for number, address in enumerate(addresses[:half]):
        _sent(twin, kind.function, kind.request(number), address)
    meter.settle()
    meter.reads = meter.writes = meter.client = meter.letters = 0
    statuses: set[int] = set()
    begun = time.thread_time()
    for number, address in enumerate(addresses[half:], start=half):
        statuses.add(_sent(twin, kind.function, kind.request(number), address)["statusCode"])
    cpu = time.thread_time() - begun - meter.client
    meter.settle()
    count = len(addresses) - half
    memory = 1769 if kind.function in {"LoginFunction", "RegisterFunction"} else 512
    answers = ", ".join(map(str, sorted(statuses)))
    return Cost(meter.reads / count, meter.writes / count, meter.letters / count, cpu / count, memory, answers)


def _sent(twin: Twin, function: str, event: Answer, address: str) -> Answer:
    event["requestContext"] = {"requestId": "bench", "identity": {"sourceIp": address}}
    running = twin._deployment.running  # the functions without the gateway, whose CPU is not measured
    assert running is not None
    answer: Answer = running.functions(function, event)
    return answer


if __name__ == "__main__":
    main()
