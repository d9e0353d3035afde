"""Simulate the digital piglet, and lower doses of real series."""

from __future__ import annotations

from pathlib import Path

from n2b_ct.batch.low_dose_options import LowDoseOptions
from n2b_ct.batch.low_dose_tree import simulate_tree
from n2b_ct.batch.outcomes import TreeResult
from n2b_ct.errors import ConfigError, explain
from n2b_ct.io.progress import Progress
from n2b_ct.phantom.piglet import PigletSummary, write_piglet


def simulate(
    source: str,
    output: Path,
    *,
    n_slices: int = 906,
    size_px: int = 512,
    seed: int = 0,
    n_workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PigletSummary:
    """Make a digital piglet's DICOM tree.

    Args:
        source: ``piglet``.
        output: The new folder.
        n_slices: Slices of every series, spread evenly over the animal.
        size_px: Rows and columns.
        seed: Names the animal and its noise.
        n_workers: Processes.
        overwrite: Replace a piglet that is there.
        progress: Called with (slices done, all slices, what).

    Raises:
        ConfigError: Another source.
        DataError: A size or a count is out of range.
        OutputError: The folder is in use or cannot be written.
    """
    if source != "piglet":
        raise ConfigError(explain("simulate", "INPUT must be piglet", source, "call simulate_doses for real series"))
    return write_piglet(
        output,
        n_slices=n_slices,
        size_px=size_px,
        seed=seed,
        n_workers=n_workers,
        overwrite=overwrite,
        progress=progress,
    )


def simulate_doses(
    source: Path, output: Path, options: LowDoseOptions, *, progress: Progress | None = None
) -> TreeResult:
    """Simulate lower doses of real normal-dose DICOM series, in ``output/<dose>/`` and the source's tree.

    Args:
        source: A DICOM file, a series folder or a tree of series.
        output: Where to; outside the source.
        options: Doses, seed, what to do with outputs that are there.
        progress: Called with (slices done, all slices, series).

    Raises:
        DataError: There is no series, or an option is out of range.
        OutputError: The output overlaps the input, or is there already.
    """
    return simulate_tree(source, output, options, progress)
