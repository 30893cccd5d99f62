"""Ask AWS where a stack answers, and invoke what no route leads to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

from infra.cli.api import TIMEOUT, read_answer
from infra.cli.errors import CommandError, NotSignedIn, Unreachable
from infra.cli.screen import waiting

_API_URL = "ApiUrl"

_ONCE = Config(read_timeout=TIMEOUT, retries={"total_max_attempts": 1})
"""A call whose answer is lost may have been carried out: whether to repeat it is the operator's to decide."""


def api_url(name: str, profile: str | None, region: str | None) -> str:
    """Return the stack's output `ApiUrl`; raise `NotSignedIn` for AWS itself, `Unreachable` or `typer.BadParameter`."""
    with _plain_errors():
        return _output(boto3.Session(profile_name=profile, region_name=region), name, _API_URL)


def find_function(
    name: str, output: str, profile: str | None, region: str | None
) -> Callable[[Mapping[str, object]], Mapping[str, object]]:
    """Return what invokes the function that an output of the stack names; both raise as `api_url` does."""
    with _plain_errors():
        session = boto3.Session(profile_name=profile, region_name=region)
        function = _output(session, name, output)
        client = session.client("lambda", config=_ONCE)

    def invoke(event: Mapping[str, object]) -> Mapping[str, object]:
        with _plain_errors(), waiting(f"Invoking {function} …"):
            answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
            content = answer["Payload"].read()
        if "FunctionError" in answer:  # its text may repeat the event
            raise CommandError(f"The function {function} failed; its log says where.")
        return read_answer(content).members

    return invoke


def _output(session: boto3.Session, name: str, key: str) -> str:
    (stack,) = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    values = [output["OutputValue"] for output in stack.get("Outputs", []) if output["OutputKey"] == key]
    if not values:
        raise Unreachable(f"Stack {name} has no output {key}; is it a Latchkey, and has it been deployed?")
    return str(values[0])


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say in one line what AWS or its SDK refuses."""
    try:
        yield
    except ProfileNotFound as error:
        raise typer.BadParameter(str(error), param_hint="--profile") from None
    except NoRegionError as error:
        raise typer.BadParameter(str(error), param_hint="--region") from None
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, SSOError) as error:
        raise NotSignedIn(f"AWS: {error}") from None
    except ClientError as error:
        raise _refused(error) from None
    except BotoCoreError as error:
        raise Unreachable(f"AWS: {error}") from None


def _refused(error: ClientError) -> CommandError:
    said = f"AWS: {error.response['Error']['Message']} [{error.response['Error']['Code']}]"
    forbidden = error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.FORBIDDEN
    return NotSignedIn(said) if forbidden else Unreachable(said)
