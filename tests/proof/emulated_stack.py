"""The built stack, deployed into ministack by CloudFormation: its functions run from the layers that Lambda gets.

The expanded template is deployed as it is, but for what the emulator does not have: see `LEFT_OUT`.
"""

from __future__ import annotations

import http.client
import io
import json
import time
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from infra.local.aws.resources import ROTATION_STEPS
from infra.local.stack.account import REGION
from infra.local.stack.template import translate
from infra.sam_local.build import BUILT, architecture
from tests.sign_in_story import Answer

LEFT_OUT = {
    "AWS::SecretsManager::RotationSchedule": "its four steps are invoked by `rotate`",
    "AWS::Route53::RecordSetGroup": "there is no DNS",
}
"""The types of resources that the emulator does not have, and what stands in for them."""

STACK, BUCKET = "latchkey", "twin"
_LIMIT = 300
"""Seconds for one change of the stack."""

ADMIN = {"login": "admin@example.com", "password": "a long walk by the sea"}


@dataclass(slots=True)
class EmulatedStack:
    """A stack in the emulator at `address`. `code` holds the names of objects that replace a folder's."""

    address: str
    parameters: dict[str, str]
    code: dict[str, str] = field(default_factory=dict)
    keys_at: str = ""

    def client(self, service: str) -> Any:
        """Return a client of the emulator."""
        made_up = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.address, region_name=REGION, **made_up)  # type: ignore[call-overload]

    def create(self) -> None:
        """Upload the code, create the stack, and do what the rotation schedule and the operator do first."""
        self.client("s3").create_bucket(Bucket=BUCKET)
        for folder in (path for path in BUILT.iterdir() if path.is_dir()):
            self.upload(folder.name, zipped(folder))
        self._change("create_stack")
        self.keys_at = self._published_at
        self.update()
        self.rotate()
        answer = self.invoke("InitAdminFunction", operators_event(ADMIN))
        assert answer["statusCode"] == 201, answer

    def update(self, **parameters: str) -> None:
        """Give the stack these parameters, and its present code."""
        self.parameters |= parameters
        self._change("update_stack")
        if self.keys_at != self._published_at:  # unlike AWS, the emulator replaces an API whose definition changes
            self.keys_at = self._published_at
            self._change("update_stack")
        self.send("GET /.well-known/jwks.json")  # a cold start in the emulator takes longer than the authorizer waits

    def upload(self, name: str, archive: bytes) -> None:
        """Store the code of a folder."""
        self.client("s3").put_object(Bucket=BUCKET, Key=name, Body=archive)

    def rotate(self) -> None:
        """Rotate the signing secret, as Secrets Manager does."""
        token = str(uuid.uuid4())
        for step in ROTATION_STEPS:
            event = {"SecretId": self.outputs["SigningSecretArn"], "ClientRequestToken": token, "Step": step}
            self.invoke("RotateFunction", event)

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """Invoke a function. A failure of it fails the test."""
        found = self.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def send(self, route: str, body: Mapping[str, Any] | None = None, token: str = "") -> Answer:
        """Send one request to the API."""
        method, _, path = route.partition(" ")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        where = urlsplit(self.address)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        try:
            connection.request(method, self._prefix + path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return Answer(answer.status, json.loads(answer.read() or b"null"))
        finally:
            connection.close()

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of the stack."""
        return {each["OutputKey"]: each["OutputValue"] for each in self._described["Outputs"]}

    @property
    def _prefix(self) -> str:
        """Where the emulator serves the API."""
        [api] = self.client("apigateway").get_rest_apis()["items"]
        return f"/restapis/{api['id']}/live/_user_request_"

    @property
    def _published_at(self) -> str:
        """The address of the keys in the emulator: the API's own address is not in any DNS."""
        return f"{self.address}{self._prefix}/.well-known/jwks.json"

    @property
    def _described(self) -> Any:
        return self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]

    def _change(self, operation: str) -> None:
        self.client("s3").put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(self._template()).encode())
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]
        where = {"StackName": STACK, "TemplateURL": f"{self.address}/{BUCKET}/template.json"}
        getattr(self.client("cloudformation"), operation)(**where, Capabilities=["CAPABILITY_IAM"], Parameters=given)
        deadline = time.monotonic() + _LIMIT
        while (status := self._described["StackStatus"]).endswith("IN_PROGRESS"):
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        assert status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, self._described

    def _template(self) -> dict[str, Any]:
        template = translate((BUILT / "template.yaml").read_text(), self.parameters)
        resources = template["Resources"]
        template["Resources"] = {name: each for name, each in resources.items() if each["Type"] not in LEFT_OUT}
        if self.keys_at:
            authorizer = resources["AuthorizerFunction"]["Properties"]
            authorizer["Environment"]["Variables"]["LATCHKEY_JWKS_URI"] = self.keys_at
        for each in resources.values():
            code = each["Properties"].get("Code" if each["Type"] == "AWS::Lambda::Function" else "Content")
            if isinstance(code, dict) and code.get("S3Key") in self.code:
                code["S3Key"] = self.code[code["S3Key"]]
        return template


def parameters() -> dict[str, str]:
    """Return the parameters of a stack that is created."""
    return {"Architecture": architecture(), "Registration": "open", "DeletionProtection": "false"}


def operators_event(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event with which the command invokes a function that has no route."""
    return {"httpMethod": "POST", "headers": {"Content-Type": "application/json"}, "body": json.dumps(members)}


def zipped(folder: Path, changes: Mapping[str, str] | None = None) -> bytes:
    """Return the archive of a folder, with the text of some files changed and without their byte code."""
    changed = changes or {}
    stale = {f"{Path(name).parent}/__pycache__/{Path(name).stem}." for name in changed}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            name = str(path.relative_to(folder))
            if name in changed:
                file.writestr(name, changed[name])
            elif not any(name.startswith(start) for start in stale):
                file.write(path, name)
    return archive.getvalue()
