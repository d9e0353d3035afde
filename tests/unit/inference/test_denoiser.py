"""Arrays and tensors: HU in, HU out, in the type that was given; what cannot be HU is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

import n2b_ct as n2b
from n2b_ct.errors import ConfigError, DataError, ModelError
from n2b_ct.inference.denoiser import Denoiser
from n2b_ct.inference.slices import denoise_hu, noise_hu
from tests.integration.scenes import biased_model, identity_model, tissue_hu, with_noise

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int16", "int32", "int64")
BIAS_HU = 0.1 * 400


@pytest.fixture
def biased(tmp_path: Path) -> Denoiser:
    """Adds 40 HU inside (-160, 240)."""
    return n2b.load(biased_model(tmp_path / "biased.pt"), device="cpu")


@pytest.fixture
def identity(tmp_path: Path) -> Denoiser:
    return n2b.load(identity_model(tmp_path / "identity.pt"), device="cpu")


def volume(dtype: str = "float32") -> np.ndarray:
    hu = with_noise(tissue_hu(1, n_slices=2, size_px=24), 2, 100.0)
    hu[0, :2] = -1000.0
    return hu.astype(dtype)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, ">i2", ">f4"])
@pytest.mark.parametrize("index", [0, slice(None)], ids=["slice", "volume"])
def test_an_identity_network_returns_identical_values(identity, dtype, index):
    hu = volume(dtype)[index]
    denoised = identity.denoise(hu)
    assert type(denoised) is np.ndarray
    assert denoised.dtype == hu.dtype
    np.testing.assert_array_equal(denoised, hu)
    assert not identity.noise(hu).any()


@pytest.mark.parametrize("dtype", [*FLOATS, "bfloat16", *INTEGERS])
@pytest.mark.parametrize("index", [0, slice(None)], ids=["slice", "volume"])
def test_an_identity_network_returns_identical_tensors(identity, dtype, index):
    hu = torch.from_numpy(volume())[index].to(getattr(torch, dtype))
    denoised = identity.denoise(hu)
    assert type(denoised) is torch.Tensor
    assert (denoised.dtype, denoised.device) == (hu.dtype, hu.device)
    assert torch.equal(denoised, hu)


def test_every_slice_is_what_the_slice_alone_would_be(biased):
    hu = volume()
    expected = [denoise_hu(biased.model, one) for one in hu]
    np.testing.assert_array_equal(biased.denoise(hu), expected)
    np.testing.assert_array_equal(biased.noise(hu), [noise_hu(biased.model, one) for one in hu])
    np.testing.assert_array_equal(biased.denoise(hu[1]), expected[1])


def test_inside_the_window_noise_is_removed_and_outside_nothing(biased):
    hu = np.array([[-160.0, -159.0, 0.0], [239.0, 240.0, 500.0]])
    np.testing.assert_allclose(biased.noise(hu), [[0, -BIAS_HU, -BIAS_HU], [-BIAS_HU, 0, 0]], atol=1e-3)
    np.testing.assert_allclose(biased.denoise(hu, strength=0.5) - hu, [[0, 20, 20], [20, 0, 0]], atol=1e-3)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded_to_the_nearest(biased, dtype):
    hu = np.array([[0, 10], [-200, 100]], dtype)
    np.testing.assert_array_equal(biased.denoise(hu, strength=0.49), [[20, 30], [-200, 120]])  # 19.6 HU
    np.testing.assert_array_equal(biased.denoise(hu, strength=0.51), [[20, 30], [-200, 120]])  # 20.4 HU
    np.testing.assert_array_equal(biased.noise(hu), [[-40, -40], [0, -40]])


def test_arrays_of_any_dtype_and_tensors_hold_the_same_noise(biased):
    hu = np.rint(volume("float64"))
    noise = biased.noise(hu.astype(np.float32))
    np.testing.assert_array_equal(biased.noise(hu), noise)
    np.testing.assert_array_equal(biased.noise(torch.from_numpy(hu)).numpy(), noise)
    np.testing.assert_array_equal(biased.denoise(hu), hu - noise)


@pytest.mark.parametrize("layout", [lambda hu: hu[:, ::2, ::-1], lambda hu: np.asfortranarray(hu)])
def test_the_input_stays_as_it_is_whatever_its_layout(biased, layout):
    hu = layout(volume())
    before = hu.copy()
    hu.flags.writeable = False
    np.testing.assert_array_equal(biased.denoise(hu), biased.denoise(before))
    np.testing.assert_array_equal(hu, before)


def test_a_tensor_stays_as_it_is_and_its_result_shares_nothing_with_it(identity):
    hu = torch.from_numpy(volume()).requires_grad_()
    before = hu.detach().clone()
    denoised = identity.denoise(hu)
    denoised += 1
    assert not denoised.requires_grad
    assert torch.equal(hu.detach(), before)


def test_a_meta_tensor_keeps_its_affine(identity):
    hu = MetaTensor(torch.from_numpy(volume()), affine=torch.diag(torch.tensor([2.0, 0.5, 0.5, 1.0])))
    denoised = identity.denoise(hu)
    assert isinstance(denoised, MetaTensor)
    assert torch.equal(denoised.affine, hu.affine)


def test_padding_never_changes_and_is_not_seen(biased):
    hu = volume()
    padded = np.zeros(hu.shape, dtype=bool)
    padded[:, :, :5] = True
    denoised = biased.denoise(hu, is_padding=padded)
    np.testing.assert_array_equal(denoised[padded], hu[padded])
    np.testing.assert_array_equal(denoised[1], denoise_hu(biased.model, hu[1], padded[1]))


def bad(values: object) -> np.ndarray:
    hu = volume()
    hu[0, 3, 4:6] = values
    return hu


@pytest.mark.parametrize(
    ("hu", "said"),
    [
        (bad(np.nan), "hu: HU must be finite, got 2 NaN or infinite values"),
        (bad(-np.inf), "hu: HU must be finite, got 2 NaN or infinite values"),
        (bad(1e10), r"hu: must lie within ±1e\+09, got 1e\+10"),
        (torch.full((4, 4), torch.nan), "hu: HU must be finite, got 16 NaN or infinite values"),
        (np.zeros(5), r"hu: must be \[rows, cols\] or \[slices, rows, cols\], got shape \[5\]"),
        (torch.zeros(1, 1, 4, 4), r"hu: must be \[rows, cols\] .*, got shape \[1, 1, 4, 4\]"),
        (np.zeros((0, 4)), r"hu: must be .*, got shape \[0, 4\]; pass at least one pixel"),
        (torch.zeros(2, 0, 4), r"hu: must be .*, got shape \[2, 0, 4\]; pass at least one pixel"),
        (np.zeros((4, 4), complex), "hu: must hold floats or signed integers .*, got complex128"),
        (np.zeros((4, 4), bool), "hu: must hold floats or signed integers .*, got bool"),
        (np.zeros((4, 4), object), "hu: must hold floats or signed integers .*, got object"),
        (np.zeros((4, 4), np.uint16), "got uint16; convert stored words to HU first"),
        (np.zeros((4, 4), np.int8), "hu: must hold floats or signed integers of 16 bits or more, got int8"),
        (torch.zeros((4, 4), dtype=torch.uint8), "got uint8; convert stored words to HU first"),
        (torch.zeros((4, 4), dtype=torch.complex64), "hu: must be a NumPy array or a dense, real torch tensor, got"),
        (torch.zeros(4, 4).to_sparse(), "hu: must be a NumPy array or a dense, real torch tensor, got"),
        (np.ma.masked_array(np.zeros((4, 4))), "hu: must be a NumPy array .*, got MaskedArray"),
        ([[0.0, 1.0]], "hu: must be a NumPy array .*, got list"),
        (None, "hu: must be a NumPy array .*, got NoneType"),
        (torch.zeros(4, 4, device="meta"), "hu: must be a NumPy array or a dense, real torch tensor, got"),
        (np.linspace(0.0, 1.0, 16).reshape(4, 4), "hu: must be HU, got values from 0 to 1, a normalised image's; conv"),
    ],
)
@pytest.mark.parametrize("what", ["denoise", "noise"])
def test_what_is_no_hu_is_refused_in_one_line(identity, hu, said, what):
    with pytest.raises(DataError, match=said) as raised:
        getattr(identity, what)(hu)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan"), "much", [1], 1j, 10**400, np.array([0.5, 0.5])])
def test_a_strength_out_of_range_is_refused(identity, strength):
    with pytest.raises(ConfigError, match="strength: must be from 0 to 1, got"):
        identity.denoise(volume(), strength=strength)


def test_a_lazily_negated_tensor_is_taken_for_its_values(biased):
    hu = torch.from_numpy(volume())
    assert torch.equal(biased.denoise(torch._neg_view(-hu)), biased.denoise(hu))


def test_a_network_that_returns_nan_is_told_and_no_noise_is_made_of_it(biased):
    biased.model.denoiser.register_forward_hook(lambda network, given, found: found * torch.nan)
    with pytest.raises(ModelError, match="model toy: must find finite noise, got NaN or infinity; train it again"):
        biased.denoise(volume())


def test_a_mask_of_another_shape_or_type_is_refused(identity):
    for mask in (np.zeros((2, 24, 23), dtype=bool), np.zeros((2, 24, 24))):
        with pytest.raises(
            DataError, match=r"^is_padding: must be bool of shape \[2, 24, 24\], got .*; mark every pixel$"
        ):
            identity.denoise(volume(), is_padding=mask)


def test_a_denoiser_tells_what_it_is(identity):
    assert repr(identity) == "Denoiser('toy', method='none', window=[-160, 240] HU, device=cpu)"
    assert identity.window_hu == (-160.0, 240.0)
    assert (identity.name, identity.strength) == ("toy", 1.0)


def test_a_place_without_a_model_is_an_error_of_ours(tmp_path):
    with pytest.raises(ModelError, match="must be a run folder or a model file, got nothing there"):
        n2b.load(str(tmp_path / "nowhere"))
