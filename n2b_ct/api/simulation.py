"""Simulate the digital piglet, and lower doses of real series."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, overload

from n2b_ct.api.denoising import if_present
from n2b_ct.api.inputs import StrPath
from n2b_ct.batch.low_dose_series import simulate_tree
from n2b_ct.batch.outcomes import TreeResult
from n2b_ct.batch.run_options import LowDoseOptions
from n2b_ct.config.arguments import checked_arguments
from n2b_ct.errors import ConfigError, explain
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from n2b_ct.io.progress import Progress
from n2b_ct.phantom.piglet import PigletSummary, write_piglet

PIGLET = "piglet"


@overload
def simulate(
    source: Literal["piglet"],
    output: StrPath,
    *,
    n_slices: int = ...,
    size_px: int = ...,
    seed: int = ...,
    n_workers: int = ...,
    overwrite: bool = ...,
    progress: Progress | None = ...,
) -> PigletSummary: ...
@overload
def simulate(
    source: StrPath,
    output: StrPath,
    *,
    doses: Sequence[float],
    seed: int = ...,
    photons: float | None = ...,
    electronic_variance: float | None = ...,
    bowtie: float | None = ...,
    realistic_bias: bool = ...,
    select: str | None = ...,
    resume: bool = ...,
    overwrite: bool = ...,
    repair: bool = ...,
    assume_hu: bool = ...,
    skip_bad_slices: bool = ...,
    force: bool = ...,
    created: datetime | None = ...,
    n_workers: int = ...,
    progress: Progress | None = ...,
) -> TreeResult: ...
@checked_arguments()
def simulate(
    source: StrPath,
    output: StrPath,
    *,
    doses: Sequence[float] = (),
    seed: int = 0,
    photons: float | None = None,
    electronic_variance: float | None = None,
    bowtie: float | None = None,
    realistic_bias: bool = False,
    select: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    repair: bool = False,
    assume_hu: bool = False,
    skip_bad_slices: bool = False,
    force: bool = False,
    created: datetime | None = None,
    n_slices: int = 906,
    size_px: int = 512,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> PigletSummary | TreeResult:
    """Simulate lower doses of real normal-dose DICOM series in ``output/<dose>/``, or make a digital piglet's tree.

    Args:
        source: A DICOM file, a series folder or a tree of series; or ``piglet``, the digital animal at five doses.
        output: Output folder, outside the source.
        doses: Fractions of the source's dose, above 0 and up to 1.
        seed: Seed of the noise and of the animal.
        photons: Photons per ray of the source; None: from the source's own noise.
        electronic_variance: Electronic noise per ray, photons²; None: measured, near a typical detector's.
        bowtie: What a bowtie filter adds to the line integral 100 mm off the middle, such as 0.6; None: measured.
        realistic_bias: Shift the mean where photons are few, as a scanner's logarithm does.
        select: Regular expression on SeriesDescription; None: every series.
        resume: Keep outputs that are what this call would make; do the others.
        overwrite: Replace existing outputs.
        repair: Take files with blank UIDs, and add empty type 2 elements that are missing.
        assume_hu: Assume that values are HU where a file does not say so.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.
        force: Take even what n2b-ct has denoised.
        created: The one time to write; None: now.
        n_slices: Of every series of the piglet, spread evenly over the animal.
        size_px: Rows and columns of the piglet.
        n_workers: Processes; 0: one per core. The bytes do not depend on it; above 1, guard a script's main part.
        progress: Called with (slices done, all slices, what).

    Returns:
        The outcomes of every series and file; for the piglet, its folders and noise.

    Raises:
        ConfigError: Doses of a piglet, or both ``resume`` and ``overwrite``, are asked for.
        DataError: There is no series, or a number is out of range.
        OutputError: The output overlaps the input, is there already, or cannot be written.

    Examples:
        >>> import n2b_ct as n2b
        >>> piglet = n2b.simulate("piglet", "piglet", n_slices=8, size_px=128)
        >>> result = n2b.simulate(piglet.series_dirs["FBP FULL"], "low", doses=[0.25])
        >>> [(outcome.status, outcome.n_slices) for outcome in result.outcomes]
        [('done', 8)]
    """
    output, n_processes = Path(output), n_workers or os.cpu_count() or 1
    if source == PIGLET:
        if doses:
            raise ConfigError(explain("doses", "goes with series only", f"the source {PIGLET}", "leave it out"))
        return write_piglet(
            output,
            n_slices=n_slices,
            size_px=size_px,
            seed=seed,
            n_workers=n_processes,
            overwrite=overwrite,
            progress=progress,
        )
    options = LowDoseOptions(
        doses=tuple(doses),
        seed=seed,
        photons=photons,
        electronic_variance=electronic_variance,
        bowtie=bowtie,
        realistic_bias=realistic_bias,
        n_workers=n_processes,
        if_present=if_present(resume=resume, overwrite=overwrite),
        repair_uids=repair,
        assume_hu=assume_hu,
        skip_bad_slices=skip_bad_slices,
        allow_own_output=force,
        select=select,
        created=created,
        write=WriteOptions(fill_type_2=repair),
    )
    return simulate_tree(Path(source), output, options, progress)
