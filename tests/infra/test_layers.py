"""The layers as `sam build` makes them: byte code beside every module, only what runs, the same bytes in any folder."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from infra.packaging.locks import ROOT
from infra.packaging.prerequisites import VERSION, missing

LAYERS = {"dependencies": "DependenciesLayer", "latchkey": "LatchkeyLayer"}
HOST = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
RUNTIME = f"python{VERSION}"
PYTHON = sys.executable if list(missing(RUNTIME)) else RUNTIME
"""Where there is no Python of the functions, the Python that runs the tests stands in for it."""

UNCHECKED_HASH = 0b01
"""The flags of byte code that is loaded without a look at its source (PEP 552)."""

SIZE = 33_000_000
ZIPPED = 12_000_000
"""Bytes of both layers that no build may exceed. Unpruned and without byte code, they had 44 and 24 million."""

OUT_OF_REACH = ("NewConnectionError", "ConnectTimeoutError", "No matching distribution found")


def make(layer: str, to: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Build one layer in a copy of its folder, as `sam build` does."""
    source = to.parent / f"source of {layer}"
    shutil.copytree(ROOT / "layers" / layer, source)
    return subprocess.run(
        ["make", "--silent", "--makefile", ROOT / "layers" / layer / "Makefile", f"build-{LAYERS[layer]}"],
        cwd=source,
        env=os.environ | {"ARTIFACTS_DIR": str(to), "RUNTIME_PYTHON": PYTHON, "ARCHITECTURE": HOST} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def build(folder: Path) -> Path:
    """Build both layers into one folder, as Lambda unpacks them.

    Skip the test where pip gets no packages, but not in CI.
    """
    opt = folder / "opt"
    for layer in LAYERS:
        done = make(layer, opt)
        problems = [line for line in done.stderr.splitlines() if any(error in line for error in OUT_OF_REACH)]
        if problems and os.environ.get("CI") != "true":
            pytest.skip(f"pip gets no packages for the layers here: {problems[-1]}")
        assert done.returncode == 0, done.stderr
    return opt


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"))


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def byte_code(opt: Path) -> dict[Path, Path]:
    """Return where the byte code of each module belongs."""
    [cached] = {path.suffixes[-2] for path in (opt / "python").glob("__pycache__/*.pyc")}
    return {path: path.parent / "__pycache__" / f"{path.stem}{cached}.pyc" for path in opt.rglob("*.py")}


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files(folder)}


# ---- What needs no packages ------------------------------------------------------------------------------------------


def clients(sources: Iterable[str]) -> set[str]:
    """Return the AWS services that code makes clients of."""
    calls = (node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {
        ast.literal_eval(call.args[0]) for call in calls if ast.unparse(call.func) in {"boto3.client", "boto3.resource"}
    }


def test_services_of_the_layer_are_those_that_the_code_has_clients_of() -> None:
    """A service that is missing would fail on AWS alone, and one too many is weight."""
    code = [path.read_text() for folder in ("layers", "functions") for path in sorted((ROOT / folder).rglob("*.py"))]
    [line] = [
        line
        for line in (ROOT / "layers/dependencies/Makefile").read_text().splitlines()
        if line.startswith("SERVICES := ")
    ]
    assert set(line.removeprefix("SERVICES := ").split()) == clients(code)


def test_client_of_another_service_is_noticed() -> None:
    """The rule above sees a planted client."""
    assert clients(['def made() -> Any:\n    return boto3.client("sqs", config=CONFIG)\n']) == {"sqs"}


@pytest.mark.parametrize("architecture", ["mips", "arm64 x86_64"])
def test_build_for_no_known_architecture_is_refused(tmp_path: Path, architecture: str) -> None:
    """Lambda has two architectures, and a layer is built for one of them."""
    done = make("dependencies", tmp_path / "opt", ARCHITECTURE=architecture)
    assert done.returncode != 0
    assert "architecture to build for is not known" in done.stderr


# ---- The layers ------------------------------------------------------------------------------------------------------


def test_two_builds_in_two_folders_are_the_same(opt: Path, tmp_path: Path) -> None:
    """So a layer that has not changed is neither uploaded nor published again."""
    assert digests(build(tmp_path)) == digests(opt)


def test_byte_code_lies_beside_every_module(opt: Path) -> None:
    """Lambda cannot store byte code there, so what the layer lacks is compiled at every cold start."""
    assert [str(path) for path, compiled in byte_code(opt).items() if not compiled.is_file()] == []


def test_byte_code_is_loaded_without_a_look_at_its_source(opt: Path) -> None:
    """Byte code that is checked by time would never match: the layer's archive sets other times."""
    flags = {int.from_bytes(compiled.read_bytes()[4:8], "little") for compiled in byte_code(opt).values()}
    assert flags == {UNCHECKED_HASH}


def test_byte_code_names_no_folder_of_the_build(opt: Path) -> None:
    """Tracebacks name the path in Lambda, and no machine's."""
    assert [str(path) for path in files(opt) if bytes(opt.parent) in path.read_bytes()] == []


def test_layers_hold_only_what_runs(opt: Path) -> None:
    """No tests, no examples, and of more than 400 AWS services those with a client."""
    inside = {path.relative_to(opt / "python") for path in files(opt)}
    assert [str(path) for path in inside if {"tests", "examples", "event_handler"} & set(path.parts)] == []
    assert {path.parts[2] for path in inside if path.parts[:2] == ("botocore", "data") and len(path.parts) > 3} == (
        {"dynamodb", "secretsmanager", "sesv2"}
    )


def test_layers_stay_small(opt: Path, tmp_path: Path) -> None:
    """A growth is decided, not found out: these bounds are raised with a reason."""
    archive = tmp_path / "layers.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in files(opt):
            zipped.write(path, path.relative_to(opt))
    assert (sum(path.stat().st_size for path in files(opt)) < SIZE, archive.stat().st_size < ZIPPED) == (True, True)


def imported(source: str) -> set[str]:
    """Return the modules that code imports, at its start or where they are needed, except for those of types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if not name.startswith(("mypy_boto3_", "_typeshed"))}


PROGRAM = """
import importlib, importlib.util, sys
layers, *modules = sys.argv[1:]
sys.path.insert(0, layers)
for module in modules:
    if module.endswith(".py"):
        spec = importlib.util.spec_from_file_location("app", module)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    else:
        importlib.import_module(module)
import boto3
for service in ("dynamodb", "secretsmanager", "sesv2"):
    boto3.client(service, region_name="eu-central-1").get_paginator
"""


def load(packages: Path) -> subprocess.CompletedProcess[str]:
    """Import every function, and all that the layer imports, with these packages and the standard library alone."""
    functions = sorted(str(path) for path in (ROOT / "functions").glob("*/app.py"))
    modules = {name for path in (ROOT / "layers").rglob("*.py") for name in imported(path.read_text())}
    command = [PYTHON, "-I", "-S", "-c", PROGRAM, str(packages), *functions, *sorted(modules)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_function_loads_from_the_layers_alone(opt: Path) -> None:
    """Nothing that a function imports, or a client of AWS reads, was pruned."""
    done = load(opt / "python")
    assert done.returncode == 0, done.stderr


def test_pruned_package_is_noticed(opt: Path, tmp_path: Path) -> None:
    """The test above sees that a package which runs is missing."""
    for path in (opt / "python").iterdir():
        if path.name != "jmespath":
            (tmp_path / path.name).symlink_to(path)
    assert "No module named 'jmespath'" in load(tmp_path).stderr
