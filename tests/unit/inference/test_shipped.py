"""The shipped model: what names it, and that nothing but the shipped weights is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import ship_base
from benchmarks.ship_base import ship
from n2b_ct.errors import ModelError, OutputError
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.inference.model import load_model
from n2b_ct.inference.shipped import CARD_FILE, FACTS_FILE, WEIGHTS_FILE, base_facts, is_base, model_path, sha256_of
from tests.integration.scenes import biased_model, smoothing_model
from tests.shipped_base import ship_stand_in


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return ship_stand_in(tmp_path / "package" / "base", monkeypatch)


def test_the_text_base_is_the_shipped_model_whatever_lies_in_the_working_folder(base, tmp_path):
    (tmp_path / "base").mkdir()
    biased_model(tmp_path / "base" / "model.pt")
    assert model_path("base") == base / WEIGHTS_FILE
    assert load_model(model_path("base")).name == "base"


@pytest.mark.parametrize("place", ["./base", Path("base"), "base/", "runs/base"])
def test_a_path_of_that_name_is_a_path(base, place):
    assert not is_base(place)
    assert model_path(place) == Path(place)


def test_its_facts_are_those_of_its_weights(base):
    facts, model = base_facts(), load_model(model_path("base"))
    assert facts["sha256"] == sha256_of(base / WEIGHTS_FILE)
    assert (facts["n_bytes"], facts["model_digest"]) == ((base / WEIGHTS_FILE).stat().st_size, model.digest)
    assert facts["version"] == model.version == "1"


def test_weights_of_another_digest_are_refused(base):
    wanted = sha256_of(base / WEIGHTS_FILE)[:12]
    biased_model(base / WEIGHTS_FILE)
    found = sha256_of(base / WEIGHTS_FILE)[:12]
    message = f"^model base: must have the SHA-256 {wanted}, got {found}; install n2b-ct again$"
    with pytest.raises(ModelError, match=message):
        model_path("base")


def test_facts_that_name_no_digest_are_refused(base):
    (base / FACTS_FILE).write_text("{}")
    with pytest.raises(
        ModelError, match=r"^model base: must have the SHA-256 that its facts name, got \w{12}; install"
    ):
        model_path("base")


def test_missing_weights_are_said(base):
    (base / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match=r"^model base: must be part of the installation, got no weights; install"):
        model_path("base")


@pytest.mark.parametrize("content", [None, "not JSON"])
def test_missing_or_damaged_facts_are_said(base, content):
    (base / FACTS_FILE).unlink()
    if content:
        (base / FACTS_FILE).write_text(content)
    with pytest.raises(
        ModelError, match=r"^model base: must come with its base\.json, got none; install n2b-ct again$"
    ):
        model_path("base")


def test_shipping_again_is_the_next_version_with_its_own_digest(base, tmp_path):
    first = base_facts()
    second = ship(biased_model(tmp_path / "other.pt"), base)
    assert (second["version"], load_model(model_path("base")).version) == ("2", "2")
    assert second["sha256"] != first["sha256"]
    assert ship(biased_model(tmp_path / "other.pt"), base, version="2.1")["version"] == "2.1"


def test_shipped_weights_denoise_as_the_run_does(base, tmp_path):
    hu = np.random.default_rng(0).normal(40.0, 20.0, (32, 32)).astype(np.float32)
    run = Denoiser(load_model(tmp_path / "package" / "run.pt"))
    np.testing.assert_array_equal(Denoiser(load_model(model_path("base"))).denoise(hu), run.denoise(hu))


def test_the_default_strength_is_the_one_that_is_asked_for(base, tmp_path):
    assert ship(smoothing_model(tmp_path / "run.pt"), base, strength=0.8)["strength"] == 0.8
    assert load_model(model_path("base")).denoising.strength == 0.8


def test_half_precision_is_half_the_weights_and_is_computed_in_float32(base, tmp_path):
    ship(biased_model(tmp_path / "run.pt", bias=0.1), base, half=True)
    stored = torch.load(base / WEIGHTS_FILE, weights_only=True)["weights"]
    assert {value.dtype for value in stored.values()} == {torch.float16}
    loaded = load_model(model_path("base")).denoiser.state_dict()
    assert {value.dtype for value in loaded.values()} == {torch.float32}


def test_what_is_too_large_is_not_shipped(base, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in base.iterdir()}
    monkeypatch.setattr(ship_base, "MOST_BYTES", 1000)
    with pytest.raises(OutputError, match=r"^new-base\.pt: must have at most 0 MB, got 0\.0 MB; pass --half, or train"):
        ship(biased_model(tmp_path / "other.pt"), base)
    assert {path.name: path.read_bytes() for path in base.iterdir()} == before


def test_the_card_gets_the_facts_and_keeps_its_words(base, tmp_path):
    begin, end = ship_base._BEGIN, ship_base._END
    (base / CARD_FILE).write_text(f"# Card\n\n{begin}\nold\n{end}\n\nwords\n")
    for _ in range(2):
        facts = ship(biased_model(tmp_path / "other.pt"), base, version="7")
    card = (base / CARD_FILE).read_text()
    assert f"| SHA-256 of base.pt | `{facts['sha256']}` |" in card
    assert "| version | 7 |" in card
    assert card.startswith(f"# Card\n\n{begin}\n")
    assert card.endswith(f"{end}\n\nwords\n")
    assert "old" not in card


def test_the_facts_are_plain_json(base):
    assert json.loads((base / FACTS_FILE).read_text())["window_hu"] == [-160.0, 240.0]
