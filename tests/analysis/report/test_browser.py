"""The report in a real browser, from a file, without a network."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from tests.analysis.runs import made_run, write_run
from tests.browser import Browser, executable
from trainer.cli.analysis import write_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(executable() is None, reason="Chromium is not installed"),
]
EVIL = (
    "<img src=x onerror=window.hit=1>",
    "<script>window.hit=1<|script>",
    '"><svg onload=window.hit=1>',
    "{{ 7*7 }} ' + window.hit=1 + '",
)
LRS = (0.01, 0.1, 1.0)

# Counts the pixels of a colour on a panel's canvases; those of the library live in shadow roots.
PIXELS = """((panel, color) => {
  const wanted = [1, 3, 5].map(i => parseInt(color.slice(i, i + 2), 16));
  let count = 0;
  const walk = node => {
    for (const child of node.children) {
      if (child.tagName === "CANVAS" && child.width && child.offsetWidth) {
        const size = { width: child.width, height: child.height };
        const copy = Object.assign(document.createElement("canvas"), size)
          .getContext("2d", { willReadFrequently: true });
        copy.drawImage(child, 0, 0);
        const all = copy.getImageData(0, 0, child.width, child.height).data;
        for (let i = 0; i < all.length; i += 4) {
          count += all[i + 3] > 250 && wanted.every((c, j) => Math.abs(all[i + j] - c) < 3);
        }
      }
      walk(child);
      if (child.shadowRoot) walk(child.shadowRoot);
    }
  };
  walk(document.getElementById(panel));
  return count;
})"""
# Counts elements of a kind everywhere, shadow roots included.
ELEMENTS = """(kind => {
  const walk = root => [...root.querySelectorAll("*")].reduce((sum, e) =>
    sum + e.matches(kind) + (e.shadowRoot ? walk(e.shadowRoot) : 0), 0);
  return walk(document);
})"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of runs by students with difficult names, on two data sets."""
    here = tmp_path_factory.mktemp("Zo\u00eb & 100% #1")
    outputs = here / "outputs"
    for number, (lr, seed) in enumerate((lr, seed) for lr in LRS for seed in (0, 1)):
        parts = {"optim": {"name": "sgd", "lr": lr}, "data": {"name": "digits"}}
        run = made_run(seed, 0.5 + 0.1 * number, epochs=4, **parts)
        if lr == 1.0 and seed:
            told = {"message": f"the loss at step 3 is not finite {EVIL[0]}"}
            run = replace(run, status="diverged", test=None, summary=told)
        write_run(run, outputs / "J\u00fcrgen \u00c5str\u00f6m" / f"job {number}")
    for number, evil in enumerate(EVIL):
        parts = {"data": {"name": "mnist"}, "mix": {"name": evil.replace("|", "/")}}
        write_run(made_run(0, 0.3 + 0.02 * number, epochs=4, **parts), outputs / evil / str(number))
    write_report([str(outputs)], outputs / "report.html", "val_top1", EVIL[0])
    return outputs / "report.html"


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    """The page, as it is when it has just been opened."""
    browser.look()
    browser.open(page)
    return browser


def column(browser: Browser, table: str, title: str) -> list[str]:
    """Return the texts of a column, of the rows that are seen, from top to bottom."""
    return list(
        browser.ask(
            f"""(() => {{
              const table = document.getElementById("{table}");
              const titles = [...table.tHead.rows[0].cells].map(c => c.textContent.trim());
              const place = titles.indexOf("{title}");
              return [...table.tBodies[0].rows].filter(r => r.offsetHeight)
                .map(r => r.cells[place].textContent.trim());
            }})()"""
        )
    )


def press(browser: Browser, table: str, title: str) -> str:
    """Click on a heading; return how the column is sorted now."""
    return str(
        browser.ask(
            f"""(() => {{
              const cell = [...document.querySelectorAll("#{table} th")]
                .find(c => c.textContent.trim() === "{title}");
              cell.querySelector("button").click();
              return cell.getAttribute("aria-sort");
            }})()"""
        )
    )


def search(browser: Browser, text: str) -> None:
    """Write into the filter."""
    browser.ask(
        f"""(() => {{
          const box = document.getElementById("filter");
          box.value = {text!r};
          box.dispatchEvent(new Event("input"));
        }})()"""
    )


def test_it_opens_without_complaint_and_fetches_nothing(opened: Browser) -> None:
    assert opened.complaints() == []
    assert opened.ask("document.querySelectorAll('#runs tbody tr').length") == 10
    assert opened.ask("document.querySelectorAll('#settings tbody tr').length") == 7
    assert "10 runs" in opened.ask("document.querySelector('.tile').innerText")


def test_a_heading_sorts_its_column_both_ways_and_leaves_what_is_empty_last(
    opened: Browser,
) -> None:
    before = column(opened, "runs", "val_top1 %")
    assert press(opened, "runs", "val_top1 %") == "ascending"
    rising = column(opened, "runs", "val_top1 %")
    assert rising == sorted(before, key=float)
    assert rising != before
    assert press(opened, "runs", "val_top1 %") == "descending"
    assert column(opened, "runs", "val_top1 %") == sorted(before, key=float, reverse=True)
    for title in ("mix", "test_top1 %"):
        for _ in range(2):
            press(opened, "runs", title)
            found = column(opened, "runs", title)
            empty = [text == "" for text in found]
            assert empty == sorted(empty)
            assert any(empty)


def test_the_filter_takes_words_and_keys(opened: Browser) -> None:
    search(opened, "lr=0.1")
    names = column(opened, "runs", "run")
    search(opened, "status=diverged")
    diverged = column(opened, "runs", "status")
    reasons = column(opened, "runs", "how it ended")
    search(opened, "\u00c5STR\u00d6M lr=0.01 seed=1")
    one = column(opened, "runs", "run")
    arms = column(opened, "settings", "optim.lr")
    search(opened, "")
    assert [n for n in names if n[0] == "J"] == [
        f"J\u00fcrgen \u00c5str\u00f6m/job {i}" for i in (2, 3)
    ]
    assert diverged == ["diverged"]
    assert reasons == [f"the loss at step 3 is not finite {EVIL[0]}"]
    assert one == ["J\u00fcrgen \u00c5str\u00f6m/job 1"]
    assert arms == ["0.01"]
    assert len(column(opened, "runs", "run")) == 10


def test_a_curve_goes_when_it_is_switched_off_and_comes_back(opened: Browser) -> None:
    color = opened.ask(
        "getComputedStyle(document.querySelector('#legend li .swatch')).getPropertyValue('--color')"
    ).strip()
    count = f'{PIXELS}("panel0", "{color}")'
    toggle = "document.querySelector('#legend li input').click()"
    opened.until(f"{count} > 20")
    opened.ask(toggle)
    opened.until(f"{count} === 0")
    opened.ask(toggle)
    opened.until(f"{count} > 20")
    opened.ask("document.querySelector('[data-show=none]').click()")
    opened.until(f"{count} === 0")
    opened.ask("document.querySelector('[data-show=all]').click()")
    opened.until(f"{count} > 20")


def test_each_seed_has_its_line_and_settings_their_mean_and_band(opened: Browser) -> None:
    lines = "['seeds', 'means', 'bands', 'ends'].map(n => panels[0].model(n).data.color?.length)"
    # seven settings, two of which have two completed runs; the diverged run is drawn by itself
    assert opened.ask(lines)[:3] == [1, 7, 2]
    mean = (
        "(d => d.ys[d.label.findIndex(l => l.includes('lr=0.01'))])"
        "(panels[0].model('means').data).map(y => Math.round(100 * y) / 100)"
    )
    assert opened.ask(mean) == [13.75, 27.5, 41.25, 55.0]  # of 50 and 60 percent, in four steps
    opened.ask("document.querySelector('[name=mode][value=seeds]').click()")
    assert opened.ask(lines)[:3] == [10, 0, 0]
    assert opened.ask("panels[0].model('ends').data.x") == [4]


def test_another_metric_and_a_logarithmic_axis(opened: Browser) -> None:
    opened.ask(
        """(() => {
          const select = document.querySelector("[data-panel='1']");
          select.value = "lr";
          select.dispatchEvent(new Event("change"));
          document.querySelector("[data-log='1']").click();
        })()"""
    )
    assert opened.ask("panels[1].model('log').visible && !panels[1].model('linear').visible")
    assert opened.ask("panels[1].model('log').left[0].axis_label") == "lr"
    assert set(opened.ask("panels[1].model('seeds').data.ys.flat()")) == {0.1}
    opened.until("document.getElementById('panel1').offsetHeight > 300")


def test_a_drag_zooms_both_panels_and_a_reset_undoes_it(opened: Browser) -> None:
    where = "JSON.stringify(panels.map(p => [p.model('epochs').start, p.model('epochs').end]))"
    assert opened.ask(where) == "[[0,4],[0,4]]"
    opened.ask("scrollTo(0, 0)")
    x, y = opened.ask(
        "(r => [r.x + r.width / 2, r.y + 150])(document.getElementById('panel0')"
        ".getBoundingClientRect())"
    )
    for kind, dx, down in (
        ("mouseMoved", 0, 0),
        ("mousePressed", 0, 1),
        ("mouseMoved", 40, 1),
        ("mouseMoved", 90, 1),
        ("mouseReleased", 90, 0),
    ):
        button = "none" if kind == "mouseMoved" and not down else "left"
        at = {"x": x + dx, "y": y + dx, "button": button, "buttons": down, "clickCount": 1}
        opened.send("Input.dispatchMouseEvent", type=kind, **at)
    opened.until(f"{where} !== '[[0,4],[0,4]]'")
    zoomed = opened.ask("panels.map(p => p.model('epochs').start)")
    assert zoomed[0] == zoomed[1] > 0
    opened.ask("panels[0].model('linear').reset.emit()")
    opened.until(f"{where} === '[[0,4],[0,4]]'")


def test_names_that_look_like_scripts_stay_names(opened: Browser) -> None:
    assert opened.ask("document.querySelector('h1').textContent") == EVIL[0]
    search(opened, "<img")
    # the library's own tooltip, filled from the data: moved over the picture until it shows
    x, y, width, height = opened.ask(
        "(r => [r.x, r.y, r.width, r.height])(document.getElementById('panel0')"
        ".getBoundingClientRect())"
    )
    shown = f"{ELEMENTS}('.bk-tooltip-row-value')"
    for step in range(60):
        at = {"x": x + width * 0.6, "y": y + height * (0.1 + 0.013 * step)}
        opened.send("Input.dispatchMouseEvent", type="mouseMoved", **at)
        opened.ask("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        if opened.ask(shown):
            break
    assert opened.ask(shown) > 0
    assert opened.ask(f"{ELEMENTS}('img, svg, [onerror], [onload], iframe, object')") == 0
    search(opened, "")
    assert opened.ask("window.hit === undefined")
    assert "49" not in column(opened, "runs", "mix")
    assert {e.replace("|", "/") for e in EVIL} <= set(column(opened, "runs", "mix"))
    assert opened.complaints() == []


def test_links_lead_to_the_folders(opened: Browser) -> None:
    links = opened.ask("[...document.querySelectorAll('#runs td:first-child a')].map(a => a.href)")
    assert len(links) == 10
    for link in links:
        place = urlparse(link)
        assert place.scheme == "file"
        assert os.path.isfile(os.path.join(unquote(place.path), "config.yaml")), link
    given = opened.ask("document.querySelector('#runs td:first-child a').getAttribute('href')")
    assert given.startswith("./")


def test_dark_and_light_by_the_system_and_by_the_button(opened: Browser) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "panels[0].model('linear').left[0].major_label_text_color"
    light = (opened.ask(paper), opened.ask(ink))
    opened.look(scheme="dark")
    opened.until(f"{paper} !== '{light[0]}'")
    opened.until(f"{ink} !== '{light[1]}'")
    dark = opened.ask(paper)
    assert light[0] == "rgb(255, 255, 255)"
    opened.ask("document.getElementById('theme').click()")  # auto becomes light
    assert opened.ask(paper) == "rgb(255, 255, 255)"
    assert opened.ask("document.getElementById('theme').textContent") == "theme: light"
    opened.ask("document.getElementById('theme').click()")
    opened.look(scheme="light")
    assert opened.ask(paper) == dark
    opened.ask("document.getElementById('theme').click()")  # auto again
    assert opened.ask(paper) == "rgb(255, 255, 255)"


def test_a_phone_needs_no_scrolling_sideways(opened: Browser) -> None:
    opened.look(width=380, height=800)
    opened.until("innerWidth === 380")
    opened.until("document.getElementById('panel0').offsetWidth < 380")
    assert opened.ask("document.documentElement.scrollWidth") <= 380
    assert opened.ask("document.querySelector('#runs').offsetWidth") > 380  # it scrolls by itself
    opened.look()
    assert opened.complaints() == []
