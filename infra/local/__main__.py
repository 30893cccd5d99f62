"""`python -m infra.local`: run the whole service on this machine."""

from __future__ import annotations

import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from infra.local.options import Options


_NAP = 0.2


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


def main(  # noqa: PLR0913, PLR0917 - Typer makes an option of each
    port: Annotated[
        int, typer.Option(envvar="PORT", min=0, max=65_535, help="Port to listen on; 0 means any free port.")
    ] = 8080,
    host: Annotated[str, typer.Option(envvar="HOST", help="Address to listen on.")] = "127.0.0.1",
    issuer: Annotated[
        str | None, typer.Option(envvar="ISSUER", help="Issuer (iss) of the tokens. Default: the address of the twin.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(envvar="KEY", help="PEM file with the private key that signs tokens: RSA, P-256 or Ed25519."),
    ] = None,
    limits: Annotated[
        Switch, typer.Option(envvar="LIMITS", help="Whether repeated attempts are throttled.")
    ] = Switch.ON,
    admin: Annotated[Switch, typer.Option(envvar="ADMIN", help="Whether an admin account is seeded.")] = Switch.ON,
    data: Annotated[
        Path | None, typer.Option(envvar="DATA", help="File that keeps the data. Default: the data is in memory only.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PARAMETERS", help="Parameter of template.yaml, as Name=Value. Separate several with spaces."
        ),
    ] = None,
) -> None:
    """Run the service of template.yaml on this machine: API Gateway, Lambda and AWS in one process."""
    # Imported here, so that --help and a wrong option respond at once.
    from infra.local.options import BadIssuer, Options

    try:
        options = Options(
            host,
            port,
            issuer or None,
            key,
            limits is Switch.ON,
            data,
            _parameters(parameter or []),
            admin=admin is Switch.ON,
        )
    except BadIssuer as error:
        raise typer.BadParameter(str(error), param_hint="ISSUER") from None
    _run(options)


def _parameters(pairs: list[str]) -> dict[str, str]:
    parsed = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"{pair} is not Name=Value", param_hint="PARAMETERS")
        parsed[name] = value
    return parsed


def _run(options: Options) -> None:
    from infra.local.aws.mirror import UnusableFile
    from infra.local.gateway.server import PortInUse
    from infra.local.screen import show
    from infra.local.signing_policy import UnusableKey
    from infra.local.stack.functions import Conflict
    from infra.local.stack.template import BadTemplate
    from infra.local.twin import Twin
    from infra.local.whole_lines import WholeLines

    try:
        twin = Twin(options)
        sys.stdout = WholeLines(sys.stdout, twin.observe_line)
        try:
            show(twin.address, twin.start(), options)
            while True:
                # An endless wait could miss a signal that arrives just before the wait begins.
                time.sleep(_NAP)
        finally:
            twin.stop()
    except PortInUse as error:
        _fail(f"cannot listen on {options.host} port {options.port}: {error.strerror}. Choose another one with PORT=…")
    except (BadTemplate, Conflict, UnusableFile, UnusableKey) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(f"Latchkey did not start: {message}", err=True)
    raise typer.Exit(1)


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    typer.run(main)
