"""``n2b-ct simulate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from n2b_ct.cli.console import say
from n2b_ct.cli.options import AssumeHU, Created, KeepProved, ReplaceOutputs, Select, SkipBadSlices
from n2b_ct.cli.progress import progress_bar
from n2b_ct.cli.tree_result import exit_code, require_usable, tell, time_of

PIGLET = "piglet"
_PIGLET_ONLY = ("slices", "size")
_SERIES_ONLY = (
    *("dose", "photons", "electronic_variance", "bowtie", "select", "resume", "json_path", "repair", "assume_hu"),
    *("skip_bad_slices", "force", "created"),
)


def simulate(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="DICOM series; or piglet: the digital animal.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The new folder; series go to OUTPUT/<dose>/.")],
    dose: Annotated[
        list[float] | None, typer.Option(help="Fraction of the input's dose, such as 0.25; may be given again.")
    ] = None,
    photons: Annotated[float | None, typer.Option(help="Photons per ray of the input; measured if not given.")] = None,
    electronic_variance: Annotated[
        float | None, typer.Option(help="Electronic noise per ray, photons²; a typical detector's if not given.")
    ] = None,
    bowtie: Annotated[
        float, typer.Option(help="What a bowtie filter adds to the line integral 100 mm off the middle, such as 0.6.")
    ] = 0.0,
    select: Select = None,
    resume: KeepProved = False,
    overwrite: ReplaceOutputs = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write one status per series here.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Take files with blank UIDs.")] = False,
    assume_hu: AssumeHU = False,
    skip_bad_slices: SkipBadSlices = False,
    force: Annotated[bool, typer.Option("--force", help="Take even what n2b-ct has denoised.")] = False,
    created: Created = None,
    slices: Annotated[int, typer.Option(help="Piglet: slices a series; 906 are 0.625 mm apart.")] = 906,
    size: Annotated[int, typer.Option(help="Piglet: rows and columns, pixels.")] = 512,
    seed: Annotated[int, typer.Option(help="Names the noise, and the animal.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; 0: one a core. The bytes do not depend on it.")] = 0,
) -> None:
    """Simulate lower doses of normal-dose DICOM series, or make a digital piglet at five doses.

    Noise is inserted in the projection domain with the photons and the kernel that the series' own noise shows.
    The piglet is a DICOM tree at full, 50, 25, 10 and 5 % dose, laid out as the piglet data set.

    Example: n2b-ct simulate /data/normal_dose /data/low_dose --dose 0.25 --dose 0.1

    Example: n2b-ct simulate piglet /data/digital_piglet --slices 96 --size 256
    """
    _refuse_foreign_options(context, _SERIES_ONLY if source == PIGLET else _PIGLET_ONLY, source)
    n_workers = workers or os.cpu_count() or 1
    if source == PIGLET:
        _piglet(output, slices, size, seed, n_workers, overwrite=overwrite)
        return
    from n2b_ct import api
    from n2b_ct.batch.low_dose_options import LowDoseOptions
    from n2b_ct.io.dicom.writing.derivation import WriteOptions

    require_usable(resume=resume, overwrite=overwrite, json_path=json_path)
    options = LowDoseOptions(
        doses=tuple(dose or ()),
        seed=seed,
        photons=photons,
        electronic_variance=electronic_variance,
        bowtie=bowtie,
        n_workers=n_workers,
        if_present="skip" if resume else "replace" if overwrite else "refuse",
        repair_uids=repair,
        assume_hu=assume_hu,
        skip_bad_slices=skip_bad_slices,
        allow_own_output=force,
        select=select,
        created=time_of(created),
        write=WriteOptions(fill_type_2=repair),
    )
    with progress_bar("simulating") as progress:
        result = api.simulate_doses(Path(source), output, options, progress=progress)
    tell(result, json_path)
    raise typer.Exit(exit_code(result))


def _piglet(output: Path, n_slices: int, size_px: int, seed: int, n_workers: int, *, overwrite: bool) -> None:
    from n2b_ct import api

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


def _refuse_foreign_options(context: typer.Context, names: tuple[str, ...], source: str) -> None:
    """An option of the other kind of input would be ignored in silence."""
    from n2b_ct.errors import ConfigError, explain

    given = [name for name in names if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if given:
        option = "--" + given[0].removesuffix("_path").replace("_", "-")
        kind = "does not go with piglet" if source == PIGLET else "goes with piglet only"
        raise ConfigError(explain(option, kind, f"INPUT {source}", "leave it out"))
