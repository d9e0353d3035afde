"""The interface of a method to the trainer: networks, losses, and properties that differ between methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from ignite.engine import Engine
from torch import Tensor, nn

from n2b_ct.config.method import BatchNeeds, MethodConfig
from n2b_ct.config.sections import TrainingSection
from n2b_ct.data.image_source import ImageTraits, NetworkUnit
from n2b_ct.io.progress import Progress
from n2b_ct.networks.build import build_denoiser
from n2b_ct.registry import METHODS, is_subclass

__all__ = [
    "BatchNeeds",
    "ImageTraits",
    "Method",
    "MethodConfig",
    "Monitor",
    "NetworkUnit",
    "StepResult",
    "build_method",
]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one training step computes.

    Attributes:
        losses: Scalars with gradient; the trainer minimises their sum.
        noise: ñ, the extracted noise ``[batch, 1, rows, cols]`` without gradient, for methods that extract one.
        blur_residual: n_b = x − y_b of the same patches, where the method has blurred labels.
    """

    losses: dict[str, Tensor]
    noise: Tensor | None = None
    blur_residual: Tensor | None = None


class Monitor(Protocol):
    """Follows a training, adds columns to its history, and may stop it."""

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, whose output is a step's ``loss``, ``losses``, ``noise`` and ``blur_residual``."""

    def columns(self) -> dict[str, float]:
        """Return the latest values by column of the history; empty where there are none."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state of a checkpoint."""


class Method:
    """A trainable method: its networks, the losses of a batch, and properties that differ between methods.

    Weights follow from torch's seed, and so does what :meth:`step` draws.

    Args:
        config: The method's section.
        traits: Of the images.

    Attributes:
        networks: All that is trained, or that a checkpoint must keep; ``denoiser`` becomes the model.

    Raises:
        ConfigError: A network's name or arguments are wrong.
    """

    Config: ClassVar[type[MethodConfig]]
    """The section that declares the method's keys."""
    config: Any
    """An instance of it."""

    def __init__(self, config: MethodConfig, traits: ImageTraits) -> None:
        self.config, self.traits = config, traits
        self.networks = nn.ModuleDict({"denoiser": build_denoiser(config.denoiser, traits.n_channels)})

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:
        """Compute the losses of one batch; ``progress`` runs from 0 to 1 over the whole training."""
        raise NotImplementedError

    def learning_rate_factors(self) -> dict[str, float]:
        """Return the networks that learn at another rate, by name, in units of ``training.learning_rate``."""
        return {}

    def monitors(self, training: TrainingSection) -> dict[str, Monitor]:  # noqa: ARG002 (for methods that have some)
        """Return monitors of the training, by a name that checkpoints use."""
        return {}

    def learn_from(
        self, teacher: nn.Module, images: Sequence[Tensor], progress: Progress | None = None
    ) -> Sequence[Tensor]:
        """Return the teacher's results for every noisy image, the ``distilled`` of a batch; for methods with a teacher.

        Args:
            teacher: The denoiser that :meth:`MethodConfig.first_stage` trained.
            images: ``[channels, rows, cols]`` each, network units, in the order of a batch's ``index``.
            progress: Called with (done, all, what).

        Raises:
            ConfigError: The teacher is a network that the method cannot learn from.
        """
        raise NotImplementedError


METHODS.expect(
    "must be a class derived from Method, with a Config derived from MethodConfig",
    lambda member: is_subclass(member, Method) and is_subclass(getattr(member, "Config", None), MethodConfig),
)


def build_method(config: MethodConfig, traits: ImageTraits) -> Method:
    """Build the method of a section, with its networks."""
    method: Method = METHODS.get(config.name)(config, traits)
    return method
