"""The pages of the documentation say what the sources say."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from infra.cli.app import app as command
from infra.local.__main__ import main as make_run
from infra.local.stack.template import translate
from infra.packaging import template as source
from infra.packaging.parameters import PARAMETERS
from latchkey.core.errors import Errors
from latchkey.core.mail.codes import CODES
from latchkey.core.roles.roles import BUILT_IN, PERMISSIONS
from latchkey.edge.routing import Access, KeyOrToken, Need, Person
from latchkey.signing.key_set import Caches
from latchkey.signing.tokens import AccessClaims
from tests import pages
from tests.pages import ROOT
from tests.routes import declared

README = ROOT / "README.md"
API, DEPLOY, MOBILE, OPERATE = (ROOT / "docs" / name for name in ("api.md", "deploy.md", "mobile.md", "operate.md"))

LONGEST_README = 200
"""Lines. README is a door."""

LANGUAGES = {"sh", "python", "js", "json", "yaml", "text"}

HASHES = "API key or token, api_keys:write"
AUTHORIZERS = {"none": "NONE", "token": "Bearer", "API key": "ApiKey", HASHES: "NONE"}
"""The authorizer of the template by the word of the page. A permission is read from a token."""

ACCESS = {"public": "none", "bearer": "token", "api_key": "API key"}
"""The word of the page by the word of the code."""

LIVES = {1_800: "30 minutes", 3_600: "1 hour", 86_400: "24 hours", 259_200: "3 days"}
"""Seconds in words."""

COLUMNS_WITH_ALIASES = 5
"""Columns of those tables of routes that have a column "also as"."""


def rows(page: Path, first_column: str) -> list[list[str]]:
    """Return the rows of the tables with this first column; a page without any is no page to trust."""
    found = list(pages.tables(page, first_column))
    assert found
    return found


def test_readme_is_a_door() -> None:
    """README has 200 lines at most; longer topics have pages of their own."""
    assert len(README.read_text().splitlines()) <= LONGEST_README


def test_every_error_code_is_explained() -> None:
    """The table of errors has each code once, with its status and its name at the token endpoint, and says when."""
    table = [(pages.codes(row[0])[0], int(row[1]), pages.codes(row[2])[0]) for row in rows(API, "code")]
    assert sorted(table) == sorted((each.value.code, each.value.status, each.value.oauth) for each in Errors)
    assert [row[0] for row in rows(API, "code") if len(row[3].split()) < 3] == []


def test_every_parameter_is_explained() -> None:
    """The table of parameters has each parameter of the template once, with its default."""
    parameters = source.load()["Parameters"]
    wanted = {name: str(each["Default"]) for name, each in parameters.items()}
    table = [(pages.codes(row[0])[0], "".join(pages.codes(row[1]))) for row in rows(DEPLOY, "parameter")]
    assert sorted(table) == sorted(wanted.items())


def test_every_parameter_says_when_it_takes_effect() -> None:
    """The last column is that of the table from which `make deploy` works."""
    told = {pages.codes(row[0])[0]: row[-1] for row in rows(DEPLOY, "parameter")}
    assert told == {name: each.in_words for name, each in PARAMETERS.items()}


def test_bounds_of_a_move_are_those_of_the_code() -> None:
    """The table says how long a move takes with the default parameters of the stack."""
    caches, life = Caches(), int(source.load()["Parameters"]["AccessTokenTtl"]["Default"])
    told = {row[0]: row[1] for row in rows(OPERATE, "what") if "minutes" in row[1]}
    assert f"after {caches.publish_lead // 60} minutes" == told["tokens name the new issuer"]
    margin, end = caches.name_margin / 60, (life + caches.name_margin) / 60
    ended = f"{end:g} minutes later: {life // 60} minutes that a token lives, and {margin:g} for caches and clocks"
    assert told["the old issuer is no longer accepted"] == ended


def test_every_output_is_explained() -> None:
    """The table of outputs has each output of the template."""
    assert sorted(pages.codes(row[0])[0] for row in rows(DEPLOY, "output")) == sorted(source.load()["Outputs"])


def routes_of_the_page() -> dict[str, str]:
    """Return what the tables of routes say about access, by `METHOD /path`."""
    found: dict[str, str] = {}
    for row in rows(API, "route"):
        also_as = pages.codes(row[1]) if len(row) == COLUMNS_WITH_ALIASES else []
        for route in pages.codes(row[0]) + also_as:
            assert route not in found
            found[route] = row[-1].replace("`", "")
    return found


def test_every_route_is_explained() -> None:
    """The tables of routes have each route of the template once, aliases too, with what guards it."""
    routes = source.routes(source.load())
    wanted = {f"{route.method} {route.path}": route.authorizer for route in routes if route.method != "OPTIONS"}
    told = routes_of_the_page()
    assert {route: AUTHORIZERS.get(access, "Bearer") for route, access in told.items()} == wanted


def test_every_route_says_who_may_call() -> None:
    """The last column of the tables of routes is the permission that the code asks for, or one of three words."""
    needed = {name: access(route.needs) for name, (_, route) in declared().items()}
    del needed["OPTIONS /{proxy+}"]  # browsers ask for it, no one else does
    assert routes_of_the_page() == needed


def access(needs: Need) -> str:
    """Return the words of the page for what a route needs."""
    if isinstance(needs, Person):
        return ", ".join(("user", *needs.permissions))
    if isinstance(needs, KeyOrToken):
        return f"API key or token, {needs.permission}"
    return ACCESS[needs.value] if isinstance(needs, Access) else needs


def test_every_link_of_a_mail_is_explained() -> None:
    """The table of mails has the link of each code, and how long the code is valid."""
    table = {pages.codes(row[1])[0]: row[2] for row in rows(MOBILE, "mail")}
    assert table == {f"<base>{rule.path}<code>": LIVES[rule.life] for rule in CODES.values()}


def test_every_claim_is_explained() -> None:
    """The table of claims has each claim of an access token."""
    table = [claim for row in rows(API, "claim") for claim in pages.codes(row[0])]
    assert sorted(table) == sorted(field.name for field in fields(AccessClaims))


def test_every_setting_of_make_run_is_explained() -> None:
    """The table of settings has each setting that `make run` takes."""
    app = typer.Typer()
    app.command()(make_run)
    wanted = {str(option.envvar) for option in get_command(app).params if getattr(option, "envvar", None)}
    table = {code.partition("=")[0] for row in rows(README, "setting") for code in pages.codes(row[0])}
    assert table == wanted


def test_every_word_of_the_command_is_explained() -> None:
    """The table of the command has each noun with its verbs, and each command that stands alone."""
    told = {pages.codes(row[0])[0]: set(pages.codes(row[1])) for row in rows(OPERATE, "command")}
    assert told == words_of(get_command(command))


def test_every_built_in_role_is_explained() -> None:
    """The table of roles has each built-in role with what it permits."""
    told = {pages.codes(row[0])[0]: set(pages.codes(row[1])) for row in rows(OPERATE, "role")}
    assert told.keys() == BUILT_IN.roles.keys()
    assert {name: codes & PERMISSIONS for name, codes in told.items()} == BUILT_IN.roles


def test_picture_names_functions_that_exist() -> None:
    """The names in the picture of the parts are those of folders in functions/."""
    picture = ET.parse(ROOT / "docs" / "parts.svg").getroot()  # noqa: S314 - a file of ours
    texts = [element.text or "" for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    named = {name for text in texts if re.fullmatch(r"[a-z_]+(, [a-z_]+)*", text) for name in text.split(", ")}
    assert named
    assert named <= {path.name for path in (ROOT / "functions").iterdir()}


def lines_with(program: str) -> list[str]:
    """Return the commands of a program on the pages: in the text, and in blocks that no test can run."""
    typed = [code for page in pages.all_pages() for code in pages.codes(pages.prose(page))]
    for page in pages.all_pages():
        kept_back = (each for each in pages.blocks(page) if each.mark or each.twin_settings is not None)
        typed += [
            line.partition(" #")[0].removeprefix(".venv/bin/") for each in kept_back for line in each.text.splitlines()
        ]
    found = [line.removeprefix(f"{program} ").strip() for line in typed if line.startswith(f"{program} ")]
    assert found
    return found


def test_every_target_of_make_that_a_page_names_exists() -> None:
    """Every target exists, also in blocks that the tests cannot run."""
    known = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {line.split()[0] for line in lines_with("make")} <= known


def test_every_command_that_a_page_names_exists() -> None:
    """Every command and option exists, also in blocks that the tests do not run."""
    named = [line for line in lines_with("latchkey") if not line.startswith("COMMAND ")]
    assert [line for line in named if not is_understood(line)] == []


def is_understood(line: str) -> bool:
    """Say whether the command understands a line, by asking it for help at the end of it."""
    return CliRunner().invoke(command, [*shlex.split(line), "--help"]).exit_code == 0


@pytest.mark.parametrize("line", ["user rename", "user show --colour red", "nothing"])
def test_command_that_does_not_exist_is_noticed(line: str) -> None:
    """A gate that lets its flaw pass proves nothing."""
    assert not is_understood(line)


def sam_templates() -> list[str]:
    """Return the SAM templates that the pages show."""
    found = [block.text for page in pages.all_pages() for block in pages.blocks(page) if block.language == "yaml"]
    return [text for text in found if "Transform: AWS::Serverless" in text]


def test_sample_templates_guard_every_route() -> None:
    """AWS's own translator accepts each SAM template of the pages, and no route of it is open."""
    expanded = [translate(text, {})["Resources"].values() for text in sam_templates()]
    bodies = [body for each in expanded for one in each if (body := one.get("Properties", {}).get("Body"))]
    assert len(bodies) == len(expanded) > 0
    routes = [route for body in bodies for path in body["paths"].values() for route in path.values()]
    assert [route for route in routes if not route.get("security")] == []


def test_sample_templates_import_what_the_stack_exports() -> None:
    """Each value that a SAM template of the pages imports is an output of ours."""
    imported = {name for text in sam_templates() for name in re.findall(r"\$\{Latchkey\}-(\w+)", text)}
    assert imported
    assert imported <= source.load()["Outputs"].keys()


def words_of(group: Any) -> dict[str, set[str]]:
    """Return the verbs of each noun of the command; the verbs of a noun within a noun have its name in front."""
    return {name: set(verbs_of(each)) for name, each in group.commands.items()}


def verbs_of(group: Any) -> list[str]:
    inner = getattr(group, "commands", {})
    return [" ".join(filter(None, (name, verb))) for name, each in inner.items() for verb in (verbs_of(each) or [""])]


@pytest.mark.parametrize("page", pages.all_pages(), ids=pages.name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link or picture leads to a file of the repository, and to a heading of it where it names one."""
    assert [link for link in pages.links(page) if is_broken(page, link)] == []


def is_broken(page: Path, link: str) -> bool:
    """Say whether a link of a page leads nowhere; addresses of the web are not looked up."""
    if re.match(r"[a-z]+:", link):
        return False
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor not in pages.anchors(target)


@pytest.mark.parametrize("link", ["nowhere.md", "README.md#nowhere", "docs/api.md#nowhere", "../LICENSE", "#nowhere"])
def test_broken_link_is_noticed(link: str) -> None:
    """A gate that lets its flaw pass proves nothing."""
    assert is_broken(README, link)


@pytest.mark.parametrize("page", pages.all_pages(), ids=pages.name_of)
def test_no_block_escapes_the_tests(page: Path) -> None:
    """Each block is of a language that some test runs or reads; a program is a file that a command of the page uses."""
    found = pages.blocks(page)
    assert page.read_text().count("```") == 2 * len(found)
    assert {block.language for block in found} <= LANGUAGES
    typed = "".join(block.text for block in found if block.language == "sh")
    programs = [block for block in found if block.language in {"python", "js"}]
    assert [block.line for block in programs if not block.file_name or Path(block.file_name).stem not in typed] == []
    assert [block.line for block in found if block.language == "text" and re.search(r"^\$|latchkey ", block.text)] == []


@pytest.mark.parametrize("page", pages.all_pages(), ids=pages.name_of)
def test_data_in_a_block_is_well_formed(page: Path) -> None:
    """A block of JSON or YAML can be read as such."""
    for block in pages.blocks(page):
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "yaml":
            assert yaml.load(block.text, source._Loader)  # noqa: S506 - a safe loader's child
