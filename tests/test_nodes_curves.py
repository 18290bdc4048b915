"""Curves over time and sockets that grow: what ComfyUI 0.33 and 0.8 add to the nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.comfy_pack import load_pack, node_classes, run_node

load_pack()
FRAMES = 50
RISING = {"points": [[0, 0], [1, 1]], "interpolation": "linear"}


@pytest.fixture(scope="module")
def styles() -> list[Any]:
    from dreamtalk.style import Style

    return [Style(torch.full((8,), float(v)), "checkpoint", name=f"s{v}") for v in range(6)]


@pytest.fixture
def motion() -> Any:
    from dreamtalk.motion.motion import Motion

    generator = torch.Generator().manual_seed(1)
    expression = 0.05 * torch.rand(FRAMES, 31, generator=generator)
    return Motion(expression, 0.1 * torch.randn(FRAMES, 6, generator=generator))


def recording(seconds: float) -> dict[str, Any]:
    wave = 0.1 * torch.sin(torch.arange(round(seconds * 16000)) * 0.1)
    return {"waveform": wave[None, None], "sample_rate": 16000}


def input_of(node: str, name: str) -> Any:
    return next(i for i in node_classes()[node].GET_SCHEMA().inputs if i.id == name)


def test_curve_socket_is_no_widget() -> None:
    for node in ("DreamTalkStyleTrack", "DreamTalkEditMotion"):
        curve = input_of(node, "curve")
        assert (curve.io_type, curve.optional) == ("CURVE", True)
        extra = getattr(curve, "extra_dict", None) or curve.settings["extra_dict"]
        assert extra["forceInput"] is True


def test_intensity_follows_the_curve(styles: list[Any]) -> None:
    (style,) = run_node(
        "DreamTalkStyleTrack", model=None, track="0:style1@2 1:style2@1", transition=0.0,
        style1=styles[0], style2=styles[1], audio=recording(4.0), curve=RISING,
    )  # fmt: skip
    assert style.code.shape == (100, 8)
    places = torch.linspace(0, 1, 100)
    # 2 in the first second, then 1, each times the curve
    torch.testing.assert_close(style.intensity[:24], 2 * places[:24])
    torch.testing.assert_close(style.intensity[30:], places[30:])
    assert float(style.code[10, 0]) == 0.0
    assert float(style.code[-1, 0]) == 1.0


def test_one_emotion_over_time(styles: list[Any]) -> None:
    """A steady style gets a code for every frame, and its intensity alone changes."""
    (style,) = run_node(
        "DreamTalkStyleTrack", model=None, track="0:style1", style1=styles[3],
        audio=recording(2.0), curve={"points": [[0, 1], [0.5, 0], [1, 1]]},
    )  # fmt: skip
    assert style.intensity.shape == (50,)
    assert float(style.intensity[25]) < 0.05
    assert float(style.intensity[0]) == float(style.intensity[-1]) == 1.0
    assert (style.code == 3.0).all()


def test_track_lasts_as_long_as_the_recording(styles: list[Any]) -> None:
    settings = {"model": None, "track": "0:style1 1:style2", "style1": styles[0]}
    (short,) = run_node("DreamTalkStyleTrack", **settings, style2=styles[1])
    (long,) = run_node("DreamTalkStyleTrack", **settings, style2=styles[1], audio=recording(8))
    assert len(long.code) == 200
    torch.testing.assert_close(long.code[: len(short.code)], short.code)


def test_curve_without_a_recording(styles: list[Any]) -> None:
    with pytest.raises(Exception, match="connect the recording to 'audio'"):
        run_node(
            "DreamTalkStyleTrack", model=None, track="0:style1", style1=styles[0], curve=RISING
        )


@pytest.mark.parametrize(
    "curve", ["high", {"points": []}, {"pints": 1}, 3.0, {"points": [(0, 10**400)]}]
)
def test_what_is_no_curve(motion: Any, curve: Any) -> None:
    with pytest.raises(Exception, match="no CURVE"):
        run_node("DreamTalkEditMotion", motion=motion, lips=0.0, curve=curve)


def test_edit_comes_with_the_curve(motion: Any) -> None:
    (edited,) = run_node("DreamTalkEditMotion", motion=motion, lips=0.0, head=0.0, curve=RISING)
    rest = 1 - torch.linspace(0, 1, FRAMES)
    gap = motion.channel("lipAperture")
    torch.testing.assert_close(edited.channel("lipAperture"), rest * gap)
    torch.testing.assert_close(edited.head[:, 1], rest * motion.head[:, 1])
    torch.testing.assert_close(edited.channel("browInnerLeftY"), motion.channel("browInnerLeftY"))
    # what moves in time is done to all of it
    (part,) = run_node("DreamTalkEditMotion", motion=motion, lips=0.0, start=1.0, curve=RISING)
    torch.testing.assert_close(part.channel("lipAperture"), (rest * gap)[25:])
    (same,) = run_node(
        "DreamTalkEditMotion", motion=motion, lips=0.0, curve={"points": [[0, 0], [1, 0]]}
    )
    torch.testing.assert_close(same.expression, motion.expression)


def test_mixing_needs_motions_of_a_kind(motion: Any) -> None:
    from dreamtalk.errors import MotionError, SpaceMismatchError
    from dreamtalk.motion.bridges import convert
    from dreamtalk.motion.edit import adjust, mixed, trim

    half = torch.full((FRAMES,), 0.5)
    with pytest.raises(SpaceMismatchError, match="arkit"):
        mixed(motion, convert(motion, "arkit"), half)
    with pytest.raises(MotionError, match="49 shares"):
        mixed(motion, motion, half[1:])
    with pytest.raises(MotionError, match="with 25 by"):
        mixed(motion, trim(motion, 1.0), half)
    bfm = convert(motion, "bfm")
    turned = mixed(bfm, adjust(bfm, {"head": 0.0, "position": 0.0}), half)
    assert turned.pose is not None
    torch.testing.assert_close(turned.head, bfm.head * 0.5)


# ------------------------------------------------------------------------ sockets that grow


def names_of(node: str, name: str) -> list[str]:
    grown = input_of(node, name)
    assert grown.optional
    template = getattr(grown, "template", None) or grown.settings["template"]
    assert template.min == 0
    return list(template.names)


def test_blend_of_many(styles: list[Any]) -> None:
    assert names_of("DreamTalkStyleBlend", "more_styles")[0] == "style_d"
    blended = {"style_a": styles[0], "style_b": styles[1], "style_c": styles[2]}
    more = {"style_d": styles[3], "style_e": styles[4]}
    (even,) = run_node("DreamTalkStyleBlend", **blended, more_styles=more)
    assert torch.allclose(even.code, torch.full((8,), 2.0))
    (heavy,) = run_node(
        "DreamTalkStyleBlend", **blended, more_styles=more, more_weights="3", weight_a=0.0
    )
    assert torch.allclose(heavy.code, torch.full((8,), (1 + 2 + 3 * 3 + 4) / 6))
    (few,) = run_node("DreamTalkStyleBlend", style_a=styles[0], style_b=styles[2], more_styles={})
    assert torch.allclose(few.code, torch.ones(8))


def test_weights_of_further_styles(styles: list[Any]) -> None:
    from dreamtalk.errors import DreamTalkError
    from dreamtalk.style.blend import parse_weights

    assert parse_weights(" 0.5, 2;1 ", 4) == [0.5, 2.0, 1.0, 1.0]
    assert parse_weights("", 0) == []
    with pytest.raises(DreamTalkError, match="2 further weights"):
        parse_weights("1 2", 1)
    with pytest.raises(DreamTalkError, match="can't read the weights 'much'"):
        parse_weights("much", 1)
    with pytest.raises(DreamTalkError, match=r"not 2\.0"):
        parse_weights(2.0, 1)  # type: ignore[arg-type]


def test_track_names_further_styles(styles: list[Any]) -> None:
    assert names_of("DreamTalkStyleTrack", "more_styles")[0] == "style4"
    (style,) = run_node(
        "DreamTalkStyleTrack", model=None, track="0:style1 1:style5", transition=0.0,
        style1=styles[1], more_styles={"style5": styles[5]},
    )  # fmt: skip
    assert float(style.code[0, 0]) == 1.0
    assert float(style.code[-1, 0]) == 5.0


def test_faces_of_a_group(motion: Any) -> None:
    assert names_of("DreamTalkAddFace", "more_portraits")[:2] == ["portrait2", "portrait3"]
    assert names_of("DreamTalkAddFace", "more_motions")[:2] == ["motion2", "motion3"]
    second = replace(motion, fps=30.0)
    (first,) = run_node("DreamTalkAddFace", portrait="anna", motion=motion)
    assert [face.portrait for face in first] == ["anna"]
    (all_faces,) = run_node(
        "DreamTalkAddFace", portrait="bo", motion=motion, more_faces=first,
        more_portraits={"portrait2": "cy", "portrait4": "di"},
        more_motions={"motion2": second, "motion4": motion},
    )  # fmt: skip
    assert [face.portrait for face in all_faces] == ["anna", "bo", "cy", "di"]
    assert all_faces[2].motion is second
    with pytest.raises(Exception, match="connect motion3"):
        run_node(
            "DreamTalkAddFace", portrait="bo", motion=motion, more_portraits={"portrait3": "cy"}
        )
    with pytest.raises(Exception, match="connect portrait2"):
        run_node("DreamTalkAddFace", portrait="bo", motion=motion, more_motions={"motion2": motion})
