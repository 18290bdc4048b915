"""What the installation adds to a ComfyUI, from two resolved lists."""

from __future__ import annotations

from pathlib import Path

from scripts.install_diff import CV2, OURS, changes


def test_packages_that_are_added_taken_away_and_moved() -> None:
    before = {"torch": "2.13.0", "numpy": "2.4.0", "six": "1.17.0"}
    after = {"torch": "2.13.0", "numpy": "1.26.4", "opencv-python": "5.0.0"}
    assert changes(before, after) == [
        "+ opencv-python 5.0.0", "- six 1.17.0", "! numpy 2.4.0 -> 1.26.4",
    ]  # fmt: skip
    assert changes(before, dict(before)) == []


def test_one_owner_of_cv2_and_no_torch_are_asked_for() -> None:
    lines = [line.split("#")[0].strip() for line in Path(OURS).read_text().splitlines()]
    names = [line.split(">")[0] for line in lines if line]
    assert len(CV2 & set(names)) == 1
    assert not {name for name in names if name.startswith(("torch", "mediapipe", "tensorflow"))}
