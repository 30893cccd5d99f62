"""Start and stop the twin."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import boto3

from infra.local import dev_file, seed, signing_policy
from infra.local.application import Application
from infra.local.aws import backend, resources
from infra.local.aws.mirror import Mirror
from infra.local.aws_over_http import Endpoint
from infra.local.deployment import Deployment
from infra.local.gateway.server import Server
from infra.local.mail import MailCatcher, every_sender_verified
from infra.local.stack.account import LOCAL_DOMAIN
from infra.local.stack.functions import running_as
from latchkey.adapters.secrets_manager import SigningSecret
from latchkey.core.signing_policy.rotation import NOT_YET
from latchkey.edge import bootstrap
from latchkey.signing.policy import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient

    from infra.local.options import Options
    from infra.local.stack.evaluate import Stack
    from latchkey.signing.policy import SigningPolicy

SHORT_CACHES = {"PolicyCacheSeconds": "1", "JwksMaxAgeSeconds": "1"}
"""A new key signs after seconds and not after minutes, because caches are kept for one second. See `Caches`."""

MAIL_IS_CAUGHT = {"MailFrom": "latchkey@example.com", "MailIdentity": "example.com", "Registration": "open"}
"""The twin catches all mail, so it always has a sender address. Accounts still open without a confirmation."""


class Twin:
    """API Gateway, Lambda and AWS in this process, behind one port."""

    def __init__(self, options: Options) -> None:
        """Bind the port, so that a port in use is reported before anything else happens.

        `environment` is what the functions get, once the twin has started.
        """
        self._options = options
        self._resources = ExitStack()
        self._server = Server(options.host, options.port)
        self._resources.callback(self._server.server_close)
        self._mail = MailCatcher()
        self._mirror: Mirror | None = None
        self.environment: Mapping[str, str] = {}
        self._deployment = Deployment(SHORT_CACHES | MAIL_IS_CAUGHT | dict(options.parameters), self._overrides)

    @property
    def port(self) -> int:
        """The port that the twin listens on."""
        return self._server.port

    @property
    def address(self) -> str:
        """The URL of the twin on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._options.host, self._options.host)  # noqa: S104 - compared
        return f"http://[{host}]:{self._server.port}" if ":" in host else f"http://{host}:{self._server.port}"

    def start(self) -> dict[str, Any]:
        """Create the stack, seed it and serve it. Return the content of `.latchkey/dev.json`."""
        if self._options.data is not None:
            self._mirror = Mirror(self._options.data)
            self._resources.callback(self._mirror.close)
        self._resources.enter_context(backend.running(self._observe, self._check))
        self._resources.enter_context(every_sender_verified())
        clients = resources.Clients(boto3.client("dynamodb"), boto3.client("secretsmanager"))
        self._resources.callback(self._deployment.close)
        stack, environment = self._deployment.create(clients, self._mirror)
        self.environment = environment
        policy = self._sign(stack, environment["LATCHKEY_ISSUER"], clients)
        document = self._seed(policy, environment["LATCHKEY_AUDIENCE"])
        self._serve()
        return document

    def stop(self) -> None:
        """Stop serving and release everything."""
        if self._server.application is not None:
            self._server.shutdown()
        self._resources.close()

    def observe_line(self, line: str) -> None:
        """Note a line of the standard output. If a function wrote it, it is a line of that function's log."""
        if self._deployment.running is not None:
            self._deployment.running.logs.observe(line)

    def _observe(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        with running_as(None):  # the AWS calls below are the twin's, and not the function's
            self._mail.observe(client, operation, parameters)
            if self._deployment.running is not None:
                self._deployment.running.stream.observe(client, operation, parameters)
            if self._mirror is not None:
                self._mirror.observe(client, operation, parameters)

    def _check(self, client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> None:
        if self._deployment.running is not None:
            self._deployment.running.rights.check(client, operation, parameters)

    def _overrides(self, stack: Stack) -> dict[str, str]:
        """Return the environment variables that only the twin knows.

        All functions get the same issuer, as with a domain of your own: the twin's API has no address in AWS. An update
        that gives the stack a domain changes it, as it changes the address in the environment of a function in AWS.
        """
        at_domain = f"http://{LOCAL_DOMAIN}:{self._server.port}" if stack.api.domain == LOCAL_DOMAIN else self.address
        with_keys = self.address if stack.api.default_endpoint else at_domain
        return {
            "LATCHKEY_ISSUER": self._options.issuer or at_domain,
            "LATCHKEY_JWKS_URI": f"{with_keys}/.well-known/jwks.json",
            "LATCHKEY_LOCAL_JWKS": "true",  # a partner on this machine may publish its keys over plain http
            "LATCHKEY_LIMITS": "on" if self._options.limits else "off",
        }

    def _sign(self, stack: Stack, issuer: str, clients: resources.Clients) -> SigningPolicy:
        """Put a signing policy in force: the first one or the stored one, with this issuer and the key of the options.

        Return the policy.
        """
        key = signing_policy.read_key(self._options.key) if self._options.key else None
        secret = SigningSecret(clients.secrets, stack.secret_id)
        if secret.current() == NOT_YET:
            self._deployment.rotate()
        policy = parse(secret.current())
        wanted = signing_policy.adjust(policy, issuer=issuer, key=key, now=int(time.time()))
        if wanted is not policy:
            signing_policy.put_in_force(wanted, bootstrap.store(), secret)
        return wanted

    def _seed(self, policy: SigningPolicy, default_audience: str) -> dict[str, Any]:
        """Seed what is missing and write `.latchkey/dev.json`.

        `default_audience` is what tokens carry as long as the policy names no audience.
        """
        credentials = self._mirror.note("credentials") if self._mirror else None
        if credentials is None:
            credentials = seed.new_credentials()
            if self._mirror:
                # Stored before the data that needs them: a twin that is killed in between finds them at its next start.
                self._mirror.write_note("credentials", credentials)
        if not self._options.admin:
            credentials = {name: each for name, each in credentials.items() if name != "admin"}
        now = int(time.time())
        seed.plant(credentials, bootstrap.accounts(), bootstrap.store(), now)
        public = {name: credentials[name] for name in ("admin", "clients", "api_key") if name in credentials}
        audience = policy.audiences.minted(now) if policy.audiences else default_audience
        where = {"address": self.address, "issuer": policy.issuers.minted(now), "audience": audience}
        document = {**where, **public}
        dev_file.write(document)
        return document

    def _serve(self) -> None:
        aws = Endpoint() if self._options.containers else None
        application = Application(self._deployment, self._mail, aws)
        threading.Thread(target=self._server.serve, args=(application,), daemon=True).start()
