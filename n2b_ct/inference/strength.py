"""The strength that leaves as much noise in flat tissue as a reader wants: a share of a series' own, so many HU, or
the least.

With x the slice, N the noise found and s the strength, in a region of flat tissue::

    σ²(s) = var(x − s·N) = var(x) − 2 s·cov(x, N) + s²·var(N)

so three numbers a region, from a few slices, tell σ at every strength. Beyond its minimum, cov(x, N) / var(N), what is
removed is no longer noise: that is the strength of the least error wherever the truth is flat. Regions and σ are those
of the reports (:mod:`n2b_ct.evaluation.flat_regions`): what is asked for is what a report of the result shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from n2b_ct.errors import ConfigError, explain
from n2b_ct.evaluation.flat_regions import N_FREE, detrended, find_flat_blocks
from n2b_ct.hu import AIR_HU
from n2b_ct.inference.model import Model
from n2b_ct.inference.slices import noise_hu

MIN_REGIONS = 6
"""With fewer flat regions, a series' noise is not measured."""
N_MEASURED_SLICES = 8
"""Slices, spread evenly over a series, whose flat regions are measured: about a second."""

AUTO: Literal["auto"] = "auto"
Strength = float | Literal["auto"]
"""A share from 0 to 1, or the one that leaves the least noise."""

_LEAST_STD_HU = 0.03
"""Regions with less hold no scan's noise: something filled them."""
_N_STEPS = 1000
_MISSED_BY = 1.05


@dataclass(frozen=True, slots=True)
class NoiseGoal:
    """What is asked of the noise in flat tissue: one of two numbers, or, with neither, as little as possible.

    Attributes:
        reduce: Share of σ that goes, 0 to 1.
        target_noise_hu: σ afterwards, HU.
    """

    reduce: float | None = None
    target_noise_hu: float | None = None

    def std_hu(self, before_hu: float) -> float | None:
        """Return the σ that is wanted where it is ``before_hu`` now; None for the least."""
        return self.target_noise_hu if self.reduce is None else before_hu * (1.0 - self.reduce)

    @property
    def plain(self) -> dict[str, float | str]:
        """The one that is asked for, by its name."""
        both = {"reduce": self.reduce, "target_noise_hu": self.target_noise_hu}
        return {name: value for name, value in both.items() if value is not None} or {"strength": AUTO}


@dataclass(frozen=True, slots=True)
class UsedStrength:
    """Share of the noise found that is removed, and why so much.

    Attributes:
        share: 0 to 1.
        noise_hu, noise_after_hu: σ in flat tissue before and afterwards, HU; None where it was not measured.
        n_regions: How many flat regions that is from.
        problem: ``noise_unmeasured`` or ``noise_target_missed``; empty: none.
    """

    share: float
    noise_hu: float | None = None
    noise_after_hu: float | None = None
    n_regions: int = 0
    problem: str = ""

    @property
    def plain(self) -> dict[str, float]:
        """What was measured and chosen, for a derived series' text."""
        values = {"strength": self.share, "noise_hu": self.noise_hu, "noise_after_hu": self.noise_after_hu}
        return {name: value for name, value in values.items() if value is not None} | {"n_regions": self.n_regions}


@dataclass(frozen=True, slots=True, eq=False)
class RegionNoise:
    """Noise of flat regions, trend removed, HU², ``[n]`` each.

    Attributes:
        variance: Of the slice.
        covariance: Of the slice and the noise found in it.
        found_variance: Of the noise found.
    """

    variance: np.ndarray
    covariance: np.ndarray
    found_variance: np.ndarray

    def __len__(self) -> int:
        return len(self.variance)

    def std_hu(self, strengths: np.ndarray) -> np.ndarray:
        """Median σ over the regions at each strength, ``[n_strengths]``."""
        s = strengths[:, None]
        variances = self.variance - 2.0 * s * self.covariance + s**2 * self.found_variance
        return np.asarray(np.median(np.sqrt(np.maximum(variances, 0.0)), axis=1))


def required_goal(strength: Strength | None, reduce: float | None, target_noise_hu: float | None) -> NoiseGoal | None:
    """Return what is asked of the noise, None where nothing is.

    Args:
        strength: ``auto`` for the least noise; a share is nothing asked of the noise. It excludes the others.
        reduce: Share of σ that goes, 0 to 1.
        target_noise_hu: σ afterwards, HU.

    Raises:
        ConfigError: More than one is asked for, or one is out of range.
    """
    given = {"strength": strength, "reduce": reduce, "target_noise_hu": target_noise_hu}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise ConfigError(explain(names[0], f"excludes {names[1]}=…", "both", "choose one"))
    if reduce is not None and not 0.0 <= float(reduce) <= 1.0:
        raise ConfigError(explain("reduce", "must be from 0 to 1", reduce, "0.5 halves the noise in flat tissue"))
    if target_noise_hu is not None and not 0.0 < float(target_noise_hu) < math.inf:
        remedy = "10 to 15 is usual in the abdomen"
        raise ConfigError(explain("target_noise_hu", "must be above 0 HU", target_noise_hu, remedy))
    if reduce is None and target_noise_hu is None and not _is_auto(strength):
        return None
    return NoiseGoal(*(None if value is None else float(value) for value in (reduce, target_noise_hu)))


def given_share(strength: Strength | None) -> float | None:
    """Return a strength that is a share; None for ``auto``."""
    return None if _is_auto(strength) else cast("float | None", strength)


def measured_indices(n_slices: int) -> list[int]:
    """Return which slices of a series are measured: the middles of equal parts."""
    n = min(n_slices, N_MEASURED_SLICES)
    return [(2 * k + 1) * n_slices // (2 * n) for k in range(n)]


def measure_regions(model: Model, slices: Iterable[tuple[np.ndarray, np.ndarray | None]]) -> RegionNoise:
    """Measure the noise of slices, and what the model finds of it, in their flat soft tissue.

    Args:
        model: The denoiser.
        slices: HU float32 ``[rows, cols]`` of each, and where the scanner padded it.
    """
    moments = [np.empty((3, 0))]
    for hu, is_padding in slices:
        tissue_hu = hu if is_padding is None else np.where(is_padding, AIR_HU, hu)
        blocks = find_flat_blocks(tissue_hu)
        if blocks.corners:
            noise = noise_hu(model, hu, is_padding)
            moments.append(_moments(detrended(hu, blocks), detrended(noise, blocks)))
    found = np.concatenate(moments, axis=1)
    is_noise = np.isfinite(found).all(axis=0) & (found[0] > _LEAST_STD_HU**2)
    return RegionNoise(*found[:, is_noise])


def choose_strength(noise: RegionNoise, goal: NoiseGoal, usual: float) -> UsedStrength:
    """Return the least strength that leaves no more noise than is wanted, or the one that leaves the least.

    Where even the best strength leaves more, it is that one; with too few regions it is ``usual``.
    """
    if len(noise) < MIN_REGIONS:
        return UsedStrength(usual, n_regions=len(noise), problem="noise_unmeasured")
    strengths = np.arange(_N_STEPS + 1) / _N_STEPS
    stds_hu = noise.std_hu(strengths)
    before_hu = float(stds_hu[0])
    wanted_hu = goal.std_hu(before_hu)
    is_enough = stds_hu <= (float(stds_hu.min()) if wanted_hu is None else wanted_hu)
    chosen = int(np.argmax(is_enough) if is_enough.any() else np.argmin(stds_hu))
    after_hu = float(stds_hu[chosen])
    is_missed = wanted_hu is not None and after_hu > _MISSED_BY * wanted_hu
    return UsedStrength(
        float(strengths[chosen]),
        round(before_hu, 2),
        round(after_hu, 2),
        len(noise),
        "noise_target_missed" if is_missed else "",
    )


def _is_auto(strength: object) -> bool:
    return isinstance(strength, str) and strength == AUTO


def _moments(hu: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Second moments of residuals about a plane, ``[3, blocks]``."""
    return np.stack([(hu**2).sum(axis=1), (hu * noise).sum(axis=1), (noise**2).sum(axis=1)]) / N_FREE
