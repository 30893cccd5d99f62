"""The parts of an update of the twin: what functions keep, what they read, and the requests in progress."""

from __future__ import annotations

import ast
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.application import UPDATE_PATH, Application
from infra.local.deployment import Deployment
from infra.local.gateway.messages import Request
from infra.local.in_flight import InFlight
from infra.local.mail import MailCatcher
from infra.local.stack.execution import forget
from infra.local.stack.functions import install_environment
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import BadTemplate, expand, translate
from infra.local.twin import MAIL_IS_CAUGHT, SHORT_CACHES
from infra.packaging import template
from latchkey.edge import bootstrap, cors, telemetry

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = {
    "LATCHKEY_TABLE": "Table",
    "LATCHKEY_AUDIENCE": "latchkey",
    "LATCHKEY_ALLOWED_ORIGINS": "https://app.example.com",
    "POWERTOOLS_SERVICE_NAME": "update-of-the-twin",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment of its own for each test, and functions that keep nothing of it."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    forget()
    yield
    os.environ.clear()
    os.environ.update(before)
    forget()


# ---- Functions -------------------------------------------------------------------------------------------------------


def test_functions_read_the_new_environment() -> None:
    """Settings, origins and the level of the log are read again."""
    install_environment(SETTINGS)
    first = (bootstrap.settings().audience, cors.allowed_origins(), telemetry.logger().log_level)
    changed = SETTINGS | {"LATCHKEY_AUDIENCE": "shop", "POWERTOOLS_LOG_LEVEL": "DEBUG"}
    del changed["LATCHKEY_ALLOWED_ORIGINS"]
    install_environment(changed, instead_of=SETTINGS)
    forget()
    second = (bootstrap.settings().audience, cors.allowed_origins(), telemetry.logger().log_level)
    assert first == ("latchkey", frozenset({"https://app.example.com"}), logging.INFO)
    assert second == ("shop", frozenset(), logging.DEBUG)


def test_line_is_written_once_after_an_update(capsys: pytest.CaptureFixture[str]) -> None:
    """The logger that is set up again does not write beside the one before."""
    install_environment(SETTINGS)
    telemetry.logger().info("before")
    forget()
    telemetry.logger().info("after")
    written = capsys.readouterr().out
    assert (written.count('"before"'), written.count('"after"')) == (1, 1)


def test_variable_that_is_gone_is_removed() -> None:
    """And other names than the template's stay."""
    os.environ["OF_THE_SHELL"] = "kept"
    install_environment({"LATCHKEY_TABLE": "Table", "LATCHKEY_AUDIENCE": "shop"})
    install_environment({"LATCHKEY_TABLE": "Other"}, instead_of=["LATCHKEY_TABLE", "LATCHKEY_AUDIENCE"])
    assert os.environ["LATCHKEY_TABLE"] == "Other"
    assert "LATCHKEY_AUDIENCE" not in os.environ
    assert os.environ["OF_THE_SHELL"] == "kept"


def test_every_cache_is_one_that_can_be_found() -> None:
    """`forget` clears the cached functions of a module. A cache inside a class or a function would survive it."""
    hidden = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("functions", "layers/latchkey/latchkey")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for parent in ast.walk(ast.parse(path.read_text()))
        if not isinstance(parent, ast.Module)
        for node in ast.iter_child_nodes(parent)
        if isinstance(node, ast.FunctionDef) and any("cache" in _name(each) for each in node.decorator_list)
        if not any(_name(each) == "cached_property" for each in node.decorator_list)
    ]
    assert hidden == []


def _name(decorator: ast.expr) -> str:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")


# ---- Who may update, and with what ----------------------------------------------------------------------------------


def asked(body: bytes, host: str = "127.0.0.1:8080", peer: str = "127.0.0.1", method: str = "POST", **more: str) -> int:
    """Return how the twin answers to an update of a stack that does not exist yet."""
    application = Application(Deployment({}, lambda _: {}), MailCatcher())
    headers = (("Host", host), *more.items())
    return application(Request(method, UPDATE_PATH, "", headers, body, peer)).status


@pytest.mark.parametrize(
    "where",
    [{"host": "attacker.example"}, {"peer": "192.0.2.7"}, {"Origin": "https://attacker.example"}],
    ids=["host", "peer", "page"],
)
def test_only_a_program_on_this_machine_may_update(where: dict[str, str]) -> None:
    """Neither another machine nor a page in a browser, also if its name resolves to this machine."""
    assert asked(b'{"parameters": {}}', **where) == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"parameters": []}',
        b'{"parameters": {"RotationDays": 31}}',
        b'{"parameters": {"Nope": "1"}}',
    ],
)
def test_update_that_is_no_set_of_parameters_is_refused(
    body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each parameter of the template is a text, as in a call of CloudFormation."""
    monkeypatch.chdir(tmp_path)
    assert asked(body) == 400


def test_update_is_a_post() -> None:
    """A link cannot make it."""
    assert asked(b'{"parameters": {}}', method="GET") == 400


# ---- Requests in progress --------------------------------------------------------------------------------------------


class Order:
    """Notes what happens, in order, from several threads."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.in_flight = InFlight()

    def request(self, name: str, until: threading.Event, *, others_depend: bool = False) -> threading.Thread:
        """Begin a request in a thread of its own."""

        def run() -> None:
            with self.in_flight.request(others_depend=others_depend):
                self.happened.append(f"{name} begins")
                until.wait(10)
                self.happened.append(f"{name} ends")

        return _started(run)

    def update(self) -> threading.Thread:
        """Begin an update in a thread of its own."""

        def run() -> None:
            with self.in_flight.alone():
                self.happened.append("update")

        return _started(run)

    def await_count(self, count: int) -> None:
        """Wait until so much has happened."""
        deadline = time.monotonic() + 10
        while len(self.happened) < count:
            assert time.monotonic() < deadline, self.happened
            time.sleep(0.001)


def _started(run: Any) -> threading.Thread:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_update_waits_for_requests_in_progress_and_new_ones_wait_for_it() -> None:
    """So no request is answered half by the old stack and half by the new one."""
    order, end, at_once = Order(), threading.Event(), threading.Event()
    at_once.set()
    threads = [order.request("old", end)]
    order.await_count(1)
    threads.append(order.update())
    time.sleep(0.05)  # the update waits now; if it is late, the test proves less and still passes
    threads.append(order.request("new", at_once))
    time.sleep(0.05)
    assert order.happened == ["old begins"]
    end.set()
    for each in threads:
        each.join(10)
    assert order.happened == ["old begins", "old ends", "update", "new begins", "new ends"]


def test_request_on_which_another_depends_does_not_wait_for_the_update() -> None:
    """The authorizer in progress fetches the keys: if that waited, the three would wait for each other."""
    order, end, at_once = Order(), threading.Event(), threading.Event()
    at_once.set()
    threads = [order.request("authorizer", end)]
    order.await_count(1)
    threads.append(order.update())
    time.sleep(0.05)
    order.request("keys", at_once, others_depend=True).join(10)
    end.set()
    for each in threads:
        each.join(10)
    assert order.happened == ["authorizer begins", "keys begins", "keys ends", "authorizer ends", "update"]


# ---- The template ----------------------------------------------------------------------------------------------------

OTHER = {
    "AllowHS256": "true",
    "AllowedOrigins": "https://app.example.com",
    "AuthorizerCacheSeconds": "0",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/latchkey",
    "DetailedMetrics": "true",
    "HashingConcurrency": "5",
    "HostedZoneId": "Z0123456789ABC",
    "IssuerDomain": "auth.example.com",
    "ManageApiLogging": "false",
    "RotationDays": "7",
    "WafAddressLimit": "300",
}


@pytest.mark.parametrize("parameters", [SHORT_CACHES | MAIL_IS_CAUGHT, OTHER], ids=["the twin's", "others"])
def test_one_expansion_serves_all_parameters(parameters: dict[str, str], tmp_path: Path) -> None:
    """References that are left to the resolver make the same stack as the values that AWS gives to the translator."""
    ours = _resolved(expand(template.PATH, tmp_path, parameters), parameters)
    theirs = _resolved(translate(template.PATH.read_text(), parameters), parameters)
    assert ours == theirs
    assert len(ours) > 100


def _resolved(expanded: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """Return the resources by id. The id of the API's deployment is a hash of its text, so it is left out."""
    resolver = Resolver(expanded, {}, parameters)
    kinds = {resource["Type"] for resource in expanded["Resources"].values()} - {"AWS::ApiGateway::Deployment"}
    resources = {name: resolver.resolve(found) for kind in kinds for name, found in resolver.resources(kind)}
    for stage, _ in resolver.resources("AWS::ApiGateway::Stage"):
        del resources[stage]["DeploymentId"]
    return {name: _as_text(properties) for name, properties in resources.items()}


def _as_text(value: Any) -> Any:
    """Return a value as CloudFormation compares it: numbers are text."""
    if isinstance(value, dict):
        return {name: _as_text(member) for name, member in value.items()}
    return [_as_text(member) for member in value] if isinstance(value, list) else str(value)


@pytest.mark.parametrize("parameters", [{"NoSuchParameter": "1"}, {"LogLevel": "LOUD"}, {"RotationDays": "0"}])
def test_parameter_that_cloudformation_rejects_is_rejected(parameters: dict[str, str], tmp_path: Path) -> None:
    """Also when the expanded template comes from the cache."""
    expand(template.PATH, tmp_path, {})
    with pytest.raises(BadTemplate):
        expand(template.PATH, tmp_path, parameters)
