"""The lower floors of the package stand by themselves: nothing in them imports from above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "dreamtalk"
GROUND = {"errors", "progress", "curves", "files", "options"}
MAY_IMPORT = {
    "curves": set(),
    "files": {"errors"},
    "face": GROUND,
    "speech": GROUND,
    "motion": GROUND | {"face", "speech"},
    "style": GROUND | {"face", "speech"},
}


def rooms(path: Path) -> set[str]:
    """Top-level modules of the package that a file imports."""
    here = ["dreamtalk", *path.relative_to(PACKAGE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            names = [".".join([*base, *filter(None, [node.module]), node.names[0].name])]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("dreamtalk.")}
    return found


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_from_below_only(room: str) -> None:
    climbing = {
        str(path.relative_to(PACKAGE)): sorted(rooms(path) - MAY_IMPORT[room] - {room})
        for path in sorted((PACKAGE / room).rglob("*.py"))
    }
    assert {path: names for path, names in climbing.items() if names} == {}
