"""Sound and masks as other nodes hand them on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.comfy_pack import load_pack, run_node

load_pack()
RATE = 16_000
TONE = 0.3 * torch.sin(torch.arange(RATE) * 2 * torch.pi * 440 / RATE)


def heard(audio: Any) -> tuple[Tensor, int]:
    from dreamtalk_pack.nodes.convert import waveform_of

    return waveform_of(audio, None)


def audio(waveform: Any, rate: Any = RATE) -> dict[str, Any]:
    return {"waveform": waveform, "sample_rate": rate}


@pytest.mark.parametrize(
    "waveform",
    [
        TONE[None, None],
        TONE,
        TONE[None],
        TONE.numpy(),
        TONE.double().numpy()[None, None],
        [TONE.tolist()],
        (TONE * 32768).to(torch.int16)[None, None],
        (TONE * 32768)[None, None],
        (TONE.numpy() * 2**31).astype(np.int32),
        (TONE * 128 + 128).to(torch.uint8)[None],
        TONE[:, None].expand(-1, 2),
    ],
    ids=["3d", "1d", "2d", "array", "double", "list", "int16", "32768", "int32", "uint8", "turned"],
)
def test_sound_of_any_make(waveform: Any) -> None:
    samples, rate = heard(audio(waveform))
    assert rate == RATE
    assert samples.dtype == torch.float32
    assert samples.shape[1] == RATE
    assert float((samples - TONE).abs().max()) < 0.01


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"waveform": TONE[None, None]},
        {"sample_rate": RATE},
        [TONE],
        "speech.wav",
        audio(None),
        audio("words"),
        audio(TONE[None, None], None),
        audio(TONE[None, None], 0),
        audio(torch.zeros(1, 1, 0)),
        audio(torch.zeros(0, 1, 10)),
        audio(torch.zeros(1, 1, 1, 10)),
        audio(torch.full((1, 1, 10), float("nan"))),
    ],
)
def test_no_sound_is_a_sentence(value: Any) -> None:
    with pytest.raises(Exception, match=r"sound|AUDIO|NaN|sample rate") as caught:
        heard(value)
    assert type(caught.value).__name__ == "AudioError"


def test_six_channels_keep_the_voice() -> None:
    from dreamtalk.speech.loading import at_most_stereo, speech_from_waveform

    surround = torch.zeros(6, RATE)
    surround[2] = TONE  # the voice is in the centre
    stereo = at_most_stereo(surround)
    assert stereo.shape == (2, RATE)
    assert torch.equal(stereo[0], stereo[1])
    assert float(stereo.abs().max()) > 0.25 * float(TONE.abs().max())
    assert float(at_most_stereo(torch.ones(6, 10)).abs().max()) <= 1.0001
    assert speech_from_waveform(surround, RATE, normalize=False).waveform.numel() == RATE


def test_masks_of_any_make(portrait_image: Tensor) -> None:
    from dreamtalk_pack.nodes.convert import mask_of

    half = torch.zeros(264, 264)
    half[:, :132] = 1
    for mask in (
        half[None], half, half.bool(), (half * 255).to(torch.uint8)[None], half.long(),
        half.numpy(), half.tolist(), half[None, None], half[None, ..., None], half[None, ::2, ::2],
    ):  # fmt: skip
        found = mask_of(mask, 264, 264, None)
        assert found is not None
        assert found.shape == (264, 264)
        assert float((found - half).abs().mean()) < 0.01
    assert mask_of(torch.zeros(1, 64, 64), 264, 264, None) is None
    for wrong in (torch.zeros(1, 0, 0), torch.zeros(3), None, "mask", torch.full((4, 4), np.nan)):
        with pytest.raises(Exception, match=r"MASK|mask") as caught:
            mask_of(wrong, 264, 264, None)
        assert type(caught.value).__name__ == "ImageError"
    turned = torch.rot90(portrait_image, 2)
    portrait, oval = run_node(
        "DreamTalkPortrait", image=turned[None], person_mask=torch.rot90(half, 2)[None]
    )
    assert portrait.turned == 180
    assert torch.allclose(portrait.mask, half, atol=1e-3)
    assert oval.shape == (1, 264, 264)
