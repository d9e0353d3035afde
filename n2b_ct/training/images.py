"""The images of a training: read, stored where they fit, cut into batches, and identified by digests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from n2b_ct.config.method import BatchNeeds
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.dataset import InMemoryDataset
from n2b_ct.data.fingerprint import DataFingerprint
from n2b_ct.data.image_source import ImageSource, Role
from n2b_ct.data.image_store import Shape, n_bytes
from n2b_ct.data.patches import Batches, PatchBatches
from n2b_ct.inference.model import Model
from n2b_ct.io.progress import Progress
from n2b_ct.methods.method import Method
from n2b_ct.training.distribution import share_of_batch
from n2b_ct.training.initial_weights import initial_weights_digest

_CPU = torch.device("cpu")
LARGEST_SHARE = 0.5
"""Largest share of a memory for images; the rest is for the networks and other processes."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The training data.

    Attributes:
        batches: Of patches.
        validation: Whole images for validation.
        fingerprint: Which images were read.
    """

    batches: Batches
    validation: InMemoryDataset | None
    fingerprint: DataFingerprint


def load_training_data(
    source: ImageSource,
    pipeline: Pipeline,
    method: Method,
    run_dir: Path,
    device: torch.device,
    teacher: Model | None = None,
    progress: Progress | None = None,
) -> TrainingData:
    """Read the images that a method needs, and make batches of patches.

    Args:
        source: The images.
        pipeline: The experiment.
        method: Its method, which gets the teacher's results.
        run_dir: Folder of a memory-mapped file for images that do not fit into memory.
        device: Where training runs; images are stored there if they fit.
        teacher: The model that the method distils.
        progress: Called with (done, all, what).

    Raises:
        DataError: Values that are not finite, missing references, or images smaller than the patch.
    """
    validation = source.dataset("validation", pipeline) if source.n_images["validation"] else None
    checked: Mapping[Role, dict[str, list[str]]] = {} if validation is None else {"validation": validation.digests}
    own = source.own_batches(pipeline, share_of_batch(pipeline.training), device, progress)
    if own is not None:
        return TrainingData(own.batches, validation, _fingerprint(source, pipeline, {"noisy": own.digests, **checked}))
    batches, digests = _cut_batches(source, pipeline, method, run_dir, device, teacher, progress)
    digest = None if teacher is None else teacher.digest
    return TrainingData(batches, validation, _fingerprint(source, pipeline, {**digests, **checked}, digest))


def _cut_batches(
    source: ImageSource,
    pipeline: Pipeline,
    method: Method,
    run_dir: Path,
    device: torch.device,
    teacher: Model | None,
    progress: Progress | None,
) -> tuple[PatchBatches, dict[Role, dict[str, list[str]]]]:
    """Read the images of the roles, and return batches cut from them and their digests."""
    training, needs = pipeline.training, pipeline.method.needs
    n_needed = needed_bytes(needs, source.shapes("noisy"), source.shapes("clean"))
    storage = choose_storage(n_needed, training.cache, run_dir, device)
    roles: list[Role] = ["noisy", "clean"] if needs.clean else ["noisy"]
    callbacks = _over_roles(source, roles, progress)
    datasets = {role: source.dataset(role, pipeline, storage.directory, callbacks[role]) for role in roles}
    noisy, clean = datasets["noisy"], datasets.get("clean")
    if teacher is not None:
        noisy.targets["distilled"] = method.learn_from(teacher.denoiser, noisy.images, progress)
    batches = PatchBatches(
        noisy,
        clean,
        patch_px=training.patch_px,
        batch_size=training.batch_size,
        n_batches=training.iterations,
        seed=training.seed,
        **source.sampling,
        finish=source.fresh_noise(pipeline),
        device=storage.device,
        share=share_of_batch(training),
    )
    return batches, {role: dataset.digests for role, dataset in datasets.items()}


def data_fingerprint(
    source: ImageSource, pipeline: Pipeline, teacher_digest: str | None = None, progress: Progress | None = None
) -> DataFingerprint:
    """Return the digests of the images that :func:`load_training_data` would read.

    Raises:
        DataError: As there.
    """
    roles: list[Role] = ["noisy", "clean", "validation"] if pipeline.method.needs.clean else ["noisy", "validation"]
    callbacks = _over_roles(source, roles, progress)
    digests = {role: source.digests(role, pipeline, callbacks[role]) for role in roles}
    return _fingerprint(source, pipeline, digests, teacher_digest)


def _fingerprint(
    source: ImageSource,
    pipeline: Pipeline,
    digests: Mapping[Role, Mapping[str, list[str]]],
    teacher_digest: str | None = None,
) -> DataFingerprint:
    images: dict[str, list[str]] = {key: [] for key in source.digest_keys}
    for role, of_role in digests.items():
        images |= {role if key == "images" else f"{role} {key}": found for key, found in of_role.items()}
    method = {"labels": pipeline.method.label_settings(), "teacher": teacher_digest}
    if (digest := initial_weights_digest(pipeline)) is not None:
        method["initial weights"] = digest
    return DataFingerprint(images, source.settings(pipeline) | method)


def _over_roles(source: ImageSource, roles: Iterable[Role], progress: Progress | None) -> dict[Role, Progress | None]:
    """Return for each role a callback that counts its images after those of the roles before it."""
    callbacks: dict[Role, Progress | None] = {}
    n_all, n_before = sum(source.n_images[role] for role in roles), 0
    for role in roles:
        callbacks[role] = progress and _shifted(progress, n_before, n_all)
        n_before += source.n_images[role]
    return callbacks


def _shifted(progress: Progress, n_before: int, n_all: int) -> Progress:
    return lambda n_done, _, what: progress(n_before + n_done, n_all, what)


# ── Where images are kept ──


@dataclass(frozen=True, slots=True)
class Storage:
    """Storage of the images.

    Attributes:
        directory: Folder of a memory-mapped file; None: in memory.
        device: Device on which patches are cut.
    """

    directory: Path | None
    device: torch.device


def choose_storage(
    n_bytes: int, cache: Literal["auto", "memory", "disk"], run_dir: Path, device: torch.device
) -> Storage:
    """Choose the GPU if images take at most half of its free memory, then memory, then a file.

    Args:
        n_bytes: Their size.
        cache: ``training.cache``.
        run_dir: The run folder; the file lies in it, or beside it while it is not made.
        device: Where training runs.
    """
    if cache == "disk" or (cache == "auto" and n_bytes > LARGEST_SHARE * memory_bytes()):
        directory = next(folder for folder in (run_dir, *run_dir.absolute().parents) if folder.is_dir())
        return Storage(directory, _CPU)
    if device.type == "cuda" and n_bytes <= LARGEST_SHARE * torch.cuda.mem_get_info(device)[0]:
        return Storage(None, device)
    return Storage(None, _CPU)


def needed_bytes(needs: BatchNeeds, noisy: Iterable[Shape], clean: Iterable[Shape]) -> int:
    """Bytes of all images that a method needs, as float32."""
    beside = (needs.blurred, needs.reference, needs.noisy_again, needs.distilled)
    return n_bytes(noisy) * (1 + sum(beside)) + (n_bytes(clean) if needs.clean else 0)


def memory_bytes() -> int:
    """Total memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
