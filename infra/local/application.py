"""Answer the paths that only the twin has, and hand all others to the gateway of the stack that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from infra.local.aws_over_http import PREFIX as AWS
from infra.local.gateway.invocations import PREFIX as INVOCATIONS
from infra.local.gateway.invocations import is_of_this_machine
from infra.local.gateway.messages import Response
from infra.local.mail import PATH as MAIL_PATH
from infra.local.stack.functions import Conflict
from infra.local.stack.intrinsics import Unresolvable
from infra.local.stack.template import BadTemplate

if TYPE_CHECKING:
    from infra.local.aws_over_http import Endpoint
    from infra.local.deployment import Deployment
    from infra.local.gateway.messages import Refused, Request
    from infra.local.mail import MailCatcher
    from infra.local.running import RunningStack

UPDATE_PATH = "/_local/update"
_PUBLIC_DOCUMENTS = "/.well-known/"


class Application:
    """The twin as the server sees it. The stack must be created before the first request.

    `aws` is the twin's AWS for functions in containers, where there are some.
    """

    def __init__(self, deployment: Deployment, mail: MailCatcher, aws: Endpoint | None = None) -> None:
        self._deployment = deployment
        self._mail = mail
        self._aws = aws

    def __call__(self, request: Request) -> Response:
        """Answer one request. It waits while an update takes place."""
        if request.path == UPDATE_PATH:
            return self._update(request)
        if request.path == MAIL_PATH:
            return self._mail.answer(request)
        if self._aws is not None and request.path.startswith(AWS):
            return self._aws.answer(request)
        with self._deployment.in_flight.request(others_depend=request.path.startswith(_PUBLIC_DOCUMENTS)):
            if request.path.startswith(INVOCATIONS):
                return self._running.invocations.answer(request)
            return self._running.gateway(request)

    def refuse(self, refused: Refused) -> Response:
        """Answer a client whose bytes are not a valid request."""
        return self._running.gateway.refuse(refused)

    @property
    def _running(self) -> RunningStack:
        return cast("RunningStack", self._deployment.running)

    def _update(self, request: Request) -> Response:
        """Update the stack with `{"parameters": {name: value}}`, for programs on this machine only."""
        if not is_of_this_machine(request):
            return _answer(403, {"message": "Only programs on this machine may update the stack."})
        parameters = _parameters(request.body) if request.method == "POST" else None
        if parameters is None:
            return _answer(400, {"message": 'POST {"parameters": {"Name": "value"}} as JSON.'})
        try:
            return _answer(200, {"parameters": self._deployment.update(parameters)})
        except (BadTemplate, Conflict, Unresolvable) as error:
            return _answer(400, {"message": str(error)})


def _parameters(body: bytes) -> dict[str, str] | None:
    try:
        document: Any = json.loads(body)
    except ValueError:
        return None
    found = document.get("parameters") if isinstance(document, dict) else None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        return None
    return found


def _answer(status: int, document: object) -> Response:
    return Response(status, (("Content-Type", "application/json"),), json.dumps(document).encode())
