"""`latchkey`: the commands, and the options that all of them share."""

from __future__ import annotations

from errno import EPIPE
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from infra.cli import api_keys, audit, clients, hash_key, init_admin, partners, roles, screen, users
from infra.cli.errors import CommandError, ExitCode
from infra.cli.signing import commands as signing
from infra.cli.targets import TOKEN_VARIABLE, Options
from infra.cli.transfer import commands as transfer


class _Commands(TyperGroup):
    """Takes the target's options wherever they stand; turns the end of a command into one line and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        if not all(_is_utf8(argument) for argument in args):
            raise typer.BadParameter("it is not UTF-8", param_hint="an argument")
        return super().parse_args(ctx, target_first(args))

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            screen.fail(str(error))
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if error.errno == EPIPE:  # whoever read our output has seen enough: Click ends that quietly
                raise
            screen.fail(f"{error.filename or 'A file'}: {error.strerror or type(error).__name__}.")
            raise typer.Exit(ExitCode.FAILED) from None


def _is_utf8(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


_FLAGS = {"--local"}
_OPTIONS = {"--stack", "--profile", "--region"}


def target_first(args: list[str]) -> list[str]:
    """Return the arguments with the options that all commands share in front, where Click looks for them."""
    target: list[str] = []
    rest: list[str] = []
    waiting = iter(args)
    for argument in waiting:
        if argument in _FLAGS or (argument.partition("=")[0] in _OPTIONS and "=" in argument):
            target.append(argument)
        elif argument in _OPTIONS:
            target += [argument, *([value] if (value := next(waiting, None)) is not None else [])]
        else:
            rest.append(argument)
    return target + rest


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its frames may hold secrets
    help="Operate a running Latchkey.",
    epilog="Exit codes: 0 done, 1 the server refused or failed, 2 wrong usage, 3 not signed in or not allowed, "
    f"4 not reachable. With --stack, an access token in {TOKEN_VARIABLE} spares login and password.",
)
app.add_typer(signing.commands, name="signing")
app.add_typer(partners.commands, name="partner")
app.command("audit")(audit.show)
app.command("import")(transfer.bring_in)
app.command("export")(transfer.hand_out)
app.add_typer(users.commands, name="user")
app.add_typer(roles.commands, name="role")
app.add_typer(clients.commands, name="client")
app.add_typer(api_keys.commands, name="api-key")
app.command("hash-key")(hash_key.hash_key)
app.command("init-admin")(init_admin.init_admin)


@app.callback()
def choose_target(
    ctx: typer.Context,
    *,
    local: Annotated[bool, typer.Option("--local", help="The one that `make run` serves in this folder.")] = False,
    stack: Annotated[str | None, typer.Option(envvar="LATCHKEY_STACK", help="The CloudFormation stack.")] = None,
    profile: Annotated[str | None, typer.Option(envvar="AWS_PROFILE", help="The AWS profile.")] = None,
    region: Annotated[
        str | None, typer.Option(envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="The AWS region.")
    ] = None,
) -> None:
    """Keep what the command line says; nobody is asked and nothing is called before a command needs it."""
    source = ctx.get_parameter_source("stack")
    if local and source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter("give one, not both", param_hint="--local and --stack")
    ctx.obj = Options(local, stack, profile, region)
