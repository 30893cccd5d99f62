"""A bare `sam build`, as users of the SAM CLI run it, in two folders."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.packaging import prerequisites, template
from infra.packaging.locks import ROOT

SHIPPED = ("template.yaml", "samconfig.toml", "functions", "layers", "infra")
CODE = {"AWS::Serverless::Function", "AWS::Serverless::LayerVersion"}
GENERATED = shutil.ignore_patterns("__pycache__")
X86 = '\n[default.deploy.parameters]\nparameter_overrides = "Architecture=x86_64"\n'


def tree(folder: Path, settings: str = "") -> Path:
    """Copy what the build reads, with other settings for `sam deploy` if they are given."""
    folder.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=GENERATED)
        else:
            shutil.copy(ROOT / name, folder / name)
    if settings:
        path = folder / "samconfig.toml"
        path.write_text(path.read_text() + settings)
    return folder


def build(folder: Path) -> Path:
    """Build, and return what would be deployed."""
    command = [str(ROOT / ".venv-sam/bin/sam"), "build"]
    environment = os.environ | {"SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / ".aws-sam/build"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = list(prerequisites.missing(f"python{prerequisites.VERSION}"))
    if missing:
        pytest.fail(missing[0])
    return build(tree(tmp_path_factory.mktemp("one") / "tree"))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def machines(build: Path) -> set[str]:
    """Return the processors that the native modules are built for, by their ELF header."""
    names = {62: "x86_64", 183: "arm64"}
    modules = build.glob("DependenciesLayer/**/*.so")
    return {names[int.from_bytes(path.read_bytes()[18:20], "little")] for path in modules}


def test_two_builds_are_the_same(built: Path, tmp_path: Path) -> None:
    """Not a byte differs, of layers, functions and template."""
    assert digests(build(tree(tmp_path / "another tree"))) == digests(built)


def test_every_module_of_the_layers_has_byte_code_for_the_runtime(built: Path) -> None:
    """SAM keeps what the makefiles compile, and no function misses its byte code at a cold start."""
    tag = f"cpython-{prerequisites.VERSION.replace('.', '')}"
    modules = [path for layer in built.glob("*Layer") for path in layer.rglob("*.py")]
    compiled = [path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc" for path in modules]
    assert len(modules) > 500
    assert [str(path) for path in compiled if not path.is_file()] == []


def test_every_function_and_layer_is_built(built: Path) -> None:
    """What the template names is there."""
    resources = template.load()["Resources"]
    wanted = {name for name, each in resources.items() if each["Type"] in CODE}
    assert {path.name for path in built.iterdir() if path.is_dir()} == wanted


@pytest.mark.parametrize(("settings", "machine"), [("", "arm64"), (X86, "x86_64")], ids=["default", "settings"])
def test_architecture_is_that_of_the_deployment(built: Path, tmp_path: Path, settings: str, machine: str) -> None:
    """A bare `sam build` builds for the processor that `sam deploy` will ask for."""
    assert machines(build(tree(tmp_path / "tree", settings)) if settings else built) == {machine}
