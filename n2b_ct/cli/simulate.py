"""``n2b-ct simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from n2b_ct.cli.console import say
from n2b_ct.cli.options import AssumeHU, Created, KeepProved, ReplaceOutputs, Select, SkipBadSlices
from n2b_ct.cli.progress_bar import progress_bar
from n2b_ct.cli.tree_result import exit_code, require_usable_json, tell, time_of

PIGLET: Final = "piglet"
_PIGLET_ONLY = ("n_slices", "size_px")
_SERIES_ONLY = (
    *(
        "doses",
        "photons",
        "electronic_variance",
        "bowtie",
        "realistic_bias",
        "select",
        "resume",
        "json_path",
        "repair",
        "assume_hu",
    ),
    *("skip_bad_slices", "force", "created"),
)


def simulate(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="DICOM series; or piglet: the digital animal.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The new folder; series go to OUTPUT/<dose>/.")],
    doses: Annotated[
        list[float] | None,
        typer.Option("--dose", help="Fraction of the input's dose, such as 0.25; may be given again."),
    ] = None,
    photons: Annotated[float | None, typer.Option(help="Photons per ray of the input; measured if not given.")] = None,
    electronic_variance: Annotated[
        float | None, typer.Option(help="Electronic noise per ray, photons²; measured if not given.")
    ] = None,
    bowtie: Annotated[
        float | None,
        typer.Option(
            help="What a bowtie filter adds to the line integral 100 mm off the middle; measured if not given."
        ),
    ] = None,
    realistic_bias: Annotated[
        bool,
        typer.Option("--realistic-bias", help="Shift the mean where photons are few, as a scanner's logarithm does."),
    ] = False,
    select: Select = None,
    resume: KeepProved = False,
    overwrite: ReplaceOutputs = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write one status per series here.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Take files with blank UIDs.")] = False,
    assume_hu: AssumeHU = False,
    skip_bad_slices: SkipBadSlices = False,
    force: Annotated[bool, typer.Option("--force", help="Take even what n2b-ct has denoised.")] = False,
    created: Created = None,
    n_slices: Annotated[int, typer.Option("--slices", help="Piglet: slices a series; 906 are 0.625 mm apart.")] = 906,
    size_px: Annotated[int, typer.Option("--size", help="Piglet: rows and columns, pixels.")] = 512,
    seed: Annotated[int, typer.Option(help="Seed of the noise and of the animal.")] = 0,
    n_workers: Annotated[
        int, typer.Option("--workers", help="Processes; 0: one per core. The bytes do not depend on it.")
    ] = 0,
) -> None:
    """Simulate lower doses of normal-dose DICOM series, or make a digital piglet at five doses.

    Noise is inserted in the projection domain with the photons and the kernel that the series' own noise shows.
    The piglet is a DICOM tree at full, 50, 25, 10 and 5 % dose, laid out as the piglet data set.

    Example: n2b-ct simulate /data/normal_dose /data/low_dose --dose 0.25 --dose 0.1

    Example: n2b-ct simulate piglet /data/digital_piglet --slices 96 --size 256
    """
    _refuse_foreign_options(context, _SERIES_ONLY if source == PIGLET else _PIGLET_ONLY, source)
    from n2b_ct import api

    if source == PIGLET:
        with progress_bar(PIGLET) as progress:
            summary = api.simulate(
                PIGLET,
                output,
                n_slices=n_slices,
                size_px=size_px,
                seed=seed,
                n_workers=n_workers,
                overwrite=overwrite,
                progress=progress,
            )
        say(f"piglet: {output}, {summary.n_slices} slices in {len(summary.series_dirs)} series")
        return
    require_usable_json(json_path)
    with progress_bar("simulating") as progress:
        result = api.simulate(
            source,
            output,
            doses=doses or (),
            seed=seed,
            photons=photons,
            electronic_variance=electronic_variance,
            bowtie=bowtie,
            realistic_bias=realistic_bias,
            select=select,
            resume=resume,
            overwrite=overwrite,
            repair=repair,
            assume_hu=assume_hu,
            skip_bad_slices=skip_bad_slices,
            force=force,
            created=time_of(created),
            n_workers=n_workers,
            progress=progress,
        )
    tell(result, json_path)
    raise typer.Exit(exit_code(result))


def _refuse_foreign_options(context: typer.Context, names: tuple[str, ...], source: str) -> None:
    """Refuse an option that does not apply to this kind of input."""
    from n2b_ct.errors import ConfigError, explain

    given = [name for name in names if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if given:
        kind = "does not go with piglet" if source == PIGLET else "goes with piglet only"
        raise ConfigError(explain(given[0], kind, f"INPUT {source}", "leave it out"))
