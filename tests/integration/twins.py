"""Every written file beside its source: a whole run by the real path, with the network that changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2b_ct.batch.output_paths import residual_path
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import denoise_tree
from n2b_ct.inference.model import Model, load_model
from tests.integration.scenes import identity_model


@dataclass(frozen=True, slots=True)
class Twin:
    """One source file, and what was written for it; ``residual`` is None where it was not asked for."""

    source: Path
    derived: Path
    residual: Path | None

    @property
    def written(self) -> tuple[Path, ...]:
        """Everything that was written."""
        return (self.derived,) if self.residual is None else (self.derived, self.residual)


def make_twins(source: Path, output: Path, model: Model, **options: Any) -> list[Twin]:
    """Denoise a file, a series or a tree; every output that came of it.

    Raises:
        AssertionError: A series failed.
    """
    asked = DenoiseOptions(**options)
    result = denoise_tree(source, output, model, asked)
    assert [outcome.detail for outcome in result.outcomes if outcome.status != "done"] == []
    return [
        Twin(
            outcome.source / path.relative_to(outcome.output),
            path,
            residual_path(outcome.output) / path.relative_to(outcome.output) if asked.residual else None,
        )
        for outcome in result.outcomes
        for path in sorted(outcome.output.rglob("*"))
        if path.is_file()
    ]


class TwinMaker:
    """Denoise a source with given options once, however many tests ask for it; residual and repair are the rule."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._model = load_model(identity_model(root / "identity.pt"))
        self._done: dict[tuple[Path, str], list[Twin]] = {}

    def __call__(self, source: Path, **options: Any) -> list[Twin]:
        key = source, repr(sorted(options.items()))
        if key not in self._done:
            asked = {"residual": True, "repair_uids": True, **options}
            self._done[key] = make_twins(source, self._root / str(len(self._done)) / "out", self._model, **asked)
        return self._done[key]


def by_series(twins: list[Twin]) -> dict[Path, list[Twin]]:
    """Twins by the folder of their derived series."""
    grouped: dict[Path, list[Twin]] = {}
    for twin in twins:
        grouped.setdefault(twin.derived.parent, []).append(twin)
    return grouped
