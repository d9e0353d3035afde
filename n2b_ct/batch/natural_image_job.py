"""One image file: read, denoised, written in its own form, or not at all."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path

import numpy as np

from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.presence import Presence, recorded_presence, together
from n2b_ct.batch.work import Spread, Work, failure
from n2b_ct.errors import DataError, N2BError, explain
from n2b_ct.inference.model import Model
from n2b_ct.inference.natural_images import denoise_natural_image, require_colour
from n2b_ct.io.atomic import require_free_space
from n2b_ct.io.natural_images import NaturalImage, read_natural_image, write_natural_image
from n2b_ct.io.output_records import Provenance, combined_digest, write_with_record
from n2b_ct.simulation.image_noise import WHITE_8_BIT

RESIDUAL_GREY = 0.5
"""Where nothing was removed, the image of the removed noise is mid-grey: noise has both signs."""


class NaturalImageJob:
    """Denoises one image.

    Args:
        path: The file.
        target: Where the denoised image goes.
        work: The run it belongs to.
    """

    def __init__(self, path: Path, target: Path, work: Work[Model]) -> None:
        self._path, self._target, self._work = path, target, work

    def run(self) -> Outcome:
        """Do it; what goes wrong is in the outcome."""
        try:
            found = self._work.found(self.look, self._target, "image")
            if found.state == "present":
                return Outcome(self._path, self._target, "present")
            return found.note(self._denoised(self._work.may_replace(found)))
        except (N2BError, OSError) as error:
            return failure(self._path, self._target, error)
        except MemoryError:
            message = explain(f"image {self._path.name}", "must fit into memory", "more than there is", "cut it up")
            return failure(self._path, self._target, DataError(message))
        finally:
            self._work.steps.advance(1, self._path.name)

    def look(self) -> Presence:
        """Find out what lies in the image's places."""
        outputs = self._work.outputs(self._target)
        return together([recorded_presence([place], self._made_of(is_residual)) for place, is_residual in outputs])

    @cached_property
    def _input_digest(self) -> str:
        return combined_digest([self._path])

    def _made_of(self, is_residual: bool) -> Provenance:
        per_channel = self._work.options.per_channel
        return self._work.made_of(self._input_digest, residual=is_residual, per_channel=per_channel)

    def _denoised(self, may_replace: bool) -> Outcome:
        _ = self._input_digest  # before the input is read: should it change meanwhile, the next run notices
        work, image = self._work, read_natural_image(self._path)
        subject, per_channel = f"image {self._path.name}", work.options.per_channel
        require_colour(work.model, image.colour, subject, per_channel=per_channel)
        denoised = denoise_natural_image(work.model, image.pixels, work.strength, per_channel=per_channel)
        self._write(image, denoised, may_replace)
        spread = Spread()
        spread.add(WHITE_8_BIT * (image.pixels - denoised))
        n_pixels = image.pixels.shape[0] * image.pixels.shape[1]
        return Outcome(self._path, self._target, "done", n_pixels=n_pixels, removed_std_grey=spread.std)

    def _write(self, image: NaturalImage, denoised: np.ndarray, may_replace: bool) -> None:
        """Write the denoised image, and what was removed from it where that is wanted."""
        outputs = self._work.outputs(self._target)
        require_free_space(self._target, len(outputs) * image.pixels.size * image.bit_depth // 8)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        residual = image.pixels - denoised + np.float32(RESIDUAL_GREY)
        for place, is_residual in outputs:
            write = partial(write_natural_image, pixels=residual if is_residual else denoised, like=image)
            write_with_record(place, self._made_of(is_residual), write, overwrite=may_replace)
