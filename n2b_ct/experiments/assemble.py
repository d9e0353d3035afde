"""From rows to the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from n2b_ct.config.experiment import INPUT_ROW
from n2b_ct.config.experiment_rows import Experiment
from n2b_ct.evaluation.image_fidelity import DEFINITIONS as FIDELITY
from n2b_ct.experiments.columns import Column
from n2b_ct.experiments.denoisers import notices
from n2b_ct.experiments.machine import installed_versions, this_machine
from n2b_ct.experiments.results import ImageScore, Plain, Row, Score, Table, TableColumn
from n2b_ct.experiments.rows import Job, Made, published, result
from n2b_ct.experiments.scoring import DEFINITIONS as MEANS
from n2b_ct.experiments.scoring import summarised

_Scores = Mapping[str, Sequence[ImageScore]]


def assemble_table(experiment: Experiment, job: Job, inputs: _Scores, made: Sequence[Made], command: str) -> Table:
    """Put rows, papers and provenance together; the noisy images head the table, the papers' own rows end it."""
    section, pipelines = experiment.section, experiment.pipelines
    compare_with = next((one.scores for one in made if one.row.name == section.compare_with), {})
    rows = [_input_row(_summaries(inputs, compare_with))]
    for one in made:
        compared = {} if one.row.name == section.compare_with else compare_with
        rows.append(result(one, pipelines.get(one.row.name), _summaries(one.scores, compared)))
    rows += [
        Row(row.name, "published", "published", published=published(row.published), note=row.note)
        for row in section.published
    ]
    said = [line for one in made if one.scores for line in notices(one.row, pipelines.get(one.row.name))]
    return Table(
        experiment=section.name,
        description=section.description,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(job.device),
        versions=installed_versions(),
        colour=experiment.colour,
        tests=tuple(map(_table_column, job.columns)),
        compare_with=section.compare_with,
        rows=tuple(rows),
        sources=dict(section.sources),
        notes=(*section.notes, *dict.fromkeys(said)),
        definitions={**FIDELITY, **MEANS},
    )


def _input_row(scores: Sequence[Score]) -> Row:
    return Row(INPUT_ROW, "input", "done", method="none", scores=tuple(scores))


def _summaries(scores: _Scores, compare_with: _Scores) -> list[Score]:
    return [summarised(test, found, compare_with.get(test)) for test, found in scores.items()]


def _table_column(column: Column) -> TableColumn:
    section = column.section
    levels = section.noise.model_dump() if section.noise is not None else {}
    noise = {key: _level(value) for key, value in levels.items()}
    return TableColumn(section.name, section.folder, len(column.truths), noise, section.seed)


def _level(value: Plain | tuple[float, float]) -> Plain:
    """A range as text."""
    return f"{value[0]:g} to {value[1]:g}" if isinstance(value, tuple) else value
