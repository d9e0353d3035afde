"""``n2b-ct benchmark``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from n2b_ct.cli.console import say, say_err, say_table
from n2b_ct.cli.options import Device, with_options
from n2b_ct.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from n2b_ct.experiments.results import Row, Score, Table


def benchmark(
    experiment: Annotated[
        str, typer.Argument(help="An experiment YAML: a path, or a shipped name such as bsd68_gaussian25.yaml.")
    ],
    data_root: Annotated[Path, typer.Option(metavar="DIR", help="Where the folders of images lie.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The table's folder; a second call resumes.")] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ROW", help="Make this row only; may be given again.")
    ] = None,
    device: Device = "auto",
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Retrain rows whose settings or images have changed since their run."),
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key for all rows, e.g. training.iterations=100."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Validate file, folders and rows, train nothing.")] = False,
) -> None:
    """Reproduce a paper's table on natural images: train every row, denoise, score, compare with the published values.

    Writes table.json, table.md, per_image.csv, scores.png and gallery.png. Finished rows and scored images are
    kept, so that an interrupted table resumes.

    Example: n2b-ct benchmark bsd68_gaussian25.yaml --data-root /data --out tables/bsd68_gaussian25
    """
    from n2b_ct.experiments.benchmark import benchmark as make_table
    from n2b_ct.experiments.benchmark import check_benchmark
    from n2b_ct.experiments.experiment import load_experiment

    loaded = load_experiment(experiment, overrides or ()).only(only or ())
    if check:
        found = check_benchmark(loaded, data_root=data_root, only=only or ())
        counts = ", ".join(f"{n} images in {test}" for test, n in found.items())
        say(f"{loaded.section.name}: ready; {len(loaded.section.rows)} rows; {counts}")
        return
    place = out or Path("tables") / loaded.section.name
    with progress_bar(loaded.section.name) as progress:
        table = make_table(
            loaded,
            place,
            data_root=data_root,
            only=only or (),
            device=device,
            overwrite=overwrite,
            command=_command(experiment, overrides or ()),
            progress=progress,
        )
    _finish(table, place)


def _command(experiment: str, overrides: Sequence[str]) -> str:
    """Return the command that makes the whole table, with placeholders for folders."""
    words = ["n2b-ct", "benchmark", Path(experiment).name, "--data-root", "DATA", "--out", "OUT"]
    return shlex.join([*words, *(word for override in overrides for word in ("--set", override))])


def _finish(table: Table, out: Path) -> None:
    """Print the table; exit 1 where a row failed, 2 where all did."""
    from n2b_ct.cli import EXIT_NOTHING_DONE, EXIT_SOME_FAILED

    _print_table(table)
    for note in table.notes:
        say(f"note: {note}")
    say(f"table: {out / 'table.md'}")
    for row in table.failed:
        say_err(f"error: row {row.name}: {with_options(row.problem)}")
    if table.failed:
        is_any_done = any(row.kind != "input" for row in table.measured)
        raise typer.Exit(EXIT_SOME_FAILED if is_any_done else EXIT_NOTHING_DONE)


def _print_table(table: Table) -> None:
    headings = ["method", *(f"{test.name} ({test.n_images})" for test in table.tests)]
    rows = [[row.name, *(_cell(row, test.name) for test in table.tests)] for row in table.rows]
    say_table(headings, rows, max(80, 24 + 34 * len(table.tests)))
    say("PSNR dB / SSIM; in brackets the papers' values, ~ where images, colour or training differ")


def _cell(row: Row, test: str) -> str:
    score = row.score(test)
    measured = _words(score) if score is not None else {"failed": "failed", "not run": "not run"}.get(row.status, "")
    values = [value for value in row.published if value.test == test and value.psnr_db is not None]
    paper_values = ", ".join(f"{'~' if value.differs else ''}{value.psnr_db:.2f}" for value in values)
    return f"{measured} [{paper_values}]".lstrip() if paper_values else measured


def _words(score: Score) -> str:
    psnr = "identical" if score.psnr_db.mean is None else f"{score.psnr_db.mean:.2f}"
    return f"{psnr} / {score.ssim.mean:.3f}"
