"""The sections on images and their noise."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from n2b_ct.config import Pipeline
from n2b_ct.config.natural_images import ImageFolder, NaturalImageSection
from n2b_ct.config.noise import NoiseSection
from n2b_ct.config.sections import DataSection
from n2b_ct.errors import ConfigError
from n2b_ct.noises.correlated import CorrelatedNoise
from n2b_ct.noises.gaussian import GaussianNoise
from n2b_ct.noises.salt_and_pepper import SaltAndPepperNoise
from n2b_ct.noises.speckle import SpeckleNoise
from n2b_ct.noises.text import TextNoise

NOISY = {"folder": "noisy"}


def noise(**values):
    return TypeAdapter(NoiseSection).validate_python(values)


def images(**values):
    return NaturalImageSection.model_validate({"kind": "natural_images", "noisy": NOISY, **values})


def pipeline(data):
    return Pipeline.model_validate(
        {"name": "p", "data": data, "method": {"name": "noise2blur"}, "training": {"iterations": 1}}
    )


def test_the_kind_of_data_decides_the_section_and_ct_is_the_usual_one():
    assert isinstance(pipeline({"manifest": "m"}).data, DataSection)
    assert isinstance(pipeline({"kind": "natural_images", "noisy": NOISY}).data, NaturalImageSection)


def test_a_command_for_ct_refuses_a_pipeline_of_images():
    with pytest.raises(ConfigError, match=r"p: data.kind: must be ct here, got natural_images; use n2b-ct benchmark"):
        _ = pipeline({"kind": "natural_images", "noisy": NOISY}).ct


@pytest.mark.parametrize(
    ("section", "made"),
    [
        ({"kind": "gaussian", "sigma": 51}, GaussianNoise(0.2)),
        ({"kind": "gaussian", "sigma": [0, 51]}, GaussianNoise((0.0, 0.2))),
        ({"kind": "correlated", "sigma": 51, "correlation_px": 0.5}, CorrelatedNoise(0.2, 0.5)),
        ({"kind": "speckle", "variance": [0, 0.2]}, SpeckleNoise((0.0, 0.2))),
        ({"kind": "salt_and_pepper", "probability": 0.15}, SaltAndPepperNoise(0.15)),
        ({"kind": "text", "probability": 0.1, "size_px": [12, 20]}, TextNoise(0.1, size_px=(12, 20))),
    ],
)
def test_a_section_becomes_its_noise_on_the_scale_from_black_to_white(section, made):
    assert noise(**section).noise() == made


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"kind": "salt_and_pepper", "probability": 2}, "must be from 0 to 1"),
        ({"kind": "text", "probability": 0.95}, r"must be from 0 to 0\.9"),
        ({"kind": "speckle", "variance": 0.4}, "below 1/3"),
        ({"kind": "gaussian", "sigma": -1}, "must be 0 or more"),
        ({"kind": "gaussian", "sigma": [50, 0]}, "the lowest and the highest"),
        ({"kind": "gaussian", "sigma": [1, 2, 3]}, "must be a number, or the lowest and the highest"),
        ({"kind": "gaussian", "sigma": "much"}, "must be a number, or the lowest and the highest"),
        ({"kind": "text", "probability": 0.1, "size_px": [20, 10]}, "the smallest and then the largest"),
        ({"kind": "gaussian", "sigma": 25, "mean": 1}, "must be a known key"),
        (
            {"kind": "poisson", "peak": 30},
            "must be one of camera, correlated, gaussian, salt_and_pepper, speckle, text",
        ),
    ],
)
def test_a_level_out_of_range_is_said(section, problem):
    with pytest.raises(ValidationError, match=problem) as caught:
        noise(**section)
    assert len(caught.value.errors()) == 1


def test_a_folder_is_selected_by_a_slice_as_python_has_it():
    names = list("abcdefg")
    assert names[ImageFolder(folder="f").chosen] == names
    assert names[ImageFolder(folder="f", select="1::2").chosen] == ["b", "d", "f"]
    assert names[ImageFolder(folder="f", select="-3:").chosen] == ["e", "f", "g"]


@pytest.mark.parametrize("select", ["", "3", "a:b", "::0", ":,", "0:1:2:3"])
def test_anything_else_is_no_selection(select):
    with pytest.raises(ValidationError, match="must be a slice such as"):
        ImageFolder(folder="f", select=select)


def test_what_needs_a_noise_says_so():
    with pytest.raises(ValidationError, match="realisations: fresh needs a noise to draw"):
        images(realisations="fresh")
    with pytest.raises(ValidationError, match="validation needs a noise"):
        images(validation=NOISY)


@pytest.mark.parametrize(("colour", "n_channels"), [("gray", 1), ("rgb", 3)])
def test_colour_says_how_many_channels_there_are(colour, n_channels):
    assert images(colour=colour).n_channels == n_channels
