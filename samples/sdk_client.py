"""The same as api_client.py with the SDK of the Comfy API v2 (pip install comfy-sdk).

COMFY_BASE_URL=http://127.0.0.1:8189 python sdk_client.py portrait.png speech.wav talk.mp4
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from comfy_sdk import Comfy, Progress

WORKFLOW = Path(__file__).resolve().parents[1] / "workflows" / "api" / "talk_in_one_node.json"


def talk(portrait: str, recording: str, out: str, **widgets: Any) -> None:
    """Run the workflow on files of this machine; ``widgets`` are those of Talking Portrait."""
    client = Comfy()
    workflow = client.workflows.from_file(WORKFLOW)
    node = {entry["class_type"]: key for key, entry in workflow.json.items()}
    workflow.set_input(node["LoadImage"], "image", client.assets.from_file(portrait))
    workflow.set_input(node["DreamTalkLoadSpeech"], "audio", client.assets.from_file(recording))
    for name, value in widgets.items():
        workflow.set_input(node["DreamTalkTalk"], name, value)
    job = client.submit(workflow)
    for event in job.events():
        if isinstance(event, Progress):
            print(f"\r{event.value:4.0%}", end="", flush=True)
    job.result()  # raises JobFailed with what the node said
    job.get_outputs(node["SaveVideo"])[0].to_file(out)


if __name__ == "__main__":
    talk(*sys.argv[1:4])
