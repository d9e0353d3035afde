"""UPI (Wu, Liu, Cao, Ren and Zuo, ECCV 2020, arXiv 2008.13711), stage 2: distil a denoiser from two paired sets.

x    clean images ``[B, C, rows, cols]``        g_y   noise level function of y, from stage 1: Σ^n = L^n L^nᵀ
y    noisy images, unpaired with x              n_0   white normal noise
ỹ    x with the noise of one of the y           CDN   the denoiser that is trained, any network
x̂_y  what stage 1 makes of y                    λ     weight of the second set

The first set {(ỹ, x)} has exact truth and noise as far as g_y is right; the second {(y, x̂_y)} has real noise and the
teacher's truth. L_distill = ‖CDN(ỹ) − x‖² + λ ‖CDN(y) − x̂_y‖², here as means over pixels.

**Decided here**: λ = 0.1 unless a pipeline says otherwise, for x̂_y has the teacher's faults and x has none; it
should rise where the clean images are little like the noisy ones. Each clean patch takes the g_y of the noisy patch
beside it in the batch, which is drawn without regard to it. g_y is fitted anew to every noisy image when its x̂_y is
made, exactly as when denoising, so any model file of stage 1 can teach.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from n2b_ct.config.method import FirstStage
from n2b_ct.config.sections import MOST_ITERATIONS
from n2b_ct.io.progress import Progress
from n2b_ct.methods.dbsn import DbsnConfig, bayes_denoiser, require_blind_spots
from n2b_ct.methods.method import BatchNeeds, ImageTraits, Method, MethodConfig, StepResult
from n2b_ct.networks.gaussians import Triangle
from n2b_ct.networks.noise_level import NoiseLevels
from n2b_ct.registry import METHODS


class UpiConfig(MethodConfig):
    """UPI (Wu et al. 2020, stage 2): a denoiser distilled from stage 1 on noisy images and unpaired clean ones."""

    needs: ClassVar[BatchNeeds] = BatchNeeds(clean=True, distilled=True)

    name: Literal["upi"] = "upi"
    teacher: DbsnConfig = DbsnConfig()
    """Stage 1, trained first on the same noisy images; ``denoiser`` is the student, any network."""
    teacher_iterations: int | None = Field(None, ge=1, le=MOST_ITERATIONS)
    """Optimiser steps of stage 1; null: as many as ``training.iterations``."""
    teacher_run: Path | None = None
    """An existing run folder or model file of stage 1; null: it is trained first."""
    distillation_weight: float = Field(0.1, ge=0)
    """λ, weight of the noisy images with the teacher's results against the clean images with composed noise."""

    def first_stage(self) -> FirstStage:
        """Return the training of the teacher."""
        return FirstStage(self.teacher, self.teacher_iterations, self.teacher_run)

    def with_teacher_run(self, run: Path) -> UpiConfig:
        """Return the section with an existing run of its teacher."""
        return self.model_copy(update={"teacher_run": run})

    def require_ready(self, n_channels: int) -> None:
        """Refuse a teacher without blind spots."""
        require_blind_spots(self.teacher.denoiser, n_channels, "method.teacher.denoiser.name")


def upi_losses(
    cdn: nn.Module, x: Tensor, y_tilde: Tensor, y: Tensor, x_hat: Tensor, distillation_weight: float
) -> dict[str, Tensor]:
    """L_distill, one entry a set."""
    composed = mse_loss(cdn(y_tilde), x)  # ‖CDN(ỹ) − x‖²
    distilled = distillation_weight * mse_loss(cdn(y), x_hat)  # λ ‖CDN(y) − x̂_y‖²
    return {"composed": composed, "distilled": distilled}


def with_noise(x: Tensor, l_n: Triangle, n_0: Tensor) -> Tensor:
    """ỹ = x + g_y(x) · n_0, where g_y · n_0 is L^n n_0: for gray images the standard deviation times n_0."""
    rows = [sum((entry * n_0[:, j] for j, entry in enumerate(row)), torch.zeros_like(n_0[:, 0])) for row in l_n]
    return x + torch.stack(rows, dim=1)


@METHODS.register("upi")
class Upi(Method):
    """The student, and the noise levels that it is taught with, one function for each noisy image."""

    Config = UpiConfig
    config: UpiConfig

    def __init__(self, config: UpiConfig, traits: ImageTraits) -> None:
        super().__init__(config, traits)
        self.networks["noise_levels"] = NoiseLevels(traits.n_noisy, traits.n_channels).requires_grad_(False)

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Lay noise on the clean patches, drawn from torch's seed, and compute both losses."""
        x, y = batch["clean"], batch["noisy"]
        l_n = self.networks["noise_levels"](x, batch["index"])  # g_y(x)
        y_tilde = with_noise(x, l_n, torch.randn_like(x))
        if self.traits.clipped:
            x, y_tilde = x.clamp(0.0, 1.0), y_tilde.clamp(0.0, 1.0)
        cdn, weight = self.networks["denoiser"], self.config.distillation_weight
        return StepResult(upi_losses(cdn, x, y_tilde, y, batch["distilled"], weight))

    def learn_from(
        self, teacher: nn.Module, images: Sequence[Tensor], progress: Progress | None = None
    ) -> list[Tensor]:
        """Take over the g_y that stage 1 fits to every noisy image, and return its x̂_y."""
        bayes = bayes_denoiser(teacher, "method.teacher_run").eval()
        device = next(bayes.parameters()).device
        denoised: list[Tensor] = []
        fitted: list[NoiseLevels] = []
        for image in images:
            x_hat, noise_levels = bayes.denoise(image[None].to(device))
            denoised.append(x_hat[0].cpu())
            fitted.append(noise_levels.cpu())
            if progress is not None:
                progress(len(denoised), len(images), "distilling")
        self.networks["noise_levels"].load_state_dict(NoiseLevels.joined(fitted).state_dict())
        return denoised
