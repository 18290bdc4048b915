"""Nodes that load a checkpoint and sample motion with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..dreamtalk.errors import ModelNotFoundError
from ..dreamtalk.options import SAMPLERS
from . import runtime
from .inputs import choice, dtype_of, option_input, precision_input
from .schema import schema
from .sockets import DTFeatures, DTModel, DTMotion, DTStyle, HostedModel

if TYPE_CHECKING:
    from ..dreamtalk.speech.speech import Features
    from ..dreamtalk.style import Style

STARTER = "starter (built in)"


def load_checkpoint(name: str, precision: str = "fp32") -> HostedModel:
    """Load a checkpoint by its name in the list, under ComfyUI's memory management."""
    from ..dreamtalk.model import load_model

    path = "starter" if name == STARTER else runtime.model_path(name)
    if path is None:
        raise ModelNotFoundError(
            f"there is no '{name}' in models/{runtime.MODEL_FOLDER}: put the file there and reload "
            f"the page, or choose '{STARTER}'"
        )
    model = load_model(path, dtype=dtype_of(precision))
    return HostedModel(model, runtime.ModelHost(model), name)


class DreamTalkLoadModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkLoadModel",
            display_name="DreamTalk Load Model",
            category="DreamTalk",
            description=(
                "Loads a DreamTalk checkpoint, which turns speech into facial motion. The starter "
                "comes with this pack. Others go into models/dreamtalk: the published "
                "denoising_network.pth, or a .safetensors that you trained or converted."
            ),
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=[STARTER, *runtime.model_files()],
                    default=STARTER,
                    tooltip="The built-in starter, or a file in models/dreamtalk.",
                ),
                precision_input(),
            ],
            outputs=[
                DTModel.Output(
                    display_name="model", tooltip="For the speech, style and sampler nodes."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, checkpoint: str, precision: str) -> str:
        return f"{runtime.model_stamp(checkpoint)} {precision}"

    @classmethod
    def execute(cls, checkpoint: str, precision: str) -> io.NodeOutput:
        return io.NodeOutput(load_checkpoint(checkpoint, precision))


class DreamTalkSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkSampler",
            display_name="DreamTalk Sampler",
            category="DreamTalk",
            description=(
                "Samples the facial motion that speaks the recording in the given style: 25 frames "
                "a second, without head motion (Natural Motion adds that)."
            ),
            inputs=[
                DTModel.Input("model", tooltip="The checkpoint from Load Model."),
                DTFeatures.Input("features", tooltip="What is said, from Speech Features."),
                DTStyle.Input(
                    "style", tooltip="How it is said, from Style Preset or another style node."
                ),
                option_input("seed", "The same seed gives the same motion, on every machine."),
                option_input(
                    "steps",
                    "Denoising steps. 10 are enough for DDIM; DDPM uses all of the schedule's "
                    "steps and ignores this.",
                ),
                option_input(
                    "sampler",
                    "ddim and dpm (second order) are fast and repeatable; ddpm is the slow, "
                    "original sampler.",
                ),
                option_input(
                    "guidance",
                    "Multiplies the intensity of the style. At 1 the style's own intensity "
                    "holds. Values other than 1 take twice the time.",
                ),
                option_input(
                    "sync",
                    "Lip-sync guidance: closes the lips where p, b and m are heard and follows "
                    "the checkpoint's lip expert. 0 none; 1 for noise, whispering, song and "
                    "strong emotions; 2 strong. Not every checkpoint has what it takes.",
                ),
            ],
            outputs=[
                DTMotion.Output(display_name="motion", tooltip="For the motion and render nodes.")
            ],
        )

    @classmethod
    def execute(
        cls,
        model: HostedModel,
        features: Features,
        style: Style,
        seed: int,
        steps: int,
        sampler: str,
        guidance: float,
        sync: float,
    ) -> io.NodeOutput:
        choice("sampler", sampler, SAMPLERS)
        model.host.device()
        motion = model.model.sample(
            features,
            style,
            steps=steps,
            sampler=sampler,
            guidance=guidance,
            seed=seed,
            sync=sync,
            progress=runtime.Bar(),
        )
        return io.NodeOutput(motion)
