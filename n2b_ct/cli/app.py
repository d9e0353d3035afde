"""The ``n2b-ct`` command and its subcommands."""

from __future__ import annotations

import typer

from n2b_ct.cli.benchmark import benchmark
from n2b_ct.cli.console import say
from n2b_ct.cli.denoise import denoise
from n2b_ct.cli.evaluate import evaluate
from n2b_ct.cli.fit import fit
from n2b_ct.cli.index import index, inspect
from n2b_ct.cli.options import remember_options
from n2b_ct.cli.phantom import phantom
from n2b_ct.cli.report import report
from n2b_ct.cli.simulate import simulate
from n2b_ct.cli.train import train

COMMANDS = (train, fit, denoise, report, evaluate, phantom, benchmark, simulate, index, inspect)

app = typer.Typer(
    name="n2b-ct",
    help="Noise2Blur for low-dose CT: train without pairs, denoise DICOM series, report by dose. "
    "Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_requested: bool) -> None:
    if is_requested:
        from n2b_ct.version import __version__

        say(f"n2b-ct {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks; works anywhere on the line."),
) -> None:
    pass


for command in COMMANDS:
    app.command()(command)
    remember_options(command)
