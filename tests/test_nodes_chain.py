"""The nodes at work: every value passes from node to node as in ComfyUI, without its server.

A tiny checkpoint with random weights stands in for a trained one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
import torch
from torch import Tensor

from tests.comfy_pack import load_pack, node_classes, run_node, use_folders

load_pack()
RATE = 22_050


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """ComfyUI's folders, in a temporary place."""
    base = tmp_path_factory.mktemp("comfy")
    with pytest.MonkeyPatch.context() as patch:
        use_folders(base, patch)
        yield base


@pytest.fixture(scope="module")
def checkpoint(folders: Path) -> str:
    """The name of a tiny checkpoint in the models folder."""
    from dreamtalk.model import DreamTalkModel, save_model
    from dreamtalk.motion.spaces import FACE, LIP_CHANNELS
    from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig
    from dreamtalk.networks.lip_expert import LipExpert, LipExpertConfig
    from dreamtalk.networks.speech_encoder import SpeechEncoder
    from dreamtalk.style import EMOTIONS

    torch.manual_seed(0)
    encoder = SpeechEncoder()
    config = DenoiserConfig(
        feature_dim=encoder.row_dim,
        expression_dim=len(FACE),
        lower=tuple(range(len(LIP_CHANNELS))),
        d_model=32,
        heads=2,
        layers=1,
        ff=32,
        diffusion_steps=50,
    )
    presets = {emotion: torch.randn(32) for emotion in EMOTIONS}
    std = torch.full((len(FACE),), 0.01)
    expert = LipExpert(LipExpertConfig(encoder.row_dim, style_dim=32, width=16, embedding=16))
    model = DreamTalkModel(
        Denoiser(config),
        "face",
        "starter",
        motion_std=std,
        presets=presets,
        speech_encoder=encoder,
        lip_expert=expert,
        name="tiny",
    )
    save_model(model, folders / "models" / "dreamtalk" / "tiny.safetensors")
    return "tiny.safetensors"


@pytest.fixture(scope="module")
def model(checkpoint: str) -> Any:
    (loaded,) = run_node("DreamTalkLoadModel", checkpoint=checkpoint)
    return loaded


@pytest.fixture(scope="module")
def image(portrait_image: Tensor) -> Tensor:
    return portrait_image[None]


@pytest.fixture(scope="module")
def audio(folders: Path, speech_wav: Path) -> dict[str, Any]:
    (folders / "input" / "babble.wav").write_bytes(speech_wav.read_bytes())
    (loaded,) = run_node("DreamTalkLoadSpeech", audio="babble.wav", duration=1.2)
    return loaded


@pytest.fixture(scope="module")
def motion(model: Any, audio: dict[str, Any]) -> Any:
    features, _ = run_node("DreamTalkSpeechFeatures", model=model, audio=audio)
    (style,) = run_node("DreamTalkStylePreset", model=model, emotion="sad", intensity=1.5)
    (sampled,) = run_node(
        "DreamTalkSampler", model=model, features=features, style=style, steps=4, seed=3
    )
    return sampled


@pytest.fixture(scope="module")
def analysed(image: Tensor) -> Any:
    return run_node("DreamTalkPortrait", image=image)[0]


def probe(video: Any) -> tuple[int, float, float, tuple[int, int], dict[str, str]]:
    """Frames, seconds of video, seconds of sound, (width, height), metadata."""
    with av.open(video.get_stream_source()) as file:
        size = (file.streams.video[0].width, file.streams.video[0].height)
        rate = float(file.streams.video[0].average_rate)
        frames = sum(1 for _ in file.decode(video=0))
        samples, sound_rate = 0, 1
        if file.streams.audio:
            file.seek(0)
            sound_rate = file.streams.audio[0].codec_context.sample_rate
            samples = sum(f.samples for f in file.decode(audio=0))
        return frames, frames / rate, samples / sound_rate, size, dict(file.metadata)


def test_load_speech_keeps_rate_and_cuts(folders: Path, audio: dict[str, Any]) -> None:
    assert audio["sample_rate"] == RATE
    assert audio["waveform"].shape == (1, 1, round(1.2 * RATE))
    (rest,) = run_node("DreamTalkLoadSpeech", audio="babble.wav", start=2.0, normalize=False)
    assert rest["waveform"].shape[-1] == pytest.approx(0.4 * RATE, abs=2)


def test_load_speech_says_what_is_wrong(folders: Path) -> None:
    cls = node_classes()["DreamTalkLoadSpeech"]
    (folders / "input" / "notes.wav").write_text("not a recording")
    assert "no 'gone.wav'" in cls.validate_inputs(audio="gone.wav")
    assert cls.validate_inputs(audio="notes.wav") is True
    with pytest.raises(Exception, match="not an audio or video file"):
        run_node("DreamTalkLoadSpeech", audio="notes.wav")


def test_load_speech_notices_a_changed_file(folders: Path) -> None:
    cls = node_classes()["DreamTalkLoadSpeech"]
    path = folders / "input" / "changing.wav"
    path.write_bytes(b"1")
    before = cls.fingerprint_inputs(audio="changing.wav", start=0.0, duration=None, normalize=True)
    path.write_bytes(b"22")
    after = cls.fingerprint_inputs(audio="changing.wav", start=0.0, duration=None, normalize=True)
    assert before != after


def test_load_model_lists_and_refuses(checkpoint: str, folders: Path) -> None:
    cls = node_classes()["DreamTalkLoadModel"]
    combo = next(i for i in cls.GET_SCHEMA().inputs if i.id == "checkpoint")
    assert combo.options == ["starter (built in)", checkpoint]
    with pytest.raises(Exception, match=r"no 'gone\.pth' in models/dreamtalk"):
        run_node("DreamTalkLoadModel", checkpoint="gone.pth")


def test_load_model_in_half_precision(checkpoint: str, model: Any, audio: Any, motion: Any) -> None:
    (half,) = run_node("DreamTalkLoadModel", checkpoint=checkpoint, precision="bf16")
    assert half.model.fingerprint == model.model.fingerprint
    features, _ = run_node("DreamTalkSpeechFeatures", model=half, audio=audio)
    (style,) = run_node("DreamTalkStylePreset", model=half, emotion="sad", intensity=1.5)
    (close,) = run_node(
        "DreamTalkSampler", model=half, features=features, style=style, steps=4, seed=3
    )
    assert float((close.expression - motion.expression).abs().max()) < 0.005
    with pytest.raises(Exception, match="precision can't be 'int8'"):
        run_node("DreamTalkLoadModel", checkpoint=checkpoint, precision="int8")


def test_files_outside_the_folders_are_refused(folders: Path) -> None:
    with pytest.raises(Exception, match="leads out of the folder"):
        run_node("DreamTalkLoadSpeech", audio="../../etc/hostname")


def test_sampler_is_seeded_and_checks_its_lists(model: Any, audio: Any, motion: Any) -> None:
    features, _ = run_node("DreamTalkSpeechFeatures", model=model, audio=audio)
    (style,) = run_node("DreamTalkStylePreset", model=model, emotion="sad", intensity=1.5)
    settings = {"model": model, "features": features, "style": style, "steps": 4}
    (again,) = run_node("DreamTalkSampler", **settings, seed=3)
    (other,) = run_node("DreamTalkSampler", **settings, seed=4)
    assert torch.equal(again.expression, motion.expression)
    assert not torch.equal(other.expression, motion.expression)
    assert len(motion) == 30
    with pytest.raises(Exception, match="sampler can't be 'euler'"):
        run_node("DreamTalkSampler", **settings, sampler="euler")
    with pytest.raises(Exception, match="emotion can't be 'bored'"):
        run_node("DreamTalkStylePreset", model=model, emotion="bored")


def test_lip_sync_guidance_works_under_inference_mode(model: Any, audio: Any, motion: Any) -> None:
    features, _ = run_node("DreamTalkSpeechFeatures", model=model, audio=audio)
    (style,) = run_node("DreamTalkStylePreset", model=model, emotion="sad", intensity=1.5)
    (steered,) = run_node(
        "DreamTalkSampler", model=model, features=features, style=style, steps=4, seed=3, sync=2.0
    )
    moved = (steered.expression - motion.expression).abs().amax(dim=0)
    assert float(moved[:13].max()) > 0


def test_features_need_an_input(model: Any) -> None:
    with pytest.raises(Exception, match="connect a recording"):
        run_node("DreamTalkSpeechFeatures", model=model)


def test_style_of_a_clip(model: Any, motion: Any) -> None:
    (style,) = run_node("DreamTalkStyleEncoder", model=model, motion=motion, intensity=0.5)
    assert style.intensity == 0.5
    assert style.model == model.model.fingerprint


def test_natural_motion(motion: Any, audio: Any) -> None:
    (alive,) = run_node("DreamTalkNaturalMotion", motion=motion, audio=audio, seed=1)
    assert len(alive) == len(motion)
    assert alive.head.abs().max() > 0
    still = {"blinks": 0.0, "gaze": 0.0, "head": 0.0, "breathing": 0.0}
    (same,) = run_node("DreamTalkNaturalMotion", motion=motion, **still)
    assert torch.equal(same.expression, motion.expression)


def test_portrait(image: Tensor) -> None:
    portrait, mask = run_node("DreamTalkPortrait", image=image)
    assert portrait.size == (264, 264)
    assert mask.shape == (1, 264, 264)
    assert 0.05 < float(mask.mean()) < 0.6
    small, mask = run_node("DreamTalkPortrait", image=image, max_size=200)
    assert small.size == (200, 200)
    assert mask.shape == (1, 200, 200)


def test_portrait_takes_the_mouth_of_another_picture(
    image: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    batch = torch.cat([torch.zeros_like(image), image])
    portrait, _ = run_node("DreamTalkPortrait", image=image, open_mouth=batch)
    assert portrait.open_mouth is not None
    assert portrait.open_mouth.open_mouth is None
    with pytest.raises(Exception, match="picture of the open mouth: no face"):
        run_node("DreamTalkPortrait", image=image, open_mouth=batch[:1])


def test_portrait_mask_is_scaled_and_an_empty_one_ignored(image: Tensor) -> None:
    matte = torch.ones(1, 32, 32)
    portrait, _ = run_node("DreamTalkPortrait", image=image, person_mask=matte)
    assert portrait.mask.shape == (264, 264)
    portrait, _ = run_node("DreamTalkPortrait", image=image, person_mask=torch.zeros(1, 64, 64))
    assert portrait.mask is None


def test_portrait_without_a_face() -> None:
    with pytest.raises(Exception, match="no face was found"):
        run_node("DreamTalkPortrait", image=torch.full((1, 128, 128, 3), 0.5))


def test_render_frames(analysed: Any, motion: Any) -> None:
    images, mask, fps = run_node("DreamTalkRender", portrait=analysed, motion=motion)
    assert images.shape == (30, 264, 264, 3)
    assert images.dtype == torch.float32
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert mask.shape == (1, 264, 264)
    assert fps == 25.0
    outside = mask[0] == 0
    still = (images - analysed.image).abs().amax(dim=(0, 3))[outside]
    assert float(still.max()) < 1.5 / 255


def test_render_refuses_what_does_not_fit(
    analysed: Any, motion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamtalk_pack.nodes import render  # type: ignore[import-not-found]

    monkeypatch.setattr(render.runtime, "free_ram", lambda: 2**20)
    with pytest.raises(Exception, match="use Render Video"):
        run_node("DreamTalkRender", portrait=analysed, motion=motion)


def test_render_video(analysed: Any, motion: Any, audio: Any) -> None:
    (video,) = run_node("DreamTalkRenderVideo", portrait=analysed, motion=motion, audio=audio)
    frames, seconds, sound, size, metadata = probe(video)
    assert frames == 30
    assert abs(seconds - sound) < 0.06
    assert size == (264, 264)
    assert "AI-generated" in metadata["comment"]
    (silent,) = run_node("DreamTalkRenderVideo", portrait=analysed, motion=motion, label=False)
    assert "comment" not in probe(silent)[4]
    assert probe(silent)[2] == 0


def test_two_faces_of_one_picture(image: Tensor, motion: Any, audio: Any) -> None:
    both = torch.cat([image, image.flip(2)], 2)
    (left, _), (right, _) = (
        run_node("DreamTalkPortrait", image=both, face=face) for face in ("leftmost", "rightmost")
    )
    short = motion.with_(expression=motion.expression[:10], head=motion.head[:10])
    (faces,) = run_node("DreamTalkAddFace", portrait=right, motion=motion)
    images, mask, _ = run_node("DreamTalkRender", portrait=left, motion=short, more_faces=faces)
    assert images.shape == (30, 264, 528, 3), "as long as the longest motion"
    assert float(mask[0, :, :264].mean()) > 0.1
    assert float(mask[0, :, 264:].mean()) > 0.1
    change = (images - both).abs().amax(-1)
    assert float(change[:10, :, :200].max()) > 0.02
    assert float(change[12:, :, 330:].max()) > 0.02
    (more,) = run_node("DreamTalkAddFace", portrait=left, motion=motion, more_faces=faces)
    assert len(more) == 2
    with pytest.raises(Exception, match="choose another face"):
        run_node("DreamTalkRender", portrait=left, motion=short, more_faces=more)


def test_two_people_talk(image: Tensor, model: Any, audio: Any) -> None:
    both = torch.cat([image, image.flip(2)], 2)
    settings = {"model": model, "styles": "left=happy", "seed": 4}
    portrait, motion, faces, sound, turns = run_node(
        "DreamTalkDialogue", image=both, audio=audio, speakers="0:left 0.6:right", **settings
    )
    assert portrait.faces == 2
    assert len(faces) == 1
    assert float(portrait.landmarks[:, 0].mean()) < float(faces[0].portrait.landmarks[:, 0].mean())
    assert len(motion) == len(faces[0].motion) == 30
    assert torch.equal(sound["waveform"], audio["waveform"])
    assert turns.startswith("face 1: ")
    (video,) = run_node(
        "DreamTalkRenderVideo", portrait=portrait, motion=motion, more_faces=faces, audio=sound
    )
    assert probe(video)[0] == 30
    assert probe(video)[3] == (528, 264)

    _, joined, faces, sound, turns = run_node(
        "DreamTalkDialogue", image=both, audio=audio, audio2=audio, audio2_at=1.5, **settings
    )
    assert len(joined) == len(faces[0].motion) == round((1.5 + 1.2) * 25)
    assert sound["waveform"].shape == (1, 1, round(1.5 * RATE) + audio["waveform"].shape[-1])
    assert "listens" not in turns
    for one, settings, said in (
        (image, {"speakers": "0:left"}, "shows 1 face: a conversation needs two"),
        (both, {"speakers": "0:first"}, "'first' names no face"),
        (both, {"speakers": " "}, "who speaks when"),
        (both, {"speakers": "0:left", "styles": "left=merry"}, "'merry' is no emotion"),
    ):
        with pytest.raises(Exception, match=said):
            run_node("DreamTalkDialogue", image=one, audio=audio, model=model, **settings)


def test_inspect_portrait(analysed: Any) -> None:
    sheet, notes = run_node("DreamTalkInspectPortrait", portrait=analysed, height=120)
    assert sheet.shape[0] == 1
    assert sheet.shape[1] == 2 * 120
    assert 0 <= float(sheet.min()) <= float(sheet.max()) <= 1
    assert notes


def test_cancel_leaves_no_file(
    analysed: Any, motion: Any, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamtalk_pack.nodes import runtime  # type: ignore[import-not-found]

    class Cancelled(Exception):
        pass

    def cancel() -> None:
        raise Cancelled

    temp = runtime.temp_file(".mp4").parent
    before = set(temp.iterdir())
    monkeypatch.setattr(runtime, "stop_if_cancelled", cancel)
    with pytest.raises(Cancelled):
        run_node("DreamTalkRenderVideo", portrait=analysed, motion=motion)
    assert set(temp.iterdir()) == before


def test_talk(image: Tensor, audio: Any, model: Any) -> None:
    stereo = {
        "waveform": audio["waveform"].expand(1, 2, -1),
        "sample_rate": RATE,
    }
    (video,) = run_node("DreamTalkTalk", image=image, audio=stereo, model=model, seed=2**63)
    frames, seconds, sound, size, _ = probe(video)
    assert frames == 30
    assert abs(seconds - sound) < 0.06
    assert size == (264, 264)


def test_style_over_time(model: Any, audio: Any) -> None:
    features, _ = run_node("DreamTalkSpeechFeatures", model=model, audio=audio)
    (style,) = run_node(
        "DreamTalkStyleTrack", model=model, track="0:neutral 0.4:happy@1.5", transition=0.2
    )
    settings = {"model": model, "features": features, "steps": 2}
    (changing,) = run_node("DreamTalkSampler", style=style, guidance=0.5, **settings)
    (short,) = run_node("DreamTalkStyleTrack", model=model, track="0:sad 0.1:sad@2")
    (held,) = run_node("DreamTalkSampler", style=short, **settings)
    assert len(changing) == len(held) == 30


def test_pirenderer_takes_the_renderers_place(
    folders: Path, analysed: Any, motion: Any, audio: Any
) -> None:
    from dreamtalk.networks.pirenderer import FaceGenerator

    torch.manual_seed(0)
    weights = {"net_G_ema": FaceGenerator().state_dict()}
    torch.save(weights, folders / "models" / "dreamtalk" / "renderer.pth")
    (renderer,) = run_node("DreamTalkLoadPIRenderer", checkpoint="renderer.pth")
    short = motion.with_(expression=motion.expression[:2], head=motion.head[:2])
    images, mask, _ = run_node(
        "DreamTalkRender", portrait=analysed, motion=short, renderer=renderer
    )
    assert images.shape == (2, 264, 264, 3)
    assert mask.shape == (1, 264, 264)
    (square,) = run_node("DreamTalkLoadPIRenderer", checkpoint="renderer.pth", paste_back=False)
    (video,) = run_node(
        "DreamTalkRenderVideo", portrait=analysed, motion=short, renderer=square, audio=audio
    )
    assert probe(video)[3] == (256, 256)
    with pytest.raises(Exception, match=r"no 'gone\.pt' in models/dreamtalk"):
        run_node("DreamTalkLoadPIRenderer", checkpoint="gone.pt")


def test_features_from_an_audio_encoder(model: Any) -> None:
    output = {"encoded_audio": torch.randn(1, 49, 1024), "audio_samples": 16_000}
    features, _ = run_node("DreamTalkSpeechFeatures", model=model, audio_encoder_output=output)
    assert features.rows.shape == (49, 1024)
    style = model.model.preset("sad")
    with pytest.raises(Exception, match="features are 'wav2vec2"):
        run_node("DreamTalkSampler", model=model, features=features, style=style)


def test_a_cancel_does_not_wait_for_work_without_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    from dreamtalk_pack.nodes import runtime  # type: ignore[import-not-found]

    class Cancelled(Exception):
        pass

    started, release = Event(), Event()

    def endless() -> None:
        started.set()
        release.wait(30)

    def cancel() -> None:
        if started.is_set():
            raise Cancelled

    monkeypatch.setattr(runtime, "stop_if_cancelled", cancel)
    with pytest.raises(Cancelled):
        runtime.cancellable(endless)
    assert not release.is_set()
    release.set()
    monkeypatch.undo()
    with torch.inference_mode():
        assert runtime.cancellable(torch.is_inference_mode_enabled)
    with pytest.raises(ZeroDivisionError):
        runtime.cancellable(lambda: 1 // 0)


def test_work_that_nobody_waits_for_stops_at_its_next_look_at_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from threading import Event

    import comfy.model_management as management  # type: ignore[import-not-found]
    from dreamtalk_pack.nodes import runtime

    started, go_on, ended = Event(), Event(), Event()
    asked = [False]

    def interrupted_once() -> None:  # as ComfyUI's: the flag is gone with the first who sees it
        if started.is_set() and not asked[0]:
            asked[0] = True
            raise management.InterruptProcessingException

    def work() -> None:
        bar = runtime.Bar()
        started.set()
        go_on.wait(30)
        try:
            bar(1, 2)
        except management.InterruptProcessingException:
            ended.set()

    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", interrupted_once)
    with pytest.raises(management.InterruptProcessingException):
        runtime.cancellable(work)
    go_on.set()
    assert ended.wait(30)


def test_difftalk_as_renderer(analysed: Any, motion: Any) -> None:
    (renderer,) = run_node(
        "DreamTalkLoadDiffTalk", checkpoint="starter (built in)", paint_steps=1, seed=3
    )
    assert renderer.loaded.options.steps == 1
    short = motion.with_(expression=motion.expression[:4], head=motion.head[:4])
    images, _, _ = run_node("DreamTalkRender", portrait=analysed, motion=short, renderer=renderer)
    plain, _, _ = run_node("DreamTalkRender", portrait=analysed, motion=short)
    assert images.shape == plain.shape
    assert 0 < (images != plain).any(-1).float().mean() < 0.2


def test_difftalk_listens_to_features(analysed: Any, motion: Any, model: Any, audio: Any) -> None:
    (renderer,) = run_node("DreamTalkLoadDiffTalk", checkpoint="starter (built in)",
                           from_speech=True, paint_steps=1)  # fmt: skip
    short = motion.with_(expression=motion.expression[:2], head=motion.head[:2])
    features, _ = run_node("DreamTalkSpeechFeatures", model=model, audio=audio)
    given = {"portrait": analysed, "motion": short, "renderer": renderer}
    images, _, _ = run_node("DreamTalkRender", **given, features=features)
    assert len(images) == 2
    with pytest.raises(Exception, match="together with the speech"):
        run_node("DreamTalkRender", **given)


def test_another_background_in_the_graph(analysed: Any, motion: Any) -> None:
    from dreamtalk.motion.edit import trim

    scene = {"portrait": analysed, "motion": trim(motion, 0.0, 0.2)}
    plain, mask, _ = run_node("DreamTalkRender", **scene)
    assert plain.shape[-1] == 3
    assert mask.shape[0] == 1
    clear, alpha, fps = run_node("DreamTalkRender", **scene, background="transparent")
    assert clear.shape == (5, 264, 264, 4)
    assert fps == 25
    assert torch.equal(alpha, clear[..., 3])
    assert 0.3 < float(alpha.mean()) < 0.7
    room = torch.tensor([0.0, 0.0, 1.0]).expand(2, 20, 30, 3)
    placed, mask, _ = run_node("DreamTalkRender", **scene, background_image=room)
    assert mask.shape[0] == 1
    assert placed[:, 2, 2].tolist() == [[0.0, 0.0, 1.0]] * 5
    (video,) = run_node("DreamTalkRenderVideo", **scene, background="#0000ff")
    with av.open(video.get_stream_source()) as file:
        first = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert first[2, 2, 2] > 240 > 20 > first[2, 2, 0]
    for wrong, said in (
        ({"background": "transparent"}, "Save WEBM"),
        ({"background": "/etc/hostname"}, "connect a picture"),
        ({"background": "red", "background_image": room}, "and a picture"),
    ):
        with pytest.raises(Exception, match=said):
            run_node("DreamTalkRenderVideo", **scene, **wrong)


def test_pictures_of_the_work_have_the_background(
    analysed: Any, motion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import comfy.utils  # type: ignore[import-not-found]

    from dreamtalk.motion.edit import trim

    seen: list[Any] = []

    class Bar:
        def __init__(self, total: int, node_id: str | None = None) -> None:
            pass

        def update_absolute(self, value: int, total: int, preview: Any = None) -> None:
            seen.extend([preview[1]] if preview else [])

    monkeypatch.setattr(comfy.utils, "ProgressBar", Bar)
    scene = {"portrait": analysed, "motion": trim(motion, 0.0, 0.2)}
    for background, behind in (("#0000ff", (0, 0, 255)), ("transparent", (128, 128, 128))):
        seen.clear()
        run_node("DreamTalkRender", **scene, background=background)
        assert seen
        assert {picture.getpixel((2, 2)) for picture in seen} == {behind}
    seen.clear()
    (video,) = run_node("DreamTalkRenderVideo", **scene, background="#0000ff")
    video.get_stream_source()
    assert {picture.getpixel((2, 2)) for picture in seen} == {(0, 0, 255)}


def test_a_batch_is_worked_through(
    image: Tensor, audio: dict[str, Any], model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mirrored = torch.cat([image, image.flip(2)])
    portraits, ovals = run_node("DreamTalkPortrait", image=mirrored)
    assert "2 pictures came in" in caplog.text
    assert [p.size for p in portraits] == [(264, 264)] * 2
    assert float((ovals[0] - ovals[1].flip(2)).abs().mean()) < 0.05 < float(ovals[0].mean())
    both = {**audio, "waveform": torch.cat([audio["waveform"], audio["waveform"].flip(2)])}
    features, recordings = run_node("DreamTalkSpeechFeatures", model=model, audio=both)
    assert len(features) == len(recordings) == 2
    (alone, same) = run_node("DreamTalkSpeechFeatures", model=model, audio=recordings[0])
    assert torch.equal(alone.rows, features[0].rows)
    assert same is recordings[0]
    assert not torch.equal(features[0].rows, features[1].rows)

    short = {**both, "waveform": both["waveform"][..., :6000]}
    videos = run_node("DreamTalkTalk", image=mirrored, audio=short, model=model)[0]
    assert [probe(video)[0] for video in videos] == [7, 7]
    frames = []
    for video in videos:
        with av.open(video.get_stream_source()) as file:
            frames.append(next(file.decode(video=0)).to_ndarray(format="rgb24").astype(int))
    assert abs(frames[0] - frames[1][:, ::-1]).mean() < 4 < abs(frames[0] - frames[1]).mean()


def test_a_batch_that_can_not_be_worked_through_is_refused(
    image: Tensor, audio: dict[str, Any], motion: Any, model: Any
) -> None:
    three = image.expand(3, -1, -1, -1)
    two = {**audio, "waveform": audio["waveform"].expand(2, -1, -1)}
    blank = torch.cat([image, torch.zeros_like(image)])
    refused = [
        ("DreamTalkPortrait", {"image": three, "points": "eyeRight 1,2"}, "those of one"),
        ("DreamTalkPortrait", {"image": three, "person_mask": torch.ones(2, 8, 8)}, "2 masks"),
        ("DreamTalkPortrait", {"image": blank}, "picture 2 of 2: "),
        ("DreamTalkTalk", {"image": three, "audio": two, "model": model}, "as many of both"),
        ("DreamTalkNaturalMotion", {"motion": motion, "audio": two}, "audio output of Speech"),
    ]
    for node, inputs, said in refused:
        with pytest.raises(Exception, match=said):
            run_node(node, **inputs)
