"""How far a table is: rows count alike, and within a trained row training takes most of the time."""

from __future__ import annotations

from dataclasses import dataclass

from n2b_ct.io.progress import Progress

TRAINING_SHARE = 0.85
TRAINING = "training"
"""What a training tells while it runs."""
_WHOLE = 1000
"""Fine enough for a bar over hours."""


@dataclass(frozen=True, slots=True)
class RowSteps:
    """Progress of one row of a table.

    Attributes:
        progress: Called with (thousandths done, 1000, what); None: nobody listens.
        row: Number of the row, from 0 on.
        n_rows: How many rows there are.
        name: Of the row.
        first: Where its part begins, as a share of the row.
        last: Where its part ends.
    """

    progress: Progress | None
    row: int
    n_rows: int
    name: str
    first: float = 0.0
    last: float = 1.0

    def part(self, first: float, last: float) -> RowSteps:
        """A part of the row, from one share of it to another."""
        return RowSteps(self.progress, self.row, self.n_rows, self.name, first, last)

    def __call__(self, done: int, total: int, what: str) -> None:
        """Tell that ``done`` of ``total`` of this part are done."""
        self._tell(done / max(total, 1), f"{what} {done}/{total}")

    def training(self, done: int, total: int, what: str) -> None:
        """The same for a training, whose reading and other preparations take no share of this part."""
        self._tell(done / max(total, 1) if what == TRAINING else 0.0, f"{what} {done}/{total}")

    def _tell(self, share_of_part: float, what: str) -> None:
        if self.progress is not None:
            share = self.first + (self.last - self.first) * share_of_part
            self.progress(int(_WHOLE * (self.row + share) / self.n_rows), _WHOLE, f"{self.name}, {what}")
