"""Options of the runs over trees: of denoising and of simulating lower doses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from n2b_ct.inference.strength import NoiseGoal
from n2b_ct.io.dicom.writing.derivation import WriteOptions

IfPresent = Literal["refuse", "skip", "replace"]


@dataclass(frozen=True, slots=True)
class DenoiseOptions:
    """How to denoise.

    Attributes:
        strength: Share of the noise found that is removed, 0 to 1; None: the model's own.
        goal: What is asked of the noise in flat tissue instead; each series gets the strength that it needs.
        residual: Write the removed noise too, as series beside the denoised ones.
        if_present: What to do where something is there already: ``refuse`` everything; ``skip`` what is what this run
            would make, make again what is not; ``replace`` it.
        repair_uids: Take files with blank UIDs too; their output has no source references.
        assume_hu: Assume that values are HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default their series fails whole.
        allow_own_output: Denoise series that n2b-ct itself derived.
        volume_offset_hu: What must be added to the values of volumes to get HU.
        select: Regular expression on SeriesDescription; None: every series.
        created: The one time of every output; None: now.
        write: How derived instances are written.
        per_channel: Let a model of gray images denoise the channels of RGB images one by one.
    """

    strength: float | None = None
    goal: NoiseGoal | None = None
    residual: bool = False
    if_present: IfPresent = "refuse"
    repair_uids: bool = False
    assume_hu: bool = False
    skip_bad_slices: bool = False
    allow_own_output: bool = False
    volume_offset_hu: float = 0.0
    select: str | None = None
    created: datetime | None = None
    write: WriteOptions = field(default_factory=WriteOptions)
    per_channel: bool = False


@dataclass(frozen=True, slots=True)
class LowDoseOptions:
    """How to simulate lower doses.

    Attributes:
        doses: Fractions of the source's dose, above 0 and up to 1.
        seed: Seed of the noise.
        photons: ``I0``, photons per ray at the source's dose; None: from the source's own noise.
        electronic_variance: ``Ne``, photons² per ray; None: that of a typical detector.
        bowtie: What the bowtie filter adds to the line integral 100 mm off the image's middle; 0: no filter; None: from
            the series' own noise, none where the photons are given.
        realistic_bias: Shift the mean as the logarithm of few counts does; otherwise the noise has mean zero.
        n_workers: Processes. The bytes do not depend on it.
        if_present: What to do where something is there already: ``refuse`` everything; ``skip`` what is what this run
            would make, make again what is not; ``replace`` it.
        repair_uids: Take files with blank UIDs too; their output has no source references.
        assume_hu: Assume that values are HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default their series fails whole.
        allow_own_output: Take series that n2b-ct has denoised.
        select: Regular expression on SeriesDescription; None: every series.
        created: The one time of every output; None: now.
        write: How derived instances are written.
    """

    doses: Sequence[float]
    seed: int = 0
    photons: float | None = None
    electronic_variance: float | None = None
    bowtie: float | None = None
    realistic_bias: bool = False
    n_workers: int = 1
    if_present: IfPresent = "refuse"
    repair_uids: bool = False
    assume_hu: bool = False
    skip_bad_slices: bool = False
    allow_own_output: bool = False
    select: str | None = None
    created: datetime | None = None
    write: WriteOptions = field(default_factory=WriteOptions)


def dose_name(dose: float) -> str:
    """Return the name of a dose's folder, such as ``0.25``."""
    return f"{dose:g}"
