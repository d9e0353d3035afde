"""The model file: what goes in comes out, what is not ours is refused, the digest follows the pixels."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from n2b_ct.config.methods import DenoiserSection
from n2b_ct.errors import ModelError
from n2b_ct.hu import Window
from n2b_ct.inference.model import load_model, save_model
from n2b_ct.networks.denoiser import build_denoiser

ARGUMENTS = {"n_features": 2, "depth": 3, "max_features": 4}
SECTION = DenoiserSection(name="SimpleUNet", output="residual", arguments=ARGUMENTS)


def weights_of(section: DenoiserSection = SECTION, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return build_denoiser(section).state_dict()


def save(path: Path, **changes: Any) -> str:
    values = {
        "weights": weights_of(),
        "section": SECTION,
        "sees": Window(-160, 240),
        "name": "toy",
        "method": "noise2blur",
        "facts": {"iterations": 7},
    }
    return save_model(path, **{**values, **changes})


def change(path: Path, **changes: Any) -> Path:
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)
    return path


def test_a_model_comes_back_as_it_was_saved(tmp_path):
    digest = save(tmp_path / "model.pt")
    model = load_model(tmp_path / "model.pt")
    assert (model.name, model.method, model.digest, model.multiple_px) == ("toy", "noise2blur", digest, 4)
    assert (model.window, model.section) == (Window(-160, 240), SECTION)
    assert model.facts["iterations"] == 7
    loaded, saved = model.denoiser.state_dict(), weights_of()
    assert all(torch.equal(loaded[key], saved[key]) for key in saved)


def test_a_loaded_denoiser_only_evaluates(tmp_path):
    save(tmp_path / "model.pt")
    denoiser = load_model(tmp_path / "model.pt").denoiser
    assert not denoiser.training
    assert not any(weight.requires_grad for weight in denoiser.parameters())


def test_a_run_folder_stands_for_its_model(tmp_path):
    save(tmp_path / "model.pt")
    assert load_model(tmp_path).digest == load_model(tmp_path / "model.pt").digest


# ── The digest ──


def test_the_digest_changes_with_all_that_can_change_a_pixel(tmp_path):
    weights = weights_of()
    one_bit = {**weights, "network.last.bias": weights["network.last.bias"] + 1e-7}
    digests = [
        save(tmp_path / "a"),
        save(tmp_path / "b", weights=one_bit),
        save(tmp_path / "c", sees=Window(-160, 241)),
        save(tmp_path / "d", section=SECTION.model_copy(update={"output": "direct"})),
    ]
    assert len(set(digests)) == 4


def test_the_digest_does_not_change_with_names_facts_or_packing(tmp_path):
    digest = save(tmp_path / "a")
    assert save(tmp_path / "b", name="other", method="supervised", facts={}) == digest
    assert save(tmp_path / "c", weights=dict(reversed(weights_of().items()))) == digest
    content = torch.load(tmp_path / "a", weights_only=True)
    torch.save(content, tmp_path / "d", _use_new_zipfile_serialization=False)
    assert (tmp_path / "d").read_bytes() != (tmp_path / "a").read_bytes()
    assert load_model(tmp_path / "d").digest == digest


def test_the_digest_does_not_change_with_strides(tmp_path):
    strided = {
        key: value.to(memory_format=torch.channels_last) if value.ndim == 4 else value
        for key, value in weights_of().items()
    }
    assert save(tmp_path / "b", weights=strided) == save(tmp_path / "a")


# ── What is refused ──


class Bomb:
    """Unpickling it would make a folder."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __reduce__(self):
        return os.mkdir, (str(self._place),)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x04.", b"PK\x03\x04" + bytes(50), bytes(500), b"\xff" * 500])
def test_junk_is_refused(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"model model.pt: must be a model file written by n2b-ct, got something else"):
        load_model(tmp_path / "model.pt")


def test_random_bytes_never_end_in_another_error(tmp_path):
    chance = random.Random(0)  # noqa: S311
    for _ in range(300):
        (tmp_path / "m").write_bytes(chance.choice([b"", b"\x80\x02", b"\x80\x04"]) + chance.randbytes(60))
        with pytest.raises(ModelError, match="model m: must be a"):
            load_model(tmp_path / "m")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    save(tmp_path / "model.pt")
    whole = (tmp_path / "model.pt").read_bytes()
    (tmp_path / "model.pt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match="must be a model file written by n2b-ct"):
        load_model(tmp_path)


@pytest.mark.parametrize("packing", ["pickle", "torch"])
def test_a_file_that_would_run_code_is_refused_and_nothing_runs(tmp_path, packing):
    content = {"format": "n2b-ct model 1", "weights": Bomb(tmp_path / "boom")}
    if packing == "pickle":
        (tmp_path / "model.pt").write_bytes(pickle.dumps(content))
    else:
        torch.save(content, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="must be a model file written by n2b-ct"):
        load_model(tmp_path)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("content", [{"state_dict": {}}, torch.zeros(3), [1, 2], {"format": "n2b-ct model 1"}])
def test_another_programs_file_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="must be a 'n2b-ct model 1' file, got another format"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": {}},
        {"weights": []},
        {"weights": {"x": 5}},
        {"denoiser": {"name": "SimpleUNet", "arguments": {"n_features": 8}}},
        {"denoiser": {"name": "Magic"}},
        {"denoiser": {"nam": "SimpleUNet"}},
        {"denoiser": None},
        {"window_hu": [240.0, -160.0]},
        {"window_hu": [1.0]},
        {"window_hu": ["a", "b"]},
        {"facts": 5},
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, changes):
    save(tmp_path / "model.pt")
    with pytest.raises(ModelError, match=r"model model.pt: weights must fit the network that the file names") as caught:
        load_model(change(tmp_path / "model.pt", **changes))
    assert "\n" not in str(caught.value)


def test_nothing_there_is_said(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere.pt"):
        with pytest.raises(ModelError, match="must be a run folder or a model file, got nothing there"):
            load_model(place)
