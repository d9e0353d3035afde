"""Checkpoints: the newest whole one counts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine

from n2b_ct.errors import OutputError, TrainingError
from n2b_ct.training import checkpoints
from n2b_ct.training.checkpoints import Checkpoint, checkpoint_loader, checkpoint_saver, newest_checkpoint


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
