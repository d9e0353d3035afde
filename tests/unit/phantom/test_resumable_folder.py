"""A folder in the making: one run at a time, and nothing lost when a rename fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2b_ct.errors import OutputError
from n2b_ct.phantom.resumable_folder import require_space, resumable_folder


def make(target: Path, text: str, *, overwrite: bool = False) -> None:
    with resumable_folder(target, "mark", text, overwrite=overwrite) as partial:
        (partial.tree_dir / "mark").write_text(text)
        (partial.progress_dir / "0").write_text("done")


def make_half(target: Path) -> None:
    with resumable_folder(target, "mark", "one", overwrite=False) as partial:
        (partial.tree_dir / "old").write_text("half")
        (partial.progress_dir / "0").write_text("done")
        raise KeyboardInterrupt("stop")


def test_what_was_filled_is_there_and_the_progress_is_gone(tmp_path: Path) -> None:
    make(tmp_path / "deep" / "p", "one")
    assert [path.name for path in (tmp_path / "deep" / "p").iterdir()] == ["mark"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["p"]


def test_a_second_run_on_the_same_folder_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="locks need a POSIX system")
    with resumable_folder(tmp_path / "p", "mark", "one", overwrite=False) as partial:
        (partial.tree_dir / "mark").write_text("mine")
        with pytest.raises(OutputError, match="must be made by one run, got two; wait for it"):
            make(tmp_path / "p", "one")
    assert (tmp_path / "p" / "mark").read_text() == "mine"


@pytest.mark.parametrize(("made_of", "expected"), [("one", ["old"]), ("two", [])])
def test_only_an_equal_call_finds_what_was_left(tmp_path: Path, made_of: str, expected: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt, match="stop"):
        make_half(tmp_path / "p")
    with resumable_folder(tmp_path / "p", "mark", made_of, overwrite=False) as partial:
        assert [path.name for path in partial.tree_dir.iterdir()] == expected
        assert [path.name for path in partial.progress_dir.iterdir()] == ["0"] * len(expected)
        (partial.tree_dir / "mark").write_text("")


def test_a_rename_that_fails_brings_the_older_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "p", "old")
    rename = Path.rename

    def refuse_trees(self: Path, target: Path) -> Path:
        if self.name == "tree":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_trees)
    with pytest.raises(OutputError, match="must be writable, got Input/output error"):
        make(tmp_path / "p", "new", overwrite=True)
    assert (tmp_path / "p" / "mark").read_text() == "old"


def test_what_is_there_already_needs_no_space_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("n2b_ct.phantom.resumable_folder.shutil.disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match="output: needs 0"):
        require_space(tmp_path, 150)
    (tmp_path / "part").write_bytes(b"x" * 60)
    require_space(tmp_path, 150)
