"""n2b-ct's own default CT network on whole slices, windowed, as ``n2b-ct denoise`` runs it."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from timing import measure

from n2b_ct.cli.process_settings import keep_freed_memory
from n2b_ct.config.networks import DenoiserSection
from n2b_ct.config.sections import DenoisingSection
from n2b_ct.hu import WINDOWS
from n2b_ct.inference.slices import noise_hu
from n2b_ct.networks.build import build_denoiser


def prepare(slices: np.ndarray) -> Callable[[], object]:
    denoiser = build_denoiser(DenoiserSection(name="SimpleUNet")).to(memory_format=torch.channels_last).eval()
    model = SimpleNamespace(denoiser=denoiser, window=WINDOWS["abdomen"], multiple_px=16, denoising=DenoisingSection())
    return lambda: [hu - noise_hu(model, hu) for hu in slices]


keep_freed_memory()
measure(prepare)
