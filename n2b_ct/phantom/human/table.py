"""Scanner tables of several kinds, with mattress, and the accessories that lie on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from n2b_ct.phantom.shapes import Canvas, Tissue

SHEET = Tissue(-700.0)


@dataclass(frozen=True, slots=True)
class Table:
    """A dished sandwich of two shells around a core, under a mattress.

    Attributes:
        half_width_mm: Half its width.
        sag_mm: How much lower its middle is than its edges.
        thickness_mm: From shell to shell in the middle.
        shell_mm: Thickness of the shells.
        shell: Carbon fibre.
        core: Foam, or air where the table is a single sheet.
        mattress_mm: Thickness of the mattress in the middle.
        mattress: Foam.
        lower_sag_mm: How much lower the middle of the lower shell lies, compared with the upper one.
    """

    half_width_mm: float
    sag_mm: float
    thickness_mm: float
    shell_mm: float
    shell: Tissue
    core: Tissue
    mattress_mm: float
    mattress: Tissue
    lower_sag_mm: float

    def paint(self, canvas: Canvas, top_mm: float) -> None:
        """Paint mattress and table below ``top_mm``, where the patient's back lies."""
        plane = canvas.plane
        rise = (self.sag_mm * (plane.column_mm / self.half_width_mm) ** 2)[None]
        below = plane.row_mm[:, None] - top_mm + rise
        beside = (np.abs(plane.column_mm) - self.half_width_mm)[None]
        mattress = np.maximum(np.maximum(-below, below - self.mattress_mm), beside + 8.0)
        canvas.paint(plane.cover(mattress.astype(np.float32)), self.mattress)
        canvas.paint(np.float32(0.5) * plane.cover((np.abs(mattress) - 0.2).astype(np.float32)), SHEET)
        share = rise / max(self.sag_mm, 1e-6)
        depth = below - self.mattress_mm
        table = np.maximum(np.maximum(-depth, depth - self.thickness_mm - self.lower_sag_mm * (1 - share)), beside)
        canvas.paint(plane.cover(table.astype(np.float32)), self.shell)
        canvas.paint(plane.cover((table + self.shell_mm).astype(np.float32)), self.core)


def draw_table(rng: np.random.Generator) -> Table:
    """Draw a scanner's table."""
    is_hollow = rng.random() < 0.35
    return Table(
        half_width_mm=float(rng.uniform(190.0, 265.0)),
        sag_mm=float(rng.choice([0.01, 12.0, 30.0, 55.0]) * rng.uniform(0.8, 1.2)),
        thickness_mm=float(rng.uniform(9.0, 40.0)),
        shell_mm=float(rng.uniform(0.8, 2.6)),
        shell=Tissue(float(rng.uniform(-350.0, 250.0)), 6.0),
        core=Tissue(-1000.0) if is_hollow else Tissue(float(rng.uniform(-970.0, -890.0)), 3.0, 4.0),
        mattress_mm=float(rng.choice([0.0, 4.0, 12.0, 30.0]) * rng.uniform(0.8, 1.2)),
        mattress=Tissue(float(rng.uniform(-985.0, -940.0)), 3.0, 3.0),
        lower_sag_mm=float(rng.uniform(0.0, 25.0)),
    )
