"""Noise2Blur (Lin et al. 2019, arXiv 1912.01158): one line of code per equation.

x     noisy images ``[B, C, rows, cols]``            F        denoiser (DnNet): noisy -> clean
y_b   blurred labels, y_b = x − n_b                  H        noise extractor (NENet): noise -> noise
c     clean images, unpaired with x                  n_hat    n̂, what F removes from x
d     c with extracted noise                         n_tilde  ñ, what H keeps of n̂

Network units: 0 and 1 are the ends of the HU window, or black and white. x of CT has met the window; c has not, so that
``c + ñ`` can meet it as a real noisy slice does: noise that reaches over the window's end is cut off there, on x and on
d alike. Images whose noise reaches beyond black and white, as published, are cut off where x ends.

Two additions for CT, both of which can be switched off: ñ is clamped to a few robust standard deviations of its own
patch before it meets c, so that no edge of x rides along; and its strength is anchored to the noise that the slices
show (:class:`~n2b_ct.methods.flat_noise.NoiseAnchor`). ``docs/noise2blur-on-ct.md`` has the experiments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from n2b_ct.methods.flat_noise import ROBUST_SIGMA, NoiseAnchor
from n2b_ct.methods.method import BatchNeeds, StepResult
from n2b_ct.methods.whole_batch import extremes, gathered


@dataclass(frozen=True, slots=True)
class Nets:
    """F and H."""

    denoiser: nn.Module
    noise_extractor: nn.Module


def initial_losses(nets: Nets, x: Tensor, n_b: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Stage 1, "noise-to-blur": both networks learn to blur; returns losses and ñ."""
    n_hat = x - nets.denoiser(x)  # (11)  n̂ = x − F(x)
    n_tilde = nets.noise_extractor(n_hat)  # (3)   ñ = S(x) = H(n̂)
    return {"n2b": l1_loss(n_tilde, n_b)}, n_tilde  # (6)


def convergence_losses(
    nets: Nets,
    x: Tensor,
    c: Tensor,
    n_b: Tensor,
    *,
    gradient_interruption: bool = True,
    prepare: Callable[[Tensor], Tensor] = lambda n_tilde: n_tilde,
    see: Callable[[Tensor, Tensor], Tensor] = lambda image, _: clip_to_window(image),
) -> tuple[dict[str, Tensor], Tensor]:
    """Stage 2: ``n2b`` reaches H only, ``n2c`` reaches F only; returns losses and ñ.

    Without gradient interruption (N2B_v), ``n2b`` reaches F too. ``prepare`` is what happens to ñ before it meets c,
    ``see`` what happens to an image on its way to the network beside x: :func:`seen` unless said.
    """
    with torch.set_grad_enabled(torch.is_grad_enabled() and not gradient_interruption):
        n_hat = x - nets.denoiser(x)  # (11)  n̂ = x − F(x), gradient interrupted
    n_tilde = nets.noise_extractor(n_hat)  # (12)  ñ = H(n̂)
    d = see(c + prepare(n_tilde.detach()), x)  # (8)   d = c + ñ
    c_hat = nets.denoiser(d)  # (10)  ĉ = F(d)
    return {"n2b": l1_loss(n_tilde, n_b), "n2c": l1_loss(c_hat, see(c, x))}, n_tilde  # (13), (9)


def clip_to_window(image: Tensor) -> Tensor:
    """See an image through the window, as the network sees every slice."""
    return image.clamp(0.0, 1.0)


def clip_to_range(image: Tensor, x: Tensor) -> Tensor:
    """Keep a composed image within what x reaches, and [0, 1]: a surge of ñ must not drive F beyond any noisy image."""
    lowest, highest = extremes(x)
    return image.clamp(lowest.clamp(max=0.0), highest.clamp(min=1.0))


def clamped(noise: Tensor, sigmas: float | None) -> Tensor:
    """Clamp every patch of ``[B, 1, rows, cols]`` to ± ``sigmas`` of its own robust standard deviation."""
    if sigmas is None:
        return noise
    limit = sigmas * ROBUST_SIGMA * noise.abs().flatten(1).median(dim=1).values[:, None, None, None]
    return noise.clamp(-limit, limit)


class Noise2Blur:
    """The two stages as one trainable method.

    Args:
        denoiser: F.
        noise_extractor: H.
        initial_fraction: Share of the training in stage 1 (the paper: 5 %).
        gradient_interruption: False trains the paper's N2B_v.
        clamp_sigma: Limit of ñ in robust standard deviations; None: the paper's plain sum.
        anchor_rate: Rate of the noise anchor; None: none, as in the paper.
        clipped: Noisy images end at 0 and 1, so composed ones must; images with unclipped noise do not.
    """

    needs = BatchNeeds(clean=True, blurred=True)

    def __init__(
        self,
        denoiser: nn.Module,
        noise_extractor: nn.Module,
        *,
        initial_fraction: float = 0.05,
        gradient_interruption: bool = True,
        clamp_sigma: float | None = 4.0,
        anchor_rate: float | None = 0.01,
        clipped: bool = True,
    ) -> None:
        self._anchor = NoiseAnchor(anchor_rate) if anchor_rate is not None else None
        self.networks = nn.ModuleDict({"denoiser": denoiser, "noise_extractor": noise_extractor})
        if self._anchor is not None:
            self.networks["noise_anchor"] = self._anchor
        self._nets = Nets(denoiser, noise_extractor)
        self._initial_fraction = initial_fraction
        self._gradient_interruption = gradient_interruption
        self._clamp_sigma = clamp_sigma
        self._see = (lambda image, _: clip_to_window(image)) if clipped else clip_to_range

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:
        """Compute the losses of the stage that ``progress`` (0 to 1) falls into."""
        x = batch["noisy"]
        n_b = x - batch["blurred"]  # (1)   y_b = x − n_b
        if progress < self._initial_fraction:
            losses, n_tilde = initial_losses(self._nets, x, n_b)
            return StepResult(losses, n_tilde.detach(), n_b)
        losses, n_tilde = convergence_losses(
            self._nets,
            x,
            batch["clean"],
            n_b,
            gradient_interruption=self._gradient_interruption,
            prepare=self._prepared,
            see=self._see,
        )
        if self._anchor is not None:
            self._anchor.follow(gathered(n_tilde), gathered(n_b), gathered(x))
        return StepResult(losses, n_tilde.detach(), n_b)

    def _prepared(self, n_tilde: Tensor) -> Tensor:
        noise = clamped(n_tilde, self._clamp_sigma)
        return noise if self._anchor is None else self._anchor(noise)
