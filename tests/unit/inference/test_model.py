"""The model file: what goes in comes out, what is not ours is refused, the digest follows the pixels."""

from __future__ import annotations

import os
import pickle
import random
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import n2b_ct
from n2b_ct.config.networks import DenoiserSection
from n2b_ct.config.sections import DenoisingSection
from n2b_ct.errors import ModelError
from n2b_ct.hu import Window
from n2b_ct.inference import model as model_file
from n2b_ct.inference.model import NaturalImageScale, count_values, load_model, load_natural_image_model, save_model
from n2b_ct.networks.build import build_denoiser

ARGUMENTS = {"n_features": 2, "depth": 3, "max_features": 4}
SECTION = DenoiserSection(name="SimpleUNet", output="residual", arguments=ARGUMENTS)


def weights_of(section: DenoiserSection = SECTION, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return build_denoiser(section).state_dict()


def save(path: Path, **changes: Any) -> str:
    values = {
        "weights": weights_of(),
        "section": SECTION,
        "input_scale": Window(-160, 240),
        "name": "toy",
        "method": "noise2blur",
        "facts": {"iterations": 7},
    }
    return save_model(path, **{**values, **changes})


def change(path: Path, **changes: Any) -> Path:
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)
    return path


def test_a_network_of_a_package_that_is_gone_is_named_with_the_known_ones(tmp_path):
    save(tmp_path / "model.pt")
    values = torch.load(tmp_path / "model.pt", weights_only=True)["denoiser"]
    change(tmp_path / "model.pt", denoiser={**values, "name": "SimpelUNet"})
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "model.pt")
    said = str(caught.value)
    assert said.startswith("model model.pt: network: must be one of BayesDenoiser, DnCNN, ")
    assert said.endswith(", got SimpelUNet; install or repair the package that has it")


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


OTHER_DENOISER = {
    "name": "DnCNN",
    "arguments": {"n_features": 3},
    "output": "direct",
    "lowpass_kernel_px": 5,
    "lowpass_passes": 1,
}
OTHER_DENOISING = {"strength": 0.5, "test_time_augmentation": 8}
OTHER_SCALE = {"colour": "rgb", "logarithm": True, "clipped": True}


def test_the_digest_changes_with_every_key_of_the_denoiser(tmp_path):
    assert set(OTHER_DENOISER) == set(DenoiserSection.model_fields)
    sections = [SECTION, *(SECTION.model_copy(update={key: value}) for key, value in OTHER_DENOISER.items())]
    assert len({save(tmp_path / "m", section=section) for section in sections}) == len(sections)


def test_the_digest_changes_with_every_key_of_how_the_model_is_used(tmp_path):
    assert set(OTHER_DENOISING) == set(DenoisingSection.model_fields)
    uses = [DenoisingSection(), *(DenoisingSection.model_validate({key: v}) for key, v in OTHER_DENOISING.items())]
    assert len({save(tmp_path / "m", denoising=use) for use in uses}) == len(uses)


def test_the_digest_changes_with_what_the_model_sees(tmp_path):
    assert set(OTHER_SCALE) == {one.name for one in fields(NaturalImageScale)}
    gray = NaturalImageScale("gray")
    seen = [Window(-160, 240), Window(-161, 240), Window(-160, 241)]
    seen += [gray, *(replace(gray, **{key: value}) for key, value in OTHER_SCALE.items())]
    assert len({save(tmp_path / "m", input_scale=one) for one in seen}) == len(seen)


def test_the_digest_changes_with_every_weight(tmp_path):
    weights, digests = weights_of(), {save(tmp_path / "m")}
    for key, value in weights.items():
        other = value.clone()
        other.view(-1)[-1] = torch.nextafter(other.view(-1)[-1], torch.tensor(9.0))
        digests.add(save(tmp_path / "m", weights={**weights, key: other}))
    assert len(digests) == 1 + len(weights)


def test_the_digest_changes_with_the_name_and_the_shape_of_a_weight(tmp_path):
    weights = weights_of()
    last = weights["network.last.bias"]
    others = [{"renamed" if key == "network.last.bias" else key: value for key, value in weights.items()}]
    others += [weights | {"network.last.bias": last[None]}, weights | {"network.last.bias": last.double()}]
    assert len({save(tmp_path / "m", weights=one) for one in (weights, *others)}) == 4


def test_a_key_that_was_renamed_keeps_the_digest_that_it_had(tmp_path):
    """Derived UIDs follow from the digest, so this value is for ever."""
    zeros = {key: torch.zeros_like(value) for key, value in weights_of().items()}
    assert save(tmp_path / "m", weights=zeros) == "96d099c175180537dcd91ecff097e3b9709dc70e869d1d2ba836d671015c6cee"


def test_the_digest_does_not_change_with_names_facts_or_packing(tmp_path):
    digest = save(tmp_path / "a")
    assert save(tmp_path / "b", name="other", method="supervised", facts={}) == digest
    assert save(tmp_path / "c", weights=dict(reversed(weights_of().items()))) == digest
    content = torch.load(tmp_path / "a", weights_only=True)
    torch.save({**content, "packed": "anew"}, tmp_path / "d")
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
        {"window_hu": [float("-inf"), float("inf")]},
        {"window_hu": [-1e308, 1e308]},
        {"weights": {key: value * float("nan") for key, value in weights_of().items()}},
        {"weights": {key: value.to(torch.complex64) for key, value in weights_of().items()}},
        {"weights": {key: value.to_sparse() for key, value in weights_of().items()}},
        {"weights": {"network.last.bias": torch.zeros(1).expand(100_000, 100_000)}},
        {"denoiser": {"name": "SwinUNETR", "output": "direct", "arguments": {"depths": [64, 64, 64, 64]}}},
        {"denoiser": {"name": "HoVerNet", "arguments": {"pretrained_url": "http://127.0.0.1:18932/beacon"}}},
        {"denoiser": {"name": "SimpleUNet", "lowpass_kernel_px": 1_000_000_001}},
        {"denoiser": {"name": "SimpleUNet", "lowpass_passes": 10**9}},
        {"denoiser": {"name": "SimpleUNet", "arguments": {"n_features": 10**9}}},
        {"denoiser": {"name": "SimpleUNet", "arguments": {"n_features": 2048, "max_features": 2048}}},
        {"denoiser": {"name": "BayesDenoiser", "output": "direct", "arguments": {"kernels": [10**9 + 1]}}},
        {"denoiser": {"name": "DnCNN", "output": "direct", "arguments": {"n_layers": 10**9}}},
        {"denoiser": {"name": "x" * 1000}},
        {"denoising": {"strength": float("nan")}},
        {"name": "\x1b[31mred"},
        {"name": "n" * 1000},
        {"name": 5},
        {"method": ""},
        {"facts": 5},
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, changes):
    save(tmp_path / "model.pt")
    wanted = r"model model\.pt: (weights must fit the network that|network: must be one of)"
    with pytest.raises(ModelError, match=wanted) as caught:
        load_model(change(tmp_path / "model.pt", **changes))
    assert "\n" not in str(caught.value)


def packed(path: Path, **members: bytes) -> Path:
    """A model file, packed anew with deflate and with these members instead of its own."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    top = next(iter(content)).partition("/")[0]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (content | {f"{top}/{name}": data for name, data in members.items()}).items():
            archive.writestr(name, data)
    return path


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    save(tmp_path / "model.pt")
    packed(tmp_path / "model.pt", zeros=bytes(50_000_000))
    assert (tmp_path / "model.pt").stat().st_size < 200_000
    monkeypatch.setattr(torch, "load", lambda *_args, **_more: pytest.fail("unpacked"))
    with pytest.raises(ModelError, match="must be a model file written by n2b-ct, got something else"):
        load_model(tmp_path)


def test_members_that_lie_over_each_other_are_refused(tmp_path, monkeypatch):
    save(tmp_path / "model.pt")
    monkeypatch.setattr(torch, "load", lambda *_args, **_more: pytest.fail("unpacked"))
    whole = zipfile.ZipFile.infolist
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda archive: whole(archive) * 2)
    with pytest.raises(ModelError, match="must be a model file written by n2b-ct, got something else"):
        load_model(tmp_path)


def test_a_file_larger_than_any_model_is_not_read(tmp_path):
    with (tmp_path / "model.pt").open("wb") as file:
        file.truncate(2_000_000_000)
    with pytest.raises(ModelError, match=r"model model.pt: must hold at most 1.0 GB, got 2.0 GB; pass another model"):
        load_model(tmp_path)


def nested(n_levels: int) -> list[object]:
    values: list[object] = ["lol"]
    for _ in range(n_levels):
        values = [values] * 10
    return values


@pytest.mark.parametrize("key", ["facts", "denoiser", "denoising", "window_hu"])
def test_a_list_that_holds_itself_many_times_is_never_written_out(tmp_path, key):
    save(tmp_path / "model.pt")
    bomb: object = nested(60) if key == "window_hu" else {"arguments": {"channels": nested(60)}}
    with pytest.raises(ModelError, match="must hold at most 2000 plain values beside its weights, got more"):
        load_model(change(tmp_path / "model.pt", **{key: bomb}))


def test_a_network_of_more_weights_than_the_file_holds_is_not_built_to_its_end(tmp_path):
    save(tmp_path / "model.pt")
    change(tmp_path / "model.pt", denoiser={"name": "DnCNN", "output": "direct"})
    with pytest.raises(ModelError, match=r"got network DnCNN: must have at most 10\d,\d\d\d weights, got more"):
        load_model(tmp_path)


def test_what_is_wrong_with_a_model_is_named(tmp_path):
    save(tmp_path / "model.pt")
    change(tmp_path / "model.pt", denoiser={"name": "SimpleUNet", "lowpass_kernel_px": 1_000_000_001})
    with pytest.raises(ModelError, match="got lowpass_kernel_px: input should be less than or equal to 255; train"):
        load_model(tmp_path)
    change(tmp_path / "model.pt", denoiser={"name": "HoVerNet", "arguments": {"pretrained_url": "http://h/b"}})
    with pytest.raises(
        ModelError, match="got arguments: pretrained_url must not be given: a file must not make a network"
    ):
        load_model(tmp_path)


def test_nothing_there_is_said(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere.pt"):
        with pytest.raises(ModelError, match="must be a run folder or a model file, got nothing there"):
            load_model(place)


def test_a_model_may_hold_as_many_weights_and_values_as_the_limits_say_and_no_more(tmp_path, monkeypatch):
    save(tmp_path / "model.pt")
    n_weights = sum(value.numel() for value in weights_of().values())
    monkeypatch.setattr(model_file, "MOST_PARAMETERS", n_weights)
    load_model(tmp_path)
    monkeypatch.setattr(model_file, "MOST_PARAMETERS", n_weights - 1)
    with pytest.raises(ModelError, match=f"got more than {n_weights - 1:,} weights; train again with this version$"):
        load_model(tmp_path)


def test_a_model_may_hold_as_many_plain_values_as_the_limit_says_and_no_more(tmp_path, monkeypatch):
    save(tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    n_values = count_values({**content, "weights": None}, 10**6)
    monkeypatch.setattr(model_file, "_MOST_VALUES", n_values)
    load_model(tmp_path)
    monkeypatch.setattr(model_file, "_MOST_VALUES", n_values - 1)
    with pytest.raises(ModelError, match=f"must hold at most {n_values - 1} plain values beside its weights, got more"):
        load_model(tmp_path)


def test_a_name_may_have_200_characters(tmp_path):
    save(tmp_path / "model.pt", name="n" * 200)
    assert load_model(tmp_path).name == "n" * 200
    save(tmp_path / "model.pt", name="n" * 201)
    with pytest.raises(ModelError, match="got a name that is no printable text of at most 200 characters; train again"):
        load_model(tmp_path)


GRAY = NaturalImageScale("gray")


def test_a_model_of_the_other_kind_is_refused_with_both_kinds_named(tmp_path):
    save(tmp_path / "ct.pt")
    save(tmp_path / "images.pt", input_scale=GRAY)
    of_images = r"must be trained on CT, got natural images; pass a model of CT$"
    of_ct = r"must be trained on natural images, got CT; pass a model of natural images$"
    with pytest.raises(ModelError, match=rf"^model images\.pt: {of_images}"):
        load_model(tmp_path / "images.pt")
    with pytest.raises(ModelError, match=rf"^model ct\.pt: {of_ct}"):
        load_natural_image_model(tmp_path / "ct.pt")
    with pytest.raises(ModelError, match=rf"^model toy: {of_images}"):
        _ = load_natural_image_model(tmp_path / "images.pt").window
    with pytest.raises(ModelError, match=rf"^model toy: {of_ct}"):
        _ = load_model(tmp_path / "ct.pt").scale
    assert load_natural_image_model(tmp_path / "images.pt").scale == GRAY


def test_a_model_goes_to_the_device_that_is_asked_for(tmp_path):
    save(tmp_path / "ct.pt")
    save(tmp_path / "images.pt", input_scale=GRAY)
    for model in (load_model(tmp_path / "ct.pt", "meta"), load_natural_image_model(tmp_path / "images.pt", "meta")):
        assert {weight.device.type for weight in model.denoiser.parameters()} == {"meta"}


def test_how_a_model_is_used_comes_back_as_it_was_saved(tmp_path):
    used = DenoisingSection(strength=0.5, test_time_augmentation=8)
    save(tmp_path / "model.pt", denoising=used)
    assert load_model(tmp_path).denoising == used
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    assert content["denoising"] == {"strength": 0.5, "test_time_augmentation": 8}


def test_a_model_file_holds_these_keys_and_says_which_version_wrote_it(tmp_path):
    save(tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    assert set(content) == {"format", "name", "method", "denoiser", "window_hu", "denoising", "weights", "facts"}
    assert content["format"] == "n2b-ct model 1"
    assert content["window_hu"] == [-160, 240]
    assert content["facts"] == {"n2b_ct": n2b_ct.__version__, "iterations": 7}


def test_a_loaded_denoisers_weights_are_laid_out_channels_last(tmp_path):
    save(tmp_path / "model.pt", weights=weights_of())
    kernels = [weight for weight in load_model(tmp_path).denoiser.parameters() if weight.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in kernels)
