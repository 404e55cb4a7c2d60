"""Look at every page of the built site in a browser without a network: wide and narrow, light and
dark.

Usage: python -m tests.site.look [--shots FOLDER]     (after `make docs`)

It finds text with too little contrast (WCAG 2.2 AA: 4.5, or 3 for large text), pictures without a
text in their place, headings that skip a level, pages wider than the window, what the console
complains of, and whatever is fetched from elsewhere.
"""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path

from tests.browser import Browser, browsing, executable
from tests.command import ROOT

SITE = ROOT / "docs" / "_build" / "html"
WIDTHS, SCHEMES = (1280, 390), ("light", "dark")
SHOWN = (
    *("index", "tutorial/first_hour", "howto/clusters", "reference/keys/scheduler"),
    *("explanation/loop", "tricks/scheduler/cosine", "tricks/mix/mixup", "results/demos/mixup"),
)

STILL = """() => {
  const found = [];
  document.querySelectorAll('img').forEach(i => {
    if (!i.hasAttribute('alt')) found.push('picture without a text: ' + i.src.split('/').pop());
    if (!i.complete || !i.naturalWidth) found.push('picture is not shown: ' + i.src);
  });
  let last = 0;
  document.querySelectorAll('article h1,article h2,article h3,article h4,article h5').forEach(h => {
    const level = +h.tagName[1];
    if (level > last + 1) found.push('heading skips a level: ' + h.textContent);
    last = level;
  });
  if (document.querySelectorAll('h1').length != 1) found.push('not one first heading');
  if (!document.documentElement.lang) found.push('no language');
  return found;
}"""

SEEN = """() => {
  const found = new Set();
  const parse = c => {
    const m = c.match(/[\\d.]+/g).map(Number);
    return m.length < 4 ? [...m.slice(0, 3), 1] : m;
  };
  const light = ([r, g, b]) => {
    const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
  const ground = e => {
    const chain = [];
    for (let n = e; n; n = n.parentElement) chain.push(parse(getComputedStyle(n).backgroundColor));
    return chain.reverse().reduce((u, t) => over(t, u), [255, 255, 255]);
  };
  const walker = document.createTreeWalker(document.querySelector('article'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !e.checkVisibility()) continue;
    if (e.closest('.headerlink, svg, .copybtn')) continue;
    const style = getComputedStyle(e);
    const under = ground(e);
    const text = over(parse(style.color), under);
    const [a, b] = [light(text), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700) ? 3 : 4.5;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < needed - 0.005)
      found.add(`contrast ${ratio.toFixed(2)}: ${e.tagName}.${e.className}`);
  }
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth + 1) found.add(`wider than the window: ${wide} > ${innerWidth}`);
  return [...found].slice(0, 5);
}"""


def open_page(browser: Browser, file: Path) -> None:
    """Open a page and wait until it is loaded."""
    browser.send("Page.navigate", url="about:blank")
    browser.ask("0")
    browser.events.clear()
    browser.send("Page.navigate", url=file.resolve().as_uri())
    browser.until("location.protocol === 'file:' && document.readyState === 'complete'")


def problems(browser: Browser, file: Path, shots: Path | None) -> list[str]:
    """Return what is wrong with a page; take pictures of some."""
    open_page(browser, file)
    browser.ask("document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })")
    found = list(browser.ask(f"({STILL})()"))
    name = str(file.relative_to(SITE).with_suffix(""))
    for width in WIDTHS:
        for scheme in SCHEMES:
            browser.look(width, 900, scheme)
            browser.ask("new Promise(done => setTimeout(done, 60))")  # colours fade over
            found += [f"{width} {scheme}: {what}" for what in browser.ask(f"({SEEN})()")]
            if shots is not None and name in SHOWN:
                image = browser.send("Page.captureScreenshot", format="png")["data"]
                to = shots / f"{name.replace('/', '-')}-{width}-{scheme}.png"
                to.write_bytes(base64.b64decode(image))
    here = SITE.resolve().as_uri()
    return found + [c for c in browser.complaints() if not c.startswith((here, "file://"))]


def main() -> None:
    """Look at all pages and say what was found."""
    shots = Path(sys.argv[2]) if sys.argv[1:2] == ["--shots"] else None
    if shots is not None:
        shots.mkdir(parents=True, exist_ok=True)
    program = executable()
    if program is None:
        sys.exit("no Chromium: the site was not looked at")
    made = ("search", "genindex")
    files = [f for f in sorted(SITE.rglob("*.html")) if f.stem not in made]
    begin, wrong = time.monotonic(), 0
    with browsing(program) as browser:
        for file in files:
            found = problems(browser, file, shots)
            wrong += bool(found)
            for what in found:
                print(f"{file.relative_to(SITE)}: {what}", flush=True)
    print(f"{len(files)} pages looked at in {time.monotonic() - begin:.0f} s")
    print(f"{len(files) - wrong} passed, {wrong} failed")
    sys.exit(1 if wrong or not files else 0)


if __name__ == "__main__":
    main()
