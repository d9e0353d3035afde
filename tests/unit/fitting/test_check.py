"""The check without reference: it sees what is better, and keeps the first denoiser where it cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter

from n2b_ct.fitting.check import Denoise, Judged, choose
from n2b_ct.hu import Window

WINDOW = Window(-1024.0, 3072.0)
STD_HU = 20.0
_AXIS = np.arange(160)
TRUTH = (40.0 + 60.0 * np.sin(_AXIS[:, None] / 5.0) * np.cos(_AXIS[None] / 6.0)).astype(np.float32)


def judged(calibrated_std_hu: float = STD_HU, n: int = 3) -> list[Judged]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n):
        noisy = (TRUTH + rng.normal(0.0, STD_HU, TRUTH.shape)).astype(np.float32)
        noise = rng.normal(0.0, calibrated_std_hu, (2, *TRUTH.shape)).astype(np.float32)
        found.append(Judged(noisy, noise, np.zeros(TRUTH.shape, bool)))
    return found


def smooth(sigma_px: float) -> Denoise:
    return lambda hu: np.asarray(gaussian_filter(hu, sigma_px))


def nothing(hu: np.ndarray) -> np.ndarray:
    return hu


def squared_error(denoise: Denoise, slices: list[Judged]) -> float:
    return float(np.mean([np.mean((denoise(one.hu) - TRUTH) ** 2) for one in slices]))


def test_the_gain_is_that_of_the_error_against_the_truth() -> None:
    slices = judged()
    first, second = smooth(0.6), smooth(1.2)
    verdict = choose({"base": first, "other": second}, slices, WINDOW).verdicts[1]
    expected = squared_error(first, slices) - squared_error(second, slices)
    assert expected > 0.0
    assert verdict.gain_hu2 == pytest.approx(expected, abs=3.0 * verdict.gain_error_hu2)
    assert verdict.gain_error_hu2 < 0.2 * expected


def test_the_better_denoiser_is_chosen_and_the_line_says_by_how_much() -> None:
    choice = choose({"base": smooth(0.5), "fit": smooth(1.3)}, judged(), WINDOW)
    assert choice.name == "fit"
    assert choice.why.startswith("fit: mean squared error lower by ")
    assert choice.noise_hu == pytest.approx(STD_HU, rel=0.02)


def test_the_base_stays_where_the_other_is_worse_or_the_same() -> None:
    base = smooth(1.3)
    assert choose({"base": base, "worse": smooth(4.0)}, judged(), WINDOW).name == "base"
    choice = choose({"base": base, "same": base}, judged(), WINDOW)
    assert choice.name == "base"
    assert "same: it is not better by twice the standard error" in choice.why


def test_a_gain_that_is_sure_but_tiny_is_said_and_not_taken() -> None:
    less = choose({"base": smooth(0.5), "bit": smooth(0.5005)}, judged(), WINDOW)
    assert less.name == "base"
    assert less.verdicts[1].objection.startswith("it is better by 0.")


def test_of_several_the_best_is_chosen() -> None:
    denoisers = {"base": smooth(0.4), "good": smooth(0.8), "best": smooth(1.4), "bad": nothing}
    assert choose(denoisers, judged(), WINDOW).name == "best"


def test_a_gain_that_rests_on_the_strength_of_the_calibrated_noise_is_not_trusted() -> None:
    """Noise that is calibrated a tenth too strong makes more smoothing look better than it is."""
    slices = judged(1.1 * STD_HU)
    base, more = smooth(1.75), smooth(1.85)
    assert squared_error(base, slices) < squared_error(more, slices)
    verdict = choose({"base": base, "more": more}, slices, WINDOW).verdicts[1]
    assert verdict.cautious_gain_hu2 < verdict.gain_hu2
    assert verdict.objection


def test_who_removes_anatomy_is_refused_by_what_was_removed() -> None:
    def blurred(hu: np.ndarray) -> np.ndarray:
        return np.asarray(uniform_filter(hu, 9))

    verdict = choose({"base": smooth(0.8), "blurred": blurred}, judged(), WINDOW).verdicts[1]
    assert max(verdict.residual_power.values()) > 1.5
    assert verdict.objection


def test_a_denoiser_that_shifts_a_tissue_is_refused() -> None:
    def shifting(hu: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(hu, 1.3) + 1.5)

    verdict = choose({"base": nothing, "shifting": shifting}, judged(), WINDOW).verdicts[1]
    assert verdict.most_shift_hu == pytest.approx(1.5, abs=0.2)
    assert verdict.objection.startswith("it shifts a tissue by 1.")


def test_pixels_outside_the_window_and_padding_do_not_count() -> None:
    slices = judged()
    narrow = Window(0.0, 80.0)
    found = choose({"base": smooth(0.5), "fit": smooth(1.3)}, slices, narrow)
    assert np.isfinite(found.verdicts[1].gain_hu2)
    padded = [Judged(one.hu, one.noise_hu, np.ones(TRUTH.shape, bool)) for one in slices]
    assert choose({"base": smooth(0.5), "fit": smooth(1.3)}, padded, WINDOW).name == "base"
