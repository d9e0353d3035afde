"""YAML in and out: doubled keys refused, shipped files found, foreign exceptions worded."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from n2b_ct.config.yaml_files import as_yaml, find_yaml, problems_of, read_yaml, shipped_dir, with_overrides
from n2b_ct.errors import ConfigError
from n2b_ct.filters.blur import MeanBlur


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def bomb(width: int, levels: int = 9) -> str:
    """Lists of aliases of lists of aliases."""
    lines = [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * width)}]" for k in range(1, levels)]
    return "\n".join(["a0: &a0 [lol]", *lines])


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "b:\n  a: 1\n  a: 2\n", "b: [{a: 1, a: 1}]\n"])
def test_a_key_written_twice_is_refused_at_any_depth(tmp_path, text):
    with pytest.raises(ConfigError, match=r"file.yaml: must be YAML, got key written twice: a in line \d; mend"):
        read_yaml(written(tmp_path, text))


def test_a_mapping_reads_as_pyyaml_reads_it(tmp_path):
    text = "a: {b: [1, 2.5, null, yes], c: text}\nd: &x {e: 1_000}\nf: *x\nh: 'q'\ng: |\n  lines\n  and more\n"
    assert read_yaml(written(tmp_path, text)) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", r"must be YAML, got .* in line \d"),
        ("a: 1\n\tb: 2", "must be YAML, got .* in line 2"),
        ("a: 2024-13-45", "must be YAML, got month must be in 1..12"),
        ("a: \x00", "must be YAML, got unacceptable character"),
        ("a: !!python/object/apply:os.system [ls]", "must be YAML, got a tag in line 1; mend that line"),
        ("!!map [1, 2]", "must be YAML, got a tag in line 1"),
        ("a: &a [*a]", "must be YAML, got an alias without an anchor that ends before it in line 1"),
        ("a: &a [1]\nb: &a [*a]", "must be YAML, got .* in line 2"),
        ("b: *a\na: &a 1", "must be YAML, got an alias without an anchor that ends before it in line 1"),
        (bomb(10), "must be YAML, got more than 300000 values in line 7"),
        (bomb(1, levels=40), "must be YAML, got brackets nested more than 32 deep in line 32"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "must be YAML, got a merge key << in line 3"),
        ("a:\n  <<: {c: 1}\n", "must be YAML, got a merge key << in line 2"),
        ("? [a]\n: 1", "must be YAML, got found unhashable key in line 1"),
        ("a: " + "[" * 100_000, "must be YAML, got brackets nested more than 32 deep in line 1"),
        ("a: " + "{b: " * 33 + "1" + "}" * 33, "must be YAML, got brackets nested more than 32 deep in line 1"),
        ("- " * 50_000, "must be YAML, got brackets nested more than 32 deep in line 1"),
        ("a: [" + "0," * 400_000 + "]", "must be YAML, got more than 300000 values in line 1"),
        ("a: " + "9" * 5000, "must be YAML, got a number of more than 50 digits in line 1"),
        ("a: 0x" + "f" * 5000, "must be YAML, got a number of more than 50 digits in line 1"),
        ("a: 1" + ":1" * 4000, "must be YAML, got a number of more than 50 digits in line 1"),
        ("a: " + "x" * 10_001, "must be YAML, got a text of more than 10000 characters in line 1"),
        ("a: 0001-01-01 00:00:00 +23:59\n" * 2, "must be YAML, got key written twice: a"),
        ("a: 1\n---\nb: 2\n", "must be YAML, got .*another document"),
        ("- a", "must be a mapping of sections, got list"),
        ("", "must be a mapping of sections, got NoneType"),
        (b"\xff\xfe\xff", "must be a readable text file, got UTF-16 instead of UTF-8; save it as UTF-8"),
        ("a: 1\n".encode("utf-16"), "must be a readable text file, got UTF-16 instead of UTF-8; save it as UTF-8"),
        ("a: 1\nb: \u00e4\n".encode("latin-1"), "must be a readable text file, got a byte that is no UTF-8 in line 2"),
        (b"a" * 4_000_001, "must be a readable text file, got more than 4 MB; save it as UTF-8 text of at most 4 MB"),
    ],
)
def test_what_is_no_mapping_of_plain_values_is_said_in_one_line(tmp_path, text, said):
    with pytest.raises(ConfigError, match=f"^file.yaml: {said}") as caught:
        read_yaml(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_of_utf_8_is_no_part_of_the_first_key(tmp_path):
    assert read_yaml(written(tmp_path, "a: 1\n".encode("utf-8-sig"))) == {"a": 1}


def test_among_very_many_keys_one_that_is_written_twice_is_found(tmp_path):
    lines = [f"k{k}: 1" for k in range(15_000)]
    with pytest.raises(ConfigError, match="key written twice: k7 in line 1"):
        read_yaml(written(tmp_path, "\n".join([*lines, "k7: 2"])))


def test_a_setting_is_read_by_the_same_rules():
    with pytest.raises(
        ConfigError, match=r"overrides=a=.*: the value must be YAML, got brackets nested more than 32 deep"
    ):
        with_overrides({}, ["a=" + "[" * 5000])
    with pytest.raises(ConfigError, match="must lead through at most 16 sections, got 5000; check the key's path"):
        with_overrides({}, ["a." * 5000 + "a=1"])


def test_of_many_problems_the_first_are_told_and_the_others_counted():
    with pytest.raises(ValidationError) as caught:
        MeanBlur.model_validate({f"k{k}": 1 for k in range(1000)})
    lines = problems_of(caught.value, "file.yaml")
    assert len(lines) == 31
    assert lines[-1] == "file.yaml: must have no problems, got 970 more; correct these first"


def test_what_is_met_twice_is_written_out_twice(tmp_path):
    shared = [1, 2]
    written(tmp_path, as_yaml({"a": shared, "b": shared})).rename(tmp_path / "out.yaml")
    assert read_yaml(tmp_path / "out.yaml") == {"a": [1, 2], "b": [1, 2]}


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
    written(tmp_path, as_yaml(values)).rename(tmp_path / "out.yaml")
    assert read_yaml(tmp_path / "out.yaml") == values
    assert list(read_yaml(tmp_path / "out.yaml")) == ["z", "a", "m"]
    assert "µ" in (tmp_path / "out.yaml").read_text(encoding="utf-8")
