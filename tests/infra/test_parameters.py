"""The table of parameters is true of the template and of the code that reads them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.packaging import template as source
from infra.packaging.parameters import PARAMETERS, Effect
from infra.packaging.template import Template

ROOT = Path(__file__).resolve().parents[2]
ROTATE = ROOT / "functions" / "rotate" / "app.py"
SHIPPED = sorted([*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers" / "latchkey").rglob("*.py")])
FIRST = sorted(name for name, each in PARAMETERS.items() if each.effect is Effect.FIRST)


@pytest.fixture(scope="module")
def template() -> Template:
    return source.load("HasDomain", "DisablesDefaultEndpoint", "AllowsHS256", "SendsMail", "HasHashingConcurrency")


def mentions(value: Any, name: str, *where: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths at which a value refers to a parameter."""
    match value:
        case {"Ref": target} if target == name:
            yield where
        case str() if f"${{{name}}}" in value:
            yield where
        case dict():
            for key, member in value.items():
                yield from mentions(member, name, *where, key)
        case list():
            for number, member in enumerate(value):
                yield from mentions(member, name, *where, str(number))


def variables_of(template: Template, name: str) -> set[str]:
    """Return the environment variables of `rotate` that a parameter sets."""
    environment = source.environment(source.functions(template)["rotate"])
    return {variable for variable, value in environment.items() if list(mentions(value, name))}


def readers(variable: str) -> set[str]:
    """Return the modules of Lambda that name an environment variable."""
    found = set()
    for path in SHIPPED:
        texts = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
        if variable in texts:
            found.add(str(path.relative_to(ROOT)))
    return found


def read_by_rotate() -> set[str]:
    """Return the environment variables that the function itself reads: what the first policy is made of."""
    nodes = ast.walk(ast.parse(ROTATE.read_text()))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if text.startswith("LATCHKEY_")}


def test_table_has_each_parameter_of_the_template(template: Template) -> None:
    """The table has the order of the template, too."""
    assert list(PARAMETERS) == list(template["Parameters"])


@pytest.mark.parametrize("name", FIRST)
def test_template_gives_a_parameter_of_the_first_policy_to_rotate_alone(template: Template, name: str) -> None:
    """No other part can go by a value that the policy has left behind."""
    places = list(mentions(template["Resources"], name, "Resources"))
    assert len(places) == 1
    assert places[0][:4] == ("Resources", "RotateFunction", "Properties", "Environment")


@pytest.mark.parametrize("name", FIRST)
def test_only_rotate_reads_a_parameter_of_the_first_policy(template: Template, name: str) -> None:
    """The same of the code: each of these variables has one reader."""
    [variable] = variables_of(template, name)
    assert readers(variable) == {"functions/rotate/app.py"}


def test_first_policy_is_made_of_no_live_parameter(template: Template) -> None:
    """A value that others read live would be frozen there. `AllowHS256` only permits one, and is not kept."""
    made_of = {name for name in PARAMETERS if variables_of(template, name) & read_by_rotate()} - {"AllowHS256"}
    assert {name for name in made_of if PARAMETERS[name].effect is Effect.LIVE} == set()
    assert made_of == {*FIRST, "Audience", "IssuerDomain"}


def test_issuer_of_the_template_reaches_the_first_policy_alone(template: Template) -> None:
    """Every other part reads the issuer from the policy or from its published part."""
    told = {name for name, each in source.functions(template).items() if "LATCHKEY_ISSUER" in str(each)}
    assert told == {"rotate"}
    knowing = {name for name, each in source.functions(template).items() if list(mentions(each, "IssuerDomain"))}
    assert knowing == {"rotate", "authorizer"}


def test_domain_alone_changes_nothing_for_the_authorizer() -> None:
    """Keys are fetched at the default endpoint until it is turned off: DNS may not point anywhere yet."""
    uris = {
        conditions: source.environment(source.functions(source.load(*conditions))["authorizer"])["LATCHKEY_JWKS_URI"]
        for conditions in ((), ("HasDomain",), ("HasDomain", "DisablesDefaultEndpoint"))
    }
    assert list(uris.values()) == ["", "", {"Fn::Sub": "https://${IssuerDomain}/.well-known/jwks.json"}]


def test_default_endpoint_is_turned_off_by_its_own_parameter() -> None:
    """The update that brings a domain leaves the address on which every client relies."""
    states = [
        source.load(*conditions)["Resources"]["Api"]["Properties"]["DisableExecuteApiEndpoint"]
        for conditions in (("HasDomain",), ("HasDomain", "DisablesDefaultEndpoint"))
    ]
    assert states == [False, True]


def test_default_endpoint_cannot_be_the_only_one_that_goes(template: Template) -> None:
    """CloudFormation rejects a stack without any address."""
    rule = template["Rules"]["OtherEndpointIsThere"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "DisableDefaultEndpoint"}, "true"]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "IssuerDomain"}, ""]}]}


def test_address_of_the_outputs_is_one_that_answers() -> None:
    """The command signs in at `ApiUrl`, so a domain stands there only when nothing else is left."""
    urls = {
        conditions: str(source.load(*conditions)["Outputs"]["ApiUrl"]["Value"])
        for conditions in (("HasDomain",), ("HasDomain", "DisablesDefaultEndpoint"))
    }
    assert ["execute-api" in url for url in urls.values()] == [True, False]


def test_commands_of_the_table_exist() -> None:
    """Each command that changes a value in place of its parameter has that option."""
    from typer.main import get_command

    from infra.cli.app import app

    changing = get_command(app).commands["signing"].commands["set"]  # type: ignore[attr-defined]
    options = {option for parameter in changing.params for option in parameter.opts}
    commands = [each.command for each in PARAMETERS.values() if each.command]
    assert {command.rpartition(" ")[0] for command in commands} == {"latchkey signing set"}
    assert {command.rpartition(" ")[2] for command in commands} <= options
