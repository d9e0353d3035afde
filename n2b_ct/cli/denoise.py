"""``n2b-ct denoise``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from n2b_ct.cli.progress import progress_bar

if TYPE_CHECKING:
    from n2b_ct.inference.outcomes import Outcome, TreeResult
    from n2b_ct.io.series import FileRecord


def denoise(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A DICOM file, a series folder, a tree, or NIfTI.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Mirrors the input's tree; must lie outside it.")],
    model: Annotated[Path, typer.Option(help="A run folder or a model file.")],
    strength: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of the found noise to remove; the model's if not given."),
    ] = None,
    residual: Annotated[bool, typer.Option("--residual", help="Write the removed noise as series too.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    select: Annotated[str | None, typer.Option(help="Regular expression on SeriesDescription.")] = None,
    repair_uids: Annotated[bool, typer.Option("--repair-uids", help="Take files with blank UIDs too.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep outputs that are there, do the others.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that are there.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write one status per series here.")] = None,
) -> None:
    """Denoise CT: HU in, HU out, derived DICOM series with new UIDs; every series appears whole or not at all.

    Example: n2b-ct denoise /data/low_dose /data/denoised --model runs/piglet
    """
    from n2b_ct import api
    from n2b_ct.errors import ConfigError, OutputError, explain
    from n2b_ct.inference.outcomes import DenoiseOptions
    from n2b_ct.io.atomic import write_atomically

    if resume and overwrite:
        raise ConfigError(explain("--resume and --overwrite", "only one can be given", "both", "choose one"))
    options = DenoiseOptions(
        strength=strength,
        residual=residual,
        select=select,
        repair_uids=repair_uids,
        if_present="skip" if resume else "replace" if overwrite else "refuse",
    )
    if json_path is not None and not json_path.parent.is_dir():
        raise OutputError(explain(f"--json {json_path}", "must lie in a folder", "no such folder", "make it first"))
    with progress_bar("denoising") as progress:
        result = api.denoise(source, output, model, options=options, device=device, progress=progress)
    if json_path is not None:
        content = json.dumps(_plain(result), indent=2) + "\n"
        write_atomically(json_path, lambda file: file.write(content.encode()))
    for outcome in result.outcomes:
        if outcome.status != "failed":
            typer.echo(_line(outcome))
    for line in _complaints(result):
        typer.echo(f"error: {line}", err=True)
    raise typer.Exit(_exit_code(result))


def _line(outcome: Outcome) -> str:
    removed = "" if outcome.removed_std_hu is None else f", removed noise {outcome.removed_std_hu:.1f} HU"
    return f"{outcome.status:<7} {outcome.output}: {outcome.n_slices} slices{removed}"


def _complaints(result: TreeResult) -> list[str]:
    """One line for every series that failed, and for every folder and reason of refused files."""
    lines = [f"{outcome.source}: {outcome.detail}" for outcome in result.outcomes if outcome.status == "failed"]
    refused: dict[tuple[Path, str], list[FileRecord]] = {}
    for record in result.records:
        if record.action == "error":
            refused.setdefault((record.path.parent, record.reason), []).append(record)
    for (folder, reason), records in refused.items():
        others = f" (and {len(records) - 1} more)" if len(records) > 1 else ""
        lines.append(f"{folder}: {records[0].detail or reason}{others}")
    return lines


def _exit_code(result: TreeResult) -> int:
    if not result.failed:
        return 0
    return 1 if any(outcome.status != "failed" for outcome in result.outcomes) else 2


def _plain(result: TreeResult) -> dict[str, Any]:
    from dataclasses import asdict

    import n2b_ct

    def plain(record: Any) -> dict[str, Any]:
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(record).items()}

    return {
        "format": 1,
        "n2b_ct": n2b_ct.__version__,
        "series": [plain(outcome) for outcome in result.outcomes],
        "files": [plain(record) for record in result.records],
    }
