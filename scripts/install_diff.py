"""What installing this pack adds to a ComfyUI: its requirements resolved with and without ours.

``python -m scripts.install_diff COMFYUI_FOLDER [--python 3.13] [--platform linux]`` prints a line
for each package that is added (+), taken away (-) or moved to another version; nothing is
installed. It needs ``uv`` (``pip install uv``).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

OURS = Path(__file__).resolve().parents[1] / "requirements.txt"
CV2 = {"opencv-python", "opencv-python-headless", "opencv-contrib-python",
       "opencv-contrib-python-headless"}  # fmt: skip
"""Distributions that own the module ``cv2``: two of them overwrite each other's files."""


def resolved(files: list[Path], python: str, platform: str) -> dict[str, str]:
    """Package -> version, as an installer would choose them."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    command = [
        uv, "--no-python-downloads", "pip", "compile", "--quiet", "--no-annotate", "--no-header",
        "--no-emit-index-url", "--no-emit-find-links", "--python-version", python,
        "--python-platform", platform,
    ]  # fmt: skip
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"uv can't resolve {', '.join(map(str, files))}:\n{done.stderr}")
    lines = (line.split(";")[0].strip() for line in done.stdout.splitlines())
    pairs = (line.partition("==") for line in lines if "==" in line)
    return {name: version for name, _, version in pairs}


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Lines ``+ name version``, ``- name version``, ``! name old -> new``."""
    lines = [f"+ {name} {after[name]}" for name in sorted(after.keys() - before.keys())]
    lines += [f"- {name} {before[name]}" for name in sorted(before.keys() - after.keys())]
    moved = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    return lines + [f"! {name} {before[name]} -> {after[name]}" for name in moved]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("comfyui", type=Path, help="folder of a ComfyUI")
    parser.add_argument("--python", default="3.13")
    parser.add_argument("--platform", default="linux", help="linux, windows, macos")
    args = parser.parse_args()
    theirs = args.comfyui / "requirements.txt"
    if not theirs.is_file():
        raise SystemExit(f"'{args.comfyui}' has no requirements.txt: give the folder of a ComfyUI")
    before = resolved([theirs], args.python, args.platform)
    after = resolved([theirs, OURS], args.python, args.platform)
    print("\n".join(changes(before, after)) or "nothing changes")
    owners = sorted(CV2 & after.keys())
    print(f"{len(before)} packages before, {len(after)} after; cv2 comes from {', '.join(owners)}")


if __name__ == "__main__":
    main()
