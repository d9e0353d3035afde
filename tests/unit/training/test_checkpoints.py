"""Checkpoints: the newest whole one counts."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from n2b_ct.config import Pipeline
from n2b_ct.config.networks import DenoiserSection
from n2b_ct.data.ct_source import CTSource
from n2b_ct.data.fingerprint import DataFingerprint
from n2b_ct.errors import ConfigError, OutputError, TrainingError
from n2b_ct.hu import Window
from n2b_ct.inference.model import save_model
from n2b_ct.networks.build import build_denoiser
from n2b_ct.training import checkpoints
from n2b_ct.training.checkpoints import (
    Checkpoint,
    checkpoint_loader,
    checkpoint_saver,
    finished_summary,
    newest_checkpoint,
    require_same_data,
    verified_summary,
)
from n2b_ct.training.run import run_training
from n2b_ct.training.run_dir import write_summary
from tests.tiny_training import CPU, SMALL_BAYES, SMALL_UNET, slices_hu, tiny_images, tiny_pipeline, train_tiny


def save(folder: Path, iteration: int) -> Path:
    path = folder / f"checkpoint_iteration={iteration}.pt"
    torch.save({"networks": {"weight": torch.arange(1000.0)}}, path)
    return path


def test_the_newest_is_the_one_of_the_highest_iteration(tmp_path):
    for iteration in (9, 100, 20):
        save(tmp_path, iteration)
    assert newest_checkpoint(tmp_path) == Checkpoint(tmp_path / "checkpoint_iteration=100.pt", 100)


@pytest.mark.parametrize("keep", [0, 1, 100, 2000])
def test_one_torn_by_a_crash_is_passed_over(tmp_path, keep):
    whole, torn = save(tmp_path, 10), save(tmp_path, 20)
    torn.write_bytes(torn.read_bytes()[:keep])
    assert newest_checkpoint(tmp_path) == Checkpoint(whole, 10)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x04junk", b"PK\x03\x04junk", bytes(1000), b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint_is_passed_over(tmp_path, content):
    whole = save(tmp_path, 10)
    (tmp_path / "checkpoint_iteration=20.pt").write_bytes(content)
    assert newest_checkpoint(tmp_path) == Checkpoint(whole, 10)


def test_a_zip_bomb_is_passed_over_before_it_is_unpacked(tmp_path):
    whole = save(tmp_path, 10)
    with zipfile.ZipFile(tmp_path / "checkpoint_iteration=20.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checkpoint/data.pkl", bytes(50_000_000))
    assert newest_checkpoint(tmp_path) == Checkpoint(whole, 10)


def test_other_files_are_not_looked_at(tmp_path):
    save(tmp_path, 10).rename(tmp_path / "other.pt")
    (tmp_path / "tmp123").write_bytes(b"")
    assert newest_checkpoint(tmp_path) is None


def test_an_empty_or_missing_folder_has_none(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "none") is None


def test_nothing_readable_is_said(tmp_path):
    (tmp_path / "checkpoint_iteration=20.pt").write_bytes(b"junk")
    with pytest.raises(TrainingError, match="at least one must be readable, got none; train again without resume=True"):
        newest_checkpoint(tmp_path)


def engine_with(folder: Path, network: torch.nn.Module) -> Engine:
    """An engine that adds 1 to a network's bias and saves it every second iteration."""

    def step(engine: Engine, batch: int) -> None:
        network.bias.data += 1

    engine = Engine(step)
    checkpoint_saver(folder, {"network": network, "trainer": engine}, every=2).attach(engine)
    return engine


def zeros() -> torch.nn.Module:
    network = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(network.bias)
    return network


def test_the_two_newest_are_kept_and_nothing_partial(tmp_path):
    engine_with(tmp_path, zeros()).run(range(9), max_epochs=1)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint_iteration=6.pt", "checkpoint_iteration=8.pt"]


def test_what_is_saved_comes_back_when_the_engine_starts(tmp_path):
    engine_with(tmp_path, zeros()).run(range(4), max_epochs=1)
    found = newest_checkpoint(tmp_path)
    assert found is not None
    network, engine = zeros(), Engine(lambda engine, batch: None)
    checkpoint_loader(found.path, {"network": network, "trainer": engine}).attach(engine)
    engine.run(range(4), max_epochs=1)
    assert network.bias.item() == engine.state.iteration == found.iteration == 4


def test_a_checkpoint_has_its_name_only_when_it_is_whole(tmp_path, monkeypatch):
    def full_disk(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", full_disk)
    engine = engine_with(tmp_path, zeros())
    engine.logger.disabled = True
    with pytest.raises(OutputError, match=r"checkpoint_iteration=2\.pt: must be writable, got No space left on device"):
        engine.run(range(4), max_epochs=1)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_are_written_every_so_many_iterations_by_their_number(tmp_path):
    engine_with(tmp_path, zeros()).run(range(3), max_epochs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint_iteration=2.pt"]
    assert set(torch.load(tmp_path / "checkpoint_iteration=2.pt", weights_only=True)) == {"network", "trainer"}


def test_a_checkpoint_says_which_images_its_weights_saw(tmp_path):
    seen = {"digest": "ab", "images": {"noisy": ["cd"]}, "seen_as": {}}
    torch.save({"networks": {}, "data": seen}, tmp_path / "checkpoint_iteration=7.pt")
    assert newest_checkpoint(tmp_path) == Checkpoint(tmp_path / "checkpoint_iteration=7.pt", 7, seen)
    torch.save([1], tmp_path / "checkpoint_iteration=9.pt")
    assert newest_checkpoint(tmp_path).iteration == 7


def test_nothing_readable_is_said_on_one_line(tmp_path):
    (tmp_path / "checkpoint_iteration=20.pt").write_bytes(b"junk")
    expected = rf"^checkpoints in {tmp_path}: at least one must be readable, got none; train again without resume=True$"
    with pytest.raises(TrainingError, match=expected):
        newest_checkpoint(tmp_path)


# ── What an earlier run is worth ──


def untrained(folder: Path, **changes: Any) -> str:
    """A model file; returns its digest."""
    section = DenoiserSection.model_validate(SMALL_UNET)
    torch.manual_seed(changes.pop("seed", 0))
    weights = build_denoiser(section).state_dict()
    values = {
        "weights": weights,
        "section": section,
        "input_scale": Window(0.0, 1.0),
        "name": "p",
        "method": "supervised",
    }
    return save_model(folder / "model.pt", **{**values, "facts": {}, **changes})


def test_a_run_is_finished_when_its_summary_is_of_its_model(tmp_path):
    digest = untrained(tmp_path)
    assert finished_summary(tmp_path) is None
    for summary, is_finished in (
        ({"model_digest": digest, "seed": 1}, True),
        ({"model_digest": "other"}, False),
        ({"seed": 1}, False),
    ):
        write_summary(summary, tmp_path / "summary.json")
        assert finished_summary(tmp_path) == (summary if is_finished else None)
    write_summary({"model_digest": digest}, tmp_path / "summary.json")
    (tmp_path / "model.pt").unlink()
    assert finished_summary(tmp_path) is None
    untrained(tmp_path)
    (tmp_path / "summary.json").write_text("{")
    assert finished_summary(tmp_path) is None


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run that came to its end, with a validation role."""
    train_tiny(tiny_pipeline(), tmp_path / "run")
    return tmp_path / "run"


def test_a_finished_run_of_the_same_pipeline_and_images_is_verified_image_by_image(finished):
    pipeline, told = tiny_pipeline(), []
    images = tiny_images(pipeline)
    summary = verified_summary(pipeline, images, finished, lambda *step: told.append(step))
    assert summary == json.loads((finished / "summary.json").read_text())
    assert [step[:2] for step in told] == [(k, 6) for k in range(1, 7)]
    assert verified_summary(pipeline, images, finished.parent / "absent") is None


REMEDY = "restore the data, or retrain with another out=… or overwrite=True"


def refused(run_dir: Path, got: str) -> str:
    return rf"^run folder {run_dir}: must resume with the images it was trained on, got {got}; {REMEDY}$"


def test_a_finished_run_of_other_images_is_not_gone_on_with(finished):
    pipeline = tiny_pipeline()
    others = tiny_images(pipeline, noisy=slices_hu()["noisy"][::-1])
    with pytest.raises(ConfigError, match=refused(finished, "noisy images in another order.*")):
        verified_summary(pipeline, others, finished)
    (finished / "summary.json").unlink()
    with pytest.raises(ConfigError, match=refused(finished, "noisy images in another order.*")):
        verified_summary(pipeline, others, finished)


def test_a_finished_run_knows_its_images_by_its_summary_where_no_checkpoint_is_of_it(finished):
    pipeline = tiny_pipeline()
    shutil.rmtree(finished / "checkpoints")
    assert verified_summary(pipeline, tiny_images(pipeline), finished) is not None
    others = tiny_images(pipeline, noisy=slices_hu()["noisy"] + 1.0)
    with pytest.raises(ConfigError, match=refused(finished, "other images")):
        verified_summary(pipeline, others, finished)
    (finished / "checkpoints").mkdir()
    torch.save({"data": {"digest": "another"}}, finished / "checkpoints" / "checkpoint_iteration=4.pt")
    assert verified_summary(pipeline, tiny_images(pipeline), finished) is not None
    (finished / "checkpoints" / "checkpoint_iteration=4.pt").write_bytes(b"junk")
    assert verified_summary(pipeline, tiny_images(pipeline), finished) is not None


def test_a_run_whose_weights_saw_nothing_yet_may_go_on_with_any_images(finished):
    pipeline = tiny_pipeline()
    shutil.rmtree(finished / "checkpoints")
    (finished / "summary.json").unlink()
    assert verified_summary(pipeline, tiny_images(pipeline, noisy=slices_hu()["noisy"] + 1.0), finished) is None


def test_a_run_of_another_pipeline_is_not_verified(finished):
    other = tiny_pipeline(training={"seed": 1})
    with pytest.raises(ConfigError, match=r"must hold a run of the same pipeline, got other training\.seed; "):
        verified_summary(other, tiny_images(other), finished)


def test_a_checkpoint_that_does_not_say_its_images_is_refused(tmp_path):
    fingerprint = DataFingerprint({"noisy": ["ab"]}, {})
    require_same_data(fingerprint, fingerprint.state_dict(), tmp_path)
    with pytest.raises(ConfigError, match=refused(tmp_path, "no record of them")):
        require_same_data(fingerprint, {}, tmp_path)


def test_a_run_with_another_teacher_is_not_verified(tmp_path):
    pipeline = tiny_pipeline("upi", {"iterations": 2}, teacher={"denoiser": SMALL_BAYES}, teacher_iterations=1)
    images = two_images(pipeline)
    summary = run_training(pipeline, images, tmp_path, CPU)
    assert verified_summary(pipeline, images, tmp_path)["model_digest"] == summary["model_digest"]
    untrained(tmp_path / "teacher")
    with pytest.raises(ConfigError, match=refused(tmp_path, "other teacher")):
        verified_summary(pipeline, images, tmp_path)
    (tmp_path / "teacher" / "model.pt").unlink()
    with pytest.raises(ConfigError, match=refused(tmp_path, "other teacher")):
        verified_summary(pipeline, images, tmp_path)


def two_images(pipeline: Pipeline) -> CTSource:
    hu = slices_hu()
    return tiny_images(pipeline, with_validation=False, noisy=hu["noisy"][:2], references=hu["references"][:2])
