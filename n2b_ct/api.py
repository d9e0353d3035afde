"""What notebooks and the command line share: train, denoise, report, evaluate, index, simulate.

Every function takes plain paths and values, raises :class:`n2b_ct.errors.N2BError` with one clear line, prints
nothing, and tells its progress to a callback ``(done, all, what)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from n2b_ct.batch.folders import denoise_tree
from n2b_ct.batch.low_dose_options import LowDoseOptions
from n2b_ct.batch.low_dose_tree import simulate_tree
from n2b_ct.batch.outcomes import DenoiseOptions, TreeResult
from n2b_ct.config import Pipeline, load_pipeline
from n2b_ct.data.manifest import Manifest, load_manifest
from n2b_ct.data.roles import Roles, assign_roles
from n2b_ct.errors import ConfigError, DataError, explain
from n2b_ct.evaluation.assemble import assemble
from n2b_ct.evaluation.cases import reference_dose, role_sources
from n2b_ct.evaluation.controls import chosen_controls
from n2b_ct.evaluation.folder_report import evaluate as evaluate
from n2b_ct.evaluation.measuring import Measuring, measure_sources
from n2b_ct.evaluation.report.lesions import read_lesion_truth
from n2b_ct.evaluation.report.provenance import Provenance
from n2b_ct.evaluation.report.summary import Summary
from n2b_ct.evaluation.report.writer import require_free_place, write_report
from n2b_ct.hu import WINDOWS
from n2b_ct.inference.model import MODEL_FILE, Model, load_model
from n2b_ct.inference.slices import denoise_hu
from n2b_ct.io.progress import Progress
from n2b_ct.simulation.piglet import PigletSummary, write_piglet
from n2b_ct.training.devices import choose_device
from n2b_ct.training.readiness import require_ready
from n2b_ct.training.run import run_training
from n2b_ct.training.run_dir import recorded_data_root, require_place, require_same_pipeline
from n2b_ct.training.summary import SUMMARY_FILE, read_summary


def train(
    pipeline: str | Path | Pipeline,
    *,
    data_root: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a pipeline; returns the summary that also lies in the run folder.

    Args:
        pipeline: A loaded pipeline, a path, or the name of a shipped one.
        data_root: The data's folder; None: the pipeline's ``data.root``.
        out: The run folder; None: ``runs/<pipeline name>``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        resume: Go on from the newest checkpoint of the run folder; a finished run is left as it is.
        overwrite: Replace a run that is there.
        overrides: ``section.key=value`` texts, when ``pipeline`` is a name.
        progress: Called with (done, all, what).

    Raises:
        ConfigError, DataError: The pipeline, the manifest or the data are wrong.
        OutputError: The run folder holds a run already.
        CollapseError: The networks collapsed; no model was written.
    """
    loaded = _loaded(pipeline, overrides)
    chosen = choose_device(device)
    roles = roles_of(loaded, data_root)
    require_ready(loaded, roles)
    run_dir = out or Path("runs") / loaded.name
    if resume and (run_dir / MODEL_FILE).is_file() and (run_dir / SUMMARY_FILE).is_file():
        require_same_pipeline(loaded, run_dir)
        return read_summary(run_dir / SUMMARY_FILE)
    require_place(loaded, run_dir, resume=resume, overwrite=overwrite)
    return run_training(_rooted(loaded, data_root), roles, run_dir, chosen, resume=resume, progress=progress)


@dataclass(frozen=True, slots=True)
class Check:
    """What a pipeline would train and report on: slices by role, and their sizes."""

    n_slices: dict[str, int]
    sizes_px: tuple[tuple[int, int], ...]


def check(pipeline: str | Path | Pipeline, *, data_root: Path | None = None, overrides: Sequence[str] = ()) -> Check:
    """Validate files, sizes, roles and the patch against the images, without reading pixels or training.

    Raises:
        ConfigError, DataError: With one line for every problem.
    """
    loaded = _loaded(pipeline, overrides)
    roles = roles_of(loaded, data_root)
    require_ready(loaded, roles)
    by_role = {"noisy": roles.noisy, "clean": roles.clean, "validation": roles.validation, "test": roles.test}
    sizes = {one.series.size_px for slices in by_role.values() for one in slices}
    return Check({role: len(slices) for role, slices in by_role.items()}, tuple(sorted(sizes)))


def denoise(
    source: Path,
    output: Path,
    model: Path | Model,
    *,
    options: DenoiseOptions | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> TreeResult:
    """Denoise a DICOM file, a series folder, a tree of series, or volumes, to a mirrored place.

    Args:
        source: What to denoise.
        output: Where to; outside the source.
        model: A run folder, a model file, or a loaded model.
        options: Strength, residual, what to do with outputs that are there.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        progress: Called with (slices done, all slices, series).

    Raises:
        ModelError: The model file is not ours.
        DataError: There is nothing to denoise.
        OutputError: The output overlaps the input, or is there already.
    """
    loaded = model if isinstance(model, Model) else load_model(model, choose_device(device))
    return denoise_tree(source, output, loaded, options or DenoiseOptions(), progress)


def report(
    pipeline: str | Path | Pipeline,
    models: Mapping[str, Path],
    out: Path,
    *,
    data_root: Path | None = None,
    controls: Sequence[str] | None = None,
    device: str = "auto",
    noise_free_reference: bool = False,
    insert_blur_mm: float = 0.0,
    overwrite: bool = False,
    overrides: Sequence[str] = (),
    command: str = "",
    progress: Progress | None = None,
) -> Summary:
    """Measure models and controls on the test role, dose by dose; write HTML, JSON, CSV and figures.

    Args:
        pipeline: Whose data, windows and controls are used.
        models: Name to run folder or model file; the name heads its row.
        out: The report's folder.
        data_root: The data's folder; None: the pipeline's ``data.root``, else where the first model was trained.
        controls: Denoisers without training; None: the pipeline's.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        noise_free_reference: The references are simulated truth without noise.
        insert_blur_mm: σ of the system's blur, taken as a round Gaussian, for the disks that are inserted.
        overwrite: Replace a report that is there.
        overrides: ``section.key=value`` texts, when ``pipeline`` is a name.
        command: The command line, to be printed in the report.
        progress: Called with (slices done, all slices, series).

    Raises:
        ConfigError, DataError: The pipeline or the data are wrong, or the test role is empty.
        ModelError: A model file is not ours.
        OutputError: The report's folder is in use.
    """
    loaded = _loaded(pipeline, overrides)
    require_free_place(out, overwrite)
    manifest = load_manifest(loaded.data.manifest)
    root = data_root or loaded.data.root or recorded_data_root(models.values())
    test = roles_of(loaded, root).test
    if not test:
        raise DataError(
            explain("role test", "must hold at least one slice", 0, "see the manifest's split and data.doses")
        )
    opened = {name: load_model(path, choose_device(device)) for name, path in models.items()}
    chosen = chosen_controls(loaded.report.controls if controls is None else controls, opened)
    denoisers = {name: control.apply for name, control in chosen.items()}
    denoisers |= {name: partial(denoise_hu, model) for name, model in opened.items()}
    windows = {name: WINDOWS[name] for name in loaded.report.windows}
    lesions = read_lesion_truth(root) if root else None
    contrasts = lesions.contrast_hu if lesions else {}
    how = Measuring(windows, loaded.report.panels_per_dose, noise_free_reference, insert_blur_mm, contrasts)
    measured = measure_sources(role_sources(test, lesions), denoisers, how, progress)
    summary = assemble(measured, how, chosen, reference_dose=reference_dose(test))
    provenance = _provenance(loaded, manifest, opened, command)
    write_report(out, summary, measured.rows, measured.panels, provenance, overwrite)
    return summary


def simulate(
    source: str,
    output: Path,
    *,
    n_slices: int = 906,
    size_px: int = 512,
    seed: int = 0,
    n_workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PigletSummary:
    """Make a digital piglet's DICOM tree.

    Args:
        source: ``piglet``.
        output: The new folder.
        n_slices: Slices of every series, spread evenly over the animal.
        size_px: Rows and columns.
        seed: Names the animal and its noise.
        n_workers: Processes.
        overwrite: Replace a piglet that is there.
        progress: Called with (slices done, all slices, what).

    Raises:
        ConfigError: Another source.
        DataError: A size or a count is out of range.
        OutputError: The folder is in use or cannot be written.
    """
    if source != "piglet":
        raise ConfigError(explain("simulate", "INPUT must be piglet", source, "call simulate_doses for real series"))
    return write_piglet(
        output,
        n_slices=n_slices,
        size_px=size_px,
        seed=seed,
        n_workers=n_workers,
        overwrite=overwrite,
        progress=progress,
    )


def simulate_doses(
    source: Path, output: Path, options: LowDoseOptions, *, progress: Progress | None = None
) -> TreeResult:
    """Simulate lower doses of real normal-dose DICOM series, in ``output/<dose>/`` and the source's tree.

    Args:
        source: A DICOM file, a series folder or a tree of series.
        output: Where to; outside the source.
        options: Doses, seed, what to do with outputs that are there.
        progress: Called with (slices done, all slices, series).

    Raises:
        DataError: There is no series, or an option is out of range.
        OutputError: The output overlaps the input, or is there already.
    """
    return simulate_tree(source, output, options, progress)


def _provenance(pipeline: Pipeline, manifest: Manifest, models: Mapping[str, Model], command: str) -> Provenance:
    def made(model: Model) -> str:
        facts = model.facts
        return (
            f"{model.method}, {model.section.name} ({model.section.output}), "
            f"{facts.get('iterations', '?')} iterations, "
            f"seed {facts.get('seed', '?')}, window {model.window}, strength {model.denoising.strength:g}, "
            f"weights {model.digest[:12]}"
        )

    data = {
        "data set": manifest.title or manifest.name,
        "split": pipeline.data.split or manifest.default_split,
        "licence": manifest.licence,
        "source": manifest.source,
    }
    return Provenance(
        title=f"Dose-level report: {pipeline.name}",
        pipeline=pipeline.name,
        data={key: value for key, value in data.items() if value},
        methods={name: made(model) for name, model in models.items()},
        commands=(command,) if command else (),
    )


def _loaded(pipeline: str | Path | Pipeline, overrides: Sequence[str]) -> Pipeline:
    return pipeline if isinstance(pipeline, Pipeline) else load_pipeline(pipeline, overrides)


def _rooted(pipeline: Pipeline, data_root: Path | None) -> Pipeline:
    """Record in the pipeline where the data lies, so that its run folder can tell."""
    if data_root is None:
        return pipeline
    return pipeline.model_copy(update={"data": pipeline.data.model_copy(update={"root": data_root.resolve()})})


def roles_of(pipeline: Pipeline, data_root: Path | None = None) -> Roles:
    """Find a pipeline's slices by role.

    Raises:
        ConfigError, DataError: The manifest or the data are wrong, or nobody says where the data lies.
    """
    root = data_root or pipeline.data.root
    if root is None:
        need = "needs to know where the data lies"
        raise ConfigError(explain(f"pipeline {pipeline.name}", need, "no folder", "pass --data-root DIR"))
    manifest = load_manifest(pipeline.data.manifest)
    return assign_roles(manifest, root, pipeline.data.split, pipeline.data.doses)
