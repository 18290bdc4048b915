"""Hashes of motions and frames for fixed seeds: what must not change when code only moves.

    python scripts/recorded_set.py before.json [PORTRAIT ...]
    python scripts/recorded_set.py after.json [PORTRAIT ...] --compare before.json

Runs the command with many settings, the graphs of ``workflows/api`` through the nodes (without
ComfyUI's server), and the official networks with made-up weights. Every line is the hash of a
motion's numbers or of a video's decoded frames. Equal only on the same machine with the same
packages: floating-point sums differ elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SAMPLES = ROOT / "samples"
SPEECH = str(SAMPLES / "speech.wav")
SECONDS = "2"


def digest(*arrays: np.ndarray) -> str:
    """One hash over shapes, dtypes and bytes."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.shape}{array.dtype}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def motion_digest(path: Path) -> str:
    """Of a motion file."""
    from dreamtalk.motion.files import load_motion

    motion = load_motion(path)
    return digest(motion.expression.numpy(), motion.head.numpy())


def video_digest(path: Path) -> str:
    """Of a video's decoded frames."""
    total = hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            total.update(frame.to_ndarray(format="rgb24").tobytes())
    return total.hexdigest()[:16]


def commands(portraits: list[Path], work: Path, official: Path) -> Iterator[tuple[str, list[str]]]:
    """Name -> arguments of the command; a name's last part says which file to hash."""
    speech = ["--audio", SPEECH, "--duration", SECONDS]
    clip = str(SAMPLES / "clip.mp4")
    for number, portrait in enumerate(portraits):
        out = str(work / f"talk{number}.mp4")
        yield f"talk {number}", ["talk", "--portrait", str(portrait), *speech, "--out", out]
    settings = {
        "happy": ["--emotion", "happy", "--intensity", "1.5", "--seed", "3"],
        "track": ["--style-track", "0:neutral 0.6:angry@1.3 1.4:sad"],
        "clip": ["--style", clip, "--steps", "5"],
        "sync": ["--sync", "1", "--emotion", "sad"],
        "still": ["--liveliness", "0", "--intensity", "0"],
    }
    yield "track clip", ["track", "--video", clip, "--out", str(work / "clip.npz")]
    yield "track mat", ["track", "--video", clip, "--out", str(work / "bfm.mat")]
    for name, extra in settings.items():
        yield f"animate {name}", ["animate", *speech, "--out", str(work / f"{name}.npz"), *extra]
    picture = str(portraits[0])
    for name, extra in {
        "clip": ["--motion", str(work / "clip.npz")],
        "mat": ["--motion", str(work / "bfm.mat")],
        "happy": ["--motion", str(work / "happy.npz"), "--audio", SPEECH],
        "pirenderer": [
            "--motion", str(work / "still.npz"), "--renderer", str(official / "renderer.pt"),
        ],
    }.items():  # fmt: skip
        out = str(work / f"render-{name}.mp4")
        yield f"render {name}", ["render", "--portrait", picture, "--out", out, *extra]


def run_commands(portraits: list[Path], work: Path) -> dict[str, str]:
    """Hashes of what the command writes."""
    from dreamtalk.cli import main
    from tests.parity_weights import write_official_files

    official = work / "official"
    official.mkdir()
    write_official_files(official)
    results = {}
    for name, arguments in commands(portraits, work, official):
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            status = main(arguments)
        out = Path(arguments[arguments.index("--out") + 1])
        if status:
            results[name] = f"exit {status}"
        elif out.suffix == ".mp4":
            results[name] = video_digest(out)
        else:
            results[name] = motion_digest(out)
        print(f"{results[name]}  {name}", flush=True)
    return results


def run_graphs(work: Path) -> dict[str, str]:
    """Hashes of what the graphs of ``workflows/api`` give, node by node."""
    import pytest

    from tests.comfy_pack import load_pack, run_node, use_folders

    load_pack()
    use_folders(work, pytest.MonkeyPatch())
    for sample in SAMPLES.iterdir():
        two = "_two" if sample.stem == "two_people" else ""
        name = f"dreamtalk_example{two}{sample.suffix}"
        (work / "input" / name).write_bytes(sample.read_bytes())
    results = {}
    for path in sorted((ROOT / "workflows" / "api").glob("*.json")):
        if path.stem in ("official_checkpoint", "image_model_to_talk"):
            continue  # they need weights that others hold
        graph = json.loads(path.read_text())
        made: dict[str, tuple[Any, ...]] = {}

        def value(of: Any, made: dict[str, tuple[Any, ...]], run: Callable[..., Any]) -> Any:
            linked = isinstance(of, list) and len(of) == 2 and isinstance(of[0], str)
            return run(of[0])[of[1]] if linked else of

        def run(
            key: str, graph: Any = graph, made: dict[str, tuple[Any, ...]] = made
        ) -> tuple[Any, ...]:
            if key in made:
                return made[key]
            node = graph[key]
            kind = node["class_type"]
            inputs = {k: value(v, made, run) for k, v in node["inputs"].items()}
            if kind in _CORE:
                made[key] = _CORE[kind](work, inputs)
            else:
                made[key] = run_node(kind, **inputs)
            return made[key]

        for key, node in graph.items():
            if node["class_type"] in _ENDS:
                run(key)
        for key, node in graph.items():
            for index, out in enumerate(made.get(key, ())):
                name = f"{path.stem} {key} {node['class_type']} {index}"
                hashed = _hash_value(out)
                if hashed:
                    results[name] = hashed
                    print(f"{hashed}  {name}", flush=True)
    return results


def _hash_value(value: Any) -> str | None:
    if isinstance(value, torch.Tensor):
        return digest(value.cpu().numpy())
    if hasattr(value, "expression") and hasattr(value, "head"):
        return digest(value.expression.numpy(), value.head.numpy())
    if hasattr(value, "get_stream_source"):
        return video_digest(Path(value.get_stream_source()))
    return None


def _load_image(work: Path, inputs: dict[str, Any]) -> tuple[Any, ...]:
    from dreamtalk.face import load_image

    return (load_image(work / "input" / inputs["image"])[None],)


def _load_video(work: Path, inputs: dict[str, Any]) -> tuple[Any, ...]:
    from comfy_api.latest import InputImpl

    return (InputImpl.VideoFromFile(str(work / "input" / inputs["file"])),)


_CORE: dict[str, Callable[[Path, dict[str, Any]], tuple[Any, ...]]] = {
    "LoadImage": _load_image,
    "LoadVideo": _load_video,
    "SaveVideo": lambda work, inputs: (),
    "SaveWEBM": lambda work, inputs: (),
}
_ENDS = ("SaveVideo", "SaveWEBM", "DreamTalkSaveMotion", "DreamTalkPlotMotion")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the .json to write")
    parser.add_argument("portraits", nargs="*", type=Path, help="further pictures of people")
    parser.add_argument("--compare", type=Path, help="an earlier .json: say what differs")
    args = parser.parse_args()
    portraits = [SAMPLES / "portrait.png", *args.portraits]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        results = run_commands(portraits, work) | run_graphs(work / "comfy")
    args.out.write_text(json.dumps(results, indent=1) + "\n")
    if args.compare is None:
        return 0
    before = json.loads(args.compare.read_text())
    differ = [name for name in before if before[name] != results.get(name)]
    for name in differ:
        print(f"differs: {name}: {before[name]} -> {results.get(name, 'gone')}")
    print(f"{len(before) - len(differ)} of {len(before)} equal")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
