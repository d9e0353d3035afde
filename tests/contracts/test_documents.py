"""Prose that is held to the truth: paths exist, targets exist, the README stays short."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY

DOCUMENTS = sorted(
    str(path.relative_to(REPOSITORY)) for path in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"))
)
_TOP = "n2b_ct|docs|tests|benchmarks|pipelines|data_manifests"
_PATH = re.compile(
    rf"(?<![\w/.*-])(?:(?:{_TOP})/[\w./-]*|[\w-]+\.(?:md|toml|cff)\b|constraints\.txt|\.ci/run|Makefile)"
)
_WRITTEN_BY_RUNS = {"report.md", "table.md"}


def paths_in(text: str) -> set[str]:
    """Paths that a text names, without a sentence's full stop."""
    return {found.rstrip(".-") for found in _PATH.findall(text)} - _WRITTEN_BY_RUNS


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_the_documents_that_people_look_for_are_there():
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= set(DOCUMENTS)
    assert all((REPOSITORY / name).is_file() for name in ("LICENSE", "CITATION.cff", "constraints.txt", ".ci/run"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document):
    folder = (REPOSITORY / document).parent
    missing = [
        path
        for path in sorted(paths_in(text_of(document)))
        if not (REPOSITORY / path).exists() and not (folder / path).exists()
    ]
    assert missing == []


def test_the_architecture_names_every_room():
    rooms = [path for path in (REPOSITORY / "n2b_ct").iterdir() if not path.name.startswith("_")]
    named = paths_in(text_of("ARCHITECTURE.md"))
    expected = {f"n2b_ct/{path.name}{'/' if path.is_dir() else ''}" for path in rooms if path.name != "py.typed"}
    assert expected - named == set()


def test_the_readme_is_short_and_starts_with_denoising_then_training():
    text = text_of("README.md")
    assert len(text.splitlines()) <= 150
    assert "make demo" in text
    assert "make test" in text
    assert "not a medical device" in text.lower()
    first_block = text.partition("```")[2].partition("```")[0]
    assert re.findall(r"^n2b-ct .*?(?=  |$)", first_block, re.MULTILINE)[0] == "n2b-ct denoise SCAN OUT"
    assert "n2b-ct train" in first_block


def test_the_readme_shows_an_image_that_is_there():
    images = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text_of("README.md"))
    assert images
    assert [image for image in images if not (REPOSITORY / image).is_file()] == []


def test_no_placeholder_is_left_in_any_document():
    found = [name for name in DOCUMENTS if re.search(r"\b(?:[A-Z]+_TABLE|TBD|XXX)\b", text_of(name))]
    assert found == []


def test_every_make_target_that_a_document_names_exists():
    targets = set(re.findall(r"^([\w-]+):", text_of("Makefile"), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", text_of(document), re.MULTILINE))
        assert named <= targets


def test_ci_runs_the_readmes_test_command():
    assert re.search(r"^make test$", text_of(".ci/run"), re.MULTILINE)
