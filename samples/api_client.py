"""Send a picture and a recording to a ComfyUI server, and fetch the talking video.

    python api_client.py portrait.png speech.wav talk.mp4 [--server http://127.0.0.1:8188]

Nothing but Python's standard library is used; docs/api.md explains it.
"""

from __future__ import annotations

import argparse
import json
import socket
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

WORKFLOW = Path(__file__).resolve().parents[1] / "workflows" / "api" / "talk_in_one_node.json"
ENDS = ("execution_success", "execution_error", "execution_interrupted")


def call(url: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
    """GET, or POST a body. What the server refuses is raised with what it says about it."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind})) as r:
            return r.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url}: {error.code} {error.read().decode()}") from None
    except urllib.error.URLError as error:
        raise RuntimeError(f"{url}: {error.reason}; is ComfyUI running there?") from None


def upload(server: str, file: Path) -> str:
    """Put a file into ComfyUI's input folder; its name there."""
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{file.name}"'
    body = f"{head}\r\n\r\n".encode() + file.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    kind = f"multipart/form-data; boundary={edge}"
    return json.loads(call(f"{server}/upload/image", body, kind))["name"]


def messages(server: str, client: str) -> Iterator[dict[str, Any]]:
    """What the server tells this client while it works, over its WebSocket."""
    at = urlsplit(server)
    with socket.create_connection((at.hostname, at.port or 80)) as line, line.makefile("rb") as r:
        line.sendall(
            f"GET {at.path}/ws?clientId={client} HTTP/1.1\r\nHost: {at.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: ZHJlYW10YWxrLWNsaWVudA==\r\n\r\n".encode()
        )
        while r.readline().strip():  # the answer's headers
            pass
        yield {"type": "connected"}
        while len(start := r.read(2)) == 2:
            size = start[1] & 127
            if size > 125:
                size = int.from_bytes(r.read(2 if size == 126 else 8), "big")
            payload = r.read(size)
            if start[0] & 15 == 1:  # text; the others are previews, pings and the goodbye
                yield json.loads(payload)


def talk(server: str, portrait: Path, recording: Path, out: Path, **widgets: Any) -> None:
    """Run the workflow on files of this machine; ``widgets`` are those of Talking Portrait."""
    client, job = uuid.uuid4().hex, ""
    graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    inputs = {node["class_type"]: node["inputs"] for node in graph.values()}
    inputs["LoadImage"]["image"] = upload(server, portrait)
    inputs["DreamTalkLoadSpeech"]["audio"] = upload(server, recording)
    inputs["DreamTalkTalk"].update(widgets)
    for message in messages(server, client):
        if message["type"] == "connected":  # only now, so that no message is missed
            order = json.dumps({"prompt": graph, "client_id": client}).encode()
            job = json.loads(call(f"{server}/prompt", order))["prompt_id"]
        elif message["type"] == "progress":
            print(f"\r{message['data']['value'] / message['data']['max']:4.0%}", end="", flush=True)
        elif message["type"] in ENDS and message["data"]["prompt_id"] == job:
            break
    while job not in (history := json.loads(call(f"{server}/history/{job}"))):
        time.sleep(0.2)
    if history[job]["status"]["status_str"] != "success":
        raise RuntimeError(history[job]["status"]["messages"][-1])
    made = [file for node in history[job]["outputs"].values() for file in node.get("images", ())]
    out.write_bytes(call(f"{server}/view?{urlencode(made[-1])}"))
    print(f"\r{out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    for name in ("portrait", "recording", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--server", default="http://127.0.0.1:8188")
    parser.add_argument("--emotion", default="happy")
    chosen = parser.parse_args()
    try:
        talk(**vars(chosen))
    except (RuntimeError, OSError) as error:
        raise SystemExit(f"api_client: {error}") from None
