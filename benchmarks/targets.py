"""The promises about speed, each with the number that was measured, and the largest costs, in ``benchmarks/README.md``.

    python -m benchmarks.targets

Reads the committed results and writes both tables between the README's marks. A promise whose result is not there, as
those about a GPU where none was at hand, says so.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results_files import RESULTS, between_marks

PAGE = Path(__file__).parent / "README.md"
GPU_STEPS, SECONDS_A_MINUTE = 300_000, 60
_LOWEST_PRIORITY = 19
_Document = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One promise.

    Attributes:
        what: As the table says it.
        limit: The number asked for.
        at_most: The number is a ceiling; else a floor.
        result: File of ``results/``, without its ending.
        found: The number in that file; KeyError or StopIteration: it was not measured.
        unit: Of both numbers.
    """

    what: str
    limit: float
    at_most: bool
    result: str
    found: Callable[[_Document], float]
    unit: str = "×"

    def row(self) -> str:
        """A line of the table."""
        asked = f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}"
        value = self.measured()
        if value is None:
            return f"| {self.what} | {asked} | not measured |  | `{self.result}` |"
        met = value <= self.limit if self.at_most else value >= self.limit
        said = "met" if met else "**missed**"
        return f"| {self.what} | {asked} | {_number(value)} {self.unit} | {said} | `{self.result}` |"

    def measured(self) -> float | None:
        """The number, or None where it was not measured."""
        path = RESULTS / f"{self.result}.json"
        if not path.is_file():
            return None
        try:
            return self.found(json.loads(path.read_text(encoding="utf-8")))
        except (KeyError, StopIteration):
            return None


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(table())


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.4f}"


def filled(page: str) -> str:
    """The page with both tables between their marks."""
    for name, content in (("targets", table()), ("costs", costs_table())):
        page = between_marks(page, name, content)
    return page


def table() -> str:
    """Every promise, as Markdown."""
    heads = ["| what | asked | measured | | result |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*heads, *(target.row() for target in TARGETS)])


def costs_table() -> str:
    """The three largest costs of what users wait for, as Markdown."""
    lines = ["| work | largest | second | third | result |", "| --- | --- | --- | --- | --- |"]
    for work, result, part in COSTS:
        path = RESULTS / f"{result}.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        costs = (found.get(part, {}) if part else found).get("largest_costs", [])
        cells = [f"`{one.get('function') or one['operator']}` {one['share']:.0%}" for one in costs] or ["not measured"]
        lines.append(f"| {work} | {' | '.join([*cells, '', ''][:3])} | `{result}` |")
    return "\n".join(lines)


def _row(rows: list[_Document], key: str, start: str) -> _Document:
    return next(row for row in rows if row[key].startswith(start))


def _network(name: str, value: str) -> Callable[[_Document], float]:
    return lambda document: float(_row(document["rows"], "what", name)[value])


def _times_faster_than(name: str) -> Callable[[_Document], float]:
    """Of the network as n2b-ct runs it."""

    def ratio(document: _Document) -> float:
        rows = document["rows"]
        return float(_row(rows, "what", name)["median_s"] / _row(rows, "what", "n2b-ct")["median_s"])

    return ratio


def _largest(part: str, key: str) -> Callable[[_Document], float]:
    return lambda document: max(float(row[key]) for row in document[part]["rows"])


def _growth(key: str) -> Callable[[_Document], float]:
    """What the last line of the leak table has beyond the first."""
    return lambda document: float(document["leaks"]["rows"][-1][key] - document["leaks"]["rows"][0][key])


def _planning(step: str, key: str) -> Callable[[_Document], float]:
    """Of the slower layout of the archive."""
    return lambda document: max(float(row[key]) for row in document["rows"] if row["step"].startswith(step))


def _memory_gib(document: _Document) -> float:
    return max(row["peak_mib"] + sum(row["peak_of_workers_mib"]) for row in document["memory"]["rows"]) / 1024


def _fastest_job(document: _Document) -> float:
    return max(float(row["slices_per_s"]) for row in document["stages"]["rows"])


def _bf16_loss_db(document: _Document) -> float:
    """How much lower the mean of three seeds lies in bf16."""
    by_precision: dict[str, list[float]] = {"bf16": [], "fp32": []}
    for row in document["rows"]:
        for precision, values in by_precision.items():
            if row["name"].startswith(precision):
                values.append(row["scores"][0]["psnr_db"]["mean"])
    if not all(by_precision.values()):
        raise KeyError("rows")
    return statistics.mean(by_precision["fp32"]) - statistics.mean(by_precision["bf16"])


PLAIN, OWN = "plain eager PyTorch", "n2b-ct"
TARGETS = (
    Target("a training step : its networks alone", 1.15, True, "training_step", lambda d: d["step_to_networks"]),
    Target("a plain loop's step : a training step", 3, False, "training_step", lambda d: d["plain_loop_to_step"]),
    Target("bf16 loses, mean of three seeds", 0.05, True, "benchmark/precision/table", _bf16_loss_db, "dB"),
    Target("plain eager float32 network : n2b-ct's", 3, False, "denoise_network", _network(OWN, "plain_to_this")),
    Target("its largest deviation", 0.5, True, "denoise_network", _network(OWN, "largest_hu"), "HU"),
    Target("BM3D : n2b-ct", 25, False, "denoise_network", _times_faster_than("BM3D")),
    Target("scikit-image's fast NLM : n2b-ct", 2, False, "denoise_network", _times_faster_than("scikit-image NLM")),
    Target("ldct-benchmark's RED-CNN : n2b-ct", 10, False, "peers", _times_faster_than("ldct-benchmark")),
    Target("CAREamics' Noise2Void : n2b-ct", 2, False, "peers", _times_faster_than("CAREamics")),
    Target("a denoising job : its slowest stage", 1.15, True, "denoise_job", _largest("stages", "to_slowest")),
    Target("2,000 slices, peak memory with workers", 1.5, True, "denoise_job", _memory_gib, "GiB"),
    Target("500 series, memory beyond that after 100", 16, True, "denoise_job", _growth("mib"), "MiB"),
    Target("500 series, open files beyond those after 100", 0, True, "denoise_job", _growth("open_files"), "files"),
    Target("10,000 series: from scan result to plan", 5, True, "planning", _planning("denoise: plan", "seconds"), "s"),
    Target("its memory", 200, True, "planning", _planning("denoise: plan", "peak_mib"), "MiB"),
    Target("10,000 series: from scan result to manifest", 5, True, "planning", _planning("index", "seconds"), "s"),
    Target("`n2b-ct --help`", 0.3, True, "denoise_job", _largest("help", "wall_s"), "s"),
    Target("`n2b-ct inspect`, 10,000 files", 15, True, "denoise_job", _largest("inspect", "wall_s"), "s"),
    Target(
        "500 good slices, `nice 19` under ten loops a core: refused",
        0,
        True,
        "busy_machine",
        lambda d: {d["niceness"]: d["n_refused"]}[_LOWEST_PRIORITY],
        "slices",
    ),
    Target("mutants killed by the unit tests", 85, False, "mutation", lambda d: 100 * d["killed_fraction"], "%"),
    Target("GPU: a training step : its networks", 1.15, True, "training_step_gpu", lambda d: d["step_to_networks"]),
    Target("GPU: a plain loop's step : a step", 5, False, "training_step_gpu", lambda d: d["plain_loop_to_step"]),
    Target(
        "GPU: 300,000 steps",
        25,
        True,
        "training_step_gpu",
        lambda d: GPU_STEPS * d["median_s"]["step"] / SECONDS_A_MINUTE,
        "min",
    ),
    Target("GPU: denoising, folder to folder", 300, False, "denoise_job_gpu", _fastest_job, "slices/s"),
)
COSTS = (
    ("a training step's networks", "training_step", ""),
    ("denoising a series, stage by stage", "denoise_job", "stages"),
    ("a dose report", "report_costs", ""),
)
"""What, file of ``results/`` and its part."""

if __name__ == "__main__":
    main()
