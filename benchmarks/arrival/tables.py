"""The rows as Markdown: what was asked and measured, then every method's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.arrival import discs, pairs, phantom_table, scanners, timing
from benchmarks.arrival.store import COMMAND, Store
from benchmarks.arrival.verdicts import verdicts

NOT_MODELS = ("input", "nlm", "tv", "bm3d")


def page(store: Store) -> str:
    """Write the whole page."""
    names = tuple(dict.fromkeys(m for found in store.rows.values() for m in found if not m.startswith(NOT_MODELS)))
    judged = verdicts(store.rows, names)
    parts = [
        f"`{COMMAND}`; how often patients were looked at stands beside each row.\n",
        _table(("row", "what", "asked", "measured", ""), ()) + "".join(f"{one.line}\n" for one in judged),
        *_pairs(store),
        _discs(store),
        _phantoms(store, names),
        _scanners(store),
        _time(store),
    ]
    return "\n".join(part for part in parts if part)


def _pairs(store: Store) -> list[str]:
    found = []
    for row in pairs.ROWS:
        if row not in store.rows:
            continue
        methods = store.rows[row]
        factor = methods["input"]["factor"]
        head = (row, "PSNR dB", "SSIM", "truth HU", "nominal", "95 %", "shift HU", "s a slice", "strength")
        lines = [_pair_line(name, own) for name, own in methods.items()]
        note = f"Looked {store.n_looks(row)} times. R = FD − {factor:.3f} (QD − FD); nominal: 1/3.\n"
        found.append(_table(head, lines) + "\n" + note)
    return found


def _pair_line(name: str, own: Mapping[str, Any]) -> list[str]:
    low, high = own["truth_interval_hu"]
    return [
        name,
        f"{own['psnr_db']:.2f}",
        f"{own['ssim']:.3f}",
        _number(own["truth_hu"], 1),
        _number(own["truth_nominal_hu"], 1),
        f"{_number(low, 1)} to {_number(high, 1)}",
        _number(own["shift_hu"], 2),
        _number(own.get("seconds"), 2),
        "" if "strength" not in own else f"{own['strength']:g} σ",
    ]


def _discs(store: Store) -> str:
    lines = []
    for dose in discs.DOSES:
        for name, own in store.rows.get(f"{discs.ROW}, dose {int(dose)}", {}).items():
            cells = [
                f"{100 * own['contrast_kept'][disc.name]:.0f} %, {own['d_prime'][disc.name]['all']:.2f}"
                for disc in discs.DISCS
            ]
            lines.append([str(int(dose)), name, f"{own['noise_hu']:.1f}", *cells])
    head = ("dose", f"{discs.ROW}: contrast kept, d′", "noise HU", *(disc.name for disc in discs.DISCS))
    return _table(head, lines) if lines else ""


def _phantoms(store: Store, names: Sequence[str]) -> str:
    found = store.rows.get(phantom_table.ROW)
    if not found:
        return ""
    methods = [name for name in ("input", *names, "nlm", "tv", "bm3d") if name in found]
    cells = found["input"]
    lines = [
        [
            cell,
            *(_psnr(found[name][cell]) for name in methods),
            *(_number(found[name][cell]["rmse_hu"], 1) for name in methods),
        ]
        for cell in cells
    ]
    head = ("PSNR dB (lung window), then truth RMSE HU", *methods, *(f"{name}, HU" for name in methods))
    return _table(head, lines)


def _psnr(own: Mapping[str, Any]) -> str:
    lung = own.get("psnr_lung_db")
    return _number(own["psnr_db"], 2) + ("" if lung is None else f" ({lung:.2f})")


def _scanners(store: Store) -> str:
    lines = []
    for row in scanners.ROWS:
        for name, own in store.rows.get(row, {}).items():
            shifts = ", ".join(f"{tissue} {shift:+.1f}" for tissue, shift in own["shift_hu"].items())
            lines.append(
                [
                    row,
                    name,
                    f"{_number(own['noise_before_hu'], 1)} → {_number(own['noise_after_hu'], 1)}",
                    shifts,
                    f"{own['edges_warn']} of {own['n_tested']}",
                    f"{_number(own['edges_deviation_sds'], 1)}, {_number(own['low_contrast_deviation_sds'], 1)}",
                    str(store.n_looks(row)),
                ]
            )
    head = ("scanner", "method", "σ HU", "shift HU", "anatomy at edges", "sd: edges, low contrast", "looked")
    return _table(head, lines) if lines else ""


def _time(store: Store) -> str:
    found = store.rows.get(timing.ROW, {})
    lines = [
        [name, f"{own['seconds']:.3f}", f"{own['of_nlm']:.2f}", str(own["threads"])] for name, own in found.items()
    ]
    return _table((timing.ROW, "s", "of fast NLM (5, 6)", "threads"), lines) if lines else ""


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
