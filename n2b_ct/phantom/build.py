"""How one animal's body differs from another's: girth, depth, fat and the air in its lungs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_STREAM = 11
"""Keeps these draws apart from the fields' (:mod:`n2b_ct.phantom.body`), which share the seed."""


@dataclass(frozen=True, slots=True)
class Build:
    """One individual's proportions, 1 being the average.

    Attributes:
        width: Side to side.
        height: Back to belly.
        fatness: Thickness of the subcutaneous fat.
        lung_hu: Added to the lungs' HU: how deep the last breath was.
    """

    width: float
    height: float
    fatness: float
    lung_hu: float


@lru_cache(maxsize=4)
def build_of(seed: int) -> Build:
    """Draw an individual's proportions."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM]))
    width, height = rng.uniform(0.95, 1.05, 2)
    return Build(float(width), float(height), float(rng.uniform(0.75, 1.3)), float(rng.uniform(-30.0, 50.0)))
