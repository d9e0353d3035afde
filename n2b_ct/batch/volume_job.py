"""One volume file: read whole, denoised slice by slice, written in its own form, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.presence import Presence, recorded_presence, together
from n2b_ct.batch.work import Spread, Work, clipping_problems, failure
from n2b_ct.errors import N2BError, SeriesError, explain
from n2b_ct.inference.model import Model
from n2b_ct.inference.slices import noise_hu
from n2b_ct.io.atomic import require_free_space
from n2b_ct.io.output_records import Provenance, combined_digest, write_with_record
from n2b_ct.io.series import CTSeries
from n2b_ct.io.volumes import data_paths, describe_volume, examine_volume, read_volume, write_volume_like, written_paths


def count_slices(path: Path) -> int:
    """Count the slices that a volume's header declares; a header that cannot be trusted counts as one."""
    try:
        return describe_volume(path).shape[0]
    except SeriesError:
        return 1


class VolumeJob:
    """Denoises one volume.

    Args:
        path: The file with its header.
        target: Where the denoised volume goes.
        work: The run it belongs to.
    """

    def __init__(self, path: Path, target: Path, work: Work[Model]) -> None:
        self._path, self._target, self._work = path, target, work
        self._offset_hu = work.options.volume_offset_hu
        self._n_seen = 0

    def run(self) -> Outcome:
        """Do it; what goes wrong is in the outcome."""
        n_slices = count_slices(self._path)
        try:
            found = self._work.found(self.look, self._target, "volume")
            if found.state == "present":
                return self._present()
            return found.note(self._denoised(self._work.may_replace(found)))
        except (N2BError, OSError) as error:
            return failure(self._path, self._target, error)
        except MemoryError:
            message = explain(self._path.name, "must fit into memory", "more than there is", "crop it")
            return failure(self._path, self._target, SeriesError("memory_limit", message))
        finally:
            self._advance(n_slices - self._n_seen)

    def _present(self) -> Outcome:
        """Say that it is there already, unless a run that began anew would refuse its source."""
        options = self._work.options
        info = examine_volume(self._path, hu_offset=self._offset_hu, assume_hu=options.assume_hu)
        n_slices = count_slices(self._target)
        return Outcome(self._path, self._target, "present", problems=info.problems, n_slices=n_slices)

    def look(self) -> Presence:
        """Find out what lies in the volume's places."""
        outputs = self._work.outputs(self._target)
        return together(
            [recorded_presence(written_paths(self._path, place), self._made_of(is_res)) for place, is_res in outputs]
        )

    @cached_property
    def _input_digest(self) -> str:
        return combined_digest((self._path, *data_paths(self._path)))

    def _made_of(self, is_residual: bool) -> Provenance:
        return self._work.made_of(self._input_digest, residual=is_residual, volume_offset_hu=self._offset_hu)

    def _denoised(self, may_replace: bool) -> Outcome:
        denoised_place, *residual_places = self._work.places(self._target)
        _ = self._input_digest  # before the input is read: should it change meanwhile, the next run notices
        found = read_volume(self._path, hu_offset=self._offset_hu, assume_hu=self._work.options.assume_hu)
        volume = found.hu
        n_bytes = sum(part.stat().st_size for part in (self._path, *data_paths(self._path)))
        require_free_space(self._target, (1 + len(residual_places)) * n_bytes)
        noise = self._noise_hu(volume)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        put = partial(write_with_record, overwrite=may_replace)
        strength = np.float32(self._work.strength)
        n_clipped = put(denoised_place, self._made_of(False), self._writing(volume - strength * noise))
        for place in residual_places:
            put(place, self._made_of(True), self._writing(noise))
        return self._done(found, noise, n_clipped)

    def _noise_hu(self, volume: np.ndarray) -> np.ndarray:
        """Find the noise slice by slice, ``[slices, rows, cols]``."""
        noise = np.empty(volume.shape, dtype=np.float32)
        for index, hu in enumerate(volume):
            noise[index] = noise_hu(self._work.model, hu)
            self._advance()
        return noise

    def _writing(self, hu: np.ndarray) -> Callable[[Path], int]:
        return partial(write_volume_like, self._path, hu, hu_offset=self._offset_hu)

    def _advance(self, n: int = 1) -> None:
        self._n_seen += n
        self._work.steps.advance(n, self._path.name)

    def _done(self, found: CTSeries, noise: np.ndarray, n_clipped: int) -> Outcome:
        volume, spread = found.hu, Spread()
        spread.add(noise[self._work.model.window.contains(volume)])
        return Outcome(
            self._path,
            self._target,
            "done",
            problems=found.problems + clipping_problems(n_clipped, volume.size),
            n_slices=len(volume),
            n_pixels=volume.size,
            n_clipped_pixels=n_clipped,
            removed_std_hu=spread.std,
        )
