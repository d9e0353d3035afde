"""A folder is there whole or not at all, whatever kills the run that makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2b_ct.errors import OutputError
from n2b_ct.io.atomic import (
    PARTIAL_PREFIX,
    REPLACED_PREFIX,
    AtomicFolder,
    hidden_sibling,
    new_partial,
    recover,
    remove_partials,
    write_unsynced,
)
from tests.helpers import assert_nothing_left


class KillError(BaseException):
    """Stands for a kill: no handler of an Exception sees it."""


def make(target: Path, content: str, overwrite: bool = False) -> None:
    folder = AtomicFolder(target, overwrite)
    folder.begin()
    (folder.partial / "file").write_text(content)
    folder.commit()
    folder.discard()


def fill(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "file").write_text(content)
    return folder


def test_the_folder_appears_at_the_end_with_its_parents(tmp_path):
    target = tmp_path / "a" / "b" / "target"
    folder = AtomicFolder(target, overwrite=False)
    folder.begin()
    assert not target.exists()
    folder.commit()
    folder.discard()
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_what_is_given_up_leaves_no_parents_that_were_made_for_it(tmp_path):
    (tmp_path / "there").mkdir()
    folder = AtomicFolder(tmp_path / "there" / "a" / "b", overwrite=False)
    folder.begin()
    folder.discard()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_parent_that_somebody_uses_meanwhile_stays(tmp_path):
    folder = AtomicFolder(tmp_path / "a" / "b", overwrite=False)
    folder.begin()
    (tmp_path / "a" / "other").touch()
    folder.discard()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["other"]


@pytest.mark.parametrize("moment", ["before", "between", "after"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(5, "Input/output error")], ids=["Ctrl-C", "error"])
def test_an_interrupted_replacement_leaves_the_old_one_or_the_new_one(tmp_path, monkeypatch, moment, error):
    target = fill(tmp_path / "target", "old")
    rename = Path.replace
    n_renames = {"before": 0, "between": 1, "after": 2}[moment]
    done: list[Path] = []

    def interrupted(self: Path, goal: Path) -> Path:
        if len(done) == n_renames:
            done.append(self)
            raise error
        done.append(self)
        return rename(self, goal)

    def sync(folder: Path) -> None:
        if moment == "after" and len(done) == 2:
            raise error

    folder = AtomicFolder(target, overwrite=True)
    folder.begin()
    (folder.partial / "file").write_text("new")
    monkeypatch.setattr(Path, "replace", interrupted)
    monkeypatch.setattr("n2b_ct.io.atomic.sync", sync)
    with pytest.raises((KeyboardInterrupt, OutputError), match=r"must be writable|^$"):
        folder.commit()
    folder.discard()
    assert (target / "file").read_text() == ("new" if moment == "after" else "old")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.parametrize("moment", ["while filling", "between the renames", "before the old one was removed"])
def test_after_a_kill_the_next_run_finds_the_old_one_and_cleans_up(tmp_path, moment):
    target = tmp_path / "target"
    if moment != "between the renames":
        fill(target, "old")
    if moment != "while filling":
        fill(hidden_sibling(target, REPLACED_PREFIX), "old" if moment == "between the renames" else "older")
    fill(new_partial(target), "half")
    recover(target)
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_cleaning_up_touches_nothing_of_another_target(tmp_path):
    fill(new_partial(tmp_path / "other"), "in the making")
    fill(hidden_sibling(tmp_path / "other", REPLACED_PREFIX), "old")
    recover(tmp_path / "target")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_stale_file_of_a_killed_write_is_removed_and_no_other(tmp_path):
    for name in ("volume.nii", "other.nii"):
        new_partial(tmp_path / name).write_bytes(b"half")
    remove_partials(tmp_path / "volume.nii")
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(hidden_sibling(tmp_path / "other.nii", PARTIAL_PREFIX).name)
    remove_partials(tmp_path / "no such folder" / "volume.nii")


def test_a_link_among_stale_files_is_removed_and_its_goal_is_not(tmp_path):
    goal = fill(tmp_path / "precious", "mine")
    new_partial(tmp_path / "target").symlink_to(goal)
    remove_partials(tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (goal / "file").read_text() == "mine"


def test_a_target_that_appeared_meanwhile_is_not_replaced_unasked(tmp_path):
    target = tmp_path / "target"
    folder = AtomicFolder(target, overwrite=False)
    folder.begin()
    fill(target, "somebody's")
    with pytest.raises(OutputError, match="must not exist yet"):
        folder.commit()
    folder.discard()
    assert (target / "file").read_text() == "somebody's"
    make(target, "mine", overwrite=True)
    assert (target / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_place_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="must be writable, got Not a directory"):
        AtomicFolder(tmp_path / "file" / "target", overwrite=False).begin()
    assert_nothing_left_but_the_file(tmp_path)


def assert_nothing_left_but_the_file(folder: Path) -> None:
    (folder / "file").unlink()
    assert_nothing_left(folder)


def test_an_interruption_while_beginning_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(_: Path) -> None:
        raise KillError

    monkeypatch.setattr("n2b_ct.io.atomic.sync", interrupt)
    with pytest.raises(KillError, match=r"^$"):
        AtomicFolder(tmp_path / "a" / "target", overwrite=False).begin()
    assert_nothing_left(tmp_path)


def test_every_file_and_folder_is_forced_to_disk_before_the_rename_shows_them(tmp_path, monkeypatch):
    synced: list[Path] = []
    seen_when_renamed: list[set[str]] = []
    rename = Path.replace

    def noting(self: Path, goal: Path) -> Path:
        seen_when_renamed.append({path.name for path in synced})
        return rename(self, goal)

    folder = AtomicFolder(tmp_path / "target", overwrite=False)
    folder.begin()
    (folder.partial / "below").mkdir()
    write_unsynced(folder.partial / "below" / "slice", b"pixels")
    monkeypatch.setattr(Path, "replace", noting)
    monkeypatch.setattr("n2b_ct.io.atomic.sync", synced.append)
    folder.commit()
    assert seen_when_renamed == [{folder.partial.name, "below", "slice"}]
    assert synced[-1] == tmp_path
    assert (tmp_path / "target" / "below" / "slice").read_bytes() == b"pixels"


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(OutputError, match="must be writable, got No such file or directory"):
        write_unsynced(tmp_path / "gone" / "slice", b"pixels")
