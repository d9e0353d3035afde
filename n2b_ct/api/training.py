"""Train a pipeline, or check that it can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from n2b_ct.api.inputs import StrPath, images_of, loaded_pipeline, optional_path
from n2b_ct.config import Pipeline
from n2b_ct.config.yaml_files import Overrides
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import Inputs
from n2b_ct.training.checkpoints import finished_summary, verified_summary
from n2b_ct.training.devices import choose_device, use_threads
from n2b_ct.training.distribution import is_rank_zero, process_group, was_restarted
from n2b_ct.training.run import require_ready, run_training
from n2b_ct.training.run_dir import require_free_run_dir


def train(
    pipeline: StrPath | Pipeline | Mapping[str, Any],
    *,
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
    """Train a pipeline; returns the summary that also lies in the run folder.

    Under ``torchrun`` all its processes train it together (:mod:`n2b_ct.training.distribution`); the run folder must be
    one for all of them, and only the first gets the summary. A restarted one goes on from the newest checkpoint.

    Args:
        pipeline: A path, the name of a shipped one, a mapping of plain values, or a loaded pipeline.
        data_root: The data's folder; None: the pipeline's ``data.root``.
        out: The run folder; None: ``runs/<pipeline name>``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        resume: Go on from the newest checkpoint of the run folder, on the same images; a finished run is left as it is.
        overwrite: Replace a run that is there.
        overrides: Win over the pipeline: ``section.key=value`` texts, or a mapping of ``section.key`` to its value.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.
        progress: Called with (done, all, what).
        threads: Of the processor, for this process from now on; None: torch's own number, one a core.

    Raises:
        ConfigError, DataError: The pipeline, the manifest or the data are wrong, or not those of the run to be resumed.
        OutputError: The run folder holds a run already.
        CollapseError: The networks collapsed; no model was written.
        TrainingError: Another process of this training has gone.

    Examples:
        >>> import n2b_ct as n2b
        >>> summary = n2b.train("abdomen.yaml", data_root="data", out="runs/new", overrides={"training.seed": 1})
        >>> summary["method"], summary["iterations"], summary["seed"]
        ('noise2blur', 12, 1)
    """
    data_root = optional_path(data_root)
    use_threads(threads)
    loaded = loaded_pipeline(pipeline, overrides)
    images = images_of(loaded, data_root, skip_bad_slices=skip_bad_slices)
    require_ready(loaded, images)
    run_dir = Path("runs") / loaded.name if out is None else Path(out)
    resume = resume or was_restarted()
    with process_group(choose_device(device)) as own_device:
        told = progress if is_rank_zero() else None
        require_free_run_dir(loaded, run_dir, resume=resume, overwrite=overwrite)
        if resume and finished_summary(run_dir) is not None:
            return verified_summary(loaded, images, run_dir, told) or {}
        return run_training(_rooted(loaded, data_root), images, run_dir, own_device, resume=resume, progress=told)


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
    loaded = loaded_pipeline(pipeline, overrides)
    images = images_of(loaded, optional_path(data_root), skip_bad_slices=skip_bad_slices)
    require_ready(loaded, images)
    return Check(images.n_images, images.sizes_px, images.inputs)


def _rooted(pipeline: Pipeline, data_root: Path | None) -> Pipeline:
    """Record in the pipeline where the data lies, so that its run folder can tell."""
    if data_root is None:
        return pipeline
    return pipeline.model_copy(update={"data": pipeline.data.model_copy(update={"root": data_root.resolve()})})
