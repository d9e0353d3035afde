"""A pipeline as a whole, and its sections on data, training and report: plain values, frozen, and every key known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    field_validator,
    model_validator,
)

from n2b_ct.config.method import MethodConfig
from n2b_ct.config.natural_images import NaturalImageSection
from n2b_ct.config.phantom_data import Clean, PhantomSection
from n2b_ct.config.printable_names import FolderName
from n2b_ct.config.registered import registered, registered_name
from n2b_ct.config.section import Section
from n2b_ct.config.windows import NamedWindow, WindowSection
from n2b_ct.errors import ConfigError, explain
from n2b_ct.hu import WINDOWS
from n2b_ct.registry import BASELINES, METHODS


class DataSection(Section):
    """Which CT slices, in which roles, seen through which window."""

    kind: Literal["ct"] = "ct"
    manifest: str | None
    """A data manifest: a path, or the name of a shipped one; null: slices are handed over as arrays, in Python."""
    split: str | None = None
    """One of the manifest's splits; null: its default."""
    root: Path | None = None
    """The data's folder; ``--data-root`` wins over it."""
    doses: tuple[float, ...] | None = None
    """Dose fractions used for noisy and test slices; null: all that the manifest knows."""
    clean: Clean | None = None
    """``phantom``: noise-free slices of digital patients replace the split's clean ones; null: they do not."""
    window: NamedWindow = WindowSection(lower_hu=-500.0, upper_hu=500.0)
    """HU window of the network; pixels outside it are never changed. Wider than the display window, by some σ of
    noise."""
    noisy_body_fraction: float = Field(0.95, ge=0, le=1)
    """Noisy patches have at least this share of pixels inside the window: where the window cuts noise off, its
    texture is lost, and Noise2Blur would learn noise with holes."""
    noisy_flat_share: float = Field(0.4, gt=0, le=1)
    """Noise2Blur draws noisy patches from this flattest share of each slice's positions, where noise is seen best and
    least structure can pass for it. Other methods ignore it."""
    clean_body_fraction: float = Field(0.5, ge=0, le=1)
    """The same for clean patches, which may show air, fat and lung beside the body."""


def _ct_unless_said(value: object) -> object:
    return {"kind": "ct", **value} if isinstance(value, dict) else value


Data = Annotated[
    Annotated[DataSection | NaturalImageSection | PhantomSection, Field(discriminator="kind")],
    BeforeValidator(_ct_unless_said),
]


Method = Annotated[SerializeAsAny[MethodConfig], registered(METHODS, "name", MethodConfig)]


MOST_ITERATIONS = 100_000_000
MOST_PATCHES, MOST_PATCH_PX = 16_384, 4096
_MOST_BATCH_PX = 2**28


class TrainingSection(Section):
    """How long, how large, how fast."""

    iterations: int = Field(ge=1, le=MOST_ITERATIONS)
    """Optimiser steps in all."""
    batch_size: int = Field(16, ge=1, le=MOST_PATCHES)
    """Noisy patches a step, and as many clean ones; several processes share them."""
    gradient_accumulation_steps: int = Field(1, ge=1, le=MOST_PATCHES)
    """Parts in which a batch passes through the networks, one after another, to save memory; one optimiser step."""
    patch_px: int = Field(128, ge=16, le=MOST_PATCH_PX)
    """Side of the square patches."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's, at the start."""
    gradient_norm_limit: float | None = Field(None, gt=0)
    """Each network's gradient norm is clipped to this, against single outlier batches; null: never."""
    adaptive_gradient_clipping: float | None = Field(10.0, gt=1)
    """Each network's gradient norm is clipped to this multiple of its usual norm; null: never."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """The cosine schedule ends at ``final_learning_rate_fraction``."""
    warmup_iterations: int = Field(0, ge=0, le=MOST_ITERATIONS)
    """The learning rate rises linearly over the first so many: Adam's first steps are as large as any, and with few
    patches a step they drive a network far off."""
    final_learning_rate_fraction: float = Field(0.01, gt=0, le=1)
    """Of the first learning rate."""
    ema_decay: float = Field(0.99, ge=0, lt=1)
    """Decay of the moving average of the denoiser's weights that becomes the model; 0: the last weights."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of all random numbers."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """``auto``: bf16 where the processor multiplies in it, else fp32; last layers are fp32 always."""
    checkpoint_every: int = Field(200, ge=1)
    """Iterations between checkpoints for ``--resume``."""
    log_every: int = Field(20, ge=1)
    """Iterations between rows of history.csv."""
    validate_every: int = Field(200, ge=1)
    """Iterations between validations on the ``validation`` role, where the split has one."""
    cache: Literal["auto", "memory", "disk"] = "auto"
    """Where training keeps its images. ``auto``: on its GPU, in memory, or in an unlinked file beside the run folder,
    the first of which they fill at most half."""
    tensorboard: bool = False
    """Write TensorBoard event files too (needs ``n2b-ct[tensorboard]``)."""

    @model_validator(mode="after")
    def _batch_fits_a_memory(self) -> TrainingSection:
        if self.batch_size * self.patch_px**2 > _MOST_BATCH_PX:
            msg = f"batch_size patches of patch_px squared must be at most {_MOST_BATCH_PX} pixels"
            raise ValueError(msg)
        return self


class DenoisingSection(Section):
    """How the trained model is used."""

    strength: float = Field(1.0, ge=0, le=1)
    """Share of the predicted noise that is removed, unless ``--strength`` is given; stored in the model file."""
    test_time_augmentation: Literal[1, 8] = 1
    """8: average over the eight flips and turns of a slice, for eight times the work; stored in the model file."""


class ReportSection(Section):
    """What the report compares and shows."""

    windows: tuple[str, ...] = ("abdomen", "lung", "bone", "brain", "full")
    """Names of the windows that PSNR and SSIM are measured in; the first one leads."""
    baselines: tuple[Annotated[str, registered_name(BASELINES)], ...] = ("gaussian", "nlm", "tv")
    """Denoisers without training, for comparison. ``wnnm`` takes a minute or two a slice; ``bm3d`` needs
    ``n2b-ct[bm3d]``, for non-commercial use only."""
    panels_per_dose: int = Field(1, ge=0, le=1000)
    """Slices shown as images, per dose."""

    @field_validator("windows")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or not set(names) <= set(WINDOWS):
            msg = f"must be one or more of {', '.join(WINDOWS)}"
            raise ValueError(msg)
        return names


class Pipeline(Section):
    """One experiment."""

    name: FolderName
    """Short name, also of the run folder."""
    description: str = ""
    """One sentence that describes it."""
    data: Data
    method: Method
    training: TrainingSection
    denoising: DenoisingSection = DenoisingSection()
    report: ReportSection = ReportSection()

    @property
    def ct(self) -> DataSection:
        """The data, where slices are meant.

        Raises:
            ConfigError: The pipeline is about natural images or phantoms.
        """
        if self.data.kind == "ct":
            return self.data
        remedy = "name scans" if self.data.kind == "phantom" else "use n2b-ct benchmark for images"
        raise ConfigError(explain(f"pipeline {self.name}: data.kind", "must be ct here", self.data.kind, remedy))

    def plain(self) -> dict[str, Any]:
        """Return plain values, ready for YAML or JSON."""
        return self.model_dump(mode="json")
