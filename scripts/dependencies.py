"""What the package needs at run time, under which licences and why: docs/figures/dependencies.md.

``python scripts/dependencies.py`` writes the table from pyproject.toml and what the installed
packages say of themselves; ``--check`` only compares.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "figures" / "dependencies.md"
REASONS = {
    "torch": "the networks, and tensors everywhere; comes with ComfyUI",
    "numpy": "arrays between the libraries, motion files",
    "scipy": "filters over time, rotations, `.mat` files",
    "einops": "rearranging tensors where plain views would be hard to read",
    "safetensors": "weights files that can't carry code",
    "opencv-python": "warping and drawing pictures; any build of OpenCV serves",
    "av": "FFmpeg: reading sound and video, writing video",
    "pillow": "reading and writing pictures",
    "tqdm": "progress on the terminal",
    "matplotlib": "plots of motions; loaded when one is drawn",
    "librosa": "the pitch of a voice, for the emotion in it; loaded when that is asked for",
}
"""Why each is there. A dependency without a reason is an error."""
_LICENCE_FILES = {
    "torch": "BSD-3-Clause",
    "opencv-python": "Apache-2.0",  # its metadata names the library's, its wheel adds FFmpeg's LGPL
    "scipy": "BSD-3-Clause",
    "numpy": "BSD-3-Clause",
}
"""Of packages that put the whole text, or more than one, where a name belongs."""
_NAMES = {
    "BSD": "BSD-3-Clause", "MIT License": "MIT", "Apache 2.0": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Apache Software License": "Apache-2.0", "ISC License (ISCL)": "ISC",
}  # fmt: skip


def licence(name: str) -> str:
    """The licence that an installed package names, as SPDX writes it where that is known."""
    if name in _LICENCE_FILES:
        return _LICENCE_FILES[name]
    about = metadata.metadata(name)
    told = about.get("License-Expression") or about.get("License") or ""
    if not told or len(told) > 60:
        classifiers = about.get_all("Classifier") or []
        told = next((c.split(" :: ")[-1] for c in classifiers if c.startswith("License")), "?")
    return _NAMES.get(told, told)


def table() -> str:
    """The table as Markdown."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        "Made by `python scripts/dependencies.py`.", "",
        "| package | at least | licence | for |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for requirement in project["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)>=([\w.]+)", requirement).groups()
        lines.append(f"| {name} | {bound} | {licence(name)} | {REASONS[name]} |")
    return "\n".join(lines) + "\n"


def main(check: bool) -> int:
    """Write or compare; 1 if it was out of date."""
    made = table()
    if not check:
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_text(made, encoding="utf-8")
        sys.stdout.write(made)
        return 0
    return int(not TABLE.is_file() or TABLE.read_text(encoding="utf-8") != made)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
