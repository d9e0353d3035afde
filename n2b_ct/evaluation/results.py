"""What a physicist reads in a report, as plain numbers: texture, resolution, detectability, residual, significance.

Curves are tuples of floats, so that everything here turns into JSON by itself. A value that does not exist is None,
never NaN. ``level`` is the label of a dose level (or of all doses together), ``method`` a row of the tables, the
input included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from n2b_ct.evaluation.disks import Task
from n2b_ct.evaluation.intervals import MeanInterval


@dataclass(frozen=True, slots=True)
class TextureResult:
    """Noise and its texture in flat regions, one dose level and method.

    Attributes:
        frequency_per_mm: Rings of the radial spectrum, 1/mm, ``[rings]``; the same for every method of a level.
        power_hu2_mm2: Radial noise power spectrum pooled over the level's regions, HU² mm², ``[rings]``.
        plane_hu2_mm2: Two-dimensional spectrum over regions of the usual size, HU² mm², ``[rows, cols]``, zero
            frequency in the middle (at ``size // 2``); neighbouring bins lie 1/(size · pixel) apart.
        plane_step_per_mm: That distance along rows and columns, 1/mm.
        peak_frequency_per_mm: Of the pooled radial spectrum.
        noise_std_hu, mean_frequency_per_mm, lag1_autocorrelation: Means over slices with intervals.
        noise_reduction_percent, mean_frequency_shift_percent: Against the input, slice by slice; None for the input.
        n_rois, roi_size_px: Regions, and the size that most of them have.
        source: How the noise was had: ``flat regions`` or ``method − reference``.
    """

    level: str
    method: str
    frequency_per_mm: tuple[float, ...]
    power_hu2_mm2: tuple[float, ...]
    plane_hu2_mm2: tuple[tuple[float, ...], ...]
    plane_step_per_mm: tuple[float, ...]
    peak_frequency_per_mm: float | None
    noise_std_hu: MeanInterval
    mean_frequency_per_mm: MeanInterval
    lag1_autocorrelation: MeanInterval
    noise_reduction_percent: MeanInterval | None
    mean_frequency_shift_percent: MeanInterval | None
    n_rois: int
    roi_size_px: int
    source: str


@dataclass(frozen=True, slots=True)
class ResolutionResult:
    """Task transfer function of an inserted disk, one dose level, method and contrast.

    Attributes:
        frequency_per_mm, ttf, standard_error: The curve, ``[frequencies]``, 1 at zero frequency; up to Nyquist.
        f50_per_mm, f10_per_mm: None where the noise does not allow them or the curve does not fall that far.
        f50_change_percent: Against the input; None where either f50 is missing, and for the input.
        contrast_recovery_percent: Contrast that came through, 100 for all of it.
        n_insertions: Disks averaged.
        remark: Why there is no curve, or no frequency; empty otherwise.
    """

    level: str
    method: str
    task: Task
    frequency_per_mm: tuple[float, ...]
    ttf: tuple[float, ...]
    standard_error: tuple[float, ...]
    f50_per_mm: float | None
    f10_per_mm: float | None
    f50_change_percent: float | None
    contrast_recovery_percent: float | None
    n_insertions: int
    remark: str = ""


@dataclass(frozen=True, slots=True)
class DetectabilityResult:
    """How well a model observer sees an inserted disk, one dose level, method, task and observer.

    Attributes:
        observer: ``cho`` or ``npw``.
        d_prime, low, high: d′ and its 95 % interval; all None where it could not be measured.
        auc: Φ(d′/√2).
        cnr: Contrast-to-noise ratio of the same regions.
        n_pairs: Regions with and without the disk, in pairs of the same noise.
        remark: Why there is no d′; empty otherwise.
    """

    level: str
    dose: float | None
    method: str
    task: Task
    observer: str
    d_prime: float | None
    low: float | None
    high: float | None
    auc: float | None
    cnr: float | None
    n_pairs: int
    remark: str = ""


@dataclass(frozen=True, slots=True)
class PotentialResult:
    """The dose at which a method's d′ equals that of an undenoised slice at the highest dose known.

    Attributes:
        target_dose: The reference's dose where it has noise and its dose is known, else the highest dose measured.
        target_d_prime: d′ of the undenoised slice there.
        dose: Dose fraction of equal d′; None where no measured dose brackets it.
        reduction_percent: 100 · (1 − dose / target dose).
        remark: What is known instead; empty where there is a number.
    """

    method: str
    task: Task
    observer: str
    target_dose: float
    target_d_prime: float
    dose: float | None
    reduction_percent: float | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class ResidualResult:
    """What a method removed, one dose level.

    Attributes:
        edge_correlation: Of the residual's magnitude with the anatomy's edges, over slices.
        null_correlation: What noise alone gives.
        deviation_sds: Distance from the null in its standard deviations, over slices.
        edge_excess_percent: How much larger the residual is on the steepest tenth than noise would be.
        n_slices: Slices tested.
        n_warned: Slices in which anatomy was found in the residual.
        warns: True where that is so in more than a tenth of the slices.
        worst: ``series, slice n`` of the largest deviation.
        residual_autocorrelation, noise_autocorrelation: At lags 1, 2, … px in flat regions: of what was removed, and
            of the input's noise, which is what it should look like. None without flat regions.
        detail_removed_percent: Share of the truth's fine structure in the residual; None without a noise-free truth.
    """

    level: str
    method: str
    edge_correlation: MeanInterval
    null_correlation: float | None
    deviation_sds: MeanInterval
    edge_excess_percent: MeanInterval
    n_slices: int
    n_warned: int
    warns: bool
    worst: str
    residual_autocorrelation: tuple[float, ...] | None
    noise_autocorrelation: tuple[float, ...] | None
    detail_removed_percent: MeanInterval | None


@dataclass(frozen=True, slots=True)
class HallucinationResult:
    """Structure that a method invents in signal-absent regions of a noise-free truth, one dose level.

    Attributes:
        structure_hu: RMS of what repeats over the regions beyond noise, HU.
        p_value: Of the sign-flip test.
        warns: True where the p-value is below 0.01.
        false_positive_rate, expected_rate: Places that read as the task's disk, and the share that normal scores give.
        n_regions: Regions.
    """

    level: str
    method: str
    task: Task
    structure_hu: float
    p_value: float
    warns: bool
    false_positive_rate: float
    expected_rate: float
    n_regions: int


@dataclass(frozen=True, slots=True)
class LesionResult:
    """True lesions of known contrast, one dose level and method.

    Attributes:
        cnr: Contrast-to-noise ratio over lesions and slices.
        contrast_recovery_percent: Measured over true contrast, over lesions and slices.
        n_lesions: Lesions.
    """

    level: str
    method: str
    cnr: MeanInterval
    contrast_recovery_percent: MeanInterval
    n_lesions: int


@dataclass(frozen=True, slots=True)
class Physics:
    """Everything beyond PSNR, SSIM and HU: each empty where it could not be measured.

    Attributes:
        texture: By level and method.
        tasks: Every task that was inserted.
        dropped: Sentences that say what was left out and why.
        problems: One line for each input that could not be used.
    """

    texture: Mapping[tuple[str, str], TextureResult] = field(default_factory=dict)
    resolution: tuple[ResolutionResult, ...] = ()
    detectability: tuple[DetectabilityResult, ...] = ()
    potential: tuple[PotentialResult, ...] = ()
    residual: Mapping[tuple[str, str], ResidualResult] = field(default_factory=dict)
    hallucination: tuple[HallucinationResult, ...] = ()
    lesions: tuple[LesionResult, ...] = ()
    tasks: tuple[Task, ...] = ()
    dropped: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
