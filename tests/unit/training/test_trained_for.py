"""What a model file says that it was trained for."""

from __future__ import annotations

import numpy as np
import pytest

from n2b_ct.config.sections import DataSection
from n2b_ct.data.ct_source import CTSource
from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.natural_image_source import NaturalImageSource
from n2b_ct.data.roles import Roles, RoleSlice
from n2b_ct.training.run import trained_for


def roles_of(*noises_hu: float) -> Roles:
    rng = np.random.default_rng(0)
    hu = np.stack([40.0 + rng.normal(0.0, noise, (128, 128)) for noise in noises_hu]).astype(np.float32)
    series = DatasetSeries("A", None, hu, tuple(range(len(hu))), "key", (128, 128))
    return Roles((), tuple(RoleSlice(series, k) for k in range(len(hu))), (), ())


def test_a_model_of_ct_knows_the_noise_of_its_noisy_slices():
    found = trained_for(CTSource(DataSection.model_construct(), roles_of(10.0, 20.0, 40.0)))
    assert set(found) == {"noise_std_hu"}  # an array has no pixel size
    assert found["noise_std_hu"] == pytest.approx([10.0, 40.0], rel=0.1)


def test_without_a_noisy_slice_nothing_is_known():
    assert trained_for(CTSource(DataSection.model_construct(), Roles((), (), (), ()))) == {}


def test_a_model_of_photographs_knows_none_of_it():
    assert trained_for(NaturalImageSource(None, {})) == {}
