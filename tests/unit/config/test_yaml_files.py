"""YAML in and out: doubled keys refused, shipped files found, foreign exceptions worded."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from n2b_ct.config.yaml_files import find_yaml, read_yaml, shipped_dir, write_yaml
from n2b_ct.errors import ConfigError, OutputError


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "b:\n  a: 1\n  a: 2\n", "b: [{a: 1, a: 1}]\n"])
def test_a_key_written_twice_is_refused_at_any_depth(tmp_path, text):
    with pytest.raises(ConfigError, match=r"file.yaml: must be YAML, got key written twice: a in line \d; mend"):
        read_yaml(written(tmp_path, text))


def test_a_mapping_reads_as_pyyaml_reads_it(tmp_path):
    text = "a: {b: [1, 2.5, null, yes], c: text}\nd: &x {e: 1}\nf: *x\n"
    assert read_yaml(written(tmp_path, text)) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "must be YAML, got .* in line 1"),
        ("a: 1\n\tb: 2", "must be YAML, got .* in line 2"),
        ("a: 2024-13-45", "must be YAML, got month must be in 1..12"),
        ("a: \x00", "must be YAML, got unacceptable character"),
        ("a: !!python/object/apply:os.system [ls]", "must be YAML, got could not determine a constructor"),
        ("!!map [1, 2]", "must be YAML, got expected a mapping node"),
        ("- a", "must be a mapping of sections, got list"),
        ("", "must be a mapping of sections, got NoneType"),
        (b"\xff\xfe\xff", "must be a readable text file, got UnicodeDecodeError"),
    ],
)
def test_what_is_no_mapping_of_plain_values_is_said_in_one_line(tmp_path, text, said):
    with pytest.raises(ConfigError, match=f"^file.yaml: {said}") as caught:
        read_yaml(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="must be a readable text file, got IsADirectoryError"):
        read_yaml(tmp_path)


def test_shipped_files_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_yaml("piglet.yaml", "data_manifests") == shipped_dir("data_manifests") / "piglet.yaml"
    assert find_yaml("piglet", "data_manifests") == shipped_dir("data_manifests") / "piglet.yaml"


def test_a_local_file_wins_over_one_beside_and_that_over_the_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "piglet.yaml").touch()
    assert find_yaml("piglet.yaml", "data_manifests", Path("beside")) == Path("beside/piglet.yaml")
    (tmp_path / "piglet.yaml").touch()
    assert find_yaml("piglet.yaml", "data_manifests", Path("beside")) == Path("piglet.yaml")


@pytest.mark.parametrize("name", ["nowhere.yaml", "nowhere", "", ".", ".."])
def test_a_missing_file_is_said_beside_those_that_ship(name):
    with pytest.raises(ConfigError, match=r"must be a YAML file, got no such file; shipped files are: .*piglet.yaml"):
        find_yaml(name, "data_manifests")


def test_what_is_written_is_read_again_in_its_order(tmp_path):
    values = {"z": 1, "a": {"µ": [1.5, None]}, "m": "text: with colon"}
    write_yaml(values, tmp_path / "out.yaml")
    assert read_yaml(tmp_path / "out.yaml") == values
    assert list(read_yaml(tmp_path / "out.yaml")) == ["z", "a", "m"]
    assert "µ" in (tmp_path / "out.yaml").read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(OutputError, match="must be writable, got No such file or directory; choose another place"):
        write_yaml({}, tmp_path / "nowhere" / "out.yaml")
