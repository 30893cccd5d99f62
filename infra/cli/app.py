"""`latchkey`: its commands, and how each of them ends."""

from __future__ import annotations

from errno import EPIPE
from importlib.metadata import version
from typing import Annotated, Any

import typer

from infra.cli import api_keys, audit, clients, hash_key, init_admin, issuer, permissions, roles, users
from infra.cli.errors import CommandError, ExitCode
from infra.cli.grammar import TargetGroup, act, tool
from infra.cli.partners import commands as partners
from infra.cli.service.targets import TOKEN_VARIABLE
from infra.cli.signing import commands as signing
from infra.cli.terminal import screen
from infra.cli.transfer import commands as transfer


class _Latchkey(TargetGroup):
    """Turns the end of a command into one line and an exit code."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run the command line."""
        screen.escape_what_cannot_be_printed()
        return super().main(*arguments, **settings)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        if not all(_is_utf8(argument) for argument in args):
            raise typer.BadParameter("it is not UTF-8", param_hint="an argument")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            screen.fail(str(error))
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if error.errno == EPIPE:  # the reader of our output has seen enough: Click ends that quietly
                raise
            screen.fail(f"{error.filename or 'A file'}: {error.strerror or type(error).__name__}.")
            raise typer.Exit(ExitCode.FAILED) from None


def _is_utf8(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


app = typer.Typer(
    cls=_Latchkey,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its frames may hold secrets
    help="Operate a running Latchkey.",
    epilog="Exit codes: 0 done, 1 the server refused or failed, 2 wrong usage, 3 not signed in or not allowed, "
    f"4 not reachable. With --stack, the command signs in with the access token in {TOKEN_VARIABLE}, "
    "or asks for login and password.",
)
app.add_typer(users.users, name="user")
app.add_typer(roles.roles, name="role")
app.add_typer(permissions.permissions, name="permission")
app.add_typer(clients.clients, name="client")
app.add_typer(api_keys.api_keys, name="api-key")
app.add_typer(partners.partners, name="partner")
app.add_typer(signing.signing, name="signing")
app.add_typer(issuer.issuer, name="issuer")
act(app, "audit", example="latchkey audit --local --day 2026-11-28")(audit.show)
act(app, "import", example="latchkey import users.jsonl --local --dry-run")(transfer.bring_in)
act(app, "export", example="latchkey export everyone.jsonl --local")(transfer.hand_out)
act(app, "init-admin", example="latchkey init-admin --stack auth --login boss@example.com")(init_admin.init_admin)
tool(app, "hash-key", example="latchkey hash-key --strip-newline < nightly.key")(hash_key.hash_key)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        screen.write(f"latchkey {version('latchkey')}")
        raise typer.Exit


@app.callback()
def latchkey(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Operate a running Latchkey."""
