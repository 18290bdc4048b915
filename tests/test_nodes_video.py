"""The VIDEO that is rendered while it is saved: how often it renders, and what is left behind."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from tests.comfy_pack import load_pack, run_node, use_folders

load_pack()
LEVELS = 4  # grey levels from one frame to the next
RATE = 16_000


class Film:
    """Grey frames that count how often they are rendered."""

    def __init__(self, count: int = 30, size: tuple[int, int] = (48, 64)) -> None:
        self.count, self.size, self.begun, self.done = count, size, 0, 0

    def frames(self) -> Iterator[Tensor]:
        self.begun += 1
        for start in range(0, self.count, 8):
            part = torch.arange(start, min(start + 8, self.count))
            self.done += len(part)
            yield (part * LEVELS).to(torch.uint8)[:, None, None, None].expand(-1, *self.size, 3)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_folders(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def film() -> Film:
    return Film()


def video_of(film: Film, rate: Fraction = Fraction(25), sound: bool = True) -> Any:
    from dreamtalk_pack.dreamtalk.render.video import Sound  # type: ignore[import-not-found]
    from dreamtalk_pack.nodes.video import Footage, RenderedVideo  # type: ignore[import-not-found]

    # rises, so that a piece of it tells where it was taken from
    wave = torch.linspace(0, 1, 2 * RATE)[None] * torch.sin(torch.arange(2 * RATE) * 0.3)
    heard = Sound(wave, RATE) if sound else None
    footage = Footage(film.frames, film.count, film.size, rate, heard, "made by a machine", 18)
    return RenderedVideo(footage)


@pytest.fixture
def video(film: Film, folders: Path) -> Any:
    return video_of(film)


def levels(file: Any) -> list[int]:
    with av.open(file) as container:
        shown = [f.to_ndarray(format="rgb24").mean() for f in container.decode(video=0)]
    return [round(level / LEVELS) for level in shown]


def packets(file: Any) -> list[bytes]:
    with av.open(file) as container:
        return [bytes(p) for p in container.demux() if p.size]


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_nothing_is_rendered_before_it_is_saved(video: Any, film: Film, folders: Path) -> None:
    assert video.get_dimensions() == (64, 48)
    assert video.get_frame_count() == 30
    assert video.get_frame_rate() == 25
    assert video.get_duration() == pytest.approx(1.2)
    assert video.get_container_format() == "mp4"
    assert (video.get_bit_depth(), video.get_color_space()) == (8, "sRGB")
    assert film.begun == 0
    out = folders / "output" / "talk.mp4"
    video.save_to(str(out), metadata={"prompt": {"1": {}}, "note": "said"})
    assert film.begun == 1
    assert levels(str(out)) == list(range(30))
    with av.open(str(out)) as container:
        assert container.metadata["prompt"] == '{"1": {}}'
        assert container.metadata["note"] == "said"
        assert container.metadata["comment"] == "made by a machine"
        assert container.streams.audio[0].duration == pytest.approx(1.2 * RATE, abs=1024)
    assert files(folders) == {"output/talk.mp4"}, "and nothing in temp"


def test_a_second_file_gets_the_streams_of_the_first(video: Any, film: Film, folders: Path) -> None:
    first, same, other = (folders / "output" / f"{i}.mp4" for i in range(3))
    video.save_to(str(first), metadata={"prompt": {}})
    video.save_to(str(same), metadata={"prompt": {}})
    video.save_to(str(other), format="mp4", codec="h264", metadata={"prompt": {"2": {}}})
    assert film.begun == 1
    assert same.read_bytes() == first.read_bytes()
    assert packets(str(other)) == packets(str(first))
    with av.open(str(other)) as container:
        assert container.metadata["prompt"] == '{"2": {}}'
    assert Path(video.get_stream_source()) == other
    video.save_to(str(other), metadata={"prompt": {}})  # from itself
    assert packets(str(other)) == packets(str(first))
    memory = io.BytesIO()
    video.save_to(memory, format="mp4", codec="h264")
    assert packets(io.BytesIO(memory.getvalue())) == packets(str(first))
    assert film.begun == 1


@pytest.mark.parametrize("change", ["gone", "another"])
def test_a_file_that_is_not_there_any_more_is_made_again(
    change: str, video: Any, film: Film, folders: Path
) -> None:
    first, again = folders / "output" / "a.mp4", folders / "output" / "b.mp4"
    video.save_to(str(first))
    made = first.read_bytes()
    if change == "gone":
        first.unlink()
    else:
        first.write_bytes(b"not ours")
    video.save_to(str(again))
    assert film.begun == 2
    assert again.read_bytes() == made


def test_a_file_is_made_once_where_one_is_asked_for(video: Any, film: Film, folders: Path) -> None:
    memory = io.BytesIO()
    video.save_to(memory)
    source = video.get_stream_source()
    assert Path(source).parent == folders / "temp"
    assert levels(source) == list(range(30))
    video.save_to(str(folders / "output" / "talk.mp4"), metadata={"prompt": {}})
    assert film.begun == 1
    assert len(files(folders)) == 2


@pytest.mark.parametrize(
    ("container", "codec", "is_one", "holds"),
    [
        ("mkv", "auto", "matroska,webm", "h264"), ("mkv", "av1", "matroska,webm", "av1"),
        ("webm", "auto", "matroska,webm", "av1"), ("mp4", "av1", "mov,mp4,m4a,3gp,3g2,mj2", "av1"),
    ],
)  # fmt: skip
def test_other_containers_and_codecs(
    container: str, codec: str, is_one: str, holds: str, video: Any, film: Film, folders: Path
) -> None:
    from comfy_api.latest import Types  # type: ignore[import-not-found]

    if not hasattr(Types.VideoContainer, "WEBM"):
        pytest.skip("this ComfyUI writes mp4 only")
    paths = [folders / "output" / f"{i}.{container}" for i in range(2)]
    kinds = {"format": Types.VideoContainer(container), "codec": Types.VideoCodec(codec)}
    for path in paths:
        video.save_to(str(path), **kinds, metadata={"prompt": {}}, bit_depth=None, crf=None)
    assert film.begun == 1
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with av.open(str(paths[0])) as opened:
        assert opened.format.name == is_one
        assert opened.streams.video[0].codec.canonical_name == holds
        assert {k.lower() for k in opened.metadata} >= {"prompt", "comment"}
        assert len(opened.streams.audio) == 1
    assert levels(str(paths[0])) == list(range(30))
    video.save_to(str(paths[1]), **kinds, metadata={"prompt": {"2": {}}})
    assert film.begun == 1
    assert levels(str(paths[1])) == list(range(30))


def test_what_save_video_may_ask_for(video: Any, film: Film, folders: Path) -> None:
    fine, coarse, deep = (folders / "output" / f"{i}.mp4" for i in range(3))
    video.save_to(str(fine), crf=5.0, color_space="sRGB")
    video.save_to(str(coarse), crf=45.0)
    video.save_to(str(deep), bit_depth=10)
    assert film.begun == 3
    sizes = [sum(len(p) for p in packets(str(path))) for path in (fine, coarse)]
    assert sizes[0] > sizes[1]
    with av.open(str(deep)) as container:
        assert container.streams.video[0].format.name == "yuv420p10le"
    for wrong, says in (
        ({"color_space": "HDR"}, "sRGB and can't be saved as HDR"),
        ({"format": "webm", "codec": "h264"}, "h264 in webm can't be written"),
        ({"format": "gif"}, "can't be written: choose"),
    ):
        with pytest.raises(Exception, match=says):
            video.save_to(str(folders / "output" / "no.mp4"), **wrong)
    assert film.begun == 3
    assert "output/no.mp4" not in files(folders)


def test_a_cancel_while_saving_leaves_nothing(
    video: Any, film: Film, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamtalk_pack.nodes import runtime

    class Cancelled(Exception):
        pass

    def cancel() -> None:
        if film.done >= 16:
            raise Cancelled

    saves: list[Callable[[], Any]] = [
        lambda: video.save_to(str(folders / "output" / "talk.mp4")),
        video.get_stream_source,
        video.get_components,
        lambda: video.as_trimmed(1.1, 0.0).save_to(str(folders / "output" / "cut.mp4")),
    ]
    monkeypatch.setattr(runtime, "stop_if_cancelled", cancel)
    for save in saves:
        film.done = 0
        with pytest.raises(Cancelled):
            save()
        assert film.done == 16, "the chunk at which it was cancelled was the last"
        assert files(folders) == set()
    monkeypatch.undo()
    use_folders(folders, monkeypatch)
    video.save_to(str(folders / "output" / "talk.mp4"))
    assert levels(str(folders / "output" / "talk.mp4")) == list(range(30))


def test_the_bar_and_its_picture_move_where_it_is_saved(
    video: Any, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamtalk_pack.nodes import runtime

    shown: list[tuple[int, int]] = []
    monkeypatch.setattr(
        runtime.Bar, "show", lambda self, done, total, frame=None: shown.append((done, total))
    )
    assert shown == []
    video.save_to(str(folders / "output" / "talk.mp4"))
    assert shown == [(8, 30), (16, 30), (24, 30), (30, 30)]


def test_the_picture_shows_on_the_node_that_made_the_video(
    film: Film, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The editor takes a picture that came in for the saved file, and shows no video."""
    import comfy.utils  # type: ignore[import-not-found]
    import comfy_execution.progress  # type: ignore[import-not-found]
    from dreamtalk_pack.nodes.video import RenderedVideo

    told: list[tuple[str | None, Any]] = []

    class Bar:
        def __init__(self, total: int, node_id: str | None = None) -> None:
            self.node = node_id

        def update_absolute(self, value: int, total: int, preview: Any = None) -> None:
            told.append((self.node, preview and preview[1].mode))

    class State:
        def finish_progress(self, node_id: str) -> None:
            told.append((node_id, "finished"))

    monkeypatch.setattr(comfy.utils, "ProgressBar", Bar)
    monkeypatch.setattr(comfy_execution.progress, "get_progress_state", State)
    video = RenderedVideo(video_of(film)._footage, "7")
    video.save_to(str(folders / "output" / "talk.mp4"))
    assert {node for node, shown in told if shown} == {"7"}
    assert told[:2] == [(None, None), ("7", "RGB")]
    assert told[-1] == ("7", "finished")
    told.clear()
    video.as_trimmed(0.2, 0.4).save_to(str(folders / "output" / "cut.mp4"))
    assert {node for node, shown in told if shown} == {"7"}


def test_components_are_the_frames_and_the_sound(film: Film, folders: Path) -> None:
    film.size = (47, 63)
    made = video_of(film).get_components()
    assert made.images.shape == (30, 48, 64, 3), "even, as in a file"
    seen = (made.images * 255 / LEVELS).round()
    assert torch.equal(seen, torch.arange(30.0)[:, None, None, None].expand_as(seen))
    assert made.frame_rate == 25
    assert made.audio["waveform"].shape == (1, 1, round(1.2 * RATE))
    film.count = 60  # longer than the sound
    longer = video_of(film).get_components().audio["waveform"]
    assert longer.shape[-1] == round(2.4 * RATE)
    assert not longer[..., 2 * RATE :].any()
    assert video_of(film, sound=False).get_components().audio is None


def test_components_of_a_long_video_are_refused(
    video: Any, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamtalk_pack.nodes import runtime

    monkeypatch.setattr(runtime, "free_ram", lambda: 2**16)
    with pytest.raises(Exception, match=r"30 frames of 64x48 need .* connect Save Video"):
        video.get_components()
    assert film.begun == 0


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [
        (0.0, 0.0, range(30)), (0.4, 0.4, range(10, 20)), (-0.4, 0.0, range(20, 30)),
        (1.0, 5.0, range(25, 30)), (-9.0, 0.2, range(5)), (None, None, range(30)),
    ],
)  # fmt: skip
def test_trimming(
    start: float | None, duration: float | None, expected: range, video: Any, folders: Path
) -> None:
    cut = video.as_trimmed(start, duration)
    assert cut.get_frame_count() == len(expected)
    assert cut.get_duration() == pytest.approx(len(expected) / 25)
    out = folders / "output" / "cut.mp4"
    cut.save_to(str(out))
    assert levels(str(out)) == list(expected)
    sound = cut.get_components().audio["waveform"]
    whole = video.get_components().audio["waveform"]
    first = round(expected[0] / 25 * RATE)
    assert torch.equal(sound, whole[..., first : first + sound.shape[-1]])
    with av.open(str(out)) as container:
        heard = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    wanted = float(sound.abs().mean())
    assert np.abs(heard[:, : sound.shape[-1]]).mean() == pytest.approx(wanted, rel=0.1)


def test_what_can_not_be_trimmed(video: Any) -> None:
    assert video.as_trimmed(1.2, 0.0) is None
    assert video.as_trimmed(1.0, 0.4, strict_duration=True) is None
    twice = video.as_trimmed(0.4, 0.8).as_trimmed(0.4, 0.0)
    assert twice.get_frame_count() == 10
    assert twice.get_components().images[0, 0, 0, 0] * 255 == pytest.approx(20 * LEVELS)


def test_drop_frame_rates_are_exact(film: Film, folders: Path) -> None:
    out = folders / "output" / "talk.mp4"
    video_of(film, Fraction(24000, 1001)).save_to(str(out))
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == Fraction(24000, 1001)


def test_networks_come_back_before_frames_are_made(
    folders: Path, portrait_image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ComfyUI may move them between two nodes, and two savings make the same bytes."""
    from dreamtalk_pack.dreamtalk.motion.motion import Motion
    from dreamtalk_pack.nodes import runtime

    asked = []
    device = runtime.ModelHost.device
    monkeypatch.setattr(
        runtime.ModelHost, "device", lambda self, *a: (asked.append(1), device(self, *a))[1]
    )
    portrait, _ = run_node("DreamTalkPortrait", image=portrait_image[None])
    motion = Motion(0.02 * torch.rand(11, 31), torch.zeros(11, 6))
    outs = [folders / "output" / f"{i}.mp4" for i in range(2)]
    (video,) = run_node("DreamTalkRenderVideo", portrait=portrait, motion=motion, fps="50")
    before = len(asked)
    video.save_to(str(outs[0]))
    outs[0].rename(folders / "output" / "kept.mp4")
    video.save_to(str(outs[1]))
    assert len(asked) == before + 2
    assert outs[1].read_bytes() == (folders / "output" / "kept.mp4").read_bytes()
    with av.open(str(outs[1])) as container:
        assert container.streams.video[0].average_rate == 50
        assert container.streams.video[0].frames == 22
    images, _, fps = run_node("DreamTalkRender", portrait=portrait, motion=motion, fps="30")
    assert (len(images), fps) == (13, 30.0)
    with pytest.raises(Exception, match="fps can't be '23'"):
        run_node("DreamTalkRenderVideo", portrait=portrait, motion=motion, fps="23")


def test_what_does_not_fit_is_an_error_of_the_node(folders: Path, portrait_image: Tensor) -> None:
    from dreamtalk_pack.dreamtalk.motion.motion import Motion

    portrait, _ = run_node("DreamTalkPortrait", image=portrait_image[None])
    motion = Motion(torch.zeros(5, 31), torch.zeros(5, 6))
    given = {"portrait": portrait, "motion": motion}
    with pytest.raises(Exception, match="holds no sound"):
        run_node("DreamTalkRenderVideo", **given, audio={"waveform": None, "sample_rate": RATE})
    (renderer,) = run_node(
        "DreamTalkLoadDiffTalk", checkpoint="starter (built in)", from_speech=True
    )
    with pytest.raises(Exception, match="together with the speech"):
        run_node("DreamTalkRenderVideo", **given, renderer=renderer)
    assert not {name for name in files(folders) if not name.startswith("input")}
