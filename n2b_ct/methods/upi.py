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
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from n2b_ct.io.progress import Progress
from n2b_ct.methods.dbsn import bayes_denoiser
from n2b_ct.methods.method import BatchNeeds, StepResult
from n2b_ct.networks.gaussians import Triangle
from n2b_ct.networks.noise_level import NoiseLevels


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


@dataclass(frozen=True, slots=True)
class Distilled:
    """What a teacher makes of the noisy images.

    Attributes:
        images: x̂_y of each, ``[C, rows, cols]``.
        noise_levels: g_y of each.
    """

    images: list[Tensor]
    noise_levels: NoiseLevels


class Upi:
    """The student and the noise levels that it is taught with.

    Args:
        denoiser: CDN.
        noise_levels: g_y, one for each noisy image; :meth:`learn_from` fills them.
        distillation_weight: λ.
        clipped: Noisy images end at 0 and 1, so ỹ has to end there too.
    """

    needs = BatchNeeds(clean=True, distilled=True)

    def __init__(
        self, denoiser: nn.Module, noise_levels: NoiseLevels, *, distillation_weight: float = 0.1, clipped: bool = False
    ) -> None:
        self.networks = nn.ModuleDict({"denoiser": denoiser, "noise_levels": noise_levels.requires_grad_(False)})
        self._denoiser, self._noise_levels = denoiser, noise_levels
        self._distillation_weight, self._clipped = distillation_weight, clipped

    def learn_from(self, noise_levels: NoiseLevels) -> None:
        """Take over the teacher's noise level functions, in the order of the batches' ``index``."""
        self._noise_levels.load_state_dict(noise_levels.state_dict())

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Lay noise on the clean patches, drawn from torch's seed, and compute both losses."""
        x, y = batch["clean"], batch["noisy"]
        l_n = self._noise_levels(x, batch["index"])  # g_y(x)
        y_tilde = with_noise(x, l_n, torch.randn_like(x))
        if self._clipped:
            x, y_tilde = x.clamp(0.0, 1.0), y_tilde.clamp(0.0, 1.0)
        return StepResult(upi_losses(self._denoiser, x, y_tilde, y, batch["distilled"], self._distillation_weight))


def distil(teacher: nn.Module, images: Sequence[Tensor], progress: Progress | None = None) -> Distilled:
    """Let the model of stage 1 denoise whole noisy images.

    Args:
        teacher: A :class:`~n2b_ct.networks.bayes.BayesDenoiser` in direct form, as a model file holds it.
        images: ``[C, rows, cols]`` each, on the network's scale.
        progress: Called with (done, all, what).

    Raises:
        ConfigError: The teacher is another network.
    """
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
    return Distilled(denoised, NoiseLevels.joined(fitted))
