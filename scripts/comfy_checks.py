"""What a running ComfyUI with this pack does: its cache, its cancel, its memory; as tables.

    python main.py --cpu --port 8188                       # a ComfyUI with the pack, elsewhere
    python -m scripts.comfy_checks --pid PID repeat talking_portrait two_people
    python -m scripts.comfy_checks --pid PID cancel
    python -m scripts.comfy_checks --pid PID soak --runs 100
    python -m scripts.comfy_checks --pid PID length --minutes 5,10,20 --size 512
    python -m scripts.comfy_checks --pid PID beside --other http://127.0.0.1:8189

It ends with status 1 if something isn't as it should be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import wave
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from scripts.comfy_server import (
    ROOT,
    Cancel,
    Server,
    digest,
    graph,
    other_seed,
    streams,
    with_widgets,
)

SAMPLES = ROOT / "samples"
QUICK = {"duration": 2.0, "max_size": 256}
Rows = Iterator[list[Any]]
# what is cancelled where: workflow, node, share of its bar (None as it begins), widgets
CANCELS: tuple[tuple[str, str, float | None, dict[str, Any]], ...] = (
    ("talking_portrait", "DreamTalkPortrait", None, {}),
    ("talking_portrait", "DreamTalkSpeechFeatures", None, {}),
    ("talking_portrait", "DreamTalkSampler", 0.3, {"steps": 100}),
    ("talking_portrait", "DreamTalkRenderVideo", None, {}),
    ("talking_portrait", "SaveVideo", 0.2, {}),
    ("transparent_presenter", "DreamTalkRender", 0.2, {"duration": 4.0}),
    ("talk_in_one_node", "DreamTalkTalk", 0.1, {}),
    ("talk_in_one_node", "SaveVideo", 0.2, {}),
    ("two_people", "DreamTalkDialogue", 0.1, {}),
    ("dub_a_video", "DreamTalkDub", 0.1, {}),
    ("dub_a_video", "DreamTalkDub", 0.6, {}),
    ("style_from_video", "DreamTalkTrackMotion", 0.3, {}),
    ("emotion_from_voice", "DreamTalkStylePredictor", None, {}),
    ("difftalk_renderer", "SaveVideo", 0.05, {}),
)


def repeat(server: Server, names: Iterable[str], widgets: dict[str, Any]) -> Rows:
    """A second run, one without the cache, and one with other seeds."""
    yield ["workflow", "s", "cached in the second run", "same seed", "other seed"]
    for name in names:
        made = with_widgets(graph(name), **widgets)
        server.free()
        first = server.run(made)
        if first.status != "success":
            yield [name, f"{first.status}: {first.said}", "", "FAILED", ""]
            continue
        content = server.saved(first)
        second = server.run(made)
        server.free()
        anew = server.run(made)
        again, other = server.saved(anew), server.saved(server.run(other_seed(made)))
        yield [
            name,
            f"{first.seconds:.1f}",
            f"{second.cached:.0%}" if second.cached == 1 else f"{second.cached:.0%} FAILED",
            _alike(content, again) if not anew.cached else f"{anew.cached:.0%} cached FAILED",
            "other frames" if streams(content) != streams(other) else "same frames FAILED",
        ]


def _alike(content: bytes, again: bytes) -> str:
    """Of two files; a .webm has numbers in it that FFmpeg draws anew for each."""
    if digest(content) == digest(again):
        return "same bytes"
    return "same packets" if streams(content) == streams(again) else "other bytes FAILED"


def cancel(server: Server, rounds: int) -> Rows:
    """A cancel in the middle of each long node, and the run after it."""
    yield ["workflow", "node", "at", "stopped in, s", "CPU s", "left behind", "run after it"]
    with tempfile.TemporaryDirectory() as folder:
        long = {"audio": server.send(_recording(Path(folder), 0.5))}
    for name, node, share, widgets in CANCELS * rounds:
        made = with_widgets(graph(name), **{**long, **widgets})
        server.free()
        before = server.left()
        stopped = server.run(made, Cancel(node, share))
        # core's previews of pictures stay until the next start
        left = [p.name for p in server.left() - before if not p.name.startswith("ComfyUI_temp_")]
        quick = {"duration": 1.0, "max_size": 256, "steps": 10}
        after = server.run(with_widgets(made, **quick))
        seconds = stopped.stopped if stopped.stopped is not None else float("nan")
        good = stopped.status == "interrupted" and seconds < 1
        yield [
            name,
            node.removeprefix("DreamTalk"),
            "its start" if share is None else f"{share:.0%}",
            f"{seconds:.2f}" if good else f"{seconds:.2f} {stopped.status} FAILED",
            f"{stopped.busy:.2f}",
            f"{', '.join(left)} FAILED" if left else "nothing",
            after.status if after.status == "success" else f"{after.status} FAILED {after.said}",
        ]


def soak(server: Server, runs: int, step: int, duration: float) -> Rows:
    """Many runs, with all models unloaded between."""
    yield ["runs", "RSS, MiB", "peak, MiB", "open files", "threads", "s a run"]
    made = with_widgets(graph("talking_portrait"), **{**QUICK, "duration": duration})
    before, spent = server.left(), 0.0
    for number in range(1, runs + 1):
        done = server.run(with_widgets(made, seed=number))
        if done.status != "success":
            raise SystemExit(f"run {number}: {done.status} {done.said}")
        spent += done.seconds
        server.free()
        if number % step == 0:
            now, peak = server.memory()
            yield [number, f"{now:.0f}", f"{peak:.0f}", *server.handles(), f"{spent / step:.2f}"]
            spent = 0.0
    made_files = [p.name for p in server.left() - before if p.suffix == ".mp4"]
    yield ["files", f"{len(made_files)} for {runs} runs", "", "", "", ""]


def length(server: Server, minutes: Iterable[float], size: int) -> Rows:
    """Long recordings to a video: memory, time, and how much is written."""
    yield ["minutes", "s", "s a minute", "CPU s", "peak RSS, MiB", "written, MiB", "file, MiB"]
    for long in minutes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"portrait_{size}.png"
            with Image.open(SAMPLES / "portrait.png") as picture:
                picture.resize((size, size), Image.Resampling.LANCZOS).save(path)
            files = {
                "image": server.send(path),
                "audio": server.send(_recording(path.parent, long)),
            }
        made = with_widgets(graph("talking_portrait"), **files, duration=0.0)
        server.free()
        server.forget_peak()
        written, cpu = server.written(), server.cpu()
        done = server.run(made)
        peak = server.memory()[1]
        if done.status != "success":
            raise SystemExit(f"{long:g} min: {done.status} {done.said}")
        written, cpu = server.written() - written, server.cpu() - cpu
        file = next(p for p in server.left() if p.name == done.files[-1]["filename"])
        yield [
            f"{long:g}", f"{done.seconds:.0f}", f"{done.seconds / long:.1f}", f"{cpu:.0f}",
            f"{peak:.0f}", f"{written:.0f}", f"{file.stat().st_size / 2**20:.0f}",
        ]  # fmt: skip


def beside(server: Server, other: Server, rounds: int) -> Rows:
    """The same graphs on two servers at once."""
    yield ["workflow", "round", "s", "s beside", "files"]
    names = ("talking_portrait", "talk_in_one_node", "dub_a_video", "emotion_from_voice")
    for number in range(rounds):
        for name in names:
            made = with_widgets(graph(name), **QUICK, seed=number)
            for one in (server, other):
                one.free()
            with ThreadPoolExecutor(2) as pool:
                runs = list(pool.map(Server.run, (server, other), (made, made)))
            if any(run.status != "success" for run in runs):
                yield [name, number, *(run.status for run in runs), "FAILED"]
                continue
            one, two = (s.saved(run) for s, run in zip((server, other), runs, strict=True))
            # what ComfyUI writes into a file tells when the recording came into the input folder
            same = "same packets" if streams(one) == streams(two) else "other packets FAILED"
            yield [name, number, *(f"{run.seconds:.1f}" for run in runs), same]


def _recording(folder: Path, minutes: float) -> Path:
    """The sample recording, again and again."""
    path = folder / f"speech_{minutes:g}_min.wav"
    with wave.open(str(SAMPLES / "speech.wav")) as sample, wave.open(str(path), "wb") as long:
        sound, rate = sample.readframes(sample.getnframes()), sample.getframerate()
        long.setparams(sample.getparams())
        wanted = round(minutes * 60 * rate) * sample.getsampwidth() * sample.getnchannels()
        long.writeframes((sound * (wanted // len(sound) + 1))[:wanted])
    return path


def table(rows: Rows) -> bool:
    """Print a table row by row; whether nothing in it failed."""
    good = True
    for number, row in enumerate(rows):
        line = f"| {' | '.join(map(str, row))} |"
        print(line, flush=True)
        if number == 0:
            print(f"| {' | '.join('---' for _ in row)} |")
        good = good and "FAILED" not in line
    return good


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", default="http://127.0.0.1:8188")
    parser.add_argument("--pid", type=int, required=True, help="of the server's process")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("repeat", help=repeat.__doc__)
    one.add_argument("workflows", nargs="+")
    one.add_argument("--duration", type=float, default=2.0, help="s of the recording")
    one = commands.add_parser("cancel", help=cancel.__doc__)
    one.add_argument("--rounds", type=int, default=1)
    one = commands.add_parser("soak", help=soak.__doc__)
    one.add_argument("--runs", type=int, default=100)
    one.add_argument("--step", type=int, default=10, help="runs between two rows")
    one.add_argument("--duration", type=float, default=2.0, help="s of the recording")
    one = commands.add_parser("length", help=length.__doc__)
    one.add_argument("--minutes", default="5,10,20")
    one.add_argument("--size", type=int, default=512, help="px")
    one = commands.add_parser("beside", help=beside.__doc__)
    one.add_argument("--other", required=True, help="address of the second server")
    one.add_argument("--rounds", type=int, default=2)
    said = parser.parse_args()
    server = Server(said.server.rstrip("/"), said.pid)
    rows: dict[str, Callable[[], Rows]] = {
        "repeat": lambda: repeat(
            server, said.workflows, {"duration": said.duration, "max_size": 256}
        ),
        "cancel": lambda: cancel(server, said.rounds),
        "soak": lambda: soak(server, said.runs, said.step, said.duration),
        "length": lambda: length(server, map(float, said.minutes.split(",")), said.size),
        "beside": lambda: beside(server, Server(said.other.rstrip("/")), said.rounds),
    }
    return 0 if table(rows[said.command]()) else 1


if __name__ == "__main__":
    sys.exit(main())
