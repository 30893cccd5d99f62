"""`python -m infra.sam_local`: start the twin's AWS, and `sam local start-api` beside it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from infra.sam_local.build import SAM, architecture, build
from infra.sam_local.docker import NoDocker, Reach, reach, require_server

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCREEN = """
Latchkey will answer at {api}, by sam local. The first request to each function takes seconds.

Admin        {admin[login]}, {admin[password]}
Others       clients and an API key: .latchkey/dev.json
Mail         {twin}/_local/mail
Data         in memory only: lost at the end

Different from AWS:
  - Every role may do everything: `make run` and AWS refuse what template.yaml does not allow.
  - SAM makes 502 of an invalid token, caches no answer of the authorizer, words its own errors and never throttles.
  - The mailer runs in the twin. The audit log misses what happens in containers, and nothing runs on a schedule.

Ctrl-C stops it.
"""


def main(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65_535, help="Port of the API.")] = 3000,
    image: Annotated[
        str, typer.Option(envvar="IMAGE", help="Image of the functions, if not AWS's own; it is not pulled.")
    ] = "",
    options: Annotated[str, typer.Option(envvar="OPTIONS", help="More options of `sam local start-api`.")] = "",
    *,
    check: Annotated[bool, typer.Option("--check", help="Only ask whether a Docker server answers.")] = False,
) -> None:
    """Serve the API by `sam local start-api`: each function in a container of AWS's image, all data in the twin."""
    try:
        require_server()
    except NoDocker as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if not check:
        typer.echo("Building for this machine, as for Lambda …")
        build()
        raise typer.Exit(_serve(port, reach(), _start_api(port, image, options)))


def _start_api(port: int, image: str, options: str) -> list[str]:
    from infra.sam_local.settings import ENVIRONMENT, TEMPLATE

    command = [str(SAM), "local", "start-api", "--template", str(TEMPLATE), "--env-vars", str(ENVIRONMENT)]
    command += ["--port", str(port), "--warm-containers", "LAZY"]
    command += ["--parameter-overrides", f"Architecture={architecture()}"]
    if image:
        command += ["--skip-pull-image", "--invoke-image", image]
    return [*command, *shlex.split(options)]


def _serve(port: int, way: Reach, command: list[str]) -> int:
    """Run the twin and `sam local` until one is stopped; return the exit code of SAM."""
    from infra.local.options import Options
    from infra.local.twin import Twin
    from infra.local.whole_lines import WholeLines
    from infra.sam_local import settings

    options = Options(host=way.listen, port=0, issuer=f"http://127.0.0.1:{port}", containers=True)
    twin = Twin(options)
    sys.stdout = WholeLines(sys.stdout, twin.observe_line)
    try:
        document = twin.start()
        settings.write(twin.environment, f"http://{way.host}:{twin.port}")
        _show(f"http://127.0.0.1:{port}", twin.address, document["admin"])
        return _run(command)
    finally:
        twin.stop()


def _show(api: str, twin: str, admin: Mapping[str, str]) -> None:
    sys.stdout.write(_SCREEN.format(api=api, twin=twin, admin=admin))
    sys.stdout.flush()


def _run(command: list[str]) -> int:
    # Credentials of your own stay outside the containers: the twin accepts any.
    made_up = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}
    ignored = {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"}
    kept = {name: value for name, value in os.environ.items() if name not in ignored}
    sam = subprocess.Popen(command, env=kept | made_up | {"SAM_CLI_TELEMETRY": "0"})
    try:
        return sam.wait()
    except KeyboardInterrupt:  # SAM got it from the terminal too, and removes its containers
        sam.wait()
    except SystemExit:
        sam.terminate()
        sam.wait()
    return 0


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    typer.run(main)
