"""Fit a model to noisy series, from these alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from n2b_ct.api.inputs import StrPath, optional_path
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import plan_tree
from n2b_ct.config.arguments import checked_arguments
from n2b_ct.errors import DataError, OutputError, explain
from n2b_ct.fitting.fit import BASE_NAME, FitResult, FitSettings, fit_slices
from n2b_ct.fitting.protocols import Protocol, protocols_of
from n2b_ct.fitting.recipes import USUAL_RECIPES, required_recipes
from n2b_ct.fitting.sampled_slices import sample_slices
from n2b_ct.fitting.time_limit import seconds_of
from n2b_ct.inference.model import Model, load_model
from n2b_ct.inference.shipped import BASE, is_base, model_path
from n2b_ct.io.progress import Progress
from n2b_ct.training.devices import choose_device, use_threads
from n2b_ct.training.run_dir import SUMMARY_FILE


@checked_arguments()
def fit(
    source: StrPath,
    *,
    out: StrPath,
    model: StrPath = BASE,
    time_limit: str | float = "5m",
    recipes: Sequence[str] = USUAL_RECIPES,
    select: str | None = None,
    overwrite: bool = False,
    repair: bool = False,
    assume_hu: bool = False,
    volume_offset_hu: float = 0.0,
    data_root: StrPath | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[FitResult]:
    """Fit a model to each protocol of noisy series, from these alone; no clean image is needed.

    Series of one scanner, kernel, thickness, tube voltage and pixel size share a fit. Their noise is calibrated and
    inserted into digital patients, on which the model is trained further; a check without reference then decides
    whether the result, or the model as it was, is kept.

    Args:
        source: A DICOM file, a series folder, a tree of series, or volumes.
        out: The run folder; for several protocols a folder with one run folder each.
        model: The model to begin with: ``base``, a run folder or a model file.
        time_limit: For each protocol: ``5m``, ``90s`` or seconds.
        recipes: What is tried, in equal parts of the time: ``inserted-noise``; ``r2r``, which learns from the noisy
            slices themselves; ``both``.
        select: Regular expression on SeriesDescription; None: every series.
        overwrite: Replace an earlier fit.
        repair: Take files with blank UIDs.
        assume_hu: Assume that values are HU where a file does not say so.
        volume_offset_hu: Added to the values of NIfTI, NRRD and MetaImage to get HU.
        data_root: Folder that keeps the digital patients; None: ``n2b-ct`` in the user's cache.
        seed: Of all draws.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads of this process from now on; None: torch's default, one per core.
        progress: Called with (done, all, what).

    Returns:
        For each protocol: ``status`` (``fitted``; ``kept``, the model as it was, as no fit was better for sure;
        ``refused``, as it cannot be calibrated), ``why`` in words, and ``run_dir`` with the model.

    Raises:
        ConfigError: The time is none or too short, or a recipe is unknown.
        ModelError: The model file is not ours, or no model of CT.
        DataError: There is nothing to fit to.
        OutputError: The run folder holds something already, or lies in the source.

    Examples:
        >>> import n2b_ct as n2b
        >>> (result,) = n2b.fit("data/noisy", out="runs/mine", model="runs/abdomen", time_limit="1m")
        >>> result.status, result.chosen  # series of so small slices are not fitted; result.why says so
        ('refused', 'base')
    """
    out = Path(out)
    limit_s = seconds_of(time_limit, "time_limit")
    wanted = required_recipes(recipes)
    use_threads(threads)
    base = load_model(model_path(model), choose_device(device))
    _require_free(out, overwrite=overwrite)
    options = DenoiseOptions(repair_uids=repair, assume_hu=assume_hu, volume_offset_hu=volume_offset_hu, select=select)
    tasks, _ = plan_tree(Path(source), out, options)
    settings = replace(fit_settings(model, limit_s, device, seed, optional_path(data_root)), recipes=wanted)
    protocols = protocols_of(tasks)
    places = [out] if len(protocols) == 1 else [out / one.name for one in protocols]
    return [
        fit_protocol(protocol, base, place, settings, options, progress)
        for protocol, place in zip(protocols, places, strict=True)
    ]


def fit_settings(model: StrPath, limit_s: float, device: str, seed: int, data_root: Path | None) -> FitSettings:
    """Return the settings of a fit from a model that is named."""
    init = BASE if is_base(model) else str(Path(model).absolute())
    return FitSettings(init, limit_s, choose_device(device), seed, data_root)


def fit_protocol(
    protocol: Protocol,
    base: Model,
    run_dir: Path,
    settings: FitSettings,
    options: DenoiseOptions,
    progress: Progress | None = None,
) -> FitResult:
    """Read slices of a protocol and fit a model to them; what cannot be read or fitted is ``refused``, with why."""
    try:
        slices = sample_slices(protocol, settings.n_slices, options)
    except DataError as error:
        return FitResult(protocol.name, "refused", BASE_NAME, str(error), None)
    return fit_slices(slices, base, run_dir, protocol.name, settings, progress)


def _require_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, unless it is a fit that may be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    is_fit = (out / SUMMARY_FILE).is_file() or any(out.glob(f"*/{SUMMARY_FILE}"))
    if not (is_fit and overwrite):
        got, remedy = (
            ("an earlier one", "pass overwrite=True or another out=…") if is_fit else ("something else", "pass out=…")
        )
        raise OutputError(explain(f"run folder {out}", "must be new or empty", got, remedy))
