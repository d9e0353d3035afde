"""The base section of methods: name, denoiser, and properties that are needed before pixels are read.

A method's own keys are declared in its file (:mod:`n2b_ct.methods`), which the registry finds by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.config.section import Section


@dataclass(frozen=True, slots=True)
class BatchNeeds:
    """Which keys a method needs in a batch beside ``noisy`` and ``index``.

    Attributes:
        clean: Clean patches, unpaired.
        blurred: The noisy patches' blurred labels.
        reference: Their truth.
        noisy_again: The same images with other noise.
        distilled: The teacher's results for them.
    """

    clean: bool = False
    blurred: bool = False
    reference: bool = False
    noisy_again: bool = False
    distilled: bool = False


class NeighboursSection(Section):
    """Which slices of a CT series serve as each other's second observation."""

    sides: Literal["both", "one"] = "both"
    """``both``: the mean of the nearest on either side, so that a steady change of anatomy cancels; ``one``: the
    nearest alone."""
    min_gap_mm: float | None = Field(None, gt=0)
    """Least distance; null: one slice thickness, for slices that overlap share noise."""
    max_gap_mm: float | None = Field(None, gt=0)
    """Largest distance; null: two slice thicknesses."""

    @model_validator(mode="after")
    def _lowest_first(self) -> NeighboursSection:
        if self.min_gap_mm is not None and self.max_gap_mm is not None and self.min_gap_mm > self.max_gap_mm:
            msg = f"min_gap_mm must be at most max_gap_mm, got {self.min_gap_mm:g} and {self.max_gap_mm:g}"
            raise ValueError(msg)
        return self


class MethodConfig(Section):
    """A method's section; a method adds its own keys, and overrides the properties that differ."""

    needs: ClassVar[BatchNeeds] = BatchNeeds()
    """What its batches must hold."""

    name: str
    """As the method is registered."""
    denoiser: DenoiserSection = DenoiserSection()
    """The network that becomes the model."""
    init: str | None = Field(None, min_length=1, max_length=4096)
    """Model whose weights the denoiser starts from: ``base``, the shipped one, a run folder or a model file; null: they
    are drawn. Its network is taken where ``denoiser`` is not said, and its window where ``data.window`` is not."""

    def label_filter(self) -> Callable[..., Any] | None:
        """Return what makes the blurred label of a whole image ``[rows, cols]``, network units; None: no labels."""
        return None

    def label_settings(self) -> dict[str, Any] | None:
        """Return how blurred labels are made, in plain values; None: no labels."""
        return None

    def second_observation(self) -> NeighboursSection | None:
        """Return which CT slices are a slice's second observation; None where the method needs none."""
        return NeighboursSection() if self.needs.noisy_again else None

    def first_stage(self) -> FirstStage | None:
        """Return the training of the teacher that the method distils; None: it has no teacher."""
        return None

    def with_teacher_run(self, run: Path) -> MethodConfig:  # noqa: ARG002 (for methods that have a teacher)
        """Return the section with an existing run of its teacher; unchanged without a teacher."""
        return self

    def require_installed(self) -> None:
        """Check that optional packages are installed.

        Raises:
            ConfigError: Says which, and how to install it.
        """

    def require_ready(self, n_channels: int) -> None:
        """Refuse networks that do not suit the method, before a pixel is read.

        Args:
            n_channels: Of the images: 1, or 3 for RGB.

        Raises:
            ConfigError: Says which, by its key.
        """

    def licence_notices(self) -> tuple[str, ...]:
        """Return licence notices that a command using the method must print once."""
        return ()


@dataclass(frozen=True, slots=True)
class FirstStage:
    """The training of a teacher before the method's own, on the same images.

    Attributes:
        method: The teacher's.
        iterations: Optimiser steps; None: ``training.iterations``.
        run: An existing run folder or model file of it; None: it is trained first.
    """

    method: MethodConfig
    iterations: int | None = None
    run: Path | None = None
