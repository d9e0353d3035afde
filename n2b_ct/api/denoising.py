"""Denoise arrays, files and folders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from n2b_ct.api.fitting import fit_protocol, fit_settings
from n2b_ct.api.inputs import StrPath
from n2b_ct.batch.outcomes import TreeResult
from n2b_ct.batch.run_options import DenoiseOptions, IfPresent
from n2b_ct.batch.trees import CTTask, denoise_natural_images, denoise_tree
from n2b_ct.cluster.executor import cluster_executor
from n2b_ct.config.arguments import checked_arguments
from n2b_ct.errors import ConfigError, explain
from n2b_ct.fitting.adaptation import AdaptedTask, adapted_tasks
from n2b_ct.fitting.fit import FitResult
from n2b_ct.fitting.protocols import Protocol
from n2b_ct.fitting.time_limit import seconds_of
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.inference.model import Model, load_any_model, load_model
from n2b_ct.inference.shipped import BASE, is_base, model_path
from n2b_ct.inference.slices import required_strength
from n2b_ct.inference.strength import Strength, given_share, required_goal
from n2b_ct.io.dicom.writing.derivation import Compression, ContentQualification, Equipment, WriteOptions
from n2b_ct.io.progress import Progress
from n2b_ct.training.devices import choose_device, use_threads

Qualification = Literal["research", "product", "service"]
_QUALIFICATIONS: dict[Qualification, ContentQualification] = {
    "research": "RESEARCH",
    "product": "PRODUCT",
    "service": "SERVICE",
}


@checked_arguments()
def load(model: StrPath = BASE, *, device: str = "auto") -> Denoiser:
    """Load a trained model of CT for arrays.

    Args:
        model: ``base``, the shipped model; or a run folder, or a model file.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        A :class:`~n2b_ct.inference.denoiser.Denoiser`: ``denoise(hu)`` and ``noise(hu)`` for NumPy arrays and tensors.

    Raises:
        ModelError: Nothing there, not one of our files, damaged, or a model of natural images; or the shipped weights
            are not those that were shipped.
        ConfigError: No such device.

    Examples:
        >>> import numpy as np
        >>> import n2b_ct as n2b
        >>> denoiser = n2b.load("runs/abdomen", device="cpu")
        >>> denoiser.window_hu
        (-160.0, 240.0)
        >>> hu = np.full((3, 64, 64), 40.0, dtype=np.float32)
        >>> denoiser.denoise(hu).shape
        (3, 64, 64)
    """
    return Denoiser(load_model(model_path(model), choose_device(device)))


@checked_arguments()
def denoise(
    source: StrPath,
    output: StrPath,
    *,
    model: StrPath | Denoiser | Model = BASE,
    adapt: str | float | None = None,
    strength: Strength | None = None,
    reduce: float | None = None,
    target_noise_hu: float | None = None,
    residual: bool = False,
    select: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    repair: bool = False,
    assume_hu: bool = False,
    volume_offset_hu: float = 0.0,
    skip_bad_slices: bool = False,
    force: bool = False,
    per_channel: bool = False,
    created: datetime | None = None,
    keep_private: bool = False,
    equipment: Equipment = "scanner",
    widen_bits: bool = False,
    compress: Compression = "none",
    content_qualification: Qualification = "research",
    series_number_offset: int = 1000,
    device: str = "auto",
    threads: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> TreeResult:
    """Denoise a DICOM file, a series folder, a tree of series, or volumes into a mirrored tree; or natural images.

    Args:
        source: What to denoise.
        output: Output folder, outside the source.
        model: ``base``, the shipped model; a run folder, a model file, or a loaded model.
        adapt: Fit the model to each protocol first, from its noisy series alone, in at most this time: ``5m``, ``90s``
            or seconds; see :func:`n2b_ct.fit`. None: use it as it is.
        strength: Share of the noise found that is removed, 0 to 1; ``auto``: what leaves the least noise in flat tissue
            of each series; None: the model's own.
        reduce: Share by which σ in flat tissue is reduced instead, 0 to 1; each series gets the strength that it needs.
        target_noise_hu: σ in flat tissue that is to be left instead, HU.
        residual: Write the removed noise too, beside what was denoised.
        select: Regular expression on SeriesDescription; None: every series.
        resume: Keep outputs that are what this call would make; do the others.
        overwrite: Replace existing outputs. By default an existing output is an error.
        repair: Take files with blank UIDs, and add empty type 2 elements that are missing.
        assume_hu: Assume that values are HU where a file does not say so.
        volume_offset_hu: Added to the values of NIfTI, NRRD and MetaImage to get HU.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.
        force: Denoise even what n2b-ct has derived.
        per_channel: Let a model of gray images denoise the channels of RGB one by one.
        created: The one time to write; None: now.
        keep_private: Copy private elements.
        equipment: Which equipment the series names: ``scanner`` or ``n2b``.
        widen_bits: Store 16 bits, so that nothing is clipped.
        compress: Lossless transfer syntax.
        content_qualification: ContentQualification of the series.
        series_number_offset: Added to SeriesNumber.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; a loaded model stays where it is.
        threads: CPU threads of this process from now on; None: torch's default, one per core.
        scheduler: Address of a Dask scheduler, such as ``tls://host:8786``, whose workers process the series and
            volumes; they must see input, output and model under the same paths. None: this process.
        progress: Called with (slices or images done, all of them, series or file).

    Returns:
        The outcome of every series, volume or image (``outcomes``), and a record of every file (``records``).

    Raises:
        ModelError: The model file is not ours.
        ConfigError: An option is out of range or not for this kind of model, or the extra ``cluster`` is missing.
        ClusterError: The scheduler cannot be reached or was lost, or its workers are not fit for the run.
        DataError: There is nothing to denoise.
        OutputError: The output overlaps the input, or is there already.

    Examples:
        >>> import n2b_ct as n2b
        >>> result = n2b.denoise("data/noisy", "denoised", model="runs/abdomen", strength=0.8)
        >>> [(outcome.status, outcome.n_slices) for outcome in result.outcomes]
        [('done', 3)]
    """
    if scheduler is not None and threads is not None:
        remedy = "set OMP_NUM_THREADS where the workers are started"
        raise ConfigError(explain("threads", "does not go with scheduler=…", threads, remedy))
    options = DenoiseOptions(
        strength=given_share(strength),
        goal=required_goal(strength, reduce, target_noise_hu),
        residual=residual,
        if_present=if_present(resume=resume, overwrite=overwrite),
        repair_uids=repair,
        assume_hu=assume_hu,
        volume_offset_hu=volume_offset_hu,
        skip_bad_slices=skip_bad_slices,
        allow_own_output=force,
        select=select,
        created=created,
        per_channel=per_channel,
        write=WriteOptions(
            keep_private=keep_private,
            equipment=equipment,
            widen_bits=widen_bits,
            fill_type_2=repair,
            content_qualification=_QUALIFICATIONS[content_qualification],
            series_number_offset=series_number_offset,
            compression=compress,
        ),
    )
    limit_s = None if adapt is None else seconds_of(adapt, "adapt")
    use_threads(threads)
    source, output = Path(source), Path(output)
    if limit_s is not None:
        return _denoise_adapted(source, output, model, options, progress, (limit_s, device, scheduler))
    if scheduler is not None:
        return _denoise_elsewhere(source, output, model, options, progress, (scheduler, device))
    loaded = _loaded(model, device)
    required_strength(options.strength, loaded)
    if not loaded.is_of_ct:
        return denoise_natural_images(source, output, loaded, options, progress)
    return denoise_tree(source, output, loaded, options, progress)


def _denoise_adapted(
    source: Path,
    output: Path,
    model: StrPath | Denoiser | Model,
    options: DenoiseOptions,
    progress: Progress | None,
    how: tuple[float, str, str | None],
) -> TreeResult:
    """Fit the model to each protocol, then denoise; ``how``: seconds, device and scheduler."""
    limit_s, device, scheduler = how
    if scheduler is not None:
        raise ConfigError(explain("adapt", "excludes scheduler=…", "both", "leave one of them out"))
    if isinstance(model, Denoiser | Model):
        raise ConfigError(explain("adapt", "needs the path of a model", "a loaded one", "pass the path of its file"))
    base = load_model(model_path(model), choose_device(device))
    required_strength(options.strength, base)
    settings = fit_settings(model, limit_s, device, seed=0, data_root=None)

    def fit(protocol: Protocol, place: Path) -> FitResult:
        return fit_protocol(protocol, base, place, settings, options, progress)

    def adapt(tasks: Sequence[CTTask]) -> Sequence[AdaptedTask]:
        return adapted_tasks(tasks, output, base, limit_s, fit, anew=options.if_present == "replace")

    return denoise_tree(source, output, base, options, progress, adapt=adapt)


def if_present(*, resume: bool, overwrite: bool) -> IfPresent:
    """Return what to do with outputs that are there already.

    Raises:
        ConfigError: Both are asked for.
    """
    if resume and overwrite:
        raise ConfigError(explain("resume=True and overwrite=True", "only one can be given", "both", "choose one"))
    return "skip" if resume else "replace" if overwrite else "refuse"


def _loaded(model: StrPath | Denoiser | Model, device: str) -> Model:
    if isinstance(model, Denoiser):
        return model.model
    return model if isinstance(model, Model) else load_any_model(model_path(model), choose_device(device))


def _denoise_elsewhere(
    source: Path,
    output: Path,
    model: StrPath | Denoiser | Model,
    options: DenoiseOptions,
    progress: Progress | None,
    where: tuple[str, str],
) -> TreeResult:
    """Plan here and run on the workers of ``where``: scheduler and device.

    Their working folders differ, so paths are absolute.
    """
    scheduler, device = where
    if isinstance(model, Denoiser | Model):
        remedy = "pass the path of its file"
        raise ConfigError(explain("scheduler", "workers load the model themselves", "a loaded one", remedy))
    place = BASE if is_base(model) else Path(model).absolute()
    loaded = load_any_model(model_path(place))
    required_strength(options.strength, loaded)
    if not loaded.is_of_ct:
        raise ConfigError(explain("scheduler", "is for CT series and volumes", "a model of images", "leave it out"))
    with cluster_executor(scheduler, place, device) as executor:
        return denoise_tree(source.absolute(), output.absolute(), loaded, options, progress, executor)
