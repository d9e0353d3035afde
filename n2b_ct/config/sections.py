"""The sections of a pipeline: plain values, frozen, and every key known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from n2b_ct.hu import WINDOWS, Window


class Section(BaseModel):
    """What every section is: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WindowSection(Section):
    """An HU interval."""

    lower_hu: float
    """HU that the network sees as 0."""
    upper_hu: float
    """HU that the network sees as 1."""

    @model_validator(mode="after")
    def _lower_below_upper(self) -> WindowSection:
        if not self.lower_hu < self.upper_hu:
            msg = f"lower_hu must be below upper_hu, got [{self.lower_hu:g}, {self.upper_hu:g}]"
            raise ValueError(msg)
        return self

    @property
    def window(self) -> Window:
        """The window as the rest of the house knows it."""
        return Window(self.lower_hu, self.upper_hu)


def _window_by_name(value: object) -> object:
    if isinstance(value, str):
        if value not in WINDOWS:
            msg = f"must be a window's name ({', '.join(WINDOWS)}) or lower_hu and upper_hu"
            raise ValueError(msg)
        window = WINDOWS[value]
        return {"lower_hu": window.lower_hu, "upper_hu": window.upper_hu}
    if isinstance(value, list) and len(value) == 2:
        return {"lower_hu": value[0], "upper_hu": value[1]}
    return value


NamedWindow = Annotated[WindowSection, BeforeValidator(_window_by_name)]


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


# ── Data, training, report ──


class DataSection(Section):
    """Which slices, in which roles, seen through which window."""

    manifest: str
    """A data manifest: a path, or the name of a shipped one."""
    split: str | None = None
    """One of the manifest's splits; null: its default."""
    root: Path | None = None
    """The data's folder; ``--data-root`` wins over it."""
    doses: tuple[float, ...] | None = None
    """Dose fractions used for noisy and test slices; null: all that the manifest knows."""
    window: NamedWindow = WindowSection(lower_hu=-500.0, upper_hu=500.0)
    """What the network sees; pixels outside it are never changed. Wider than what is looked at, by some σ of noise."""
    noisy_body_fraction: float = Field(0.95, ge=0, le=1)
    """Noisy patches have at least this share of pixels inside the window: where the window cuts noise off, its
    texture is lost, and Noise2Blur would learn noise with holes."""
    noisy_flat_share: float = Field(0.4, gt=0, le=1)
    """Noise2Blur draws noisy patches from this flattest share of each slice's places, where noise is seen best and
    least structure can pass for it. Other methods ignore it."""
    clean_body_fraction: float = Field(0.5, ge=0, le=1)
    """The same for clean patches, which may show air, fat and lung beside the body."""


class TrainingSection(Section):
    """How long, how large, how fast."""

    iterations: int = Field(ge=1)
    """Optimiser steps in all."""
    batch_size: int = Field(16, ge=1)
    """Noisy patches a step, and as many clean ones."""
    patch_px: int = Field(128, ge=16)
    """Side of the square patches."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's, at the start."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Cosine falls to ``final_learning_rate_fraction`` at the end."""
    final_learning_rate_fraction: float = Field(0.01, gt=0, le=1)
    """Of the first learning rate."""
    average_weights_decay: float = Field(0.99, ge=0, lt=1)
    """Decay of the moving average of the denoiser's weights that becomes the model; 0: the last weights."""
    seed: int = Field(0, ge=0)
    """Everything random follows from it."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """``auto``: bf16 where the processor multiplies in it, else fp32; last layers are fp32 always."""
    checkpoint_every: int = Field(200, ge=1)
    """Iterations between checkpoints for ``--resume``."""
    log_every: int = Field(20, ge=1)
    """Iterations between rows of history.csv."""
    validate_every: int = Field(200, ge=1)
    """Iterations between validations on the ``validation`` role, where the split has one."""
    tensorboard: bool = False
    """Write TensorBoard event files too (needs ``n2b-ct[tensorboard]``)."""


class DenoisingSection(Section):
    """How the trained model is used."""

    strength: float = Field(1.0, ge=0, le=1)
    """Share of the noise found that is removed, unless ``--strength`` says otherwise; lies in the model file."""
    symmetries: Literal[1, 8] = 1
    """8: average over the eight flips and turns of a slice, for eight times the work; lies in the model file."""


class ReportSection(Section):
    """What the report compares and shows."""

    windows: tuple[str, ...] = ("abdomen", "lung", "bone", "brain", "full")
    """Names of the windows that PSNR and SSIM are measured in; the first one leads."""
    controls: tuple[Literal["gaussian", "nlm", "tv"], ...] = ("gaussian", "nlm", "tv")
    """Denoisers without training that stand beside every model."""
    panels_per_dose: int = Field(1, ge=0)
    """Slices shown as pictures, per dose."""

    @field_validator("windows")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or not set(names) <= set(WINDOWS):
            msg = f"must be one or more of {', '.join(WINDOWS)}"
            raise ValueError(msg)
        return names


class Pipeline(Section):
    """One experiment, whole."""

    name: str
    """Short; names the run folder."""
    description: str = ""
    """One sentence for people."""
    data: DataSection
    method: Method
    training: TrainingSection
    denoising: DenoisingSection = DenoisingSection()
    report: ReportSection = ReportSection()

    def plain(self) -> dict[str, Any]:
        """Return plain values, ready for YAML or JSON."""
        return self.model_dump(mode="json")
