"""``n2b-ct fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from n2b_ct.cli.console import json_text, say, say_err
from n2b_ct.cli.options import AssumeHU, DataRoot, Device, Select, Threads, VolumeOffsetHU, with_options
from n2b_ct.cli.progress_bar import progress_bar
from n2b_ct.cli.tree_result import require_usable_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from n2b_ct.fitting.fit import FitResult

_Source = Annotated[
    Path, typer.Argument(metavar="INPUT", help="A DICOM file, a series folder, a tree of series, or a volume.")
]
_Out = Annotated[Path, typer.Option(help="The run folder; several protocols get one each in it.")]
_Model = Annotated[str, typer.Option(help="The model to begin with: base, a run folder or a model file.")]
_TimeLimit = Annotated[str, typer.Option("--time", metavar="TIME", help="For each protocol, such as 5m or 90s.")]
_Recipes = Annotated[
    list[str] | None,
    typer.Option("--recipe", help="inserted-noise (if not given), r2r or both; repeat for several."),
]
_Json = Annotated[Path | None, typer.Option("--json", help="Write what became of each protocol here.")]
_Repair = Annotated[bool, typer.Option("--repair", help="Take files with blank UIDs.")]


def fit(
    source: _Source,
    out: _Out,
    model: _Model = "base",
    time_limit: _TimeLimit = "5m",
    recipes: _Recipes = None,
    select: Select = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier fit.")] = False,
    repair: _Repair = False,
    assume_hu: AssumeHU = False,
    volume_offset_hu: VolumeOffsetHU = 0.0,
    data_root: DataRoot = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all draws.")] = 0,
    device: Device = "auto",
    threads: Threads = None,
    json_path: _Json = None,
) -> None:
    """Fit a model to noisy series, from these alone: one for each scanner, kernel, thickness, voltage and pixel size.

    A check without reference keeps the model as it was where no fit is better for sure.

    Example: n2b-ct fit /data/low_dose --out runs/mine
    """
    from n2b_ct import api

    require_usable_json(json_path)
    with progress_bar("fitting") as progress:
        results = api.fit(
            source,
            out=out,
            model=model,
            time_limit=time_limit,
            **({"recipes": recipes} if recipes else {}),
            select=select,
            overwrite=overwrite,
            repair=repair,
            assume_hu=assume_hu,
            volume_offset_hu=volume_offset_hu,
            data_root=data_root,
            seed=seed,
            device=device,
            threads=threads,
            progress=progress,
        )
    if json_path is not None:
        json_path.write_text(json_text([one.plain for one in results]) + "\n", encoding="utf-8")
    _tell(results)


def _tell(results: Sequence[FitResult]) -> None:
    """Print a line for each protocol; exit 1 if some were refused, 2 if all were."""
    for one in results:
        if one.status == "refused":
            say_err(f"error: {one.name}: {with_options(one.why)}")
            continue
        say(f"{one.status} {one.name}: {one.why}; {one.iterations} iterations, {one.seconds:.0f} s")
        say(f"model: {one.run_dir}")
    n_refused = sum(one.status == "refused" for one in results)
    if n_refused:
        raise typer.Exit(2 if n_refused == len(results) else 1)
