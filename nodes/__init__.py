"""The nodes of the pack, for ComfyUI's V3 interface."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .dialogue import DreamTalkDialogue
from .dub import DreamTalkDub
from .faces import DreamTalkAddFace, DreamTalkInspectPortrait
from .live import DreamTalkSaveVisemes, DreamTalkStreamMotion
from .motion import (
    DreamTalkEditMotion,
    DreamTalkJoinMotion,
    DreamTalkNaturalMotion,
    DreamTalkPlotMotion,
)
from .motion_io import DreamTalkLoadMotion, DreamTalkSaveMotion, DreamTalkTrackMotion
from .portrait import DreamTalkPortrait
from .render import DreamTalkRender, DreamTalkRenderVideo
from .renderers import DreamTalkLoadDiffTalk, DreamTalkLoadPIRenderer, DreamTalkLoadRenderer
from .replacements import register_replacements
from .sampler import DreamTalkLoadModel, DreamTalkSampler
from .speech import DreamTalkLoadSpeech, DreamTalkSpeechFeatures
from .style import (
    DreamTalkStyleBlend,
    DreamTalkStyleEncoder,
    DreamTalkStylePicture,
    DreamTalkStylePredictor,
    DreamTalkStylePreset,
    DreamTalkStyleTrack,
)
from .talk import DreamTalkTalk

NODES: tuple[type[io.ComfyNode], ...] = (
    DreamTalkTalk,
    DreamTalkDialogue,
    DreamTalkDub,
    DreamTalkLoadSpeech,
    DreamTalkSpeechFeatures,
    DreamTalkLoadModel,
    DreamTalkStylePreset,
    DreamTalkStylePredictor,
    DreamTalkStyleEncoder,
    DreamTalkStylePicture,
    DreamTalkStyleBlend,
    DreamTalkStyleTrack,
    DreamTalkSampler,
    DreamTalkTrackMotion,
    DreamTalkLoadMotion,
    DreamTalkSaveMotion,
    DreamTalkStreamMotion,
    DreamTalkSaveVisemes,
    DreamTalkEditMotion,
    DreamTalkJoinMotion,
    DreamTalkPlotMotion,
    DreamTalkNaturalMotion,
    DreamTalkPortrait,
    DreamTalkAddFace,
    DreamTalkInspectPortrait,
    DreamTalkRender,
    DreamTalkRenderVideo,
    DreamTalkLoadPIRenderer,
    DreamTalkLoadDiffTalk,
    DreamTalkLoadRenderer,
)


class DreamTalkExtension(ComfyExtension):
    """What ComfyUI asks for the nodes."""

    async def on_load(self) -> None:
        await register_replacements()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return list(NODES)
