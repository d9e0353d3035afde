"""``n2b-ct evaluate``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from n2b_ct.cli.options import AssumeHU, ReplaceReport, SkipBadSlices, VolumeOffsetHU
from n2b_ct.cli.progress_bar import progress_bar
from n2b_ct.cli.report import finish, named_paths


def evaluate(
    candidates: Annotated[
        list[str],
        typer.Option(
            "--candidate", metavar="NAME=DIR", help="A folder or file to evaluate: DICOM, NIfTI, NRRD, MetaImage."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The report's folder.")],
    reference: Annotated[Path | None, typer.Option(metavar="DIR", help="The normal-dose folder or file.")] = None,
    noisy_input: Annotated[
        Path | None, typer.Option("--input", metavar="DIR", help="The low-dose folder that candidates were made from.")
    ] = None,
    windows: Annotated[
        list[str] | None, typer.Option("--window", help="abdomen, lung, bone, brain or full; all if not given.")
    ] = None,
    baselines: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline", help="gaussian, nlm, tv, bilateral, wnnm or bm3d, of --input; the first three if not given."
        ),
    ] = None,
    dose: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Dose of the input, 0.25 for 25 %.")] = None,
    noise_free_reference: Annotated[
        bool, typer.Option("--noise-free-reference", help="The reference is simulated truth without noise.")
    ] = False,
    patient_folders: Annotated[
        bool, typer.Option("--patient-folders", help="Each folder or file just below DIR is a patient of its own.")
    ] = False,
    volume_offset_hu: VolumeOffsetHU = 0.0,
    assume_hu: AssumeHU = False,
    skip_bad_slices: SkipBadSlices = False,
    overwrite: ReplaceReport = False,
) -> None:
    """Compare existing folders from any software: fidelity, noise texture, HU bias, residual, tests.

    Example: n2b-ct evaluate --reference full --input low --candidate n2b=denoised --candidate vendor=ir --out report
    """
    from n2b_ct import api

    with progress_bar("measuring") as progress:
        summary = api.evaluate(
            named_paths(candidates, "--candidate"),
            out,
            reference=reference,
            noisy_input=noisy_input,
            windows=windows,
            baselines=baselines,
            dose=dose or None,
            volume_offset_hu=volume_offset_hu,
            assume_hu=assume_hu,
            skip_bad_slices=skip_bad_slices,
            noise_free_reference=noise_free_reference,
            patient_folders=patient_folders,
            overwrite=overwrite,
            command=shlex.join(["n2b-ct", *sys.argv[1:]]),
            progress=progress,
        )
    finish(summary, out)
