"""Start and stop the twin."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from infra.local import dev_file, seed, signing_policy
from infra.local.aws import backend, resources
from infra.local.aws.mirror import Mirror
from infra.local.gateway.invocations import PREFIX as INVOCATIONS
from infra.local.gateway.server import Server
from infra.local.mail import PATH as MAIL_PATH
from infra.local.mail import MailCatcher, every_sender_verified
from infra.local.running import RunningStack, run
from infra.local.stack.evaluate import Stack, evaluate
from infra.local.stack.functions import install_environment, running_as, shared_environment
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import expand
from latchkey.adapters.secrets_manager import SigningSecret
from latchkey.core.signing_policy.rotation import NOT_YET
from latchkey.edge import bootstrap
from latchkey.signing.policy import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient

    from infra.local.gateway.messages import Refused, Request, Response
    from infra.local.options import Options

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

SHORT_CACHES = {"PolicyCacheSeconds": "1", "JwksMaxAgeSeconds": "1"}
"""A new key signs after seconds and not after minutes, because caches are kept for one second. See `Caches`."""

MAIL_IS_CAUGHT = {"MailFrom": "latchkey@example.com", "MailIdentity": "example.com", "Registration": "open"}
"""The twin catches all mail, so it always has a sender address. Accounts still open without a confirmation."""


class Twin:
    """API Gateway, Lambda and AWS in this process, behind one port."""

    def __init__(self, options: Options) -> None:
        """Bind the port, so that a port in use is reported before anything else happens."""
        self._options = options
        self._resources = ExitStack()
        self._server = Server(options.host, options.port)
        self._resources.callback(self._server.server_close)
        self._mail = MailCatcher()
        self._mirror: Mirror | None = None
        self._running: RunningStack | None = None

    @property
    def address(self) -> str:
        """The URL of the twin on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._options.host, self._options.host)  # noqa: S104 - compared
        return f"http://[{host}]:{self._server.port}" if ":" in host else f"http://{host}:{self._server.port}"

    @property
    def issuer(self) -> str:
        """The `iss` of the tokens."""
        return self._options.issuer or self.address

    def start(self) -> dict[str, Any]:
        """Create the stack, seed it and serve it. Return the content of `.latchkey/dev.json`."""
        if self._options.data is not None:
            self._mirror = Mirror(self._options.data)
            self._resources.callback(self._mirror.close)
        self._resources.enter_context(backend.running(self._observe, self._check))
        self._resources.enter_context(every_sender_verified())
        clients = resources.Clients(boto3.client("dynamodb"), boto3.client("secretsmanager"))
        stack = self._create_stack(clients)
        environment = shared_environment(stack.api.functions.values(), self._overrides())
        install_environment(environment)
        self._running = self._resources.enter_context(run(stack))
        self._sign(stack, self._running, clients)
        document = self._seed(environment)
        self._serve(self._running)
        return document

    def stop(self) -> None:
        """Stop serving and release everything."""
        if self._server.application is not None:
            self._server.shutdown()
        self._resources.close()

    def observe_line(self, line: str) -> None:
        """Note a line of the standard output. If a function wrote it, it is a line of that function's log."""
        if self._running is not None:
            self._running.logs.observe(line)

    def _observe(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        with running_as(None):  # the AWS calls below are the twin's, and not the function's
            self._mail.observe(client, operation, parameters)
            if self._running is not None:
                self._running.stream.observe(client, operation, parameters)
            if self._mirror is not None:
                self._mirror.observe(client, operation, parameters)

    def _check(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        if self._running is not None:
            self._running.rights.check(client, operation, parameters)

    def _create_stack(self, clients: resources.Clients) -> Stack:
        parameters = SHORT_CACHES | MAIL_IS_CAUGHT | dict(self._options.parameters)
        template = expand(TEMPLATE, dev_file.FOLDER, parameters)
        names = resources.create(Resolver(template, {}, parameters), clients, self._mirror)
        return evaluate(template, parameters, names)

    def _overrides(self) -> dict[str, str]:
        """Return the environment variables that only the twin knows.

        All functions get the same issuer, as with a domain of your own: the twin's API has no address in AWS.
        """
        return {
            "LATCHKEY_ISSUER": self.issuer,
            "LATCHKEY_JWKS_URI": f"{self.address}/.well-known/jwks.json",
            "LATCHKEY_LOCAL_JWKS": "true",  # a partner on this machine may publish its keys over plain http
            "LATCHKEY_LIMITS": "on" if self._options.limits else "off",
        }

    def _sign(self, stack: Stack, running: RunningStack, clients: resources.Clients) -> None:
        """Put a signing policy in force: the first one or the stored one, with the issuer and key of the options."""
        key = signing_policy.read_key(self._options.key) if self._options.key else None
        secret = SigningSecret(clients.secrets, stack.secret_id)
        if secret.current() == NOT_YET:
            resources.rotate_at_creation(stack, running.functions)
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
                # Stored before the data that needs them: a twin that is killed in between finds them at its next start.
                self._mirror.write_note("credentials", credentials)
        if not self._options.admin:
            credentials = {name: each for name, each in credentials.items() if name != "admin"}
        seed.plant(credentials, bootstrap.accounts(), bootstrap.store(), int(time.time()))
        public = {name: credentials[name] for name in ("admin", "clients", "api_key") if name in credentials}
        where = {"address": self.address, "issuer": self.issuer, "audience": environment["LATCHKEY_AUDIENCE"]}
        document = {**where, **public}
        dev_file.write(document)
        return document

    def _serve(self, running: RunningStack) -> None:
        application = _Application(running, self._mail)
        threading.Thread(target=self._server.serve, args=(application,), daemon=True).start()


class _Application:
    """Answers the paths that only the twin has, and hands all others to the gateway."""

    def __init__(self, running: RunningStack, mail: MailCatcher) -> None:
        self._running = running
        self._mail = mail

    def __call__(self, request: Request) -> Response:
        if request.path.startswith(INVOCATIONS):
            return self._running.invocations.answer(request)
        if request.path == MAIL_PATH:
            return self._mail.answer(request)
        return self._running.gateway(request)

    def refuse(self, refused: Refused) -> Response:
        return self._running.gateway.refuse(refused)
