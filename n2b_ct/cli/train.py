"""``n2b-ct train``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from n2b_ct.cli.console import say, say_err
from n2b_ct.cli.options import DataRoot, Device, SkipBadSlices, Threads
from n2b_ct.cli.progress_bar import progress_bar


def extracted_noise_strength(last: Mapping[str, float]) -> str:
    """Return the strength of the extracted noise at the end; empty where a method extracts none."""
    found = next((key.removeprefix("noise_std_") for key in last if key.startswith("noise_std_")), None)
    if found is None:
        return ""
    image, unit = ("slice", "HU") if found == "hu" else ("image", "grey levels")
    own = last[f"{image}_noise_std_{found}"]
    return f"extracted noise {last[f'noise_std_{found}']:.1f} {unit}; the {image}s' own {own:.1f} {unit}"


def train(
    pipeline: Annotated[str, typer.Argument(help="A pipeline YAML: a path, or a shipped name such as piglet.yaml.")],
    data_root: DataRoot = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/<pipeline> if not given.")] = None,
    device: Device = "auto",
    threads: Threads = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. training.seed=1."),
    ] = None,
    skip_bad_slices: SkipBadSlices = False,
    check: Annotated[bool, typer.Option("--check", help="Validate pipeline and data, train nothing.")] = False,
) -> None:
    """Train a denoiser and write a run folder: model.pt, pipeline.yaml, history.csv, losses.png, summary.json.

    torchrun shares the work among several processes: torchrun --nproc-per-node 2 -m n2b_ct train piglet.yaml

    Example: n2b-ct train piglet.yaml --data-root /data/piglet --out runs/piglet
    """
    from n2b_ct import api
    from n2b_ct.config import load_pipeline
    from n2b_ct.training.distribution import is_rank_zero

    loaded = load_pipeline(pipeline, overrides or ())
    if check:
        found = api.check(loaded, data_root=data_root, skip_bad_slices=skip_bad_slices)
        counts = ", ".join(f"{n} {role}" for role, n in found.n_images.items())
        sizes = ", ".join(f"{rows}x{cols}" for rows, cols in found.sizes_px)
        say(f"{loaded.name}: ready to train {loaded.method.name}; images: {counts}; sizes: {sizes}")
        tell_left_out({one.name: one.n_skipped_slices for one in found.inputs.series})
        return
    run_dir = out or Path("runs") / loaded.name
    with progress_bar(loaded.name, shown=is_rank_zero()) as progress:
        summary = api.train(
            loaded,
            data_root=data_root,
            out=run_dir,
            device=device,
            resume=resume,
            overwrite=overwrite,
            skip_bad_slices=skip_bad_slices,
            progress=progress,
            threads=threads,
        )
    if not summary:
        return  # another process of this training has it
    say(f"trained {summary['method']} for {summary['iterations']} iterations in {summary['seconds']:.0f} s")
    for notice in loaded.method.licence_notices():
        say_err(f"licence: {notice}")
    if noise := extracted_noise_strength(summary["last"]):
        say(noise)
    say(f"model: {run_dir / 'model.pt'}")
    tell_left_out({one["name"]: one["n_skipped_slices"] for one in summary.get("series", ())})


def tell_left_out(n_by_series: Mapping[str, int]) -> None:
    """Warn of every series that lacks slices; exit 1 if one does, but for torchrun, which takes that for a crash."""
    from n2b_ct.cli import EXIT_SOME_FAILED
    from n2b_ct.io.series import skipped_slices_warning

    gaps = {name: n for name, n in n_by_series.items() if n}
    for name, n in gaps.items():
        say_err(f"warning: {skipped_slices_warning(f'series {name}', n)}")
    if gaps and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        raise typer.Exit(EXIT_SOME_FAILED)
