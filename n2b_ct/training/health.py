"""Does the pair live? The losses do not show a collapse; the extracted noise does.

In the flattest parts of the noisy patches n_b = x − y_b is noise and little else, so there σ(ñ) must stay near
σ(n_b). A pair whose ñ fades is teaching its denoiser to do nothing; one whose ñ swells, to erase anatomy.
"""

from __future__ import annotations

import math

from ignite.engine import Engine, Events

from n2b_ct.errors import CollapseError, explain
from n2b_ct.methods.flat_noise import flat_noise_stds
from n2b_ct.methods.whole_batch import gathered
from n2b_ct.training.data import NetworkUnit


class CollapseMonitor:
    """Follow both σ through training, and stop a run whose ratio leaves its range.

    Args:
        unit: What one network unit is to people.
        allowed: Lowest and highest ratio σ(ñ) / σ(n_b).
        every: Iterations between looks.
        grace: Iterations before a look may stop the run: the initial stage has to teach H first.
        patience: Looks in a row outside the range before the run stops.
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
        """Look every ``every`` iterations."""
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self._every), self._look)

    @property
    def ratio(self) -> float:
        """σ(ñ) in units of the noise of the images."""
        return self.noise_std / self.image_noise_std if self.image_noise_std else math.nan

    def columns(self) -> dict[str, float]:
        """The latest look, as columns of the history."""
        if math.isnan(self.ratio):
            return {}
        return {
            f"noise_std_{self._unit.suffix}": round(self.noise_std, 3),
            f"{self._unit.image}_noise_std_{self._unit.suffix}": round(self.image_noise_std, 3),
        }

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint must keep."""
        return {"outside": self._outside}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a checkpoint."""
        self._outside = state["outside"]

    def _look(self, engine: Engine) -> None:
        output = engine.state.output
        if output["noise"] is None:
            return
        x = gathered(engine.state.batch["noisy"].to(output["noise"].device))
        noise, n_b = gathered(output["noise"]), gathered(output["blur_residual"])
        stds = flat_noise_stds([noise, n_b], x - n_b, x)
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
