"""D-BSN with CNN_est (Wu, Liu, Cao, Ren and Zuo, ECCV 2020, arXiv 2008.13711), stage 1: learn from noisy images alone.

y      noisy images ``[B, C, rows, cols]``, y = x̃ + n     i        a pixel; its covariances are C×C
x̃, n   signal and noise; n_i ~ N(0, Σ^n_i), neighbours     g_y      CNN_est: the noise level function of image y,
       share nothing of it                                         Σ^n_i = g_y(x̃_i)
μ      D-BSN's prediction of x̃ from all pixels but y_i     ε        y − μ
Σ^μ    covariance of its error, n^μ_i ~ N(0, Σ^μ_i)

ε_i = n_i − n^μ_i ~ N(0, Σ^n_i + Σ^μ_i), since μ_i has not seen n_i. The loss bounds its negative log-likelihood from
above:

    L_self = Σ_i ½ {ε_iᵀ (Σ^μ_i + Σ^n_i)⁻¹ ε_i + log |Σ^n_i| + tr((Σ^n_i)⁻¹ Σ^μ_i)}

Covariances are carried as lower triangles L, Σ = L Lᵀ; for gray images L is the standard deviation. When denoising,
Bayes' rule weighs μ and y (:mod:`n2b_ct.networks.bayes`).

**What the bound calls noise.** The likelihood knows the sum Σ^n + Σ^μ alone; the bound decides, and calls all it can
noise. For C = 1 and the true variance s of ε_i the best Σ^μ is √(s Σ^n) − Σ^n, about half of what it should be, or 0
where s < Σ^n; and the best constant level is √Σ^n = mean √s, the mean error of μ included. In training Σ^μ withers and
Bayes' rule has nothing left to weigh. So L_self counts with a share ρ only, beside the likelihood itself:

    L = ρ L_self + (1 − ρ) L_like,    L_like = Σ_i ½ {ε_iᵀ (Σ^μ_i + Σ^n_i)⁻¹ ε_i + log |Σ^μ_i + Σ^n_i|}

ρ = 1 is the published loss. ``docs/decisions/0008-noise-levels-per-image.md`` has what both reach.

**Decided here**, where the published slides leave it open: g_y is evaluated at μ, without gradient (why:
:mod:`n2b_ct.networks.noise_level`); every g_y starts as the same constant level; both networks are trained together
from the first step at one learning rate; the loss is the mean over pixels, not their sum.

**Correlated noise** as of CT breaks the assumption: neighbours tell n_i, so μ follows the noise, and what of it μ
follows is in neither covariance. At a correlation of 0.6 px a quarter of the noise stays in μ and Σ^n is found at 20
for 25 grey levels; x̂ is worse than μ then.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.errors import ConfigError, explain
from n2b_ct.methods.method import ImageTraits, Method, MethodConfig, StepResult
from n2b_ct.networks.bayes import BayesDenoiser
from n2b_ct.networks.build import build_denoiser
from n2b_ct.networks.gaussians import (
    Triangle,
    log_determinant,
    negative_log_likelihood,
    squared_distance,
    sum_of,
    trace_of_ratio,
)
from n2b_ct.networks.heads import bare_network
from n2b_ct.networks.noise_level import NoiseLevels
from n2b_ct.registry import METHODS


class DbsnConfig(MethodConfig):
    """D-BSN and CNN_est (Wu et al. 2020, stage 1): noisy images alone; for noise that neighbours do not share."""

    name: Literal["dbsn"] = "dbsn"
    denoiser: DenoiserSection = DenoiserSection(name="BayesDenoiser", output="direct")
    """``BayesDenoiser`` in direct form; its argument ``use_bayes: false`` leaves Bayes' rule out when denoising."""
    bound_weight: float = Field(0.1, gt=0, le=1)
    """ρ, share of the published loss L_self, which bounds the likelihood, against the likelihood itself; 1: as
    published."""
    first_noise_std: float = Field(0.1, gt=0.001, le=1)
    """Standard deviation that every noise level function starts from, network units: 0.1 is 25 grey levels."""

    def require_ready(self, n_channels: int) -> None:
        """Refuse a denoiser without blind spots."""
        require_blind_spots(self.denoiser, n_channels, "method.denoiser.name")


def require_blind_spots(section: DenoiserSection, n_channels: int, where: str) -> None:
    """Refuse a denoiser without blind spots, by the key that says which it is."""
    bayes_denoiser(build_denoiser(section, n_channels), where)


def self_loss(epsilon: Tensor, l_mu: Triangle, l_n: Triangle) -> Tensor:
    """L_self at every pixel, ``[B, rows, cols]``."""
    distance = squared_distance(sum_of(l_mu, l_n), epsilon)  # εᵀ (Σ^μ + Σ^n)⁻¹ ε
    return 0.5 * (distance + log_determinant(l_n) + trace_of_ratio(l_n, l_mu))  # … + log |Σ^n| + tr((Σ^n)⁻¹ Σ^μ)


def dbsn_losses(
    blind_spot: nn.Module, noise_levels: nn.Module, y: Tensor, index: Tensor, bound_weight: float
) -> dict[str, Tensor]:
    """The mean of ρ L_self + (1 − ρ) L_like over pixels; it reaches D-BSN and CNN_est of the images in the batch."""
    mu, l_mu = blind_spot(y)  # μ, Σ^μ = L^μ L^μᵀ
    l_n = noise_levels(mu.detach(), index)  # Σ^n = g_y(μ)
    epsilon = y - mu  # ε = y − μ
    l_self = self_loss(epsilon, l_mu, l_n)  # L_self
    l_like = negative_log_likelihood(epsilon, sum_of(l_mu, l_n))  # L_like = −log N(ε; 0, Σ^μ + Σ^n)
    return {"self": (bound_weight * l_self + (1.0 - bound_weight) * l_like).mean()}


@METHODS.register("dbsn")
class Dbsn(Method):
    """D-BSN and CNN_est, one noise level function for each noisy image, trained together.

    Raises:
        ConfigError: The denoiser has no blind spots.
    """

    Config = DbsnConfig
    config: DbsnConfig

    def __init__(self, config: DbsnConfig, traits: ImageTraits) -> None:
        super().__init__(config, traits)
        self.networks["noise_levels"] = NoiseLevels(traits.n_noisy, traits.n_channels, config.first_noise_std)
        self._blind_spot = bayes_denoiser(self.networks["denoiser"], "method.denoiser.name").blind_spot

    def step(self, batch: dict[str, Tensor], progress: float) -> StepResult:  # noqa: ARG002 (one stage only)
        """Compute the one loss of a batch; ``index`` says which image each patch comes from."""
        y, index, noise_levels = batch["noisy"], batch["index"], self.networks["noise_levels"]
        return StepResult(dbsn_losses(self._blind_spot, noise_levels, y, index, self.config.bound_weight))


def bayes_denoiser(denoiser: nn.Module, where: str) -> BayesDenoiser:
    """Take a :class:`BayesDenoiser` out of its output form.

    Args:
        denoiser: As built from a pipeline's section, or loaded from a model file.
        where: Key or file for the error.

    Raises:
        ConfigError: It is another network.
    """
    bare = bare_network(denoiser)
    if isinstance(bare, BayesDenoiser):
        return bare
    requirement, remedy = "must be BayesDenoiser in direct form, which has blind spots", "leave it out"
    raise ConfigError(explain(where, requirement, type(bare).__name__, remedy))
