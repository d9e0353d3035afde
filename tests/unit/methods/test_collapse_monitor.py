"""The watch over the extracted noise: what it measures, when it stops a run, when it keeps silent."""

from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine

from n2b_ct.errors import CollapseError
from n2b_ct.methods.extracted_noise import CollapseMonitor
from n2b_ct.methods.method import NetworkUnit

WIDTH_HU = 400.0
UNIT = NetworkUnit(WIDTH_HU, "HU", "hu", "slice")
SIZE = (8, 1, 64, 64)


def white(sigma_hu: float, seed: int = 0) -> torch.Tensor:
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(seed)) * (sigma_hu / WIDTH_HU)


def watching(extracted_hu: float, slices_hu: float = 30.0, *, n: int = 10, **options) -> CollapseMonitor:
    """Run ``n`` iterations in which H always answers white noise of ``extracted_hu``."""
    watch = CollapseMonitor(UNIT, (0.5, 2.0), **{"every": 1, "grace": 0, **options})
    blur_residual = white(slices_hu, seed=1)
    batch = {"noisy": 0.5 + blur_residual}
    output = {"noise": white(extracted_hu), "blur_residual": blur_residual}
    engine = Engine(lambda engine, batch: output)
    watch.attach(engine)
    engine.run([batch] * n, max_epochs=1)
    return watch


def test_known_white_noise_is_measured_in_hu():
    watch = watching(20.0, slices_hu=30.0)
    assert watch.noise_std == pytest.approx(20.0, rel=0.05)
    assert watch.image_noise_std == pytest.approx(30.0, rel=0.05)
    assert watch.ratio == pytest.approx(2 / 3, rel=0.05)


def test_its_columns_are_what_it_measured():
    watch = watching(20.0)
    assert watch.columns() == {
        "noise_std_hu": round(watch.noise_std, 3),
        "slice_noise_std_hu": round(watch.image_noise_std, 3),
    }


def test_a_healthy_pair_is_left_alone():
    watching(30.0, n=50)
    watching(15.5, n=50)
    watching(58.0, n=50)


@pytest.mark.parametrize("extracted_hu", [0.0, 3.0, 100.0])
def test_a_pair_that_fades_or_swells_is_stopped(extracted_hu):
    with pytest.raises(CollapseError, match=r"between 0.5 and 2 of the slices' own \(.* HU\), got .* HU: the networks"):
        watching(extracted_hu)


def test_it_is_stopped_after_its_patience_and_not_before():
    watching(3.0, n=2, patience=3)
    with pytest.raises(CollapseError, match="training, iteration 3:"):
        watching(3.0, n=3, patience=3)


def test_it_is_not_stopped_before_the_grace_is_over():
    watching(3.0, n=8, grace=8)
    with pytest.raises(CollapseError, match="training, iteration 9:"):
        watching(3.0, n=9, grace=8)


def test_it_looks_only_now_and_then():
    with pytest.raises(CollapseError, match="training, iteration 15:"):
        watching(3.0, n=20, every=5)


def test_a_good_look_in_between_starts_the_count_again():
    watch = CollapseMonitor(UNIT, (0.5, 2.0), every=1, grace=0, patience=2)
    residual = white(30.0, seed=1)

    def step(engine: Engine, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        sigma_hu = 3.0 if engine.state.iteration % 2 else 30.0
        return {"noise": white(sigma_hu), "blur_residual": residual}

    engine = Engine(step)
    watch.attach(engine)
    engine.run([{"noisy": 0.5 + residual}] * 20, max_epochs=1)


def test_batches_without_flat_tissue_say_nothing():
    watch = CollapseMonitor(UNIT, (0.5, 2.0), every=1, grace=0)
    output = {"noise": white(1.0), "blur_residual": torch.zeros(SIZE)}
    engine = Engine(lambda engine, batch: output)
    watch.attach(engine)
    engine.run([{"noisy": torch.zeros(SIZE)}] * 10, max_epochs=1)
    assert math.isnan(watch.ratio)
    assert watch.columns() == {}


def test_a_method_without_extracted_noise_is_not_watched():
    watch = CollapseMonitor(UNIT, (0.5, 2.0), every=1, grace=0)
    engine = Engine(lambda engine, batch: {"noise": None, "blur_residual": None})
    watch.attach(engine)
    engine.run([{"noisy": torch.zeros(SIZE)}] * 5, max_epochs=1)
    assert watch.columns() == {}


def test_a_checkpoint_keeps_how_long_it_has_been_outside():
    watch = watching(3.0, n=2, patience=3)
    resumed = CollapseMonitor(UNIT, (0.5, 2.0), every=1, grace=0, patience=3)
    resumed.load_state_dict(watch.state_dict())
    residual = white(30.0, seed=1)
    engine = Engine(lambda engine, batch: {"noise": white(3.0), "blur_residual": residual})
    resumed.attach(engine)
    with pytest.raises(CollapseError, match="training, iteration 1:"):
        engine.run([{"noisy": 0.5 + residual}], max_epochs=1)


def test_three_looks_are_its_patience_unless_said():
    watching(3.0, n=2)
    with pytest.raises(CollapseError, match="training, iteration 3:"):
        watching(3.0, n=3)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_the_ends_of_the_allowed_range_are_inside(ratio):
    watch = CollapseMonitor(UNIT, (0.5, 2.0), every=1, grace=0)
    residual = white(30.0)
    engine = Engine(lambda engine, batch: {"noise": ratio * residual, "blur_residual": residual})
    watch.attach(engine)
    engine.run([{"noisy": 0.5 + residual}] * 5, max_epochs=1)
    assert watch.ratio == ratio


def test_a_run_that_is_stopped_is_told_what_was_measured_and_what_helps():
    expected = (
        r"^training, iteration 3: the extracted noise must stay between 0\.5 and 2 of the slices' own "
        r"\((29|30|31)\.\d HU\), got (2\.9|3\.0|3\.1) HU: the networks collapsed; "
        r"use method\.denoiser\.output=lowpass, or another seed$"
    )
    with pytest.raises(CollapseError, match=expected):
        watching(3.0)


def test_images_have_columns_and_units_of_their_own():
    watch = CollapseMonitor(NetworkUnit(255.0, "grey levels", "grey", "image"), (0.5, 2.0), every=1, grace=0)
    residual = white(30.0)
    engine = Engine(lambda engine, batch: {"noise": residual, "blur_residual": residual})
    watch.attach(engine)
    engine.run([{"noisy": 0.5 + residual}], max_epochs=1)
    assert set(watch.columns()) == {"noise_std_grey", "image_noise_std_grey"}
    assert watch.noise_std == pytest.approx(30.0 * 255 / 400, rel=0.05)
