"""What the Comfy registry shows and installs, and what runs before a version is published."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.comfy_pack import ROOT, node_classes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WORKFLOWS = ROOT / ".github" / "workflows"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def picture(project: dict[str, Any], key: str) -> Image.Image:
    """The picture of this checkout that a URL of ``[tool.comfy]`` names."""
    repository = project["project"]["urls"]["Repository"]
    raw = repository.replace("github.com", "raw.githubusercontent.com") + "/main/"
    url = project["tool"]["comfy"][key]
    assert url.startswith(raw)
    return Image.open(ROOT / url.removeprefix(raw))


def test_icon_is_a_small_square(project: dict[str, Any]) -> None:
    width, height = picture(project, "Icon").size
    assert width == height <= 400


def test_banner_is_21_to_9(project: dict[str, Any]) -> None:
    width, height = picture(project, "Banner").size
    assert width * 9 == height * 21


def test_the_registry_knows_every_classifier(project: dict[str, Any]) -> None:
    """It reads the systems and the accelerators, and drops what it doesn't know."""
    said = project["project"]["classifiers"]
    systems = [c.split(" :: ")[1] for c in said if c.startswith("Operating System ::")]
    known = {"OS Independent", "Microsoft", "POSIX", "MacOS"}
    assert systems
    assert set(systems) <= known
    accelerators = {c for c in said if c.startswith("Environment ::")}
    assert accelerators <= {"Environment :: GPU :: NVIDIA CUDA"}  # what was tried


def test_the_changelog_tells_of_this_version(project: dict[str, Any]) -> None:
    version = project["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(version)}\b", changelog, re.MULTILINE)


def listed_files() -> list[str]:
    """The files of this checkout that git knows."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def installed(target: Path) -> list[str]:
    """Copy what a registry install holds; its names."""
    pathspec = pytest.importorskip("pathspec")
    patterns = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    ignored = pathspec.GitIgnoreSpec.from_lines(patterns)
    kept = [name for name in listed_files() if not ignored.match_file(name)]
    for name in kept:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    return kept


def test_a_registry_install_loads(tmp_path: Path) -> None:
    """All nodes and their help are there without what .comfyignore leaves out."""
    kept = installed(tmp_path / "pack")
    assert {f"web/docs/{node_id}.md" for node_id in node_classes()} <= set(kept)
    for folder in ("dreamtalk", "locales", "nodes", "samples", "subgraphs", "web", "workflows"):
        tracked = {p for p in listed_files() if p.startswith(f"{folder}/")}
        assert tracked
        assert tracked <= set(kept)
    assert not [name for name in kept if re.match(r"tests/|docs/|scripts/|benchmarks/|\.", name)]
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("comfy_pack.py", "fake_comfy.py"):
        shutil.copyfile(ROOT / "tests" / name, tests / name)
    code = (
        "import json, pathlib, tests.comfy_pack as p\n"
        "p.ROOT = pathlib.Path('pack').resolve()\n"
        "print(json.dumps(sorted(p.node_classes())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == sorted(node_classes())


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile, without the folder of the environment."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert found
    pytest_call = re.search(r"^PYTEST := (.*)$", makefile, re.MULTILINE)
    assert pytest_call
    text = found[1].replace("$(PYTEST)", pytest_call[1])
    return [line.strip().replace("$(BIN)/", "") for line in text.splitlines()]


@pytest.mark.parametrize("target", ["lint", "test"])
def test_the_workflow_runs_what_make_runs(target: str) -> None:
    text = (WORKFLOWS / "tests.yml").read_text(encoding="utf-8")
    for command in recipe(target):
        assert command in text, command


def test_versions_are_published_only_after_the_tests() -> None:
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((WORKFLOWS / "publish.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert jobs["publish"]["needs"] == "tests"
    systems = yaml.safe_load((WORKFLOWS / "tests.yml").read_text(encoding="utf-8"))["jobs"]["test"]
    assert {name.split("-")[0] for name in systems["strategy"]["matrix"]["os"]} == {
        "ubuntu", "windows", "macos",
    }  # fmt: skip


def test_comfy_test_runs_workflows_that_exist() -> None:
    said = tomllib.loads((ROOT / "comfy-test.toml").read_text(encoding="utf-8"))["test"]
    for name in said["workflows"]["cpu"]:
        assert (ROOT / "workflows" / name.removeprefix("!")).is_file(), name
