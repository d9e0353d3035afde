"""Denoise files and folders."""

from __future__ import annotations

from pathlib import Path

from n2b_ct.batch.folders import denoise_tree
from n2b_ct.batch.natural_image_tree import denoise_natural_images
from n2b_ct.batch.outcomes import DenoiseOptions, TreeResult
from n2b_ct.cluster.submission import on_cluster
from n2b_ct.errors import ConfigError, explain
from n2b_ct.inference.model import Model, load_any_model
from n2b_ct.io.progress import Progress
from n2b_ct.training.devices import choose_device, use_threads


def denoise(
    source: Path,
    output: Path,
    model: Path | Model,
    *,
    options: DenoiseOptions | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    scheduler: str | None = None,
    threads: int | None = None,
) -> TreeResult:
    """Denoise a DICOM file, a series folder, a tree of series, or volumes, to a mirrored place; or images.

    Args:
        source: What to denoise.
        output: Where to; outside the source.
        model: A run folder, a model file, or a loaded model.
        options: Strength, residual, what to do with outputs that are there.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        progress: Called with (slices or images done, all of them, series or file).
        scheduler: Address of a Dask scheduler, such as ``tls://host:8786``, whose workers do the series and volumes;
            they must see input, output and model under the same paths. None: all is done here.
        threads: Of the processor, for this process from now on; None: torch's own number, one a core.

    Raises:
        ModelError: The model file is not ours.
        ConfigError: An option that is not for this kind of model, or the extra ``cluster`` is not installed.
        ClusterError: The scheduler cannot be reached or was lost, or its workers are not fit for the run.
        DataError: There is nothing to denoise.
        OutputError: The output overlaps the input, or is there already.
    """
    options = options or DenoiseOptions()
    if scheduler is not None and threads is not None:
        remedy = "set OMP_NUM_THREADS where the workers are started"
        raise ConfigError(explain("--threads", "does not go with --scheduler", threads, remedy))
    use_threads(threads)
    if scheduler is not None:
        return _denoise_elsewhere(source, output, model, options, progress, (scheduler, device))
    loaded = load_any_model(model, choose_device(device)) if isinstance(model, Path) else model
    if not loaded.is_of_ct:
        return denoise_natural_images(source, output, loaded, options, progress)
    return denoise_tree(source, output, loaded, options, progress)


def _denoise_elsewhere(
    source: Path,
    output: Path,
    model: Path | Model,
    options: DenoiseOptions,
    progress: Progress | None,
    where: tuple[str, str],
) -> TreeResult:
    """Plan here, and have it done by the workers of ``where``: scheduler and device. They start in other folders."""
    scheduler, device = where
    if not isinstance(model, Path):
        remedy = "pass the path of its file"
        raise ConfigError(explain("--scheduler", "workers load the model themselves", "a loaded one", remedy))
    loaded = load_any_model(model)
    if not loaded.is_of_ct:
        raise ConfigError(explain("--scheduler", "is for CT series and volumes", "a model of images", "leave it out"))
    with on_cluster(scheduler, model.absolute(), device) as carry_out:
        return denoise_tree(source.absolute(), output.absolute(), loaded, options, progress, carry_out)
