"""Start and stop the twin."""

from __future__ import annotations

import re
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from infra.local import dev_file, seed
from infra.local.aws import backend
from infra.local.aws.logs import LogDelivery
from infra.local.aws.mirror import Mirror
from infra.local.aws.rights import Rights
from infra.local.aws.stream import Stream
from infra.local.gateway.dispatch import Gateway
from infra.local.gateway.invocations import PREFIX as INVOCATIONS
from infra.local.gateway.invocations import Invocations
from infra.local.gateway.messages import Refused, Response
from infra.local.gateway.server import Server
from infra.local.mail import PATH as MAIL_PATH
from infra.local.mail import MailCatcher, every_sender_verified
from infra.local.stack import signing_policy
from infra.local.stack.functions import Functions, install_environment, running_as, shared_environment
from infra.local.stack.resources import Clients, Stack, create_stack, rotate_at_creation
from infra.local.stack.template import expand
from latchkey.adapters.secrets_manager import SigningSecret
from latchkey.core.signing_policy.rotation import NOT_YET
from latchkey.edge import bootstrap
from latchkey.signing.policy import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient

    from infra.local.gateway.messages import Request

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

SHORT_CACHES = {"PolicyCacheSeconds": "1", "JwksMaxAgeSeconds": "1"}
"""On a laptop nobody waits minutes to see a new key sign: what others remember lasts a second. See `Caches`."""

MAIL_IS_CAUGHT = {"MailFrom": "latchkey@example.com", "MailIdentity": "example.com", "Registration": "open"}
"""Mail goes nowhere here, so there is always an address to send from; an account still opens without one."""

_ISSUER = re.compile(r"(?:http://(?:127\.0\.0\.1|localhost|\[::1\])|https://localhost):(\d{1,5})")
_LAST_PORT = 65_535


class BadIssuer(ValueError):
    """The issuer is not one that may stand in a twin's tokens."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a twin is to run. `issuer` of `None` means its own address; `data` of `None`, memory.

    Without `admin`, nobody is seeded who could operate it, as in a stack that has just been deployed.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    issuer: str | None = None
    key: Path | None = None
    limits: bool = True
    data: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    admin: bool = True

    def __post_init__(self) -> None:
        """Check the issuer: tokens of a twin must never look like those of a real stack."""
        if self.issuer is not None:
            port = _ISSUER.fullmatch(self.issuer)
            if port is None or not 0 < int(port[1]) <= _LAST_PORT:
                raise BadIssuer(
                    "it must be http://127.0.0.1:PORT, http://localhost:PORT, https://localhost:PORT or http://[::1]:PORT"
                )


class Twin:
    """API Gateway, Lambda and AWS in this process, behind one port."""

    def __init__(self, options: Options) -> None:
        """Take the port, so that a port in use is known at once."""
        self._options = options
        self._resources = ExitStack()
        self._server = Server(options.host, options.port)
        self._resources.callback(self._server.server_close)
        self._mail = MailCatcher()
        self._stream = Stream()
        self._logs = LogDelivery()
        self._rights = Rights()
        self._mirror: Mirror | None = None

    @property
    def address(self) -> str:
        """Where the twin answers, seen from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._options.host, self._options.host)  # noqa: S104 - compared
        return f"http://[{host}]:{self._server.port}" if ":" in host else f"http://{host}:{self._server.port}"

    @property
    def issuer(self) -> str:
        """What the tokens say under `iss`."""
        return self._options.issuer or self.address

    def start(self) -> dict[str, Any]:
        """Make the stack, seed it and serve it; return what `.latchkey/dev.json` then holds."""
        if self._options.data is not None:
            self._mirror = Mirror(self._options.data)
            self._resources.callback(self._mirror.close)
        self._resources.enter_context(backend.running(self._observe, self._rights.check))
        self._resources.enter_context(every_sender_verified())
        clients = Clients(boto3.client("dynamodb"), boto3.client("secretsmanager"))
        parameters = SHORT_CACHES | MAIL_IS_CAUGHT | dict(self._options.parameters)
        template = expand(TEMPLATE, dev_file.FOLDER, parameters)
        stack = create_stack(template, clients, self._mirror, parameters)
        environment = shared_environment(stack.api.functions.values(), self._overrides())
        install_environment(environment)
        functions = Functions(stack.api.functions)
        self._rights.start(template, stack.resolver)
        self._stream.start(template, stack.resolver, functions)
        self._resources.callback(self._stream.stop)
        self._logs.start(template, stack.resolver, functions)
        self._resources.callback(self._logs.stop)
        self._sign(stack, functions, clients)
        document = self._seed(environment)
        self._serve(Gateway(stack.api, functions), Invocations(stack.api, functions))
        return document

    def stop(self) -> None:
        """Stop serving and let everything go."""
        if self._server.application is not None:
            self._server.shutdown()
        self._resources.close()

    def observe_line(self, line: str) -> None:
        """Take note of a line on the standard output: where a function wrote it, it is a line of its log."""
        self._logs.observe(line)

    def _observe(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        with running_as(None):  # what the twin does with it is no function's doing
            self._mail.observe(client, operation, parameters)
            self._stream.observe(client, operation, parameters)
            if self._mirror is not None:
                self._mirror.observe(client, operation, parameters)

    def _overrides(self) -> dict[str, str]:
        """Return what the functions are told that only the twin knows.

        The issuer is one for all, as with the domain parameter: the twin has no API address that AWS would know.
        """
        return {
            "LATCHKEY_ISSUER": self.issuer,
            "LATCHKEY_JWKS_URI": f"{self.address}/.well-known/jwks.json",
            "LATCHKEY_LOCAL_JWKS": "true",  # a partner on this machine may publish its keys over plain http
            "LATCHKEY_LIMITS": "on" if self._options.limits else "off",
        }

    def _sign(self, stack: Stack, functions: Functions, clients: Clients) -> None:
        """Put a signing policy in force: the first, or the one kept, with the issuer and the key asked for."""
        key = signing_policy.read_key(self._options.key) if self._options.key else None
        secret = SigningSecret(clients.secrets, stack.secret_id)
        if secret.current() == NOT_YET:
            rotate_at_creation(stack, functions)
        policy = parse(secret.current())
        wanted = signing_policy.adjust(policy, issuer=self.issuer, key=key, now=int(time.time()))
        if wanted is not policy:
            signing_policy.put_in_force(wanted, bootstrap.store(), secret)

    def _seed(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Seed what is missing and write `.latchkey/dev.json`."""
        credentials = self._mirror.note("credentials") if self._mirror else None
        if credentials is None:
            credentials = seed.new_credentials()
            if self._mirror:
                # Before the data that needs them: a twin killed in between must find them again.
                self._mirror.write_note("credentials", credentials)
        if not self._options.admin:
            credentials = {name: each for name, each in credentials.items() if name != "admin"}
        seed.plant(credentials, bootstrap.accounts(), bootstrap.store(), int(time.time()))
        public = {name: credentials[name] for name in ("admin", "clients", "api_key") if name in credentials}
        where = {"address": self.address, "issuer": self.issuer, "audience": environment["LATCHKEY_AUDIENCE"]}
        document = {**where, **public}
        dev_file.write(document)
        return document

    def _serve(self, gateway: Gateway, invocations: Invocations) -> None:
        application = _Application(gateway, self._mail, invocations)
        threading.Thread(target=self._server.serve, args=(application,), daemon=True).start()


class _Application:
    """The gateway, and beside it what exists only in the twin."""

    def __init__(self, gateway: Gateway, mail: MailCatcher, invocations: Invocations) -> None:
        self._gateway = gateway
        self._mail = mail
        self._invocations = invocations

    def __call__(self, request: Request) -> Response:
        if request.path.startswith(INVOCATIONS):
            return self._invocations.answer(request)
        return self._mail.answer(request) if request.path == MAIL_PATH else self._gateway(request)

    def refuse(self, refused: Refused) -> Response:
        return self._gateway.refuse(refused)
