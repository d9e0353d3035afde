"""Read the slices that a method needs, in the form it needs them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from n2b_ct.config.methods import Noise2BlurSection, SupervisedSection
from n2b_ct.config.sections import Pipeline
from n2b_ct.data.patches import PatchBatches
from n2b_ct.data.roles import Roles
from n2b_ct.data.slices import SliceBank, load_bank
from n2b_ct.filters.blur import blur
from n2b_ct.io.progress import Progress


def load_patch_batches(pipeline: Pipeline, roles: Roles, progress: Progress | None = None) -> PatchBatches:
    """Read noisy slices, and the blurred labels, references or clean slices of the method; make batches of patches.

    Raises:
        DataError: Values that are not finite, missing references, or slices smaller than the patch.
    """
    window = pipeline.data.window.window
    unpaired = isinstance(pipeline.method, Noise2BlurSection)
    paired = isinstance(pipeline.method, SupervisedSection)
    noisy = load_bank(roles.noisy, window, label=_label(pipeline), with_reference=paired, progress=progress)
    clean = load_bank(roles.clean, window, clipped=False, progress=progress) if unpaired else None
    return PatchBatches(
        noisy,
        clean,
        patch_px=pipeline.training.patch_px,
        batch_size=pipeline.training.batch_size,
        n_batches=pipeline.training.iterations,
        seed=pipeline.training.seed,
        noisy_body_fraction=pipeline.data.noisy_body_fraction,
        noisy_flat_share=pipeline.data.noisy_flat_share,
        clean_body_fraction=pipeline.data.clean_body_fraction,
    )


def load_validation(pipeline: Pipeline, roles: Roles) -> SliceBank | None:
    """Read the validation role with its references, where the split has one."""
    if not roles.validation:
        return None
    return load_bank(roles.validation, pipeline.data.window.window, with_reference=True)


def _label(pipeline: Pipeline) -> Callable[[np.ndarray], np.ndarray] | None:
    method = pipeline.method
    if not isinstance(method, Noise2BlurSection):
        return None
    return lambda image: blur(image, method.blur)
