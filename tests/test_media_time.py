"""Time in media files: late streams, gaps, changing formats, clocks that wrap, drop-frame rates."""

from __future__ import annotations

import logging
import os
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.errors import AudioError
from dreamtalk.files.timeline import Clock, exact_rate
from dreamtalk.motion import Motion
from dreamtalk.motion.files import load_motion, save_motion
from dreamtalk.motion.livelink import parse_livelink, render_livelink
from dreamtalk.render.video import Sound, write_video
from dreamtalk.speech import load_speech
from dreamtalk.speech.loading import load_recording
from dreamtalk.tracking.track import track_frames, track_video

RATE = 16_000
LATE, GAP = 0.6, 1.0


def tone(seconds: float, rate: int = RATE, channels: int = 1) -> np.ndarray:
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave] * channels).astype(np.float32)


def write_film(
    path: Path,
    picture: np.ndarray,
    sound: list[tuple[float, np.ndarray]],
    shown: range = range(50),
) -> Path:
    """A still picture in some frames of 25 fps, and pieces of sound (1, N) from times in s."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=RATE)
        audio.layout = "mono"
        packets = []
        for index in shown:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode()
        for start, samples in sound:
            for at in range(0, samples.shape[1], 800):
                pcm = (samples[:, at : at + 800] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
                frame.sample_rate = RATE
                frame.pts, frame.time_base = round(start * RATE) + at, Fraction(1, RATE)
                packets += audio.encode(frame)
        packets += audio.encode()
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def heard(samples: np.ndarray, rate: int) -> list[tuple[float, float]]:
    """Stretches of sound, s, to 50 ms."""
    step = rate // 20
    loud = [np.abs(samples[at : at + step]).mean() > 0.02 for at in range(0, len(samples), step)]
    edges = np.flatnonzero(np.diff(np.r_[0, np.array(loud, np.int8), 0])).reshape(-1, 2) / 20
    return [(float(a), float(b)) for a, b in edges]


def sound_of(path: Path) -> tuple[np.ndarray, int]:
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].codec_context.sample_rate
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(parts), rate


def grey(seconds: float = 2.0) -> list[Tensor]:
    return list(torch.full((round(seconds * 25), 32, 32, 3), 90, dtype=torch.uint8).split(10))


PICTURE = np.full((64, 64, 3), 128, np.uint8)


def test_late_sound_is_late_everywhere(tmp_path: Path) -> None:
    film = write_film(tmp_path / "late.mkv", PICTURE, [(LATE, tone(1.4))])
    speech = load_speech(film, normalize=False)
    assert heard(speech.waveform.numpy(), RATE) == [(pytest.approx(LATE, abs=0.05), 2.0)]
    write_video(tmp_path / "v.mp4", grey(), 25.0, Sound(film))
    (start, _), *rest = heard(*sound_of(tmp_path / "v.mp4"))
    assert start == pytest.approx(LATE, abs=0.06)
    assert rest == []
    # to leave out the beginning leaves out as much of the pictures' time
    part = load_speech(film, start=0.5, normalize=False)
    assert heard(part.waveform.numpy(), RATE)[0][0] == pytest.approx(0.1, abs=0.05)


def test_late_pictures_are_late(portrait_image: Tensor, tmp_path: Path) -> None:
    picture = (portrait_image.numpy() * 255).astype(np.uint8)
    film = write_film(tmp_path / "late.mkv", picture, [(0.0, tone(1.0))], range(20, 25))
    assert len(track_video(film).motion) == 25


def test_a_gap_is_silence(tmp_path: Path) -> None:
    pieces = [(0.0, tone(0.5)), (0.5 + GAP, tone(0.5))]
    film = write_film(tmp_path / "gap.mkv", PICTURE, pieces)
    wanted = [(0.0, 0.5), (1.5, 2.0)]
    speech = load_speech(film, normalize=False)
    assert speech.duration == pytest.approx(2.0, abs=0.01)
    assert heard(speech.waveform.numpy(), RATE) == wanted
    write_video(tmp_path / "v.mp4", grey(), 25.0, Sound(film))
    found = heard(*sound_of(tmp_path / "v.mp4"))
    assert np.abs(np.array(found) - wanted).max() < 0.11


@pytest.mark.parametrize("suffix", ["aac", "mp3"])
def test_channels_and_rate_that_change(suffix: str, tmp_path: Path) -> None:
    codec = {"aac": "aac", "mp3": "libmp3lame"}[suffix]
    joined = b""
    for channels, rate in ((1, 44100), (2, 44100), (2, 32000)):
        part = tmp_path / f"part.{suffix}"
        options = {"write_xing": "0", "id3v2_version": "0"} if suffix == "mp3" else {}
        with av.open(str(part), "w", options=options) as container:
            stream = container.add_stream(codec, rate=rate)
            stream.layout = "mono" if channels == 1 else "stereo"
            frame = av.AudioFrame.from_ndarray(
                tone(1.0, rate, channels), format="fltp", layout=stream.layout.name
            )
            frame.sample_rate = rate
            for packet in (*stream.encode(frame), *stream.encode()):
                container.mux(packet)
        joined += part.read_bytes()
    mixed = tmp_path / f"mixed.{suffix}"
    mixed.write_bytes(joined)
    speech = load_speech(mixed, normalize=False).waveform
    assert speech.numel() / RATE == pytest.approx(3.0, abs=0.25)
    levels = [float(speech[at : at + 4800].square().mean().sqrt()) for at in (6400, 22400, 38400)]
    assert levels == [pytest.approx(0.21, rel=0.15)] * 3
    write_video(tmp_path / "v.mp4", grey(3.0), 25.0, Sound(mixed))
    samples, rate = sound_of(tmp_path / "v.mp4")
    for at in (0.4, 1.4, 2.4):
        assert np.abs(samples[int(at * rate) : int((at + 0.3) * rate)]).mean() > 0.1


def test_floats_counted_like_integers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "loud.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(tone(1.0) * 32768, format="flt", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)
    with caplog.at_level(logging.WARNING, logger="dreamtalk"):
        samples, _ = load_recording(path, normalize=False)
    assert float(samples.abs().max()) == pytest.approx(0.3, abs=0.01)
    assert "32768" in caplog.text
    write_video(tmp_path / "v.mp4", grey(1.0), 25.0, Sound(path))
    assert np.abs(sound_of(tmp_path / "v.mp4")[0]).max() < 0.5


def test_clocks_that_wrap_or_lie() -> None:
    clock, step = Clock(Fraction(10)), Fraction(1, 25)
    assert clock.place(Fraction(10), Fraction(0), step) == 0
    assert clock.place(Fraction(12), step, step) == 2  # a gap
    assert clock.place(Fraction(1), 2 + step, step) == 2 + step  # the clock wrapped
    assert clock.place(Fraction(2), 2 + 2 * step, step) == 3 + step
    assert clock.place(Fraction(10**9), Fraction(4), step) == 4  # 30 years are no pause
    assert clock.place(None, Fraction(5), step) == 5
    assert clock.restarts == 2


@pytest.mark.parametrize("base", [24, 30, 60])
def test_drop_frame_rates_are_exact(base: int, tmp_path: Path) -> None:
    rate = Fraction(base * 1000, 1001)
    motion = Motion(torch.zeros(90, 52), torch.zeros(90, 6), float(rate), "arkit")
    for suffix in (".npz", ".mat", ".jsonl", ".csv"):
        save_motion(motion, tmp_path / f"m{suffix}")
        assert load_motion(tmp_path / f"m{suffix}").fps == float(rate), suffix
    assert exact_rate(round(float(rate), 3)) == exact_rate(float(rate)) == rate
    assert exact_rate(25.0) == 25
    write_video(tmp_path / "v.mp4", grey(0.4), float(rate))
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert container.streams.video[0].average_rate == rate


def take(frames: int = 60, fps: float = 30.0) -> list[list[str]]:
    """Cells of a Live Link recording in which column 17 rises evenly, without the header."""
    motion = Motion(torch.zeros(frames, 52), torch.zeros(frames, 6), fps, "arkit")
    motion.expression[:, 17] = torch.linspace(0, 1, frames)
    return [line.split(",", 1) for line in render_livelink(motion).splitlines()]


def stamped(lines: list[list[str]], stamps: list[str]) -> str:
    head, *rows = lines
    return "\n".join(
        ",".join(cells)
        for cells in [head, *([stamp, row[1]] for stamp, row in zip(stamps, rows, strict=True))]
    )


def clock_stamps(start: int, wraps: int, frames: int = 60, fps: int = 30) -> list[str]:
    """Stamps from a second of the day on a clock that begins again at ``wraps`` s."""
    seconds = [(start + i // fps) for i in range(frames)]
    return [
        f"{s // 3600 if s < wraps else 1:02d}:{s // 60 % 60:02d}:{s % 60:02d}:{i % fps:02d}.000"
        for i, s in enumerate(seconds)
    ]


def test_stamps_that_stand_still(caplog: pytest.LogCaptureFixture) -> None:
    lines = take(30)
    back = parse_livelink(stamped(lines, ["00:00:00:00.000"] * 20 + ["00:00:12:00.001"] * 10))
    assert len(back) == 30
    assert "repeat" in caplog.text
    pairs = [f"00:00:00:{i // 2:02d}.000" for i in range(30)]  # two rows a stamp
    assert len(parse_livelink(stamped(lines, pairs))) == 30


def test_a_few_stamps_that_repeat_cost_their_rows_only() -> None:
    lines = take(60, 60.0)
    stamps = [line[0] for line in lines[1:]]
    stamps[20] = stamps[19]
    back = parse_livelink(stamped(lines, stamps))
    assert (len(back), back.fps) == (60, 60.0)
    assert torch.allclose(back.expression[:, 17], torch.linspace(0, 1, 60), atol=1e-3)


def test_a_clock_of_twelve_hours() -> None:
    back = parse_livelink(stamped(take(), clock_stamps(13 * 3600 - 1, 13 * 3600)))
    assert (len(back), back.fps) == (60, 30.0)
    assert torch.allclose(back.expression[:, 17], torch.linspace(0, 1, 60), atol=1e-3)


def test_stamps_a_day_apart_cost_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stamps = [f"{4 * i:02d}:00:00:00.000" for i in range(5)]
    assert len(parse_livelink(stamped(take(5), stamps))) == 5
    assert "leave" in caplog.text


def test_labels_that_drop_frames() -> None:
    frames = range(1790, 1810)  # over a full minute: labels 00 and 01 are left out
    stamps = []
    for i in frames:
        label = i + 2 * (i >= 1800)
        stamps.append(f"00:{label // 1800:02d}:{label // 30 % 60:02d};{label % 30:02d}")
    back = parse_livelink(stamped(take(20), stamps))
    assert (len(back), back.fps) == (20, 30000 / 1001)


def test_cuts_are_seen_and_not_smoothed_over(
    portrait_image: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    picture = (portrait_image * 255).to(torch.uint8)
    near = torch.nn.functional.interpolate(
        picture[10:210, 40:240].permute(2, 0, 1)[None].float(), (264, 264), mode="bilinear"
    )
    near = near[0].permute(1, 2, 0).to(torch.uint8)
    still = torch.stack([picture] * 12 + [near] * 12)
    tracked = track_frames(still, 25.0)
    assert tracked.cuts == (pytest.approx(12 / 25),)
    assert "cuts at 0.48 s" in caplog.text
    # two stills: whatever moves was made up
    assert float(tracked.motion.head.diff(dim=0).abs().max()) < 0.01
    for shot in (tracked.motion.expression[:12], tracked.motion.expression[12:]):
        assert float((shot - shot[0]).abs().max()) < 1e-3
    # a black frame is no cut
    flash = still[:12].clone()
    flash[5] = 0
    assert track_frames(flash, 25.0).cuts == ()


_ENCODE = """
import hashlib, sys, numpy as np, torch
from dreamtalk.render import video

def digest(side, out):
    y, x = np.mgrid[:side, :side]
    grain = np.random.default_rng(0).integers(0, 40, (side, side))
    base = np.stack([x % 200 + grain, y % 190 + grain, (x + y) % 210 + grain], -1).astype(np.uint8)
    frames = torch.from_numpy(np.stack([np.roll(base, i, 1) for i in range(16)]))
    video.write_video(out, iter(frames.split(8)))
    return hashlib.sha256(open(out, "rb").read()).hexdigest()

out, ours = sys.argv[1], video.repeatable_x264
for side in map(int, sys.argv[2:]):
    found, kept = set(), []
    for i in range(3):
        found.add(digest(side, out))
        kept.append([np.full(side * side * 3 // 2 + 64, 90 * i, np.uint8) for _ in range(16)])
        if i == 1:
            kept.clear()
    # code of the encoder that reads nothing but the picture; where there is none such, its own
    video.repeatable_x264 = lambda: {"x264-params": "asm=sse4.2"}
    found.add(digest(side, out))
    video.repeatable_x264 = ours
    print(side, len(found))
"""


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    sides = ["280", "300", "256"]
    command = [sys.executable, "-c", _ENCODE, str(tmp_path / "v.mp4"), *sides]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == [f"{side} 1" for side in sides]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no such call on this system")
def test_the_number_of_cores_changes_no_bytes(tmp_path: Path) -> None:
    """An encoder that chooses its threads by itself makes something else on other machines."""
    cores = os.sched_getaffinity(0)
    noise = torch.randint(0, 40, (12, 160, 160, 3), generator=torch.Generator().manual_seed(0))
    ramp = torch.arange(12).view(-1, 1, 1, 1) * 10 + torch.arange(160).view(1, -1, 1, 1) // 2
    frames = (noise + ramp).to(torch.uint8)
    try:
        for name, chosen in (("all.mp4", cores), ("one.mp4", {min(cores)})):
            os.sched_setaffinity(0, chosen)
            write_video(tmp_path / name, [frames], 25.0)
    finally:
        os.sched_setaffinity(0, cores)
    assert (tmp_path / "all.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


@pytest.mark.parametrize("tag", [b"Gespr\xe4ch", b"\xc2\xbc\xd2\xf4", b"\xff\xff\xff\xff"])
def test_tags_in_other_encodings_than_utf_8(tmp_path: Path, tag: bytes) -> None:
    """As recorders write them; PyAV refuses the file unless it is told not to."""
    name = tag + bytes(len(tag) % 2)
    info = b"INFOINAM" + struct.pack("<I", len(name)) + name
    tone = (8000 * np.sin(np.arange(16_000) * 0.1)).astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    body = form + b"LIST" + struct.pack("<I", len(info)) + info
    body += b"data" + struct.pack("<I", len(tone)) + tone
    (tmp_path / "s.wav").write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    assert load_speech(tmp_path / "s.wav").duration == pytest.approx(1.0)
    write_video(tmp_path / "v.mp4", grey(1.0), 25.0, Sound(tmp_path / "s.wav"))


def test_sound_that_has_no_decoder(tmp_path: Path) -> None:
    data = struct.pack("<4sIHHIIHH", b"fmt ", 16, 0x4242, 1, 16_000, 32_000, 2, 16)
    data += b"data" + struct.pack("<I", 32_000) + bytes(32_000)
    path = tmp_path / "s.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(data)) + b"WAVE" + data)
    with pytest.raises(AudioError, match=r"can't be decoded"):
        load_speech(path)
    with pytest.raises(AudioError, match=r"can't be decoded"):
        write_video(tmp_path / "v.mp4", grey(1.0), 25.0, Sound(path))
