"""Train a pipeline, or check that it can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from n2b_ct.api.inputs import StrPath, images_of, loaded_pipeline, optional_path, pipeline_for_arrays
from n2b_ct.config import Pipeline
from n2b_ct.config.arguments import checked_arguments
from n2b_ct.config.phantom_data import CLEAN_PHANTOM, CleanPhantomSection
from n2b_ct.config.yaml_files import Overrides
from n2b_ct.data.arrays import Arrays, array_roles
from n2b_ct.data.ct_source import ct_source
from n2b_ct.errors import ConfigError, explain
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import Inputs
from n2b_ct.training.checkpoints import finished_summary, verified_summary
from n2b_ct.training.devices import choose_device, use_threads
from n2b_ct.training.distribution import is_rank_zero, process_group, was_restarted
from n2b_ct.training.initial_weights import with_initial_network
from n2b_ct.training.run import require_ready, run_training
from n2b_ct.training.run_dir import require_free_run_dir


@checked_arguments(but=("noisy", "clean", "references", "validation", "truths"))
def train(
    pipeline: StrPath | Pipeline | Mapping[str, Any],
    *,
    noisy: Arrays | None = None,
    clean: Arrays | Literal["phantom"] = (),
    references: Arrays = (),
    validation: Arrays = (),
    truths: Arrays = (),
    data_root: StrPath | None = None,
    out: StrPath | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    overrides: Overrides = (),
    skip_bad_slices: bool = False,
    progress: Progress | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Train a pipeline, on the data that it names or on arrays in HU.

    Arrays and tensors are ``[rows, cols]`` or ``[slices, rows, cols]``, of any floats or signed integers of 16 bits and
    more; one of them or several, whose sizes may differ. The pipeline's data section may then be missing; its window
    and patch settings are used, its data folder is not.

    Under ``torchrun`` all its processes train it together (:mod:`n2b_ct.training.distribution`); they must share one
    run folder, and only the first returns the summary. A restarted process resumes from the newest checkpoint.

    Args:
        pipeline: A path, the name of a shipped one, a mapping of plain values, or a loaded pipeline.
        noisy: Low-dose slices to learn from; None: those of the pipeline's manifest, under ``data_root``.
        clean: Normal-dose slices, never paired with the noisy ones; ``"phantom"`` for noise-free slices of digital
            patients, as ``data.clean`` in a pipeline.
        references: The same slices as ``noisy`` at normal dose, in the same shapes.
        validation: Low-dose slices for validation.
        truths: The same slices as ``validation`` at normal dose.
        data_root: The data's folder; None: the pipeline's ``data.root``.
        out: The run folder; None: ``runs/<pipeline name>``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        resume: Resume from the newest checkpoint of the run folder, on the same images; a finished run is left
            unchanged.
        overwrite: Replace a run that is there.
        overrides: Win over the pipeline: ``section.key=value`` texts, or a mapping of ``section.key`` to its value.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.
        progress: Called with (done, all, what).
        threads: CPU threads of this process from now on; None: torch's default, one per core.

    Returns:
        The summary, as in the run folder's ``summary.json``: ``iterations``, ``seconds``, ``last`` losses,
        ``model_digest``.

    Raises:
        ConfigError, DataError: The pipeline, the manifest or the data are wrong, or not those of the run to be resumed.
        OutputError: The run folder holds a run already.
        CollapseError: The networks collapsed; no model was written.
        TrainingError: Another process of this training has ended.

    Examples:
        >>> import n2b_ct as n2b
        >>> summary = n2b.train("abdomen.yaml", data_root="data", out="runs/new", overrides={"training.seed": 1})
        >>> summary["method"], summary["iterations"], summary["seed"]
        ('noise2blur', 12, 1)

        From arrays, with all settings said here:

        >>> noisy, clean = n2b.read_series("data/noisy").hu, n2b.read_series("data/clean").hu
        >>> settings = {
        ...     "data": {"window": "abdomen"},
        ...     "method": {"name": "noise2blur", "denoiser": {"name": "SimpleUNet", "arguments": {"n_features": 4}}},
        ...     "training": {"iterations": 5, "batch_size": 2, "patch_px": 32},
        ... }
        >>> _ = n2b.train(settings, noisy=noisy, clean=clean, out="runs/arrays")
        >>> n2b.load("runs/arrays").denoise(noisy).shape
        (3, 64, 64)
    """
    data_root = optional_path(data_root)
    use_threads(threads)
    if noisy is None:
        _refuse_without_noisy(
            clean=() if isinstance(clean, str) else clean, references=references, validation=validation, truths=truths
        )
        loaded, _ = _with_clean_phantoms(with_initial_network(loaded_pipeline(pipeline, overrides)), clean)
        images = images_of(loaded, data_root, skip_bad_slices=skip_bad_slices)
    else:
        if data_root is not None:
            raise ConfigError(explain("data_root", "does not go with arrays", data_root, "leave one of them out"))
        loaded = with_initial_network(pipeline_for_arrays(pipeline, overrides))
        loaded, clean = _with_clean_phantoms(loaded, clean)
        roles = array_roles(noisy, clean, references=references, validation=validation, truths=truths)
        images = ct_source(loaded.ct, roles, loaded.method)
    require_ready(loaded, images)
    run_dir = Path("runs") / loaded.name if out is None else Path(out)
    resume = resume or was_restarted()
    with process_group(choose_device(device)) as own_device:
        rank_progress = progress if is_rank_zero() else None
        require_free_run_dir(loaded, run_dir, resume=resume, overwrite=overwrite)
        if resume and finished_summary(run_dir) is not None:
            return verified_summary(loaded, images, run_dir, rank_progress) or {}
        return run_training(
            _rooted(loaded, data_root), images, run_dir, own_device, resume=resume, progress=rank_progress
        )


def _with_clean_phantoms(pipeline: Pipeline, clean: Arrays | str) -> tuple[Pipeline, Arrays]:
    """Return the pipeline with phantoms for its clean slices where ``clean`` asks for them, and the arrays given.

    Raises:
        ConfigError: Phantoms and arrays are both given, or another text.
    """
    if not isinstance(clean, str):
        if len(clean) and pipeline.ct.clean is not None:
            requirement, remedy = "does not go with data.clean: phantom", "leave one of them out"
            raise ConfigError(explain("clean", requirement, "arrays", remedy))
        return pipeline, clean
    if clean != CLEAN_PHANTOM:
        raise ConfigError(explain("clean", f"must be arrays or {CLEAN_PHANTOM}", clean, "pass one of them"))
    data = pipeline.ct.model_copy(update={"clean": pipeline.ct.clean or CleanPhantomSection()})
    return pipeline.model_copy(update={"data": data}), ()


def _refuse_without_noisy(**arrays: Arrays) -> None:
    given = [name for name, one in arrays.items() if len(one)]
    if given:
        raise ConfigError(explain("noisy", f"must be given beside {given[0]}", "None", "pass the noisy slices too"))


@dataclass(frozen=True, slots=True)
class Check:
    """What a pipeline would train and report on: images by role, their sizes, and the series that they come from."""

    n_images: dict[str, int]
    sizes_px: tuple[tuple[int, int], ...]
    inputs: Inputs = field(default_factory=Inputs)


def check(
    pipeline: StrPath | Pipeline | Mapping[str, Any],
    *,
    data_root: StrPath | None = None,
    overrides: Overrides = (),
    skip_bad_slices: bool = False,
) -> Check:
    """Validate files, sizes, roles and the patch against the images, without reading pixels or training.

    Raises:
        ConfigError, DataError: With one line for every problem.
    """
    loaded = with_initial_network(loaded_pipeline(pipeline, overrides))
    images = images_of(loaded, optional_path(data_root), skip_bad_slices=skip_bad_slices)
    require_ready(loaded, images)
    return Check(images.n_images, images.sizes_px, images.inputs)


def _rooted(pipeline: Pipeline, data_root: Path | None) -> Pipeline:
    """Return the pipeline with the data's folder in it, which the run folder records."""
    if data_root is None:
        return pipeline
    return pipeline.model_copy(update={"data": pipeline.data.model_copy(update={"root": data_root.resolve()})})
