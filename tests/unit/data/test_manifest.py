"""Manifests: names that must exist, slices, patterns, defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from n2b_ct.data.manifest import Manifest, load_manifest, parse_slices, series_of
from n2b_ct.errors import ConfigError


def smallest(**changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "name": "set",
        "series": {"a": {"path": "a"}, "b": {"path": "b", "dose": 0.25}},
        "splits": {"default": {"rule": "series", "clean": ["a"], "noisy": ["b"]}},
        **changes,
    }


def written(tmp_path: Path, values: dict[str, Any]) -> Path:
    path = tmp_path / "set.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def problems(tmp_path: Path, **changes: Any) -> list[str]:
    with pytest.raises(ConfigError, match=r"set\.yaml") as caught:
        load_manifest(written(tmp_path, smallest(**changes)))
    return caught.value.problems


def test_a_name_stands_for_all_slices_of_its_series(tmp_path):
    manifest = load_manifest(written(tmp_path, smallest()))
    entry = manifest.split(None).clean[0]
    assert (entry.series, entry.slices, entry.reference) == ("a", ":", None)


def test_a_manifest_is_found_beside_the_file_that_names_it(tmp_path):
    written(tmp_path, smallest())
    assert load_manifest("set.yaml", beside=tmp_path).name == "set"


def test_every_unknown_series_gets_a_line(tmp_path):
    splits = {"default": {"rule": "series", "clean": ["x"], "noisy": [{"series": "b", "reference": "y"}]}}
    found = problems(tmp_path, splits=splits)
    assert [line.partition(", got")[0] for line in found] == [
        "set.yaml: splits.default: must name series of the manifest, not x",
        "set.yaml: splits.default: must name series of the manifest, not y",
    ]


def test_an_unknown_default_split_is_said(tmp_path):
    (line,) = problems(tmp_path, default_split="other")
    assert "default_split: must name a split, not other" in line


def test_problems_of_all_kinds_are_reported_at_once(tmp_path):
    series = {"a": {"path": "a", "dose": 1.5, "kind": "x"}, "b": {"where": {"SeriesDescription": "("}}}
    found = problems(tmp_path, series=series, format=2)
    assert [line.split(": ")[1] for line in found] == ["format", "series.a.dose", "series.a.kind", "series.b.where"]
    assert "must be a regular expression" in found[-1]


def test_a_split_is_chosen_by_name_or_by_default():
    splits = {name: {"rule": "series", "clean": ["a"]} for name in ("one", "two")}
    manifest = Manifest.model_validate(smallest(splits=splits, default_split="two"))
    assert manifest.split(None) is manifest.splits["two"]
    assert manifest.split("one") is manifest.splits["one"]
    with pytest.raises(ConfigError, match=r"data.split: must be a split of set, got three; choose among one, two"):
        manifest.split("three")


@pytest.mark.parametrize("text", [":", "::", "2:5", "-3:", ":-1", "::2", "1::3", "5:0:-2", " 1 : 4 "])
def test_slices_mean_what_python_means(text):
    parts = [int(part) if part.strip() else None for part in text.split(":")]
    assert list(range(10))[parse_slices(text)] == list(range(10))[slice(*parts)]


@pytest.mark.parametrize("text", ["", "5", "a:b", "1:2:3:4", "::0", "1.5:2", "1-2"])
def test_what_is_no_range_is_said(tmp_path, text):
    splits = {"default": {"rule": "series", "clean": [{"series": "a", "slices": text}]}}
    (line,) = problems(tmp_path, splits=splits)
    assert "slices: must look like first:last or first:last:step" in line


def test_a_split_names_all_the_series_that_it_uses():
    split = {"rule": "series", "noisy": [{"series": "b", "reference": "a"}]}
    manifest = Manifest.model_validate(smallest(splits={"default": split}))
    assert series_of(manifest.split(None)) == {"a", "b"}
    split = {"rule": "every_nth", "first": 1, "last": 9, "every": 3, "full_dose": "a", "low_dose": ["b"]}
    manifest = Manifest.model_validate(smallest(splits={"default": split}))
    assert series_of(manifest.split(None)) == {"a", "b"}


def test_every_nth_needs_room_between_first_and_last(tmp_path):
    split = {"rule": "every_nth", "first": 5, "last": 7, "every": 6, "full_dose": "a", "low_dose": ["b"]}
    (line,) = problems(tmp_path, splits={"default": split})
    assert "must leave at least 6 slices between first and last" in line
