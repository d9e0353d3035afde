"""``n2b-ct report``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from n2b_ct.cli.console import say, say_err, say_table
from n2b_ct.cli.options import DataRoot, Device, ReplaceReport, SkipBadSlices, with_options
from n2b_ct.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from n2b_ct.evaluation.summary import Statistic, Summary
    from n2b_ct.evaluation.verdicts import Verdict

REASONS_SHOWN = 2
"""On the console, of a verdict."""


def report(
    pipeline: Annotated[str, typer.Argument(help="Whose data and windows: a path, or a shipped name.")],
    models: Annotated[
        list[str],
        typer.Option("--model", metavar="NAME=RUN_DIR", help="A model and its name; n2b=base: the shipped one."),
    ],
    out: Annotated[Path, typer.Option(help="The report's folder.")],
    data_root: DataRoot = None,
    baselines: Annotated[
        list[str] | None,
        typer.Option("--baseline", help="gaussian, nlm, tv, bilateral, wnnm or bm3d; the pipeline's if not given."),
    ] = None,
    device: Device = "auto",
    noise_free_reference: Annotated[
        bool, typer.Option("--noise-free-reference", help="The references are simulated truth without noise.")
    ] = False,
    insert_blur_mm: Annotated[
        float, typer.Option("--insert-blur", min=0.0, help="σ of the scanner's blur, mm, for inserted disks.")
    ] = 0.0,
    skip_bad_slices: SkipBadSlices = False,
    overwrite: ReplaceReport = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the pipeline.")
    ] = None,
) -> None:
    """Report fidelity, noise texture, resolution, d′ and HU bias by dose, beside baselines.

    Example: n2b-ct report piglet.yaml --data-root /data/piglet --model n2b=runs/piglet --out report
    """
    from n2b_ct import api

    with progress_bar("measuring") as progress:
        summary = api.report(
            pipeline,
            named_texts(models, "--model"),
            out,
            data_root=data_root,
            baselines=baselines,
            device=device,
            noise_free_reference=noise_free_reference,
            insert_blur_mm=insert_blur_mm,
            skip_bad_slices=skip_bad_slices,
            overwrite=overwrite,
            overrides=overrides or (),
            command=shlex.join(["n2b-ct", *sys.argv[1:]]),
            progress=progress,
        )
    finish(summary, out)


def verdict_line(one: Verdict) -> str:
    """Say a verdict with its first reasons; the report has all."""
    more = len(one.reasons) - REASONS_SHOWN
    reasons = [*one.reasons[:REASONS_SHOWN], *([f"{more} more in the report"] if more > 0 else [])]
    return f"verdict: {one.method} is {one.verdict}{': ' if reasons else ''}{'; '.join(reasons)}"


def finish(summary: Summary, out: Path) -> None:
    """Print the table and what was left out; exit 1 where an input could not be used."""
    from n2b_ct.cli import EXIT_SOME_FAILED
    from n2b_ct.evaluation.verdicts import verdicts
    from n2b_ct.filters.baselines import licence_notices

    _print_table(summary)
    for one in verdicts(summary):
        say(verdict_line(one))
    for notice in licence_notices(name for name, role in summary.roles.items() if role == "baseline"):
        say_err(f"licence: {notice}")
    for sentence in summary.dropped:
        say(f"note: {with_options(sentence)}")
    say(f"report: {out / 'report.html'}")
    for line in summary.problems:
        say_err(f"warning: {with_options(line)}")
    if summary.problems:
        raise typer.Exit(EXIT_SOME_FAILED)


def named_paths(texts: list[str], option: str) -> dict[str, Path]:
    """Split ``NAME=DIR`` texts; as :func:`named_texts`."""
    return {name: Path(text) for name, text in named_texts(texts, option).items()}


def named_texts(texts: list[str], option: str) -> dict[str, str]:
    """Split ``NAME=TEXT``.

    Raises:
        ConfigError: A text has another form, or a name comes twice.
    """
    from n2b_ct.errors import ConfigError, explain

    named: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path) or name in named:
            raise ConfigError(explain(option, "must be NAME=DIR with a name of its own", text, "write n2b=runs/piglet"))
        named[_checked(name, option)] = path
    return named


def _checked(name: str, option: str) -> str:
    from n2b_ct.config.printable_names import shown_name
    from n2b_ct.errors import ConfigError, explain

    try:
        return shown_name(name)
    except ValueError as error:
        raise ConfigError(explain(f"{option}: its name", str(error), name[:80], "choose another")) from error


def _print_table(summary: Summary) -> None:
    window, levels = summary.primary_window, summary.columns
    measures = ("psnr_db", "ssim", "noise_std_hu")
    rows = []
    for method in summary.roles:
        means = [[summary.mean(level, method, measure) for measure in measures] for level in levels]
        rows.append([method, *(_fidelity(*own) for own in means)])
    headings = ["method", *(f"{level.label} ({level.n_slices})" for level in levels)]
    say_table(headings, rows, max(80, 22 + 30 * len(levels)))
    say(f"PSNR dB / SSIM in {window} {summary.windows[window]}; noise in flat soft tissue")


def _fidelity(psnr_db: Statistic, ssim: Statistic, noise_std_hu: Statistic) -> str:
    noise = "" if noise_std_hu.mean is None else f"{noise_std_hu.mean:.1f} HU"
    if psnr_db.mean is None or ssim.mean is None:
        return noise
    return f"{psnr_db.mean:.2f} / {ssim.mean:.3f}  {noise}"
