"""``n2b-ct phantom``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from n2b_ct.cli.console import say, say_err, say_table
from n2b_ct.cli.options import AssumeHU, ReplaceReport, SkipBadSlices, VolumeOffsetHU, with_options
from n2b_ct.cli.progress_bar import progress_bar
from n2b_ct.cli.report import named_paths

if TYPE_CHECKING:
    from n2b_ct.evaluation.quality_phantom.measuring import PhantomSummary


def phantom(
    spec: Annotated[
        str, typer.Argument(help="The phantom: a YAML, or acr-464, catphan-604 or mita-lcd, which are shipped.")
    ],
    images: Annotated[
        list[str],
        typer.Option(
            "--images", metavar="NAME=DIR", help="Its scans: DICOM, NIfTI, NRRD, MetaImage. The first is compared with."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The report's folder.")],
    absent: Annotated[
        list[str] | None,
        typer.Option(
            "--absent", metavar="NAME=DIR", help="Scans without inserts; else those beside, named absent for present."
        ),
    ] = None,
    volume_offset_hu: VolumeOffsetHU = 0.0,
    assume_hu: AssumeHU = False,
    skip_bad_slices: SkipBadSlices = False,
    overwrite: ReplaceReport = False,
) -> None:
    """Report on scans of an image quality phantom: noise, NPS, TTF, contrast, CNR, HU linearity, d′ by insert.

    Example: n2b-ct phantom acr-464 --images input=acr --images n2b=acr-denoised --out phantom-report
    """
    from n2b_ct import api

    folders = named_paths(images, "--images")
    with progress_bar("measuring") as progress:
        summary = api.phantom_report(
            spec,
            folders,
            out,
            absent=named_paths(absent or [], "--absent"),
            volume_offset_hu=volume_offset_hu,
            assume_hu=assume_hu,
            skip_bad_slices=skip_bad_slices,
            overwrite=overwrite,
            command=shlex.join(["n2b-ct", *sys.argv[1:]]),
            progress=progress,
        )
    _finish(summary, spec, folders, out)


def _finish(summary: PhantomSummary, spec: str, folders: dict[str, Path], out: Path) -> None:
    """Print sentences, a table by insert, what was left out and what to do next; exit 1 where there are problems."""
    from n2b_ct.cli import EXIT_SOME_FAILED
    from n2b_ct.evaluation.quality_phantom.sentences import summary_sentences

    for sentence in summary_sentences(summary):
        say(sentence)
    say_table(("insert", "scan", "HU", "contrast", "CNR", "d′ CHO", "d′ NPW"), _rows(summary), 100)
    for line in summary.problems:
        say_err(f"warning: {with_options(line)}")
    say(f"report: {out / 'report.html'}")
    say(f"next: {_next(summary, spec, folders)}")
    if summary.problems:
        raise typer.Exit(EXIT_SOME_FAILED)


def _rows(summary: PhantomSummary) -> list[list[str]]:
    from n2b_ct.evaluation.report.formatting import MISSING, number

    rows = []
    for insert in summary.phantom.inserts:
        for scan in summary.scans:
            result = scan.insert(insert.name)
            if result is None:
                continue
            d_primes = [result.d_primes.get(name) for name in ("cho", "npw")]
            rows.append(
                [
                    insert.name,
                    scan.name,
                    number(result.hu.value, 1),
                    number(result.contrast_hu.value, 1, signed=True),
                    number(result.cnr.value, 2, signed=True),
                    *(MISSING if found is None else number(found.d_prime, 2) for found in d_primes),
                ]
            )
    return rows


def _next(summary: PhantomSummary, spec: str, folders: dict[str, Path]) -> str:
    """Denoise the scan and look again; where that was done, compare the patients' scans."""
    if len(summary.scans) > 1:
        return "n2b-ct evaluate --input LOW --candidate NAME=DENOISED --out report, for the same on patients"
    name, folder = next(iter(folders.items()))
    both = summary.phantom.scans == "present_absent"
    out = "denoised_present" if both else "denoised"
    again = ["n2b-ct", "phantom", spec, "--images", f"{name}={folder}", "--images", f"base={out}", "--out", "after"]
    likewise = ", the scans without inserts to denoised_absent" if both else ""
    return f"n2b-ct denoise {shlex.quote(str(folder))} {out}{likewise}, then {shlex.join(again)}"
