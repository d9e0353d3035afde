"""The sections that say what is trained: blurred label, networks, method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from n2b_ct.config.network_arguments import NetworkArguments, NetworkName
from n2b_ct.config.section import Section

MOST_ITERATIONS = 100_000_000
MOST_BLUR_PX, MOST_SIGMA_PX = 255, 64.0
"""A filter's side and standard deviation have a bound: time and memory of some grow with them."""

# ── The blurred label ──


class MeanBlur(Section):
    """A box mean: the paper's filter for CT."""

    filter: Literal["mean"] = "mean"
    kernel_px: int = Field(17, ge=3, le=MOST_BLUR_PX)
    """Side of the box, odd."""

    @field_validator("kernel_px")
    @classmethod
    def _odd(cls, value: int) -> int:
        return _odd_kernel(value)


class GaussianBlur(Section):
    """A Gaussian."""

    filter: Literal["gaussian"]
    sigma_px: float = Field(5.0, gt=0, le=MOST_SIGMA_PX)
    """Standard deviation; 5 px is what a kernel size of 31, the paper's, stands for in OpenCV."""


class MedianBlur(Section):
    """A square median."""

    filter: Literal["median"]
    kernel_px: int = Field(17, ge=3, le=99)
    """Side of the square, odd."""

    @field_validator("kernel_px")
    @classmethod
    def _odd(cls, value: int) -> int:
        return _odd_kernel(value)


class BilateralBlur(Section):
    """A bilateral filter: keeps edges, so the label keeps structure."""

    filter: Literal["bilateral"]
    sigma_color: float = Field(0.5, gt=0)
    """Range standard deviation in network units (1 is the whole window)."""
    sigma_spatial_px: float = Field(5.0, gt=0, le=MOST_SIGMA_PX)
    """Spatial standard deviation."""


class Bm3dBlur(Section):
    """BM3D, the sharpest label of the paper's Table 3; needs ``n2b-ct[bm3d]``, for non-commercial use only."""

    filter: Literal["bm3d"]
    sigma: float | None = Field(None, gt=0)
    """Standard deviation of the noise in network units (25 grey levels are 25/255 = 0.098); null: estimated from each
    image, for noise whose level differs and which neighbours do not share."""


def _mean_unless_said(value: object) -> object:
    return {"filter": "mean", **value} if isinstance(value, dict) else value


Blur = Annotated[
    Annotated[MeanBlur | GaussianBlur | MedianBlur | BilateralBlur | Bm3dBlur, Field(discriminator="filter")],
    BeforeValidator(_mean_unless_said),
]


def _odd_kernel(value: int) -> int:
    if value % 2 == 0:
        msg = "must be odd, so that the box has a centre"
        raise ValueError(msg)
    return value


# ── Networks ──


class NetworkSection(Section):
    """A network by name: one of ours, or one of MONAI's that map an image to an image."""

    name: NetworkName
    """Class name, such as ``SimpleUNet`` or ``BasicUNet``."""
    arguments: NetworkArguments = Field(default_factory=dict)
    """Keyword arguments of that class: numbers and the words that networks know."""


class DenoiserSection(NetworkSection):
    """The denoiser F (DnNet) and the form of its output."""

    name: NetworkName = "SimpleUNet"
    output: Literal["lowpass", "direct", "residual"] = "lowpass"
    """``lowpass``: F(x) = net(x) + L(x − net(x)); ``direct``: F(x) = net(x); ``residual``: F(x) = x + net(x)."""
    lowpass_kernel_px: int = Field(17, ge=3, le=MOST_BLUR_PX)
    """Side of the box mean that L applies."""
    lowpass_passes: int = Field(2, ge=1, le=4)
    """How often L applies it."""


class NoiseExtractorSection(NetworkSection):
    """The noise extractor H (NENet)."""

    name: NetworkName = "NoiseExtractor"
    learning_rate_factor: float = Field(1.0, gt=0)
    """Its learning rate, in units of ``training.learning_rate``."""


# ── Methods ──


class Noise2BlurSection(Section):
    """Noise2Blur (Lin et al. 2019): unpaired noisy and clean images, blurred labels."""

    name: Literal["noise2blur"]
    denoiser: DenoiserSection = DenoiserSection()
    noise_extractor: NoiseExtractorSection = NoiseExtractorSection()
    blur: Blur = MeanBlur()
    """The filter that makes the noise-free label y_b from the noisy image, Eq. (1)."""
    initial_fraction: float = Field(0.05, ge=0, le=1)
    """Share of the iterations spent in the initial "noise-to-blur" stage."""
    gradient_interruption: bool = True
    """False gives the paper's N2B_v: L_n2b reaches the denoiser too."""
    noise_clamp_sigma: float | None = Field(4.0, gt=0)
    """Clamp ñ to this many robust standard deviations of its own patch before it meets a clean patch; null: never."""
    noise_anchor_rate: float | None = Field(0.01, gt=0, lt=1)
    """How fast a slow gain brings σ(ñ) to the noise that flat parts of the slices show; null: never."""
    collapse_ratio: tuple[float, float] | None = (0.4, 2.0)
    """Training stops when σ(ñ) leaves this range, in units of the noise seen in the flattest noisy patches; null:
    never, for noise that leaves most pixels as they are and has no σ to speak of."""

    @field_validator("collapse_ratio")
    @classmethod
    def _lowest_first(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] < value[1]:
            msg = "must be the lowest ratio and then the highest"
            raise ValueError(msg)
        return value


class SupervisedSection(Section):
    """A denoiser trained on pairs: the yardstick, where pairs exist."""

    name: Literal["supervised"]
    denoiser: DenoiserSection = DenoiserSection()
    loss: Literal["l1", "l2"] = "l1"
    """``l1`` as in Noise2Blur; ``l2`` as DnCNN was published, and for noise that leaves most pixels as they are."""


class Noise2VoidSection(Section):
    """Noise2Void (Krull et al. 2019): noisy images alone, blind spots; for noise that neighbours do not share."""

    name: Literal["noise2void"]
    denoiser: DenoiserSection = DenoiserSection()
    masked_fraction: float = Field(64 / 64**2, gt=0, le=0.25)
    """Share of a patch's pixels that are blind spots; the paper: 64 of 64×64."""
    box_px: int = Field(11, ge=3, le=99)
    """Side of the box around a hidden pixel from which its new value is drawn, odd."""
    structure: tuple[int, int] = (1, 1)
    """Rows and columns of the block hidden around each blind spot, odd; beyond [1, 1] it is StructN2V, for noise
    that neighbours share."""

    @field_validator("box_px", "structure")
    @classmethod
    def _odd(cls, value: int | tuple[int, int]) -> int | tuple[int, int]:
        for side in (value,) if isinstance(value, int) else value:
            if side < 1 or side % 2 == 0:
                msg = "must be odd and at least 1, so that there is a centre"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _visible_pixels_left(self) -> Noise2VoidSection:
        if max(self.structure) >= self.box_px:
            msg = f"box_px must be above both sides of structure {list(self.structure)}, got {self.box_px}"
            raise ValueError(msg)
        hidden = self.masked_fraction * self.structure[0] * self.structure[1]
        if hidden > 0.5:
            msg = f"masked_fraction times the block of structure must be at most 0.5, got {hidden:.2g}"
            raise ValueError(msg)
        return self


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


class Noise2NoiseSection(Section):
    """Noise2Noise (Lehtinen et al. 2018): two noisy observations of each image, no clean ones.

    Images get a second realisation of their noise; CT slices take their neighbours for it.
    """

    name: Literal["noise2noise"]
    denoiser: DenoiserSection = DenoiserSection()
    loss: Literal["l2", "l1"] = "l2"
    """``l2`` for noise of zero mean; ``l1`` for noise that leaves most pixels as they are, such as text."""
    max_difference: float | None = Field(None, gt=0)
    """Pixels count only where the means over 9×9 px of both observations differ by at most this, network units: for
    slices, whose anatomy differs (0.04 is 40 HU in the usual window). Null: all count."""
    neighbours: NeighboursSection = NeighboursSection()
    """Where the second observation of a CT slice comes from; images ignore it."""


class DbsnSection(Section):
    """D-BSN and CNN_est (Wu et al. 2020, stage 1): noisy images alone; for noise that neighbours do not share."""

    name: Literal["dbsn"]
    denoiser: DenoiserSection = DenoiserSection(name="BayesDenoiser", output="direct")
    """``BayesDenoiser`` in direct form; its argument ``use_bayes: false`` leaves Bayes' rule out when denoising."""
    bound_weight: float = Field(0.1, gt=0, le=1)
    """ρ, share of the published loss L_self, which bounds the likelihood, against the likelihood itself; 1: as
    published."""
    first_noise_std: float = Field(0.1, gt=0.001, le=1)
    """Standard deviation that every noise level function starts from, network units: 0.1 is 25 grey levels."""


class UpiSection(Section):
    """UPI (Wu et al. 2020, stage 2): a denoiser distilled from stage 1 on noisy images and unpaired clean ones."""

    name: Literal["upi"]
    denoiser: DenoiserSection = DenoiserSection()
    """The student: any denoiser."""
    teacher: DbsnSection = DbsnSection(name="dbsn")
    """Stage 1, trained first on the same noisy images."""
    teacher_iterations: int | None = Field(None, ge=1, le=MOST_ITERATIONS)
    """Optimiser steps of stage 1; null: as many as ``training.iterations``."""
    teacher_run: Path | None = None
    """A run folder or model file of stage 1 that is there already; null: it is trained first."""
    distillation_weight: float = Field(0.1, ge=0)
    """λ, weight of the noisy images with the teacher's results against the clean images with composed noise."""


Method = Annotated[
    Noise2BlurSection | SupervisedSection | Noise2VoidSection | Noise2NoiseSection | DbsnSection | UpiSection,
    Field(discriminator="name"),
]
