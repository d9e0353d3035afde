"""The report's page in a real browser: it draws, its viewer obeys pointer and keys, and it asks nobody for anything."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.evaluation.report import Panel, Provenance, SliceCase, measure_slice, summarise, write_report
from n2b_ct.evaluation.report.slice_images import find_body
from n2b_ct.hu import WINDOWS
from tests.chromium import PATIENCE_S, Tab, chromium

WINDOWS_USED = {name: WINDOWS[name] for name in ("abdomen", "lung")}
MODEL = "</script><b>n2b"
SHOWN = ["input", "gaussian", MODEL, "reference"]
TILES = "[...document.querySelectorAll('.tile.image')]"


def make_case(dose: float, k: int) -> SliceCase:
    rows, cols = np.mgrid[:112, :120]
    radius = np.hypot(rows - 56, cols - 60)
    truth = np.select([radius < 14 + 3 * k, radius < 44, radius < 50], [140.0, 45.0, -90.0], -1000.0)
    rng = np.random.default_rng(100 * k + round(1000 * dose))
    noisy = truth + rng.normal(0.0, 10.0 / np.sqrt(dose), truth.shape)
    candidates = {"gaussian": 0.6 * truth + 0.4 * noisy, "nlm": 0.7 * truth + 0.3 * noisy, MODEL: truth + 1.0}
    return SliceCase(f"A at {100 * dose:g}", dose, k, noisy, candidates, truth, 3.0 * k)


CASES = [make_case(dose, k) for dose in (0.05, 0.25) for k in range(3)]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    rows = [row for case in CASES for row in measure_slice(case, WINDOWS_USED)]
    summary = summarise(rows, WINDOWS_USED, baselines=("gaussian", "nlm"))
    panels = [Panel(case, tuple(case.candidates), "why") for case in CASES]
    out_dir = tmp_path_factory.mktemp("page") / "report"
    return write_report(out_dir, summary, panels, Provenance(title="A & B", created="2026-01-02T03:04:05+00:00"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(browser: Tab, report: Path) -> Tab:
    browser.open(report)
    browser.wait_for(f"{TILES}.length === 4 && {TILES}.every(t => t.querySelector('small')?.textContent.trim())")
    return browser


def expected_hu(case: SliceCase, method: str) -> np.ndarray:
    named = {"input": case.input_hu, "reference": case.reference_hu, **case.candidates}
    return np.rint(find_body(case.input_hu).cut(named[method])).astype(int)


def read_hu(tab: Tab, kind: str = "image") -> list[int | None]:
    texts = tab.run(f"[...document.querySelectorAll('.tile.{kind} .value')].map(v => v.textContent)")
    return [int(text.removesuffix(" HU").replace("−", "-")) if text else None for text in texts]


def point(tab: Tab, col_part: float, row_part: float) -> None:
    """Move the pointer to a part of the first image and wait until its value is told."""
    x, y = tab.middle(".tile.image canvas")
    width, height = tab.run("(c => [c.clientWidth, c.clientHeight])(document.querySelector('.tile canvas'))")
    tab.mouse("mouseMoved", x + (col_part - 0.5) * width, y + (row_part - 0.5) * height)
    settle(tab)


def settle(tab: Tab) -> None:
    tab.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 20))))")


def label(tab: Tab) -> str:
    return tab.run("document.querySelector('[data-part=where]').textContent")


def centre_px(case: SliceCase, part: float = 0.5) -> tuple[int, int]:
    """Row and column of the pixel at this part of the cropped image's width, in the middle of its height."""
    body = find_body(case.input_hu)
    return body.height // 2, int(part * body.width)


def test_the_page_draws_without_a_word_of_complaint(tab: Tab) -> None:
    assert tab.run("document.querySelector('h1').textContent") == "A & B"
    assert tab.run("document.querySelectorAll('.chart svg text').length") > 20
    spreads = tab.run(
        "[...document.querySelectorAll('.tile:not(.empty) canvas')].map(c => {"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return new Set(d).size})"
    )
    assert len(spreads) == 4 + 3
    assert min(spreads) > 2
    assert tab.complaints() == []


def test_the_page_asks_nobody_for_anything(tab: Tab, report: Path) -> None:
    tab.run("document.querySelectorAll('details').forEach(part => { part.open = true })")
    settle(tab)
    assert tab.requests() == [report.as_uri()]
    assert tab.run("fetch('data:,x').then(() => 'fetched', () => 'refused')") == "refused"


def test_a_script_that_is_not_the_page_s_own_does_not_run(tab: Tab) -> None:
    tab.run(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.strange = 1'}))"
    )
    assert tab.run("typeof window.strange") == "undefined"


def test_every_image_tells_the_hu_under_the_pointer(tab: Tab) -> None:
    case = CASES[0]
    row, col = centre_px(case, 0.501)
    point(tab, 0.501, 0.501)
    assert read_hu(tab) == [expected_hu(case, name)[row, col] for name in SHOWN]
    removed = [None] + [
        int(expected_hu(case, "input")[row, col] - expected_hu(case, name)[row, col]) for name in SHOWN[1:]
    ]
    assert read_hu(tab, "difference") == removed


def test_the_grey_of_a_image_is_that_of_the_window(tab: Tab) -> None:
    tab.click("[data-part=smooth]")
    settle(tab)
    case = CASES[0]
    hu = expected_hu(case, "input")
    grey = tab.run(
        "(c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ".filter((v, k) => k % 4 === 0).concat([c.width, c.height]))(document.querySelector('.tile canvas'))"
    )
    width, height = grey[-2:]
    shown = np.array(grey[:-2]).reshape(height, width)
    scale = min(width / hu.shape[1], height / hu.shape[0])
    for row, col in ((40, 40), (56, 20), (3, 3), (70, 61)):
        y = (row + 0.5) * scale + (height - hu.shape[0] * scale) / 2
        x = (col + 0.5) * scale + (width - hu.shape[1] * scale) / 2
        assert shown[int(y), int(x)] == round(255 * float(np.clip((hu[row, col] + 160) / 400, 0, 1)))


def test_dose_and_slice_are_picked_by_pointer_and_by_key(tab: Tab) -> None:
    assert label(tab) == "A at 5, slice 0, 0.0 mm (1 of 3)"
    tab.click("[data-part=stage] canvas")
    tab.press("PageDown")
    assert label(tab) == "A at 5, slice 1, 3.0 mm (2 of 3)"
    tab.click("[name=viewer-dose][value='25 %']")
    assert label(tab) == "A at 25, slice 1, 3.0 mm (2 of 3)"
    tab.run("document.querySelector('[data-part=position]').focus()")
    tab.press("End")
    tab.send("Input.dispatchKeyEvent", type="keyDown", key="End", windowsVirtualKeyCode=35)
    assert label(tab) == "A at 25, slice 2, 6.0 mm (3 of 3)"
    point(tab, 0.3, 0.501)
    case = CASES[5]
    row, col = centre_px(case, 0.3)
    assert read_hu(tab) == [expected_hu(case, name)[row, col] for name in SHOWN]
    tab.click("[data-part=stage] canvas")
    tab.press("[")
    assert label(tab) == "A at 5, slice 2, 6.0 mm (3 of 3)"
    assert tab.run("document.querySelector('[name=viewer-dose]:checked').value") == "5 %"


def test_the_window_changes_by_preset_key_number_and_drag(tab: Tab) -> None:
    def window() -> list[int]:
        return [int(tab.run(f"document.querySelector('[data-part={part}]').value")) for part in ("level", "width")]

    assert window() == [40, 400]
    tab.click("[name=viewer-window][value='1']")
    assert window() == [-600, 1500]
    tab.click("[data-part=stage] canvas")
    tab.press("1")
    assert window() == [40, 400]
    tab.run("document.querySelector('[data-part=width]').select()")
    tab.send("Input.insertText", text="90")
    tab.run("document.activeElement.blur()")
    assert window() == [40, 90]
    assert tab.run("document.querySelector('[name=viewer-window]:checked')") is None
    x, y = tab.middle(".tile canvas")
    tab.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1, modifiers=8)
    tab.mouse("mouseMoved", x + 40, y, button="left", buttons=1, modifiers=8)
    tab.mouse("mouseReleased", x + 40, y, button="left", modifiers=8)
    assert window() == [40, round(90 * 1.005**40)]


def zoom(tab: Tab) -> float:
    return float(tab.run("document.querySelector('[data-part=zoomed]').textContent").removesuffix(" %")) / 100


def test_zoom_and_pan_move_all_images_together(tab: Tab) -> None:
    case = CASES[0]
    tab.click("[data-part=stage] canvas")
    for _ in range(4):
        tab.press("+")
    assert zoom(tab) == pytest.approx(1.5**4, abs=0.01)
    for shift, key in ((0.0, "ArrowRight"), (0.1, "ArrowLeft"), (0.0, "0")):
        point(tab, 0.9, 0.501)
        row, col = centre_px(case, 0.5 + (0.4 + shift) / 1.5**4)
        assert read_hu(tab) == [expected_hu(case, name)[row, col] for name in SHOWN]
        tab.press(key)
    assert zoom(tab) == 1.0


def test_the_wheel_zooms_only_where_the_reader_has_clicked(tab: Tab) -> None:
    x, y = tab.middle(".tile canvas")
    tab.mouse("mouseWheel", x, y, deltaX=0, deltaY=-500)
    settle(tab)
    assert zoom(tab) == 1.0
    tab.click(".tile canvas")
    tab.mouse("mouseWheel", *tab.middle(".tile canvas"), deltaX=0, deltaY=-500)
    settle(tab)
    assert zoom(tab) == pytest.approx(1.0018**500, abs=0.01)


def test_a_drag_carries_the_image_along(tab: Tab) -> None:
    tab.click("[data-part=closer]")
    tab.click("[data-part=closer]")
    point(tab, 0.501, 0.501)
    before = read_hu(tab)
    x, y = tab.middle(".tile canvas")
    width = tab.run("document.querySelector('.tile canvas').clientWidth")
    x, y = x + 0.001 * width, y + 0.001 * width
    tab.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    tab.mouse("mouseMoved", x + 30, y + 20, button="left", buttons=1)
    tab.mouse("mouseReleased", x + 30, y + 20, button="left")
    settle(tab)
    assert read_hu(tab) == before


def test_images_and_differences_are_chosen(tab: Tab) -> None:
    names = "[...document.querySelectorAll('.tile b')].map(b => b.textContent)"
    tab.click("[name=viewer-method][value=gaussian]")
    tab.click("[name=viewer-method][value=nlm]")
    tab.wait_for(f"{names}[1] === 'nlm'")
    tab.click("[name=viewer-difference][value=error]")
    tab.wait_for(f"{names}[5] === 'nlm − normal dose'")
    settle(tab)
    assert tab.run(names)[:4] == ["low dose", "nlm", MODEL, "normal dose"]
    point(tab, 0.501, 0.501)
    row, col = centre_px(CASES[0])
    truth = expected_hu(CASES[0], "reference")[row, col]
    shown = ("input", "nlm", MODEL)
    errors = [int(expected_hu(CASES[0], name)[row, col] - truth) for name in shown]
    assert read_hu(tab, "difference") == [*errors, None]
    tab.click("[name=viewer-difference][value=none]")
    tab.wait_for("document.querySelectorAll('.tile').length === 4")


def test_the_page_follows_the_system_until_its_switch_is_used(tab: Tab) -> None:
    def paper() -> str:
        return tab.run("getComputedStyle(document.body).backgroundColor")

    assert paper() == "rgb(251, 251, 249)"
    tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert paper() == "rgb(17, 22, 27)"
    tab.click("#theme")
    assert paper() == "rgb(251, 251, 249)"
    tab.send("Emulation.setEmulatedMedia", media="print")
    assert tab.run("getComputedStyle(document.querySelector('.controls')).display") == "none"


def test_every_download_is_the_file_beside_the_page(tab: Tab, report: Path, tmp_path: Path) -> None:
    tab.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    for name in tab.run("[...document.querySelectorAll('.file')].map(link => link.download)"):
        tab.click(f".file[download={json.dumps(name)}]")
        end = time.monotonic() + PATIENCE_S
        while not (tmp_path / name).exists():
            assert time.monotonic() < end, f"{name} never came"
            tab.run("1")
            time.sleep(0.05)
        assert (tmp_path / name).read_bytes() == (report.parent / name).read_bytes()
    assert {"report.json", "per_slice.csv"} <= {path.name for path in tmp_path.iterdir()}


def test_every_control_has_a_name_and_takes_the_focus(tab: Tab) -> None:
    tree = tab.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "checkbox", "radio", "spinbutton", "link", "image"}
    nodes = [node for node in tree if not node.get("ignored") and node["role"]["value"] in roles]
    assert len(nodes) > 30
    assert [node["role"]["value"] for node in nodes if not node.get("name", {}).get("value")] == []
