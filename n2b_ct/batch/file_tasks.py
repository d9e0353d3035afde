"""Volumes and natural images: one file each, read whole, denoised, written in its own form or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from n2b_ct.batch.existing_output import ExistingOutput, combined, existing_files
from n2b_ct.batch.outcomes import Outcome, clipping_problems, failure, strength_entries, strength_problems
from n2b_ct.batch.run_context import RunContext, RunningStd
from n2b_ct.errors import DataError, N2BError, SeriesError, explain
from n2b_ct.inference.slices import noise_hu
from n2b_ct.inference.strength import measured_indices
from n2b_ct.inference.tiles import denoise_natural_image, require_colour
from n2b_ct.io.atomic import require_free_space
from n2b_ct.io.natural_images import read_natural_image, write_natural_image
from n2b_ct.io.output_records import Provenance, combined_digest, write_with_record
from n2b_ct.io.volumes import data_paths, describe_volume, examine_volume, read_volume, write_volume_like, written_paths
from n2b_ct.noises.noise import WHITE_8_BIT

ResultT = TypeVar("ResultT")

RESIDUAL_GREY = 0.5
"""Where nothing was removed, the image of the removed noise is mid-grey: noise has both signs."""


def count_slices(path: Path) -> int:
    """Return how many slices a volume's header declares; 1 for a header that cannot be trusted."""
    try:
        return describe_volume(path).shape[0]
    except SeriesError:
        return 1


@dataclass(frozen=True, slots=True)
class VolumeTask:
    """One volume to denoise.

    Attributes:
        path: The file with its header.
        target: Path of the denoised volume.
        n_slices: How many slices there are to do.
    """

    path: Path
    target: Path
    n_slices: int

    @property
    def subject(self) -> str:
        """Its name in messages."""
        return f"volume {self.path.name}"

    @property
    def study_dir(self) -> Path:
        """The folder that it shares with other volumes."""
        return self.path.parent

    def output_paths(self, context: RunContext) -> list[Path]:
        """Return the paths of all its outputs."""
        return context.output_paths(self.target)

    def existing(self, context: RunContext) -> ExistingOutput:
        """Return what exists of its outputs."""
        return self._outputs(context).existing()

    def run(self, context: RunContext) -> list[Outcome]:
        """Denoise the volume; errors end up in the outcome."""
        message = explain(self.path.name, "must fit into memory", "more than there is", "crop it")
        with context.progress.counting(self.n_slices, self.path.name) as count:
            denoise = partial(self._denoise, context, count)
            return [_outcome_of(self.path, self.target, denoise, SeriesError("memory_limit", message))]

    def _outputs(self, context: RunContext) -> _RecordedOutputs:
        inputs = (self.path, *data_paths(self.path))
        files_of = partial(written_paths, self.path)
        return _RecordedOutputs(
            context, self.target, inputs, files_of, volume_offset_hu=context.options.volume_offset_hu
        )

    def _denoise(self, context: RunContext, count: Callable[[], None]) -> Outcome:
        options, outputs = context.options, self._outputs(context)
        existing = context.existing(outputs.existing, self.target, "volume")
        if existing.state == "present":  # unless a run from scratch would refuse its source
            info = examine_volume(self.path, hu_offset=options.volume_offset_hu, assume_hu=options.assume_hu)
            n_slices = count_slices(self.target)
            return Outcome(self.path, self.target, "present", problems=info.problems, n_slices=n_slices)
        found = read_volume(self.path, hu_offset=options.volume_offset_hu, assume_hu=options.assume_hu)
        outputs.require_free_space(sum(part.stat().st_size for part in (self.path, *data_paths(self.path))))
        used = context.strength_of(lambda: ((found.hu[k], None) for k in measured_indices(len(found.hu))))
        noise = np.empty(found.hu.shape, dtype=np.float32)
        for index, hu in enumerate(found.hu):
            noise[index] = noise_hu(context.model, hu)
            count()
        strength, offset_hu = np.float32(used.share), options.volume_offset_hu
        n_clipped, *_ = outputs.write(
            [
                lambda path: write_volume_like(self.path, found.hu - strength * noise, path, hu_offset=offset_hu),
                lambda path: write_volume_like(self.path, noise, path, hu_offset=offset_hu),
            ],
            overwrite=existing.may_be_replaced(options.if_present),
        )
        removed_std = RunningStd()
        removed_std.update(noise[context.model.window.contains(found.hu)])
        done = Outcome(
            self.path,
            self.target,
            "done",
            problems=found.problems + clipping_problems(n_clipped, found.hu.size) + strength_problems(used),
            n_slices=len(found.hu),
            n_pixels=found.hu.size,
            n_clipped_pixels=n_clipped,
            removed_std_hu=removed_std.std,
            **strength_entries(used),
        )
        return existing.annotate(done)

    def failed(self, error: Exception) -> list[Outcome]:
        """Return the outcome of a task that no worker could run."""
        return [failure(self.path, self.target, error)]


@dataclass(frozen=True, slots=True)
class NaturalImageTask:
    """One natural image to denoise.

    Attributes:
        path: The file.
        target: Path of the denoised image.
    """

    path: Path
    target: Path

    @property
    def n_slices(self) -> int:
        """One image counts as one slice."""
        return 1

    def output_paths(self, context: RunContext) -> list[Path]:
        """Return the paths of all its outputs."""
        return context.output_paths(self.target)

    def existing(self, context: RunContext) -> ExistingOutput:
        """Return what exists of its outputs."""
        return self._outputs(context).existing()

    def run(self, context: RunContext) -> list[Outcome]:
        """Denoise the image; errors end up in the outcome."""
        message = explain(f"image {self.path.name}", "must fit into memory", "more than there is", "cut it up")
        with context.progress.counting(1, self.path.name):
            return [_outcome_of(self.path, self.target, partial(self._denoise, context), DataError(message))]

    def _outputs(self, context: RunContext) -> _RecordedOutputs:
        per_channel = context.options.per_channel
        return _RecordedOutputs(context, self.target, (self.path,), lambda path: (path,), per_channel=per_channel)

    def _denoise(self, context: RunContext) -> Outcome:
        options, outputs = context.options, self._outputs(context)
        existing = context.existing(outputs.existing, self.target, "image")
        if existing.state == "present":
            return Outcome(self.path, self.target, "present")
        image = read_natural_image(self.path)
        require_colour(context.model, image.colour, f"image {self.path.name}", per_channel=options.per_channel)
        denoised = denoise_natural_image(context.model, image.pixels, context.strength, per_channel=options.per_channel)
        outputs.require_free_space(image.pixels.size * image.bit_depth // 8)
        residual = image.pixels - denoised + np.float32(RESIDUAL_GREY)
        outputs.write(
            [partial(write_natural_image, pixels=pixels, like=image) for pixels in (denoised, residual)],
            overwrite=existing.may_be_replaced(options.if_present),
        )
        removed_std = RunningStd()
        removed_std.update(WHITE_8_BIT * (image.pixels - denoised))
        n_pixels = image.pixels.shape[0] * image.pixels.shape[1]
        done = Outcome(
            self.path,
            self.target,
            "done",
            n_pixels=n_pixels,
            removed_std_grey=removed_std.std,
            strength=context.strength,
        )
        return existing.annotate(done)


class _RecordedOutputs:
    """The outputs of one file, with a record of what they are made of.

    Its input is digested here, before it is read: should it change meanwhile, the next run notices.

    Args:
        context: Of the run.
        target: Path of the denoised file.
        inputs: All files of the input.
        files_of: Returns all files of an output from its path.
        options: Options of the run that decide the bytes.
    """

    def __init__(
        self,
        context: RunContext,
        target: Path,
        inputs: Sequence[Path],
        files_of: Callable[[Path], Sequence[Path]],
        **options: float | bool,
    ) -> None:
        digest = combined_digest(inputs)
        self._files_of = files_of
        self._made_of: dict[Path, Provenance] = {
            path: context.provenance(digest, residual=is_residual, **options)
            for path, is_residual in context.outputs(target)
        }

    def existing(self) -> ExistingOutput:
        """Return what exists of them."""
        return combined([existing_files(self._files_of(path), made_of) for path, made_of in self._made_of.items()])

    def require_free_space(self, n_bytes: int) -> None:
        """Refuse to go on where they do not fit on the disk, ``n_bytes`` each."""
        require_free_space(next(iter(self._made_of)), len(self._made_of) * n_bytes)

    def write(self, writers: Sequence[Callable[[Path], ResultT]], *, overwrite: bool) -> list[ResultT]:
        """Write the denoised file, and the removed noise where that is wanted; returns the results of the writers."""
        results = []
        for (path, made_of), write in zip(self._made_of.items(), writers, strict=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            results.append(write_with_record(path, made_of, write, overwrite=overwrite))
        return results


def _outcome_of(path: Path, target: Path, denoise: Callable[[], Outcome], out_of_memory: N2BError) -> Outcome:
    """Return the outcome of denoising a file, or of the error that it raised."""
    try:
        return denoise()
    except (N2BError, OSError) as error:
        return failure(path, target, error)
    except MemoryError:
        return failure(path, target, out_of_memory)
