"""The texture fit against noise of known spectra, with and without anatomy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

from n2b_ct.errors import DataError
from n2b_ct.simulation import noise_texture
from n2b_ct.simulation.noise_texture import NoiseTexture, fit_texture, hann_periodograms, noise_amplitude

SMOOTH, SHARP = NoiseTexture(0.2, 2.0), NoiseTexture(0.55, 4.0)


def noise(texture: NoiseTexture, std: float, seed: int = 0, size: int = 512) -> np.ndarray:
    """Gaussian noise of exactly this spectrum."""
    power = texture.sampled_power(size)
    white = np.random.default_rng(seed).standard_normal((size, size))
    return np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power / power.mean())).real * std


def regions(image: np.ndarray, size: int) -> np.ndarray:
    """All squares of an image."""
    n = len(image) // size
    return image.reshape(n, size, n, size).transpose(0, 2, 1, 3).reshape(-1, size, size)


def anatomy(std: float) -> np.ndarray:
    """Clouds with a power that falls as f⁻³."""
    axis = np.fft.fftfreq(512)
    frequency = np.hypot(axis[:, None], axis[None])
    frequency[0, 0] = np.inf
    clouds = np.fft.ifft2(np.fft.fft2(np.random.default_rng(9).standard_normal((512, 512))) * frequency**-1.5).real
    return clouds / clouds.std() * std


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("texture", [SMOOTH, SHARP])
def test_the_fit_finds_the_texture_and_the_variance_of_pure_noise(texture, size):
    image = noise(texture, 20.0)[: 512 // size * size, : 512 // size * size]
    periodograms = hann_periodograms(regions(image, size))
    fit = fit_texture(periodograms.mean(axis=0))
    assert fit.texture.cutoff_per_px == pytest.approx(texture.cutoff_per_px, rel=0.05)
    assert fit.variance == pytest.approx(400.0, rel=0.04)
    assert fit.texture.lag1_autocorrelation == pytest.approx(texture.lag1_autocorrelation, abs=0.03)
    assert fit.anatomy_share < 0.03


@pytest.mark.parametrize("texture", [SMOOTH, SHARP])
def test_anatomy_is_told_from_noise(texture):
    cut = regions(noise(texture, 20.0) + anatomy(60.0), 32)
    periodograms = hann_periodograms(cut)
    fit = fit_texture(periodograms.mean(axis=0))
    assert periodograms.mean() > 1.2 * 400.0
    assert fit.variance == pytest.approx(400.0, rel=0.06)
    assert fit.texture.cutoff_per_px == pytest.approx(texture.cutoff_per_px, rel=0.08)
    assert noise_amplitude(periodograms.mean(axis=0), texture) == pytest.approx(400.0, rel=0.06)


def test_a_gaussian_roll_off_has_the_autocorrelation_of_its_closed_form():
    # NPS f·exp(−(f/f0)²) below Nyquist: correlation at distance r is 1F1(3/2; 1; −(π·f0·r)²)
    from scipy.special import hyp1f1

    expected = hyp1f1(1.5, 1.0, -((np.pi * 0.15) ** 2))
    assert NoiseTexture(0.15, 2.0).lag1_autocorrelation == pytest.approx(expected, abs=2e-3)


def test_aliases_fold_back_so_that_no_power_is_lost():
    sampled = SHARP.sampled_power(64).sum() / 64**2
    axis = (np.arange(1024) + 0.5) / 256 - 2.0
    whole = SHARP.power(np.hypot(axis[:, None], axis[None])).sum() / 256**2
    assert sampled == pytest.approx(whole, rel=1e-2)


def test_no_region_gives_no_periodogram():
    assert hann_periodograms(np.empty((0, 16, 16))).shape == (0, 16, 16)


# ── What cannot be fitted ──


@pytest.mark.parametrize("size", [1e-300, 1e-20, 1.0, 1e20, 1e300])
def test_power_of_any_size_is_fitted_alike(size):
    power = SMOOTH.sampled_power(16)
    plain, fit = fit_texture(power), fit_texture(power * size)
    assert fit.texture.cutoff_per_px == pytest.approx(plain.texture.cutoff_per_px, rel=1e-3)
    assert fit.variance == pytest.approx(plain.variance * size, rel=1e-3)
    assert noise_amplitude(power * size, SMOOTH) == pytest.approx(noise_amplitude(power, SMOOTH) * size, rel=1e-6)


@pytest.mark.parametrize("power", [np.zeros((16, 16)), np.pad([[1.0]], (0, 15))])
def test_no_noise_is_said(power):
    with pytest.raises(DataError, match="noise power: must be measured in most frequencies, got"):
        fit_texture(power)
    assert noise_amplitude(power, SMOOTH) == 0.0


def _raise(*_, **__):
    raise ValueError("Residuals are not finite in the initial point")


def _nan(*_, **__):
    return OptimizeResult(x=np.full(4, np.nan), cost=np.nan)


@pytest.mark.parametrize("solver", [_raise, _nan])
def test_a_fit_without_an_answer_is_an_error_of_ours(monkeypatch, solver):
    monkeypatch.setattr(noise_texture, "least_squares", solver)
    with pytest.raises(DataError, match="noise power: must be measured in most frequencies, got no answer of the fit"):
        fit_texture(SMOOTH.sampled_power(16))


def test_an_amplitude_without_an_answer_is_none_that_could_be_told(monkeypatch):
    def gives_up(*_):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr(noise_texture, "nnls", gives_up)
    assert noise_amplitude(SMOOTH.sampled_power(16), SMOOTH) == 0.0
