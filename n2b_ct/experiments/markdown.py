"""``table.md``: our numbers beside the papers', the budget, and notes with definitions and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from n2b_ct.experiments.results import Budget, Interval, Plain, Published, Row, Score, Table
from n2b_ct.registry import NOISES

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_NOTHING = ""
_DEFINED = ("psnr_db", "ssim")
_Footnotes = dict[tuple[str, str], int]
LEVEL_SYMBOLS = {"sigma": "σ", "variance": "v", "probability": "p"}
"""Key of a noise level in a noise section to its symbol."""


def table_markdown(table: Table) -> str:
    """Return a table as Markdown."""
    footnotes = _footnotes(table)
    parts = [
        f"# {table.experiment}",
        table.description,
        _grid(table, footnotes),
        *_problems(table),
        _what_columns_hold(table),
        _papers(table, footnotes),
        _notes(table),
        _how_it_was_made(table),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _grid(table: Table, footnotes: _Footnotes) -> str:
    head = ["method", *(title for test in table.tests for title in _titles(table, test.name))]
    head += ["trained on", "iterations", "minutes", "parameters"]
    best = {test.name: _best(table, test.name) for test in table.tests}
    lines = [head, ["---"] * len(head)]
    for row in table.rows:
        cells = [cell for test, highest in best.items() for cell in _cells(table, row, test, highest, footnotes)]
        lines.append([_cell(row.name), *cells, *_budget(row.budget), number(row.n_parameters, 0)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _titles(table: Table, test: str) -> list[str]:
    papers = ["papers"] if _has_papers(table, test) else []
    gain = [f"against {table.compare_with}, dB"] if table.compare_with is not None else []
    return [f"{_cell(test)}: PSNR, dB", *papers, "SSIM", *gain]


def _cells(table: Table, row: Row, test: str, best: float | None, footnotes: _Footnotes) -> list[str]:
    score = row.score(test)
    papers = [_paper_values(row, test, footnotes)] if _has_papers(table, test) else []
    gain = [_gain(score)] if table.compare_with is not None else []
    return [_psnr(score, best), *papers, _ssim(score), *gain]


def _has_papers(table: Table, test: str) -> bool:
    return any(value.test == test for row in table.rows for value in row.published)


def _best(table: Table, test: str) -> float | None:
    """The highest PSNR of a column."""
    scores = [row.score(test) for row in table.measured]
    return max((one.psnr_db.mean for one in scores if one and one.psnr_db.mean is not None), default=None)


def _psnr(score: Score | None, best: float | None) -> str:
    if score is None or score.psnr_db.mean is None:
        return _NOTHING
    mean = number(score.psnr_db.mean, 2)
    mean = f"**{mean}**" if score.psnr_db.mean == best else mean
    return f"{mean} {_interval(score.psnr_db, 1)}".strip()


def _ssim(score: Score | None) -> str:
    return number(score.ssim.mean, 3) if score else _NOTHING


def _gain(score: Score | None) -> str:
    if score is None or score.psnr_gain_db is None or score.psnr_gain_db.mean is None:
        return _NOTHING
    gain = score.psnr_gain_db
    bounds = "" if gain.low is None or gain.high is None else f" ({signed(gain.low)} to {signed(gain.high)})"
    return f"{signed(gain.mean or 0.0)}{bounds}"


def _interval(interval: Interval, n_digits: int) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f"({number(interval.low, n_digits)}–{number(interval.high, n_digits)})"


def _paper_values(row: Row, test: str, footnotes: _Footnotes) -> str:
    return ", ".join(_paper_value(value, footnotes) for value in row.published if value.test == test)


def _paper_value(value: Published, footnotes: _Footnotes) -> str:
    """PSNR, or SSIM where the paper has that alone; in italics where only the order compares."""
    text = number(value.psnr_db, 2) if value.psnr_db is not None else f"SSIM {number(value.ssim, 3)}"
    mark = str(footnotes[value.source, value.differs]).translate(_SUPERSCRIPTS)
    return f"*{text}*{mark}" if value.differs else f"{text}{mark}"


def _budget(budget: Budget | None) -> list[str]:
    if budget is None:
        return [_NOTHING] * 3
    images = ", ".join(f"{n} {role}" for role, n in budget.n_images.items() if n)
    return [images, number(budget.iterations, 0), number(budget.seconds / 60.0, 1)]


# ── The foot ──


def _footnotes(table: Table) -> _Footnotes:
    """Number every source, and every way in which its setting differs, in the order of the table."""
    named = [(value.source, value.differs) for row in table.rows for value in row.published]
    return {key: k for k, key in enumerate(dict.fromkeys(named), start=1)}


def _problems(table: Table) -> list[str]:
    lines = [f"- {_cell(row.name)} failed: {_cell(row.problem)}" for row in table.failed]
    waiting = [row.name for row in table.rows if row.status == "not run"]
    lines += [f"- Not run yet: {', '.join(map(_cell, waiting))}"] if waiting else []
    return ["\n".join(lines)] if lines else []


def _what_columns_hold(table: Table) -> str:
    lines = ["**Columns**", ""]
    for test in table.tests:
        images = f"{counted(test.n_images, 'image')} of `{test.folder}` ({table.colour})"
        lines.append(f"- {test.name}: {images}, {in_words(test.noise)}")
    lines += [
        f"- {name.upper().removesuffix('_DB')}: {text}" for name, text in table.definitions.items() if name in _DEFINED
    ]
    lines.append(f"- In brackets: {table.definitions['interval']}")
    if table.compare_with is not None:
        lines.append(f"- Against {table.compare_with}: {table.definitions['gain']}")
    lines.append("- Minutes: wall time of the training; parameters: of the denoiser.")
    return "\n".join(lines)


def _papers(table: Table, footnotes: _Footnotes) -> str:
    if not footnotes:
        return ""
    lines = ["**Papers** (in italics where only the order of methods compares)", ""]
    for (source, differs), k in footnotes.items():
        lines.append(f"{k}. {table.sources[source]}{f'; what differs: {differs}' if differs else ''}")
    return "\n".join(lines)


def _notes(table: Table) -> str:
    notes = [*table.notes, *(f"{row.name}: {row.note}" for row in table.rows if row.note)]
    return "\n".join(["**Notes**", "", *(f"- {_cell(note)}" for note in notes)]) if notes else ""


def _how_it_was_made(table: Table) -> str:
    machine, budgets = table.machine, [row.budget for row in table.rows if row.budget]
    facts = {
        "command": f"`{table.command}`" if table.command else "",
        "made": table.created,
        "machine": _listed([machine.processor, f"{machine.cores} cores", machine.accelerator or ""]),
        "trained on": _listed(f"{one.processor}, {one.precision}, {_threads(one.threads)}" for one in budgets),
        "seed of training": _listed(str(one.seed) for one in budgets),
        "seed of test noise": _listed(str(test.seed) for test in table.tests if test.noise),
        "versions": ", ".join(f"{name} {version}" for name, version in table.versions.items()),
    }
    return "\n".join(["**Made by**", "", *(f"- {key}: {value}" for key, value in facts.items() if value)])


def _threads(n_threads: int) -> str:
    return f"{n_threads} thread{'s' * (n_threads > 1)}"


def _listed(parts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(part for part in parts if part))


def _cell(text: str) -> str:
    """Text that a cell can hold."""
    return text.replace("|", "\\|").replace("\n", " ")


def number(value: float | int | None, n_digits: int) -> str:
    """A number with its digits and thousands apart; nothing for None."""
    return "" if value is None else f"{value:,.{n_digits}f}".replace(",", "\u202f")


def counted(n: int, what: str) -> str:
    """How many there are, such as ``1 image`` and ``68 images``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def signed(value: float) -> str:
    """A difference in dB."""
    return f"{value:+.2f}".replace("-", "−")


def in_words(noise: Mapping[str, Plain]) -> str:
    """A column's noise, such as ``Gaussian noise, σ 25 of 255``; its own where none was laid on."""
    if "kind" not in noise:
        return "their own noise"
    kind = str(noise["kind"])
    parts = [NOISES.get(kind).title or kind] if kind in NOISES.names() else [kind]
    for key, value in noise.items():
        if key in LEVEL_SYMBOLS:
            level = f"{value:g}" if isinstance(value, float) else str(value)
            parts.append(f"{LEVEL_SYMBOLS[key]} {level}" + (" of 255" if key == "sigma" else ""))
        elif key != "kind":
            parts.append(f"{key} {value}")
    return ", ".join(parts)
