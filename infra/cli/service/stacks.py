"""Ask AWS for the address of a stack, and invoke a function that has no route."""

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

from infra.cli.answers import read_answer
from infra.cli.errors import CommandError, NotSignedIn, Unreachable
from infra.cli.service.api import TIMEOUT
from infra.cli.terminal.screen import waiting

_API_URL = "ApiUrl"

_ONCE = Config(read_timeout=TIMEOUT, retries={"total_max_attempts": 1})
"""One try: a call whose answer is lost may have been carried out, so the operator decides whether to repeat it."""


def api_url(name: str, profile: str | None, region: str | None) -> str:
    """Return the stack's output `ApiUrl`; raise `NotSignedIn` (to AWS), `Unreachable` or `typer.BadParameter`."""
    with _plain_errors():
        return _output(boto3.Session(profile_name=profile, region_name=region), name, _API_URL)


def find_function(
    name: str, output: str, profile: str | None, region: str | None
) -> Callable[[Mapping[str, object]], Mapping[str, object]]:
    """Return a callable that invokes the function named by an output of the stack; both raise as `api_url` does."""
    with _plain_errors():
        session = boto3.Session(profile_name=profile, region_name=region)
        function = _output(session, name, output)
        client = session.client("lambda", config=_ONCE)

    def invoke(event: Mapping[str, object]) -> Mapping[str, object]:
        with _plain_errors(), waiting(f"Invoking {function} …"):
            answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
            content = answer["Payload"].read()
        if "FunctionError" in answer:  # its text may repeat the event, which can hold a password
            raise CommandError(f"The function {function} failed. Its log says where.")
        return read_answer(content).members

    return invoke


def _output(session: boto3.Session, name: str, key: str) -> str:
    (stack,) = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    values = [output["OutputValue"] for output in stack.get("Outputs", []) if output["OutputKey"] == key]
    if not values:
        raise Unreachable(f"Stack {name} has no output {key}. Is it a Latchkey, and is it deployed?")
    return str(values[0])


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn an error of AWS or of its SDK into one line."""
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
