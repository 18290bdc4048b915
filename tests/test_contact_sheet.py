"""The contact sheet: the same cells every time, and a planted change is seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts import contact_sheet
from scripts.contact_sheet import ROOT, all_rows, compare, draw_sheet, main, render_by, render_cells

PLANTED = """
_frames = MeshRenderer.frames


def _brighter(self, *arguments, **options):
    for number, chunk in enumerate(_frames(self, *arguments, **options)):
        chunk = chunk.clone()
        chunk[1, 40:50, 30:40] ^= 4
        yield chunk


MeshRenderer.frames = _brighter
"""


@pytest.fixture(scope="module")
def picture(portrait_image) -> np.ndarray:
    image = Image.fromarray((portrait_image.numpy() * 255).astype(np.uint8))
    return np.asarray(image.resize((144, 144), Image.Resampling.LANCZOS))


def test_rows_are_of_one_length() -> None:
    rows = all_rows()
    assert {len(cells) for cells in rows.values()} == {10}
    names = [cell.name for cells in rows.values() for cell in cells]
    assert len(set(names)) == len(names)


def test_a_planted_change_is_seen(picture: np.ndarray, tmp_path: Path) -> None:
    rows = {"head": all_rows()["head"][:3]}
    cells = rows["head"]
    after = {"face": render_cells(picture, cells)}
    again = {"face": render_cells(picture, cells)}
    assert compare(cells, after, again) == []
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "dreamtalk", checkout / "dreamtalk")
    with (checkout / "dreamtalk" / "render" / "mesh" / "__init__.py").open("a") as file:
        file.write(PLANTED)
    before = render_by(checkout, {"face": picture}, cells)
    assert compare(cells, before, after) == [(4, f"face, {cells[1].name}")]
    alone, both = draw_sheet(rows, after), draw_sheet(rows, after, before)
    assert alone.width == both.width
    assert both.height > 2.5 * alone.height
    assert draw_sheet(rows, again).tobytes() == alone.tobytes()


def test_what_can_not_be_drawn_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_sheet, "render_by", _refuse_all_but(tmp_path))
    with pytest.raises(SystemExit):
        main([str(tmp_path / "x.png"), "--rows", "feet"])
    assert "rows mouth, eyes, emotions, head" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "x.png"), "--rows", "eyes", "--before", str(tmp_path)])
    assert "is no checkout" in capsys.readouterr().err


def _refuse_all_but(folder: Path):
    def render(checkout: Path, *rest: object) -> object:
        return render_by(checkout, *rest) if checkout == folder else {}

    return render
