"""How every command line is read: nouns with verbs, and the options that choose a target at each of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from infra.cli.service.targets import Options

_PANEL = "Target (which Latchkey)"
_MORE = "Other commands"
"""The heading of the help under which the commands stand that belong to no noun."""

Command = TypeVar("Command", bound=Callable[..., Any])


class Noun(typer.Typer):
    """A noun of the command line, such as `user`, with its verbs."""

    def __init__(self, about: str) -> None:
        """Take the sentence that the help says about the noun."""
        super().__init__(cls=TargetGroup, no_args_is_help=True, help=about)

    def verb(self, name: str, *, example: str = "") -> Callable[[Command], Command]:
        """Register a verb, with the options that choose a target and an example at the end of its help."""
        return self.command(name, cls=TargetCommand, epilog=_epilog(example))


def act(app: typer.Typer, name: str, *, example: str) -> Callable[[Command], Command]:
    """Register a command that has a target and belongs to no noun."""
    return app.command(name, cls=TargetCommand, epilog=_epilog(example), rich_help_panel=_MORE)


def tool(app: typer.Typer, name: str, *, example: str) -> Callable[[Command], Command]:
    """Register a command that needs no target."""
    return app.command(name, cls=ToolCommand, epilog=_epilog(example), rich_help_panel=_MORE)


class ToolCommand(TyperCommand):
    """A command whose help shows no type beside a flag, which takes no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options and arguments."""
        return _without_type_of_flags(super().get_params(ctx))


class TargetCommand(ToolCommand):
    """A command with the options that choose a target."""

    def __init__(self, *arguments: Any, params: list[Any] | None = None, **settings: Any) -> None:
        super().__init__(*arguments, params=[*(params or ()), *_target_options()], **settings)


class TargetGroup(TyperGroup):
    """A group of commands with the options that choose a target, which may stand before the command too."""

    def __init__(self, *, params: list[Any] | None = None, **settings: Any) -> None:
        super().__init__(params=[*(params or ()), *_target_options()], **settings)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options."""
        return _without_type_of_flags(super().get_params(ctx))


def _without_type_of_flags(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


def _epilog(example: str) -> str | None:
    return f"Example:\n\n{example}" if example else None


def _keep(ctx: typer.Context, param: typer.CallbackParam, value: object) -> None:
    """Keep the value of an option in `ctx.obj`, which the contexts of the commands behind it inherit.

    The value that stands nearest to the command counts; the environment counts where nothing is typed.
    """
    name = str(param.name)
    known: Options = ctx.obj or Options()
    source = ctx.get_parameter_source(name)
    typed = source is not None and source.name == "COMMANDLINE"
    if isinstance(value, str) and value.startswith("-"):
        raise typer.BadParameter(f"{value!r} is an option; the value is missing")
    if typed or (value and name not in known.typed):
        known = known.having(name, value, typed=typed)
    if {"local", "stack"} <= known.typed:
        raise typer.BadParameter("give one of them, not both", param_hint="--local and --stack")
    ctx.obj = known


def _option(*names: str, help: str, metavar: str | None = None, envvar: Any = None) -> Any:  # noqa: A002 - Typer's word
    return typer.Option(
        *names, help=help, metavar=metavar, envvar=envvar, rich_help_panel=_PANEL, callback=_keep, expose_value=False
    )


def _declare_target(
    *,
    local: Annotated[bool, _option("--local", help="The one that `make run` serves in this folder.")] = False,
    stack: Annotated[
        str | None, _option("--stack", metavar="NAME", envvar="LATCHKEY_STACK", help="A deployed CloudFormation stack.")
    ] = None,
    profile: Annotated[
        str | None, _option("--profile", metavar="NAME", envvar="AWS_PROFILE", help="The AWS profile.")
    ] = None,
    region: Annotated[
        str | None,
        _option("--region", metavar="REGION", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="The AWS region."),
    ] = None,
) -> None:
    """Declare the options that choose a target. It is never called: the values go to `_keep`."""


@cache
def _target_options() -> tuple[Any, ...]:
    """Return the options that Typer makes of the declaration; all commands share them."""
    declaring = typer.Typer(add_completion=False)
    declaring.command()(_declare_target)
    return tuple(get_command(declaring).params)
