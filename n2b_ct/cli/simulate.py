"""``n2b-ct simulate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from n2b_ct.cli.progress import progress_bar


def simulate(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="piglet: the digital animal.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The new folder.")],
    slices: Annotated[int, typer.Option(help="Slices a series; 906 are 0.625 mm apart.")] = 906,
    size: Annotated[int, typer.Option(help="Rows and columns, pixels.")] = 512,
    seed: Annotated[int, typer.Option(help="Names the animal and its noise.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; 0: one a core. The bytes do not depend on it.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a piglet that is there.")] = False,
) -> None:
    """Make a digital piglet: a DICOM tree at full, 50, 25, 10 and 5 % dose, laid out as the piglet data set.

    Example: n2b-ct simulate piglet /data/digital_piglet --slices 96 --size 256
    """
    from n2b_ct import api

    with progress_bar("piglet") as progress:
        summary = api.simulate(
            source,
            output,
            n_slices=slices,
            size_px=size,
            seed=seed,
            n_workers=workers or os.cpu_count() or 1,
            overwrite=overwrite,
            progress=progress,
        )
    typer.echo(f"piglet: {output}, {summary.n_slices} slices in {len(summary.series_dirs)} series")
