"""Ask CloudFormation where a stack answers."""

from __future__ import annotations

from http import HTTPStatus

import boto3
import typer
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

from infra.cli.errors import CommandError, NotSignedIn, Unreachable

_OUTPUT = "ApiUrl"


def api_url(name: str, profile: str | None, region: str | None) -> str:
    """Return the stack's output `ApiUrl`; raise `NotSignedIn` for AWS itself, `Unreachable` or `typer.BadParameter`."""
    try:
        client = boto3.Session(profile_name=profile, region_name=region).client("cloudformation")
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
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
    urls = [output["OutputValue"] for output in stack.get("Outputs", []) if output["OutputKey"] == _OUTPUT]
    if not urls:
        raise Unreachable(f"Stack {name} has no output {_OUTPUT}; is it a Latchkey, and has it been deployed?")
    return str(urls[0])


def _refused(error: ClientError) -> CommandError:
    said = f"AWS: {error.response['Error']['Message']} [{error.response['Error']['Code']}]"
    forbidden = error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.FORBIDDEN
    return NotSignedIn(said) if forbidden else Unreachable(said)
