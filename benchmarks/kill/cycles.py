"""Runs that are ended and started again until they come to their end, each compared with an undisturbed one."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.kill.batch import CREATED, Batch, Moment, run_undisturbed, run_until
from benchmarks.kill.inspection import (
    Tree,
    faults_after_kill,
    faults_at_end,
    miscounted,
    n_hidden,
    tree_of,
    unreadable_files,
)
from n2b_ct.io.atomic import PARTIAL_PREFIX, REPLACED_PREFIX

_MODES = {
    "resume": ("--resume",),
    "resume with residual": ("--resume", "--residual"),
    "overwrite": ("--overwrite",),
    "growing input": ("--resume", "--json", "told.json"),
}
_GROWING = "growing input"
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_SHARE_OF_RUN = 0.9
_N_ENDS_PER_RUN_MAX = 6


@dataclass(slots=True)
class Tally:
    """What was counted, and every fault in words; SIGINT and SIGTERM are counted apart from kills."""

    n_kills: int = 0
    n_interruptions: int = 0
    n_finished: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def numbers(self) -> dict[str, Any]:
        """The tally as plain values."""
        return {
            "n_kills": self.n_kills,
            "n_interruptions": self.n_interruptions,
            "n_finished": self.n_finished,
            "ended": dict(sorted(self.kinds.items())),
            "n_faults": len(self.faults),
            "faults": self.faults,
        }


@dataclass(frozen=True, slots=True)
class _Undisturbed:
    tree: Tree
    seconds: float
    n_steps: int


class Cycles:
    """All runs over one input tree.

    Args:
        source: The input tree.
        early: The input tree before the last slices of each series came.
        folder: Where outputs go.
        model: The model file.
        seed: Decides modes, moments and signals.
    """

    def __init__(self, source: Path, early: Path, folder: Path, model: Path, seed: int) -> None:
        self._batch = Batch(source, folder / "out", model, folder / "printed.log")
        self._early = replace(self._batch, source=early)
        self._told = folder / "told.json"
        self._early_tree: Tree = {}
        self._old_dir = folder / "old"
        self._draw = Random(seed)  # noqa: S311  (not for secrets)
        self._tally = Tally()
        self._folder = folder
        self._references: dict[str, _Undisturbed] = {}

    @property
    def undisturbed(self) -> dict[str, Any]:
        """How long the undisturbed runs took, and how many steps on the file system."""
        return {
            mode: {"seconds": round(one.seconds, 2), "n_steps": one.n_steps, "n_files": len(one.tree)}
            for mode, one in self._references.items()
        }

    def until(self, n_kills: int, say: Callable[[str], object]) -> Tally:
        """Go on until so many kills are counted and the last run has come to its end."""
        while self._tally.n_kills < n_kills:
            mode = list(_MODES)[self._tally.n_finished % len(_MODES)]
            if mode not in self._references:
                self._references[mode] = self._reference(mode, self._folder / mode.replace(" ", "_"))
            self._cycle(mode, n_kills)
            self._tally.n_finished += 1
            say(f"{self._tally.n_kills} kills, {self._tally.n_finished} runs, {len(self._tally.faults)} faults")
        return self._tally

    def _reference(self, mode: str, output: Path) -> _Undisturbed:
        """Run to the end, over an older output where that is to be replaced."""
        batch = self._in_mode(mode, output)
        if mode == "overwrite":
            run_undisturbed(replace(batch, output=self._old_dir, options=(), created=CREATED - timedelta(days=1)))
            shutil.copytree(self._old_dir, output)
        seconds, n_steps = run_undisturbed(batch)
        self._note(mode, unreadable_files(output))
        return _Undisturbed(tree_of(output), seconds, n_steps)

    def _in_mode(self, mode: str, output: Path) -> Batch:
        options = tuple(str(self._told) if option == self._told.name else option for option in _MODES[mode])
        return replace(self._batch, output=output, options=options)

    def _cycle(self, mode: str, n_kills: int) -> None:
        """End a run and start it again, until it has come to its end."""
        batch = self._in_mode(mode, self._batch.output)
        shutil.rmtree(batch.output, ignore_errors=True)
        old: list[Tree] = []
        if mode == "overwrite":
            shutil.copytree(self._old_dir, batch.output)
            old = [tree_of(self._old_dir)]
        if mode == _GROWING:
            batch, old = self._grown(batch, n_kills)
        self._end_and_resume(mode, batch, old, n_kills, replaces=bool(old))
        self._note(mode, faults_at_end(batch.output, self._references[mode].tree))
        if mode == _GROWING:
            self._note(mode, miscounted(self._told))

    def _grown(self, batch: Batch, n_kills: int) -> tuple[Batch, list[Tree]]:
        """Bring a run over the early input to its end, with or without kills, then let the rest of the input come."""
        growing = replace(batch, source=self._folder / "in_growing")
        shutil.rmtree(growing.source, ignore_errors=True)
        shutil.copytree(self._early.source, growing.source)
        if not self._early_tree:
            run_undisturbed(replace(growing, output=self._folder / "early"))
            self._early_tree = tree_of(self._folder / "early")
        self._end_and_resume(_GROWING, growing, [self._early_tree], n_kills, replaces=False)
        self._note(_GROWING, faults_at_end(growing.output, self._early_tree) + miscounted(self._told))
        shutil.copytree(batch.source, growing.source, dirs_exist_ok=True)
        return growing, [self._early_tree]

    def _end_and_resume(self, mode: str, batch: Batch, old: Sequence[Tree], n_kills: int, *, replaces: bool) -> None:
        """End a run and start it again some times, then let it come to its end.

        Meanwhile each output is this run's or one of ``old``; where it replaces them, one of the two is there.
        """
        source = tree_of(batch.source)
        for _ in range(self._draw.randint(1, _N_ENDS_PER_RUN_MAX)):
            if self._tally.n_kills >= n_kills or not self._run_and_end(mode, batch):
                break
            wholes = [self._references[mode].tree, *old]
            self._note(mode, faults_after_kill(batch.output, wholes, replaces=replaces))
            if "Traceback" in batch.log.read_text(encoding="utf-8"):
                self._note(mode, ["a traceback was printed"])
            if tree_of(batch.source) != source:
                self._note(mode, ["the input changed"])
        if run_until(batch, Moment()):
            self._tally.faults.append(f"{mode}: a run that nobody ended did not come to its end")

    def _run_and_end(self, mode: str, batch: Batch) -> bool:
        moment = self._moment(self._references[mode])
        if not run_until(batch, moment):
            return False
        by = "at a step" if moment.before_step is not None else "by the clock"
        if moment.how == signal.SIGKILL:
            self._tally.n_kills += 1
        else:
            self._tally.n_interruptions += 1
        self._tally.kinds[f"{mode}, {moment.how.name} {by}, {_stage(batch.output)}"] += 1
        return True

    def _moment(self, undisturbed: _Undisturbed) -> Moment:
        how = self._draw.choice(_SIGNALS)
        share = self._draw.uniform(0.0, _SHARE_OF_RUN)
        if self._draw.random() < 0.5:
            return Moment(after_s=share * undisturbed.seconds, how=how)
        return Moment(before_step=1 + int(share * undisturbed.n_steps), how=how)

    def _note(self, mode: str, faults: list[str]) -> None:
        self._tally.faults += [f"{mode}, after kill {self._tally.n_kills}: {fault}" for fault in faults]


def _stage(output: Path) -> str:
    """How far a run had come, as its output shows it."""
    if n_hidden(output, REPLACED_PREFIX):
        return "while replacing"
    if n_hidden(output, PARTIAL_PREFIX):
        return "while writing"
    return "between series" if output.exists() else "before the first series"
