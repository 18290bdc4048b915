"""mypy over the library and the nodes, under the name that ComfyUI gives the pack: a folder's.

The nodes import the library from the folder above theirs (``..dreamtalk``), since ComfyUI loads the
checkout as one package. A checkout may have any name, also one that Python can't import
(``ComfyUI-DreamTalk``), so mypy gets to see it through a link with a proper one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "dreamtalk_pack"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / NAME).symlink_to(ROOT, target_is_directory=True)
        command = [
            sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"),
            "--cache-dir", str(ROOT / ".mypy_cache"),
            "-p", f"{NAME}.dreamtalk", "-p", f"{NAME}.nodes", *sys.argv[1:],
        ]  # fmt: skip
        return subprocess.run(
            command, cwd=folder, env={**os.environ, "MYPYPATH": folder}
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
