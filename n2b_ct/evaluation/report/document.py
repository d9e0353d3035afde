"""What ``report.json`` holds: the same numbers for machines, in the form that ``report.schema.json`` states.

Its :class:`Provenance` says where the numbers come from: what was run, on what, with which versions, when.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from n2b_ct.evaluation import (
    detectability,
    dose_potential,
    fidelity,
    flat_regions,
    hallucination,
    inserts,
    intervals,
    known_background,
    lesion_contrast,
    observers,
    regional_noise,
    residual,
    resolution,
    rois,
    slice_noise,
    texture,
    truth_error,
    uncertainty,
    z_resolution,
)
from n2b_ct.evaluation import summary as summary_definitions
from n2b_ct.evaluation import verdicts as verdict_definitions
from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.flat_regions import TISSUE_CLASSES_HU
from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.low_contrast import finished, lesions, results, tasks
from n2b_ct.evaluation.measures import BUILT_IN, CLASS_BIASES, GROUPED, IDEAL_BIASES, PLACE_NOISES
from n2b_ct.evaluation.report.sentences import notes, summary_sentences
from n2b_ct.evaluation.summary import DELTAS, REDUCTION, DoseLevel, Summary
from n2b_ct.evaluation.table import Row
from n2b_ct.evaluation.uncertainty import against_role, is_better
from n2b_ct.evaluation.verdicts import verdicts
from n2b_ct.hu import Window
from n2b_ct.registry import BASELINES
from n2b_ct.version import __version__

SCHEMA = "n2b-ct/report"
SCHEMA_VERSION = 3
DISCLAIMER = "Research software, not a medical device: these numbers and images are not for diagnosis."

_DEFINED_IN = (
    fidelity,
    flat_regions,
    summary_definitions,
    intervals,
    uncertainty,
    rois,
    texture,
    slice_noise,
    inserts,
    resolution,
    regional_noise,
    detectability,
    known_background,
    observers,
    dose_potential,
    residual,
    hallucination,
    lesion_contrast,
    truth_error,
    tasks,
    lesions,
    finished,
    results,
    z_resolution,
    verdict_definitions,
)
PHYSICS = (
    "texture",
    "resolution",
    "detectability",
    "potential",
    "residual",
    "hallucination",
    "lesions",
    "z_resolution",
)
"""Parts of the table that stand under ``physics``."""
_NOT_USED = {"pair_noise"}
DEFINITIONS: dict[str, str] = {
    name: text for module in _DEFINED_IN for name, text in module.DEFINITIONS.items() if name not in _NOT_USED
}


_MEASURING_PACKAGES = ("numpy", "scipy", "scikit-image", "matplotlib")


def _installed_versions() -> dict[str, str]:
    """Versions of what took part in measuring; a package without metadata is left out."""
    found = {"n2b-ct": __version__, "Python": platform.python_version()}
    for name in _MEASURING_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Everything is printed as it is, so it must name no patient.

    Attributes:
        title: Heading of the report.
        pipeline: Name of the pipeline, or an empty string.
        data: What was measured, as label to text: data set, split, series, licence.
        methods: Method name to how it was made: run folder, network, steps. Baselines describe themselves.
        commands: The command lines that make this report again.
        versions: Package to version.
        created: ISO 8601 time, UTC.
    """

    title: str = "Dose-level report"
    pipeline: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=_installed_versions)
    created: str = field(default_factory=_now)


def report_document(summary: Summary, provenance: Provenance, figures: Sequence[str]) -> dict[str, Any]:
    """Build what ``report.json`` holds: plain values at full precision, null for what does not exist.

    Args:
        summary: All means.
        provenance: Printed as it is.
        figures: Paths of the images beside the file.
    """
    described = method_descriptions(summary, provenance)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "disclaimer": DISCLAIMER,
        "provenance": asdict(provenance),
        "has_reference": summary.has_reference,
        "n_identical": summary.n_identical,
        "verdicts": [asdict(one) for one in verdicts(summary)],
        "summary": summary_sentences(summary),
        "notes": notes(summary),
        "definitions": definitions(summary),
        "tissue_classes_hu": TISSUE_CLASSES_HU,
        "windows": [_window_entry(name, window) for name, window in summary.windows.items()],
        "methods": [
            {"name": name, "role": role, "description": described[name]} for name, role in summary.roles.items()
        ],
        "dose_levels": [asdict(level) for level in summary.levels],
        "overall": asdict(summary.overall),
        "anchor": summary.anchor,
        "dropped": list(summary.dropped),
        "problems": list(summary.problems),
        **summary.inputs.plain,
        "results": [
            _result_entry(summary, level, method, window)
            for level in (*summary.levels, summary.overall)
            for method in summary.roles
            for window in summary.windows
        ],
        "certainty": _certainty_entry(summary),
        "low_contrast": [_low_contrast_entry(record) for record in summary.table.records(results.PART)],
        "physics": _physics_entry(summary),
        "figures": list(figures),
    }


def _window_entry(name: str, window: Window) -> dict[str, Any]:
    return {
        "name": name,
        "lower_hu": window.lower_hu,
        "upper_hu": window.upper_hu,
        "data_range_hu": window.width_hu,
    }


def method_descriptions(summary: Summary, provenance: Provenance) -> dict[str, str]:
    """Say how each method was made: baselines by their parameters, models by what the caller tells."""
    fixed = {"input": "The low-dose slice as it was measured", "reference": "The normal-dose slice"}
    described = {name: BASELINES.get(name).ct_description for name in BASELINES.names() if name in summary.roles}
    return {
        method: provenance.methods.get(method) or fixed.get(role) or described.get(method) or "No description given"
        for method, role in summary.roles.items()
    }


def definitions(summary: Summary) -> dict[str, str]:
    """Return what every term of a report means, the measures of installed packages among them."""
    return DEFINITIONS | {name: one.definition for name, one in summary.measures.items() if name not in BUILT_IN}


def _result_entry(summary: Summary, level: DoseLevel, method: str, window: str) -> dict[str, Any]:
    """The means of one method, with dose and role, so that a reader needs no join."""

    def mean(measure: str) -> dict[str, Any]:
        return asdict(summary.mean(level, method, measure, window))

    plain = [name for name in summary.measures if name not in GROUPED]
    return {
        "dose": level.dose,
        "role": summary.roles[method],
        "level": level.label,
        "method": method,
        "window": window,
        **{name: mean(name) for name in (*plain, *DELTAS, REDUCTION)},
        "class_bias_hu": {tissue: mean(name) for tissue, name in CLASS_BIASES.items()},
        "ideal_class_bias_hu": {tissue: mean(name) for tissue, name in IDEAL_BIASES.items()},
        "noise_by_place_hu": {place: mean(name) for place, name in PLACE_NOISES.items()},
    }


def _certainty_entry(summary: Summary) -> dict[str, Any]:
    def of(row: Row) -> dict[str, Any]:
        return {"method": row.method, "window": row.window or summary.primary_window}

    series: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in summary.table.of_part("per_series"):
        key = (row.dose, row.series, *of(row).values())
        n_slices = row.value.n + row.value.n_excluded
        entry = {"dose": row.dose, "series": row.series, **of(row), "n_slices": n_slices, "measures": {}}
        series.setdefault(key, entry)["measures"][row.measure] = asdict(row.value)
    return {
        "intervals": [
            {"level": row.level, **of(row), "measure": row.measure, **asdict(row.value)}
            for row in summary.table.of_part("intervals")
        ],
        "comparisons": [
            {
                "level": row.level,
                **of(row),
                "measure": row.measure,
                "against": row.against,
                "against_role": against_role(row),
                **asdict(row.value),
                "better": is_better(summary, row),
            }
            for row in summary.table.of_part("comparisons")
        ],
        "best_baselines": [
            {"level": row.level, "name": row.method, "by": row.value} for row in summary.table.of_part("best_baselines")
        ],
        "per_series": list(series.values()),
    }


def _low_contrast_entry(record: Mapping[str, Any]) -> dict[str, Any]:
    """One row, its lesion as plain numbers."""
    task: Task = record["task"]
    lesion = {"contrast_hu": task.contrast_hu, "size_mm": 2.0 * task.radius_mm}
    own = {name: value for name, value in record.items() if name not in ("level", "method", "task")}
    return {"level": record["level"], "method": record["method"], **lesion, **own}


def _physics_entry(summary: Summary) -> dict[str, Any]:
    parts = {part: [_plain(record) for record in summary.table.records(part)] for part in PHYSICS}
    return {"tasks": [asdict(task) for task in summary.tasks], **parts}


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(value) if isinstance(value, Task | MeanInterval) else value for name, value in record.items()}
