"""The strength of the extracted noise, relative to the noise of the images: measured, anchored, monitored.

Where the blurred label y_b is flat, n_b = x − y_b is noise and little else, so there σ(ñ) has to equal σ(n_b). The
label is nearly free of noise, so choosing by it favours no dose. No ground truth is needed. The losses do not show a
collapse; this does: a pair whose ñ fades is teaching its denoiser to do nothing; one whose ñ swells, to erase anatomy.
"""

from __future__ import annotations

import math

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.nn.functional import unfold

from n2b_ct.errors import CollapseError, explain
from n2b_ct.methods.collectives import all_gather
from n2b_ct.methods.method import NetworkUnit

BLOCK_PX = 16
FLATTEST_SHARE = 0.25
MAD_TO_STD = 1.4826  # of a Gaussian: σ = 1.4826 · median |n|


def flat_region_stds(noises: list[Tensor], y_b: Tensor, x: Tensor) -> list[Tensor]:
    """Measure σ of several noises in the same flat blocks of a batch.

    Blocks of 16×16 pixels that lie wholly inside the window are ranked by the spread of the blurred label, and the
    flattest quarter counts. σ is 1.4826 · median |v − median v|.

    Args:
        noises: ñ, n_b …, each ``[batch, 1, rows, cols]``.
        y_b: Blurred labels, same shape.
        x: The patches, clipped to the window; 0 and 1 are its ends.

    Returns:
        For every noise its σ in each flat block ``[blocks]``, network units; empty where no block is inside.
    """
    inside = _blocks(((x > 0) & (x < 1)).to(y_b.dtype)).amin(dim=1) > 0
    label = _blocks(y_b)[inside]
    spread = label.amax(dim=1) - label.amin(dim=1)
    flattest = spread.argsort()[: math.ceil(FLATTEST_SHARE * spread.numel())]
    return [_robust_std(_blocks(noise)[inside][flattest]) for noise in noises]


class NoiseAnchor(nn.Module):
    """A slow gain g that keeps σ(g·ñ) at the noise of the slices, which the two networks alone let drift.

    Every batch moves ``g ← g · (1 − rate · (g·r − 1))`` with r the median of σ(ñ)/σ(n_b) over flat blocks, and g stays
    between 2/3 and 3/2. It is a buffer: checkpoints keep it, no gradient meets it.

    Args:
        rate: Share of the error that one batch corrects.
    """

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = rate
        self.gain: Tensor
        self.register_buffer("gain", torch.ones(()))

    @torch.no_grad()
    def update(self, n_tilde: Tensor, n_b: Tensor, x: Tensor) -> None:
        """Move the gain by one batch; a batch without flat blocks, or whose slices show no noise there, leaves it.

        Args:
            n_tilde: Extracted noise before the gain, ``[batch, 1, rows, cols]``.
            n_b: x − y_b.
            x: Noisy patches, network units.
        """
        noise_std, slice_std = flat_region_stds([n_tilde, n_b], x - n_b, x)
        if noise_std.numel():
            error = (self.gain * (noise_std / slice_std).nanmedian() - 1.0).nan_to_num(0.0, 0.0, 0.0)
            self.gain.copy_((self.gain * (1.0 - self.rate * error)).clamp(2 / 3, 3 / 2))

    def forward(self, n_tilde: Tensor) -> Tensor:
        """Apply the gain to ``[batch, 1, rows, cols]``."""
        return self.gain * n_tilde


class CollapseMonitor:
    """Follow both σ through training, and stop a run whose ratio leaves its range.

    Args:
        unit: The physical size of one network unit.
        allowed: Lowest and highest ratio σ(ñ) / σ(n_b).
        every: Iterations between checks.
        grace: Iterations before a check may stop the run: the initial stage has to teach H first.
        patience: Checks in a row outside the range before the run stops.
    """

    def __init__(
        self, unit: NetworkUnit, allowed: tuple[float, float], *, every: int, grace: int, patience: int = 3
    ) -> None:
        self._unit, self._allowed = unit, allowed
        self._every, self._grace, self._patience = every, grace, patience
        self._outside = 0
        self.noise_std = math.nan
        self.image_noise_std = math.nan

    def attach(self, engine: Engine) -> None:
        """Check every ``every`` iterations."""
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self._every), self._check)

    @property
    def ratio(self) -> float:
        """σ(ñ) in units of the noise of the images."""
        return self.noise_std / self.image_noise_std if self.image_noise_std else math.nan

    def columns(self) -> dict[str, float]:
        """Return the latest check as columns of the history."""
        if math.isnan(self.ratio):
            return {}
        return {
            f"noise_std_{self._unit.suffix}": round(self.noise_std, 3),
            f"{self._unit.image}_noise_std_{self._unit.suffix}": round(self.image_noise_std, 3),
        }

    def state_dict(self) -> dict[str, int]:
        """Return the state for a checkpoint."""
        return {"outside": self._outside}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Load the state of a checkpoint."""
        self._outside = state["outside"]

    def _check(self, engine: Engine) -> None:
        output = engine.state.output
        if output["noise"] is None:
            return
        x = all_gather(engine.state.batch["noisy"].to(output["noise"].device))
        noise, n_b = all_gather(output["noise"]), all_gather(output["blur_residual"])
        stds = flat_region_stds([noise, n_b], x - n_b, x)
        medians = (float(std.median()) if std.numel() else math.nan for std in stds)
        self.noise_std, self.image_noise_std = (median * self._unit.size for median in medians)
        lowest, highest = self._allowed
        inside = math.isnan(self.ratio) or lowest <= self.ratio <= highest
        self._outside = 0 if inside else self._outside + 1
        if self._outside >= self._patience and engine.state.iteration > self._grace:
            raise CollapseError(self._message(engine.state.iteration))

    def _message(self, iteration: int) -> str:
        return explain(
            f"training, iteration {iteration}",
            f"the extracted noise must stay between {self._allowed[0]:g} and {self._allowed[1]:g} of the "
            f"{self._unit.image}s' own ({self.image_noise_std:.1f} {self._unit.name})",
            f"{self.noise_std:.1f} {self._unit.name}: the networks collapsed",
            "use method.denoiser.output=lowpass, or another seed",
        )


def _blocks(image: Tensor) -> Tensor:
    return unfold(image, BLOCK_PX, stride=BLOCK_PX).transpose(1, 2).flatten(0, 1)


def _robust_std(values: Tensor) -> Tensor:
    """σ of every row of ``[n, values]``."""
    centred = values - values.median(dim=1, keepdim=True).values
    return MAD_TO_STD * centred.abs().median(dim=1).values
