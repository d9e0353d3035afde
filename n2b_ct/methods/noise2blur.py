"""Noise2Blur (Lin et al. 2019, arXiv 1912.01158): one line of code per equation.

x     noisy images ``[B, C, rows, cols]``            F        denoiser (DnNet): noisy -> clean
y_b   blurred labels, y_b = x − n_b                  H        noise extractor (NENet): noise -> noise
c     clean images, unpaired with x                  n_hat    n̂, what F removes from x
d     c with extracted noise                         n_tilde  ñ, what H keeps of n̂
P     keeps what lies above about 0.15 cycles per pixel, where ``low_frequencies: denoiser``

Network units: 0 and 1 are the ends of the HU window, or black and white. x of CT has met the window; c has not, so that
``c + ñ`` can meet it as a real noisy slice does: noise that reaches over the window's end is cut off there, on x and on
d alike. Images whose noise reaches beyond black and white, as published, are cut off where x ends.

Two additions for CT, both of which can be switched off: ñ is clamped to a few robust standard deviations of its own
patch before it meets c, so that no edge of x rides along; and its strength is anchored to the noise that the slices
show (:class:`~n2b_ct.methods.extracted_noise.NoiseAnchor`). ``docs/noise2blur-on-ct.md`` has the experiments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator, model_validator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from n2b_ct.config.networks import NetworkName, NetworkSection
from n2b_ct.config.registered import registered
from n2b_ct.config.sections import TrainingSection
from n2b_ct.filters.blur import LabelFilter, MeanBlur
from n2b_ct.methods.collectives import all_gather, all_reduce_range
from n2b_ct.methods.extracted_noise import MAD_TO_STD, CollapseMonitor, NoiseAnchor
from n2b_ct.methods.losses import Loss, mean_error
from n2b_ct.methods.method import BatchNeeds, ImageTraits, Method, MethodConfig, Monitor, StepResult
from n2b_ct.networks.build import build_network
from n2b_ct.networks.heads import box_mean
from n2b_ct.registry import LABEL_FILTERS, METHODS

_MOST_DENSITY = 2.0


class NoiseExtractorSection(NetworkSection):
    """The noise extractor H (NENet)."""

    name: NetworkName = "NoiseExtractor"
    learning_rate_factor: float = Field(1.0, gt=0)
    """Its learning rate, in units of ``training.learning_rate``."""


class Noise2BlurConfig(MethodConfig):
    """Noise2Blur (Lin et al. 2019): unpaired noisy and clean images, blurred labels."""

    needs: ClassVar[BatchNeeds] = BatchNeeds(clean=True, blurred=True)

    name: Literal["noise2blur"] = "noise2blur"
    noise_extractor: NoiseExtractorSection = NoiseExtractorSection()
    blur: Annotated[SerializeAsAny[LabelFilter], registered(LABEL_FILTERS, "filter", LabelFilter, default="mean")] = (
        MeanBlur()
    )
    """The filter that makes the noise-free label y_b from the noisy image, Eq. (1)."""
    loss: Loss = "l1"
    """``l1`` as published, for both losses; ``huber`` for noise that leaves most pixels as they are."""
    initial_fraction: float = Field(0.05, ge=0, le=1)
    """Share of the iterations spent in the initial "noise-to-blur" stage."""
    gradient_interruption: bool = True
    """False gives the paper's N2B_v: L_n2b reaches the denoiser too."""
    extraction_ema_decay: float | None = Field(None, gt=0, lt=1)
    """Take n̂ of the convergence stage from a moving average of F's weights with this decay. It keeps what the initial
    stage taught for some steps while F, which has to learn to copy, forgets it; null: from F itself, as published."""
    noise_clamp_sigma: float | None = Field(4.0, gt=0)
    """Clamp ñ to this many robust standard deviations of its own patch before it meets a clean patch; null: never."""
    noise_anchor_rate: float | None = Field(0.01, gt=0, lt=1)
    """How fast a slow gain brings σ(ñ) to the noise that flat parts of the slices show; null: never."""
    noise_gain: tuple[float, float] = (1.0, 1.0)
    """Lowest and highest gain that ñ is multiplied by before it meets a clean patch, drawn for every patch: additive
    noise of one level, as of one noisy image, then teaches others too."""
    noise_density: tuple[float, float] = (1.0, 1.0)
    """Lowest and highest share of ñ's pixels that meet a clean patch, drawn for every patch; above 1, to at most 2,
    those of another patch lie over them: impulses of one density, as of one noisy image, then teach others too."""
    low_frequencies: Literal["label", "denoiser"] = "label"
    """``label``: H learns all of ñ from n_b, as published; ``denoiser``: what lies above 0.15 cycles per pixel, while ñ
    keeps the low frequencies of n̂, for those of CT's n_b are anatomy. It needs a denoiser that knows noise already."""
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

    @field_validator("noise_gain", "noise_density")
    @classmethod
    def _in_order(cls, value: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
        what = str(info.field_name).removeprefix("noise_")
        most = _MOST_DENSITY if what == "density" else math.inf
        if not 0 <= value[0] <= value[1] <= most or value[1] == 0:
            highest = "above 0" if most == math.inf else f"above 0 and at most {most:g}"
            msg = f"must be the lowest {what}, 0 or more, and then the highest, {highest}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _average_has_no_gradient(self) -> Noise2BlurConfig:
        if self.extraction_ema_decay is not None and not self.gradient_interruption:
            msg = "extraction_ema_decay needs gradient_interruption: an average of weights has no gradient"
            raise ValueError(msg)
        return self

    def label_filter(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return what makes y_b of a whole image ``[rows, cols]``."""
        return self.blur.label

    def label_settings(self) -> dict[str, Any]:
        """Return how y_b is made, in plain values."""
        return self.blur.model_dump(mode="json")

    def require_installed(self) -> None:
        """Refuse a filter whose package is absent."""
        self.blur.require_installed()

    def licence_notices(self) -> tuple[str, ...]:
        """Return that of the filter."""
        return (self.blur.licence_notice,) if self.blur.licence_notice else ()


@dataclass(frozen=True, slots=True)
class Nets:
    """F and H, and an average of F."""

    denoiser: nn.Module
    noise_extractor: nn.Module
    average: nn.Module | None = None
    """Of F's weights, where n̂ comes from it."""


def initial_losses(nets: Nets, x: Tensor, n_b: Tensor, loss: Loss = "l1") -> tuple[dict[str, Tensor], Tensor]:
    """Stage 1, "noise-to-blur": both networks learn to blur; returns losses and ñ."""
    n_hat = x - nets.denoiser(x)  # (11)  n̂ = x − F(x)
    n_tilde = nets.noise_extractor(n_hat)  # (3)   ñ = S(x) = H(n̂)
    return {"n2b": mean_error(n_tilde, n_b, loss)}, n_tilde  # (6)


def convergence_losses(
    nets: Nets,
    x: Tensor,
    c: Tensor,
    n_b: Tensor,
    loss: Loss = "l1",
    *,
    gradient_interruption: bool = True,
    highpass: Callable[[Tensor], Tensor] | None = None,
    transform_noise: Callable[[Tensor], Tensor] = lambda n_tilde: n_tilde,
    clip: Callable[[Tensor, Tensor], Tensor] = lambda image, _: clip_to_window(image),
) -> tuple[dict[str, Tensor], Tensor]:
    """Stage 2: ``n2b`` reaches H only, ``n2c`` reaches F only; returns losses and ñ.

    Without gradient interruption (N2B_v), ``n2b`` reaches F too. With ``highpass`` (P) H learns what passes it, and ñ
    takes the rest from n̂. ``transform_noise`` is applied to ñ before it meets c,
    ``clip`` to an image and x before the network sees the image: :func:`clip_to_window` unless said.
    """
    with torch.set_grad_enabled(torch.is_grad_enabled() and not gradient_interruption):
        n_hat = x - (nets.average or nets.denoiser)(x)  # (11)  n̂ = x − F(x), gradient interrupted
    n_tilde = nets.noise_extractor(n_hat)  # (12)  ñ = H(n̂)
    passed, wanted = (n_tilde, n_b) if highpass is None else (highpass(n_tilde), highpass(n_b))
    n2b = mean_error(passed, wanted, loss)  # (13)
    if highpass is not None:
        n_tilde = n_hat - highpass(n_hat) + highpass(n_tilde)  # ñ = n̂ − P n̂ + P H(n̂)
    d = clip(c + transform_noise(n_tilde.detach()), x)  # (8)   d = c + ñ
    c_hat = nets.denoiser(d)  # (10)  ĉ = F(d)
    return {"n2b": n2b, "n2c": mean_error(c_hat, clip(c, x), loss)}, n_tilde  # (9)


def above_anatomy(noise: Tensor) -> Tensor:
    """P: subtract two box means of three pixels, which halves 0.15 cycles per pixel along an axis."""
    return noise - box_mean(noise, 3, 2)


def clip_to_window(image: Tensor) -> Tensor:
    """Clip an image to the window, as every slice is."""
    return image.clamp(0.0, 1.0)


def clip_to_range(image: Tensor, x: Tensor) -> Tensor:
    """Clip a composed image to the range of x and [0, 1]: a surge of ñ must not drive F beyond any noisy image."""
    lowest, highest = all_reduce_range(x)
    return image.clamp(lowest.clamp(max=0.0), highest.clamp(min=1.0))


def clamp_outliers(noise: Tensor, sigmas: float | None) -> Tensor:
    """Clamp every patch of ``[B, 1, rows, cols]`` to ± ``sigmas`` of its own robust standard deviation."""
    if sigmas is None:
        return noise
    limit = sigmas * MAD_TO_STD * noise.abs().flatten(1).median(dim=1).values[:, None, None, None]
    return noise.clamp(-limit, limit)


def times_gain(noise: Tensor, gains: tuple[float, float]) -> Tensor:
    """Multiply every patch of ``[B, C, rows, cols]`` by a gain drawn between two."""
    lowest, highest = gains
    if lowest == highest:
        return noise if lowest == 1.0 else lowest * noise
    return noise * _one_each(noise, gains)


def with_density(noise: Tensor, densities: tuple[float, float]) -> Tensor:
    """Keep a share of the pixels of every patch of ``[B, C, rows, cols]``, drawn between two; all channels of a pixel.

    Where the share is above 1, every pixel is kept, and the rest of the share of pixels takes the value of the next
    patch, turned and shifted, where that is larger.
    """
    if densities == (1.0, 1.0):
        return noise
    share = _one_each(noise, densities)
    own, of_other = torch.rand((2, len(noise), 1, *noise.shape[2:]), device=noise.device)
    rows, cols = noise.shape[2:]
    other = noise.roll(1, dims=0).flip((2, 3)).roll((rows // 3, cols // 3), dims=(2, 3))
    is_larger = other.abs().sum(1, keepdim=True) > noise.abs().sum(1, keepdim=True)
    laid_over = (of_other < share - 1.0) & is_larger
    return torch.where(laid_over, other, torch.where(own < share, noise, 0.0))


def _one_each(noise: Tensor, limits: tuple[float, float]) -> Tensor:
    lowest, highest = limits
    return lowest + (highest - lowest) * torch.rand(len(noise), 1, 1, 1, device=noise.device)


@METHODS.register("noise2blur")
class Noise2Blur(Method):
    """The two stages as one trainable method."""

    Config = Noise2BlurConfig
    config: Noise2BlurConfig

    def __init__(self, config: Noise2BlurConfig, traits: ImageTraits) -> None:
        super().__init__(config, traits)
        extractor = config.noise_extractor
        self.networks["noise_extractor"] = build_network(
            extractor.name, extractor.arguments, n_channels=traits.n_channels
        )
        self._average = None if config.extraction_ema_decay is None else self._averaged(config.extraction_ema_decay)
        self._anchor = None if config.noise_anchor_rate is None else NoiseAnchor(config.noise_anchor_rate)
        if self._anchor is not None:
            self.networks["noise_anchor"] = self._anchor

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:
        """Compute the losses of the stage that ``progress`` (0 to 1) falls into."""
        nets = Nets(self.networks["denoiser"], self.networks["noise_extractor"])
        x = batch["noisy"]
        n_b = x - batch["blurred"]  # (1)   y_b = x − n_b
        if progress < self.config.initial_fraction:
            losses, n_tilde = initial_losses(nets, x, n_b, self.config.loss)
            return StepResult(losses, n_tilde.detach(), n_b)
        losses, n_tilde = convergence_losses(
            self._with_average(nets, progress),
            x,
            batch["clean"],
            n_b,
            self.config.loss,
            gradient_interruption=self.config.gradient_interruption,
            highpass=above_anatomy if self.config.low_frequencies == "denoiser" else None,
            transform_noise=self._transform_noise,
            clip=(lambda image, _: clip_to_window(image)) if self.traits.clipped else clip_to_range,
        )
        if self._anchor is not None:
            self._anchor.update(all_gather(n_tilde), all_gather(n_b), all_gather(x))
        return StepResult(losses, n_tilde.detach(), n_b)

    def _averaged(self, decay: float) -> AveragedModel:
        average = AveragedModel(self.networks["denoiser"], multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
        self.networks["denoiser_average"] = average.requires_grad_(requires_grad=False)
        self._averaged_at = -1.0
        return average

    def _with_average(self, nets: Nets, progress: float) -> Nets:
        """Average F's weights once an iteration, from the first of the convergence stage on: it begins as F."""
        if self._average is None:
            return nets
        if progress != self._averaged_at:  # not again for the next part of a batch
            self._average.update_parameters(nets.denoiser)
            self._averaged_at = progress
        return replace(nets, average=self._average)

    def learning_rate_factors(self) -> dict[str, float]:
        """Return that of H, where it is not 1."""
        factor = self.config.noise_extractor.learning_rate_factor
        return {} if factor == 1.0 else {"noise_extractor": factor}

    def monitors(self, training: TrainingSection) -> dict[str, Monitor]:
        """Return the monitor of ñ, which stops nothing in the initial stage."""
        if self.config.collapse_ratio is None:
            return {}
        grace = round(self.config.initial_fraction * training.iterations) + training.log_every
        ratio, every = self.config.collapse_ratio, training.log_every
        return {"collapse": CollapseMonitor(self.traits.unit, ratio, every=every, grace=grace)}

    def _transform_noise(self, n_tilde: Tensor) -> Tensor:
        noise = clamp_outliers(n_tilde, self.config.noise_clamp_sigma)
        if self._anchor is not None:
            noise = self._anchor(noise)
        return with_density(times_gain(noise, self.config.noise_gain), self.config.noise_density)
