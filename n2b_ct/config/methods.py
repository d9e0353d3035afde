"""The sections that say what is trained: blurred label, networks, method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from n2b_ct.config.section import Section

# ── The blurred label ──


class MeanBlur(Section):
    """A box mean: the paper's filter for CT."""

    filter: Literal["mean"] = "mean"
    kernel_px: int = Field(17, ge=3)
    """Side of the box, odd."""

    @field_validator("kernel_px")
    @classmethod
    def _odd(cls, value: int) -> int:
        return _odd_kernel(value)


class GaussianBlur(Section):
    """A Gaussian."""

    filter: Literal["gaussian"]
    sigma_px: float = Field(5.0, gt=0)
    """Standard deviation."""


class MedianBlur(Section):
    """A square median."""

    filter: Literal["median"]
    kernel_px: int = Field(17, ge=3)
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
    sigma_spatial_px: float = Field(5.0, gt=0)
    """Spatial standard deviation."""


def _mean_unless_said(value: object) -> object:
    return {"filter": "mean", **value} if isinstance(value, dict) else value


Blur = Annotated[
    Annotated[MeanBlur | GaussianBlur | MedianBlur | BilateralBlur, Field(discriminator="filter")],
    BeforeValidator(_mean_unless_said),
]


def _odd_kernel(value: int) -> int:
    if value % 2 == 0:
        msg = "must be odd, so that the box has a centre"
        raise ValueError(msg)
    return value


# ── Networks ──


class NetworkSection(Section):
    """A network by name: one of ours, or any class of ``monai.networks.nets``."""

    name: str
    """Class name, such as ``SimpleUNet`` or ``BasicUNet``."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Keyword arguments of that class, plain values."""


class DenoiserSection(NetworkSection):
    """The denoiser F (DnNet) and the form of its output."""

    name: str = "SimpleUNet"
    output: Literal["lowpass", "direct", "residual"] = "lowpass"
    """``lowpass``: F(x) = net(x) + L(x − net(x)); ``direct``: F(x) = net(x); ``residual``: F(x) = x + net(x)."""
    lowpass_kernel_px: int = Field(17, ge=3)
    """Side of the box mean that L applies."""
    lowpass_passes: int = Field(2, ge=1, le=4)
    """How often L applies it."""


class NoiseExtractorSection(NetworkSection):
    """The noise extractor H (NENet)."""

    name: str = "NoiseExtractor"


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
    collapse_ratio: tuple[float, float] = (0.4, 2.0)
    """Training stops when σ(ñ) leaves this range, in units of the noise seen in the flattest noisy patches."""

    @field_validator("collapse_ratio")
    @classmethod
    def _lowest_first(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] < value[1]:
            msg = "must be the lowest ratio and then the highest"
            raise ValueError(msg)
        return value


class SupervisedSection(Section):
    """A denoiser trained on pairs: the yardstick, where pairs exist."""

    name: Literal["supervised"]
    denoiser: DenoiserSection = DenoiserSection()


class Noise2VoidSection(Section):
    """Noise2Void (Krull et al. 2019): noisy images alone, blind spots; for noise that neighbours do not share."""

    name: Literal["noise2void"]
    denoiser: DenoiserSection = DenoiserSection()
    masked_fraction: float = Field(64 / 64**2, gt=0, le=0.25)
    """Share of a patch's pixels that are blind spots; the paper: 64 of 64×64."""
    box_px: int = Field(11, ge=3)
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


Method = Annotated[Noise2BlurSection | SupervisedSection | Noise2VoidSection, Field(discriminator="name")]
