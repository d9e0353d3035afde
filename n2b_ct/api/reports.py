"""The dose-level report of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from n2b_ct.api.inputs import StrPath, loaded_pipeline, optional_path, roles_of
from n2b_ct.config import Pipeline
from n2b_ct.config.arguments import checked_arguments
from n2b_ct.config.yaml_files import Overrides
from n2b_ct.data.manifest import Manifest, load_manifest
from n2b_ct.data.manifest_series import require_decodable
from n2b_ct.data.roles import Roles
from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.assemble import assemble
from n2b_ct.evaluation.cases import CaseSource, reference_dose, role_sources
from n2b_ct.evaluation.ct_baselines import chosen_baselines, denoise_slice
from n2b_ct.evaluation.measuring import MeasurementOptions, measure_sources
from n2b_ct.evaluation.report.document import Provenance
from n2b_ct.evaluation.report.writer import require_free_place, write_report
from n2b_ct.evaluation.summary import Summary
from n2b_ct.evaluation.verdicts import outside_training
from n2b_ct.hu import WINDOWS
from n2b_ct.inference.model import Model, load_model
from n2b_ct.inference.shipped import model_path
from n2b_ct.inference.slices import denoise_hu
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import skipped_slices_warning
from n2b_ct.phantom.ground_truth import read_lesion_truth
from n2b_ct.phantom.noise_free import read_noise_free
from n2b_ct.training.devices import choose_device
from n2b_ct.training.run_dir import recorded_data_root


@checked_arguments()
def report(
    pipeline: StrPath | Pipeline | Mapping[str, Any],
    models: Mapping[str, StrPath],
    out: StrPath,
    *,
    data_root: StrPath | None = None,
    baselines: Sequence[str] | None = None,
    device: str = "auto",
    noise_free_reference: bool = False,
    insert_blur_mm: float = 0.0,
    skip_bad_slices: bool = False,
    overwrite: bool = False,
    overrides: Overrides = (),
    command: str = "",
    progress: Progress | None = None,
) -> Summary:
    """Measure models and baselines on the test role, dose by dose; write HTML, JSON, CSV and figures.

    Args:
        pipeline: Whose data, windows and baselines are used: a path, a shipped one's name, or a loaded pipeline.
        models: Name to run folder, model file or ``base``, the shipped model; the name heads its row.
        out: The report's folder.
        data_root: The data's folder; None: the pipeline's ``data.root``, else where the first model was trained.
        baselines: Denoisers without training; None: the pipeline's.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        noise_free_reference: The references are simulated truth without noise.
        insert_blur_mm: σ of the system's blur, taken as a round Gaussian, for the disks that are inserted.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.
        overwrite: Replace a report that is there.
        overrides: Win over the pipeline: ``section.key=value`` texts, or a mapping of ``section.key`` to its value.
        command: The command line, to be printed in the report.
        progress: Called with (slices done, all slices, series).

    Returns:
        The numbers of the report: by dose, method and window.

    Raises:
        ConfigError, DataError: The pipeline or the data are wrong, or the test role is empty.
        ModelError: A model file is not ours.
        OutputError: The report's folder is in use.

    Examples:
        >>> import n2b_ct as n2b
        >>> summary = n2b.report("abdomen.yaml", {"n2b": "runs/abdomen"}, "report", data_root="data")
        >>> summary.roles
        {'input': 'input', 'gaussian': 'baseline', 'n2b': 'model', 'reference': 'reference'}
    """
    data_root, out = optional_path(data_root), Path(out)
    paths = {name: model_path(path) for name, path in models.items()}
    loaded = loaded_pipeline(pipeline, overrides)
    require_free_place(out, overwrite)
    manifest = load_manifest(loaded.ct.manifest)
    root = data_root or loaded.ct.root or recorded_data_root(paths.values())
    roles = _test_role(loaded, root, skip_bad_slices=skip_bad_slices)
    opened = {name: load_model(path, choose_device(device)) for name, path in paths.items()}
    chosen = chosen_baselines(loaded.report.baselines if baselines is None else baselines, opened)
    denoisers = {name: partial(denoise_slice, baseline) for name, baseline in chosen.items()}
    denoisers |= {name: partial(denoise_hu, model) for name, model in opened.items()}
    windows = {name: WINDOWS[name] for name in loaded.report.windows}
    lesions = read_lesion_truth(root) if root else None
    truth = read_noise_free(root) if root else None
    contrasts = lesions.contrast_hu if lesions else {}
    full_dose = reference_dose(roles.test)
    how = MeasurementOptions(
        windows, loaded.report.panels_per_dose, noise_free_reference, insert_blur_mm, contrasts, full_dose
    )
    sources = role_sources(roles.test, lesions, truth)
    measured = measure_sources(sources, denoisers, how, progress)
    inputs = roles.inputs
    gaps = [
        skipped_slices_warning(f"series {one.name}", one.n_skipped_slices)
        for one in inputs.series
        if one.n_skipped_slices
    ]
    summary = assemble(measured, how, chosen, reference_dose=full_dose, problems=gaps, inputs=inputs)
    outside = {name: _outside_training(summary, model, sources) for name, model in opened.items()}
    summary = replace(summary, outside_training=outside)
    provenance = _provenance(loaded, manifest, opened, command)
    write_report(out, summary, measured.panels, provenance, overwrite)
    return summary


def _test_role(pipeline: Pipeline, root: Path | None, *, skip_bad_slices: bool) -> Roles:
    """Assign slices to roles and return the test role, of whole series unless bad slices may be left out.

    Raises:
        DataError: The role is empty, or a series of it is not whole.
    """
    roles = replace(roles_of(pipeline, root, skip_bad_slices=skip_bad_slices), clean=(), noisy=(), validation=())
    if not roles.test:
        remedy = "see the manifest's split and data.doses"
        raise DataError(explain("role test", "must hold at least one slice", 0, remedy))
    if not skip_bad_slices:
        require_decodable(roles.series)
    return roles


def _outside_training(summary: Summary, model: Model, sources: Sequence[CaseSource]) -> tuple[str, ...]:
    pixels = {side for source in sources for side in source.pixel_mm or ()}
    return outside_training(summary, model.facts.get("trained_for", {}), pixels)


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
        "split": pipeline.ct.split or manifest.default_split,
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
