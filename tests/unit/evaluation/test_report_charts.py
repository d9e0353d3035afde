"""Charts: labels that do not collide, the same image for the same numbers, numbers that can be taken away."""

from __future__ import annotations

import csv
import io
import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from n2b_ct.evaluation.intervals import MeanInterval
from n2b_ct.evaluation.report import SliceCase, measure_slice, summarise
from n2b_ct.evaluation.report.charts import Chart, Curve, chart_csv, draw_charts, inline_svg, png_bytes, separate
from n2b_ct.evaluation.report.figures import against_dose, dose_charts, noise_charts
from n2b_ct.evaluation.report.theme import DARK, LIGHT, line_styles, theme_css
from n2b_ct.evaluation.summary import Summary
from n2b_ct.hu import WINDOWS


def make_summary(doses: tuple[float | None, ...]) -> Summary:
    truth = np.full((96, 96), 40.0)
    rows = []
    for dose in doses:
        rng = np.random.default_rng(round(1000 * (dose or 0)))
        noisy = truth + rng.normal(0.0, 10.0 / np.sqrt(dose or 1.0), truth.shape)
        case = SliceCase("A", dose, 0, noisy, {"nlm": 0.5 * (truth + noisy), "n2b": 0.9 * truth + 0.1 * noisy}, truth)
        rows += measure_slice(case, {"abdomen": WINDOWS["abdomen"]})
    return summarise(rows, {"abdomen": WINDOWS["abdomen"]})


def make_chart(**changes) -> Chart:
    styles = line_styles({"input": "input", "nlm": "baseline", "n2b": "model"})
    curves = tuple(
        Curve(name, style, (5.0, 25.0), (20.0 + k, 30.0 + k), (19.0, None), (22.0, None))
        for k, (name, style) in enumerate(styles.items())
    )
    fields = {
        "key": "psnr",
        "title": "PSNR",
        "x_label": "dose",
        "y_label": "dB",
        "curves": curves,
        "alternative": '<&"',
    }
    return Chart(**(fields | changes))


def test_labels_move_apart_in_their_order_around_their_middle() -> None:
    assert separate([0.2, 0.8], 0.1) == [0.2, 0.8]
    assert separate([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert separate([0.52, 0.5, 0.1], 0.1) == pytest.approx([0.56, 0.46, 0.1])


def test_labels_at_a_border_stay_inside() -> None:
    moved = separate([0.99, 1.0, 0.98, 0.0, 0.0], 0.1)
    assert moved == pytest.approx([0.9, 1.0, 0.8, 0.0, 0.1])


def test_a_cluster_of_labels_keeps_the_gap() -> None:
    positions = np.random.default_rng(0).uniform(0.4, 0.6, 9)
    moved = np.array(separate(list(positions), 0.07))
    assert np.diff(np.sort(moved)).min() >= 0.07 - 1e-12
    np.testing.assert_array_equal(np.argsort(moved), np.argsort(positions))


@pytest.mark.parametrize("kind", [{"lists_names": True}, {"by_row": True}, {}])
@pytest.mark.parametrize("n_methods", [3, 16])
def test_words_stay_on_the_sheet_and_apart(kind, n_methods) -> None:
    names = [f"mayo_b30_method_{k:02d} seed 0 WWW" for k in range(n_methods)]
    styles = line_styles({"input": "input"} | dict.fromkeys(names, "model"))
    x = (0.17,) if kind.get("by_row") else (0.1, 0.7)
    curves = tuple(
        Curve(name, style, x, tuple(0.1 + 0.02 * k for _ in x), note="mean 0.256 /mm")
        for k, (name, style) in enumerate(styles.items())
    )
    figure = draw_charts([make_chart(curves=curves, **kind)])
    figure.canvas.draw()
    words = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in words]
    sheet = figure.bbox
    outside = [
        text.get_text() for text, box in zip(words, boxes, strict=True) if box.x1 > sheet.x1 or box.y0 < sheet.y0
    ]
    assert outside == []
    named = sorted(
        (box for text, box in zip(words, boxes, strict=True) if "…" in text.get_text()), key=lambda box: box.y0
    )
    assert len(named) == n_methods
    assert all(low.y1 < high.y1 - 0.6 * low.height for low, high in itertools.pairwise(named))


def test_numbers_of_the_axis_do_not_run_together() -> None:
    curve = Curve("n2b", line_styles({"n2b": "model"})["n2b"], (25.0,), (0.17,), (0.104,), (0.268,))
    figure = draw_charts([make_chart(curves=(curve,), by_row=True)])
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels() if label.get_text()]
    assert all(left.x1 + 4 < right.x0 for left, right in itertools.pairwise(boxes))


def test_the_same_chart_gives_the_same_characters() -> None:
    assert inline_svg(make_chart()) == inline_svg(make_chart())


def test_an_svg_of_the_page_has_the_page_s_colours_and_font_and_says_what_it_shows() -> None:
    svg = inline_svg(make_chart())
    root = ElementTree.fromstring(svg)  # noqa: S314, our own image
    assert root.get("aria-label") == '<&"'
    assert root.get("role") == "img"
    assert "width" not in root.attrib
    assert not re.search(r"#[0-9a-f]{6}", svg)
    assert "var(--model-1)" in svg
    assert "font-family" not in svg
    assert "<style" not in svg
    words = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"PSNR", "dB", "dose", "nlm", "n2b"} <= words


def test_two_charts_of_one_page_share_no_id() -> None:
    first, second = (set(re.findall(r'\bid="([^"]+)"', inline_svg(make_chart(key=key)))) for key in ("a", "b"))
    assert first
    assert not first & second


def test_a_name_with_dollar_signs_is_no_formula() -> None:
    curve = make_chart().curves[0]
    odd = Curve("$x^2$ and more than fits", curve.style, curve.x, curve.y)
    assert "$x^2$ and more" in inline_svg(make_chart(curves=(odd,)))


def test_the_numbers_of_a_chart_come_at_full_precision() -> None:
    curve = Curve("=n2b", make_chart().curves[2].style, (0.1,), (1.0 / 3.0,), (None,), (None,))
    lines = list(csv.DictReader(io.StringIO(chart_csv(make_chart(curves=(curve,))))))
    assert lines == [{"method": "'=n2b", "dose": "0.1", "dB": str(1.0 / 3.0), "low": "", "high": ""}]


def test_a_sheet_holds_every_chart_as_png() -> None:
    one = Curve("n2b", make_chart().curves[0].style, (0.0,), (31.0,), (30.0,), (32.0,))
    figure = draw_charts([make_chart(), make_chart(by_row=True, curves=(one,)), make_chart()])
    assert len(figure.axes) == 3
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_the_dose_axis_carries_every_dose_level() -> None:
    charts = dose_charts(make_summary((0.05, 0.25)))
    assert [chart.title for chart in charts] == ["PSNR, window abdomen", "SSIM, window abdomen"]
    assert charts[0].ticks == ((5.0, "5 %"), (25.0, "25 %"))
    labels = [tick.get_text() for tick in draw_charts(charts).axes[0].get_xticklabels()]
    assert labels == ["5 %", "25 %"]


def test_lines_hold_the_means_of_the_summary() -> None:
    summary = make_summary((0.05, 0.25))
    curve = next(curve for curve in dose_charts(summary)[0].curves if curve.label == "n2b")
    assert curve.y == tuple(summary.mean(level, "n2b", "psnr_db").mean for level in summary.levels)
    assert [c.label for c in noise_charts(summary)[0].curves] == ["input", "nlm", "n2b", "reference"]


@pytest.mark.parametrize("doses", [(0.25,), (None,)])
def test_without_a_dose_axis_every_method_has_a_row(doses) -> None:
    chart = dose_charts(make_summary(doses))[0]
    assert chart.by_row
    assert [len(curve.y) for curve in chart.curves] == [1, 1, 1]
    assert "input" in inline_svg(chart)


def test_intervals_are_drawn_where_they_exist() -> None:
    summary = make_summary((0.05, 0.25))

    def value(level, method):
        return MeanInterval(1.0, 0.5, 1.5, 4, 0, 1, "slices") if level.dose == 0.05 else None

    chart = against_dose(summary, "x", "Measure", "HU", value)[0]
    assert [(curve.low, curve.high) for curve in chart.curves] == 3 * [((0.5,), (1.5,))]
    assert against_dose(summary, "x", "Measure", "HU", lambda level, method: None) == ()


def test_methods_differ_by_more_than_colour() -> None:
    roles = {"input": "input"} | {f"c{k}": "baseline" for k in range(4)} | {f"m{k}": "model" for k in range(4)}
    styles = line_styles(roles)
    assert len({(style.marker, style.dash) for style in styles.values()}) == len(roles)
    assert len({style.ink for style in styles.values()}) == len(roles)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_words_stand_out_from_the_page(theme) -> None:
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5 to 1."""
    inks = [
        name for name in theme if name in {"ink", "quiet", "accent"} or name.startswith(("method", "model", "baseline"))
    ]
    for ground in ("paper", "card", "warn"):
        for ink in inks if ground != "warn" else ["ink"]:
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)


def test_light_and_dark_name_the_same_colours_and_the_switch_wins() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)
    css = theme_css()
    assert css.index("@media screen and (prefers-color-scheme: dark)") > css.index('[data-theme="dark"]')
    assert ':root:not([data-theme="light"])' in css


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
