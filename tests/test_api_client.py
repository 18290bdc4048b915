"""The client of docs/api.md: against a stand-in of ComfyUI's server, and against a real one.

With ``COMFYUI_PATH`` set to a checkout (and ``COMFYUI_PYTHON`` to a Python with its requirements,
if that isn't this one) a real ComfyUI is started on the CPU with this pack.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.comfy_pack import ROOT

COMFYUI_PATH = os.environ.get("COMFYUI_PATH")
VIDEO = {"filename": "talk_00001_.mp4", "subfolder": "dreamtalk", "type": "output"}


def load_client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("api_client", ROOT / "samples" / "api_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


client = load_client()


def frame(payload: bytes, kind: int = 1) -> bytes:
    """A WebSocket frame, as servers send them: without a mask (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | kind, size]) + payload
    length = bytes([126]) + size.to_bytes(2, "big")
    return bytes([0x80 | kind]) + length + payload


class Stand(BaseHTTPRequestHandler):
    """What the client asks of ComfyUI: uploads, a queue of one, messages, history, files."""

    protocol_version = "HTTP/1.1"
    uploads: dict[str, bytes]
    graph: dict[str, Any]
    status: str
    refusal: bytes | None
    ordered: threading.Event

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, body: bytes, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        cls = type(self)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/upload/image":
            edge = self.headers["Content-Type"].partition("boundary=")[2].encode()
            head, _, content = body.split(b"--" + edge)[1].partition(b"\r\n\r\n")
            name = re.search(rb'filename="([^"]+)"', head)
            assert name
            taken = f"given {name[1].decode()}"  # as ComfyUI does where the name is taken
            cls.uploads[taken] = content.removesuffix(b"\r\n")
            self.answer(json.dumps({"name": taken, "subfolder": "", "type": "input"}).encode())
        elif cls.refusal is not None:
            self.answer(cls.refusal, 400)
        else:
            cls.graph = json.loads(body)
            self.answer(b'{"prompt_id": "job-1", "number": 0, "node_errors": {}}')
        if self.path == "/prompt":
            cls.ordered.set()

    def do_GET(self) -> None:
        cls = type(self)
        at = urlsplit(self.path)
        if at.path == "/ws":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            cls.ordered.wait(10)
            said: list[dict[str, Any]] = [
                {"type": "status", "data": {"padding": "x" * 300}},
                {"type": "progress", "data": {"value": 3, "max": 4, "prompt_id": "job-1"}},
                {"type": "execution_success", "data": {"prompt_id": "somebody else's"}},
                {"type": f"execution_{cls.status}", "data": {"prompt_id": "job-1"}},
            ]
            texts = [frame(json.dumps(one).encode()) for one in said]
            self.wfile.write(frame(bytes(200), 2) + b"".join(texts))
            self.close_connection = True
        elif at.path == "/history/job-1":
            status = {"status_str": cls.status, "messages": [["execution_error", {"why": "paint"}]]}
            history = {"job-1": {"status": status, "outputs": {"4": {"images": [VIDEO]}}}}
            self.answer(json.dumps(history).encode())
        elif at.path == "/view":
            asked = {key: value[0] for key, value in parse_qs(at.query).items()}
            self.answer(b"the video" if asked == VIDEO else b"another file")
        else:
            self.answer(b"{}", 404)


@pytest.fixture
def stand() -> Iterator[tuple[str, type[Stand]]]:
    state = {"uploads": {}, "graph": {}, "status": "success", "refusal": None}
    handler: Any = type("Stood", (Stand,), {**state, "ordered": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    portrait, recording = tmp_path / "me.png", tmp_path / "words.wav"
    portrait.write_bytes(b"\x89PNG\r\n\r\npicture")
    recording.write_bytes(b"RIFF--\r\nsound")
    return portrait, recording, tmp_path / "talk.mp4"


def test_files_go_up_and_the_video_comes_back(
    stand: tuple[str, type[Stand]],
    files: tuple[Path, Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server, state = stand
    portrait, recording, out = files
    client.talk(server, portrait, recording, out, emotion="sad", intensity=1.5)
    assert state.uploads == {
        "given me.png": portrait.read_bytes(),
        "given words.wav": recording.read_bytes(),
    }
    inputs = {node["class_type"]: node["inputs"] for node in state.graph["prompt"].values()}
    assert inputs["LoadImage"]["image"] == "given me.png"
    assert inputs["DreamTalkLoadSpeech"]["audio"] == "given words.wav"
    assert inputs["DreamTalkTalk"]["emotion"] == "sad"
    assert inputs["DreamTalkTalk"]["intensity"] == 1.5
    assert out.read_bytes() == b"the video"
    assert " 75%" in capsys.readouterr().out


def test_what_fails_in_a_node_is_said(
    stand: tuple[str, type[Stand]], files: tuple[Path, Path, Path]
) -> None:
    server, state = stand
    state.status = "error"
    with pytest.raises(RuntimeError, match="paint"):
        client.talk(server, *files)
    assert not files[2].exists()


def test_what_the_server_refuses_is_said(
    stand: tuple[str, type[Stand]], files: tuple[Path, Path, Path]
) -> None:
    server, state = stand
    state.refusal = b'{"error": {"message": "no such node"}}'
    with pytest.raises(RuntimeError, match=r"400.*no such node"):
        client.talk(server, *files)


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        command = [sys.executable, str(ROOT / "samples" / "api_client.py")]
        files = [str(ROOT / "samples" / name) for name in ("portrait.png", "speech.wav")]
        server = ("--server", f"http://127.0.0.1:{port}")
        run = subprocess.run(
            [*command, *files, str(tmp_path / "talk.mp4"), *server], capture_output=True, text=True
        )
    assert run.returncode == 1
    assert run.stderr.startswith("api_client: http://127.0.0.1:")
    assert "is ComfyUI running there?" in run.stderr


@pytest.mark.parametrize("name", ["api_client.py", "sdk_client.py"])
def test_the_page_shows_what_runs(name: str) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    code = (ROOT / "samples" / name).read_text(encoding="utf-8")
    shown = code[code.index("def talk(") : code.index("\n\nif __name__")].strip()
    assert shown in page


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[str]:
    """The address of a real server that holds this pack alone."""
    base = tmp_path / "base"
    for folder in ("custom_nodes", "models", "input", "output", "temp", "user"):
        (base / folder).mkdir(parents=True)
    try:
        (base / "custom_nodes" / "ComfyUI-DreamTalk").symlink_to(ROOT)
    except OSError:  # Windows without the right to make links
        shutil.copytree(ROOT, base / "custom_nodes" / "ComfyUI-DreamTalk")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    command = [python, "main.py", "--cpu", "--port", str(port), "--base-directory", str(base)]
    command += ["--database-url", "sqlite:///:memory:", "--disable-api-nodes"]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=COMFYUI_PATH, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(1200):
                assert server.poll() is None, (tmp_path / "server.log").read_text()[-3000:]
                try:
                    urllib.request.urlopen(f"{url}/system_stats", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.25)
            yield url
        finally:
            server.terminate()
            server.wait(30)


@pytest.mark.skipif(COMFYUI_PATH is None, reason="COMFYUI_PATH names no checkout of ComfyUI")
def test_against_a_real_server(comfyui: str, tmp_path: Path) -> None:
    """A film comes back, and graphs of another pack run with our node in place of its own."""
    import av
    import numpy as np
    from scipy.io import wavfile

    short = tmp_path / "short.wav"
    rate, samples = wavfile.read(ROOT / "samples" / "speech.wav")
    wavfile.write(short, rate, np.asarray(samples)[: rate // 2])
    out = tmp_path / "talk.mp4"
    client.talk(comfyui, ROOT / "samples" / "portrait.png", short, out, emotion="sad", seed=3)
    with av.open(str(out)) as film:
        assert film.streams.video[0].frames >= 12
        assert film.streams.audio

    known = json.loads(client.call(f"{comfyui}/features"))
    if not known.get("node_replacements"):
        return  # an older ComfyUI
    told = json.loads(client.call(f"{comfyui}/node_replacements"))
    assert told["D_LoadAudio"][0]["new_node_id"] == "DreamTalkLoadSpeech"
    graph = {
        "1": {"class_type": "D_LoadAudio", "inputs": {"audio": client.upload(comfyui, short)}},
        "2": {
            "class_type": "SaveAudio",
            "inputs": {"audio": ["1", 0], "filename_prefix": "dreamtalk/old"},
        },
    }
    for node in graph.values():
        node["_meta"] = {"title": ""}  # ComfyUI 0.33 wants one where it replaces
    order = json.dumps({"prompt": graph}).encode()
    assert not json.loads(client.call(f"{comfyui}/prompt", order))["node_errors"]
