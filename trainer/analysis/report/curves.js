// Fills the panels: which curves, of which metric, on which axis, in which colours.
(async () => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const items = JSON.parse(document.getElementById("items").textContent);
  if (!items.length) return;
  const MOST_AT_FIRST = 12;
  const BEST = 8;
  const boxes = [...document.querySelectorAll("#legend input")];
  const modes = [...document.querySelectorAll("[name=mode]")];
  let visible = new Set(data.runs.keys());

  const byArm = data.arms.map(() => []);
  data.runs.forEach((run, number) => byArm[run.arm].push({ ...run, number }));
  const isFinished = (run) => run.status === "completed";
  const hasSeeds = byArm.some((runs) => runs.filter(isFinished).length > 1);

  // NaN, which a file of JSON cannot hold, leaves a gap in a line.
  const numbers = (list) => list.map((value) => (value === null ? NaN : value));

  // Mean and standard deviation at the epochs that all runs of a setting have.
  function meanOf(runs, metric) {
    const maps = runs.map((run) => new Map(run.x.map((x, i) => [x, run.y[metric][i]])));
    const at = runs[0].x.filter((x) => maps.every((map) => (map.get(x) ?? null) !== null));
    const rows = at.map((x) => maps.map((map) => map.get(x)));
    const mean = rows.map((row) => row.reduce((a, b) => a + b) / row.length);
    const sd = rows.map((row, i) =>
      Math.sqrt(row.reduce((sum, y) => sum + (y - mean[i]) ** 2, 0) / (row.length - 1)));
    return { x: at, mean, low: mean.map((m, i) => m - sd[i]), high: mean.map((m, i) => m + sd[i]) };
  }

  const empty = (...keys) => Object.fromEntries(keys.map((key) => [key, []]));

  function push(source, values) {
    for (const key of Object.keys(source)) source[key].push(values[key]);
  }

  // What the four sources of a panel hold for a metric.
  function sourcesOf(metric) {
    const spread = ["xs", "ys", "color", "label", "run"];
    const made = {
      bands: empty(...spread),
      seeds: empty(...spread, "alpha", "dash"),
      means: empty(...spread),
      ends: empty("x", "y", "label", "run"),
    };
    const isMean = modes[0].checked;
    for (const box of boxes) {
      if (!box.checked) continue;
      const { label, color } = data.arms[box.value];
      const drawn = byArm[box.value].filter((run) => visible.has(run.number) && run.y[metric]);
      const finished = isMean ? drawn.filter(isFinished) : [];
      if (finished.length) {
        const { x, mean, low, high } = meanOf(finished, metric);
        const run = `mean of ${finished.length}`;
        const name = finished.length > 1 ? run : finished[0].name;
        push(made.means, { xs: x, ys: mean, color, label, run: name });
        if (finished.length > 1) {
          const around = { xs: [...x, ...x.toReversed()], ys: [...low, ...high.toReversed()] };
          push(made.bands, { ...around, color, label, run });
        }
      }
      for (const run of drawn) {
        if (isMean && isFinished(run)) continue;
        const line = { xs: run.x, ys: numbers(run.y[metric]), color, label, run: run.name };
        push(made.seeds, { ...line, alpha: 0.85, dash: isFinished(run) ? "solid" : "dotted" });
        const last = run.y[metric].findLastIndex((y) => y !== null);
        if (run.status === "diverged" && last >= 0) {
          push(made.ends, { x: run.x[last], y: run.y[metric][last], label, run: run.name });
        }
      }
    }
    return made;
  }

  // From the least to the greatest number; a curve that explodes is left to leave the picture.
  function rangeOf({ seeds, means, bands }, isLog) {
    const found = [...seeds.ys, ...means.ys, ...bands.ys].flat();
    const usable = found.filter((y) => Number.isFinite(y) && (!isLog || y > 0)).sort((a, b) => a - b);
    if (!usable.length) return isLog ? [0.1, 1] : [0, 1];
    const low = usable[0];
    let high = usable.at(-1);
    if (isLog) return [low / 1.15, high * 1.15];
    const usual = usable[Math.floor(0.9 * (usable.length - 1))];
    if (high - low > 8 * (usual - low) && usual > low) high = low + 2 * (usual - low);
    const margin = 0.04 * (high - low || Math.abs(high) || 1);
    return [low - margin, high + margin];
  }

  function draw(panel) {
    const metric = panel.select.value;
    const sources = sourcesOf(metric);
    for (const [name, values] of Object.entries(sources)) panel.model(name).data = values;
    for (const kind of ["linear", "log"]) {
      const plot = panel.model(kind);
      const [start, end] = rangeOf(sources, kind === "log");
      plot.y_range.setv({ start, end, reset_start: start, reset_end: end });
      plot.left[0].axis_label = metric + (data.shares.includes(metric) ? " (%)" : "");
      plot.visible = (kind === "log") === panel.log.checked;
    }
  }

  // The library paints on a canvas, where the style sheet does not reach.
  function paint(panel) {
    const style = (name) => {
      const probe = document.getElementById("theme");
      probe.style.outlineColor = `var(--${name})`;
      return getComputedStyle(probe).outlineColor;
    };
    const [ink, line] = [style("ink"), style("line")];
    for (const plot of [panel.model("linear"), panel.model("log")]) {
      for (const axis of [...plot.below, ...plot.left]) {
        axis.setv({
          axis_line_color: line, major_tick_line_color: line,
          major_label_text_color: ink, axis_label_text_color: ink,
        });
      }
      for (const grid of plot.center) grid.grid_line_color = line;
    }
  }

  async function open(item, number) {
    const views = await Bokeh.embed.embed_item(item, `panel${number}`);
    const { document: held } = [...views][0].model;
    const panel = {
      model: (name) => held.get_model_by_name(name),
      select: document.querySelector(`[data-panel="${number}"]`),
      log: document.querySelector(`[data-log="${number}"]`),
    };
    panel.select.addEventListener("change", () => draw(panel));
    panel.log.addEventListener("change", () => draw(panel));
    if (matchMedia("(pointer: coarse)").matches) {  // a finger on a picture scrolls the page
      for (const kind of ["linear", "log"]) {
        for (const tool of panel.model(kind).toolbar.tools) {
          if (tool.type === "BoxZoomTool") tool.active = false;
        }
      }
    }
    return panel;
  }

  function choose(which) {
    for (const box of boxes) {
      box.checked = which === "all" || (which === "best" && data.arms[box.value].rank < BEST);
    }
  }

  choose(boxes.length > MOST_AT_FIRST ? "best" : "all");
  modes[hasSeeds ? 0 : 1].checked = true;
  const panels = await Promise.all(items.map(open));
  const redraw = () => panels.forEach(draw);

  panels.forEach((panel) => {
    const range = panel.model("epochs");
    range.change.connect(() => {
      for (const other of panels) {
        if (other !== panel) other.model("epochs").setv({ start: range.start, end: range.end });
      }
    });
  });
  for (const input of [...boxes, ...modes]) input.addEventListener("change", redraw);
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      choose(button.dataset.show);
      redraw();
    });
  }
  document.addEventListener("filtered", ({ detail }) => {
    visible = detail;
    for (const box of boxes) {
      box.closest("li").hidden = !byArm[box.value].some((run) => visible.has(run.number));
    }
    redraw();
  });
  document.addEventListener("themed", () => panels.forEach(paint));
  panels.forEach(paint);
  redraw();
  window.panels = panels;  // for the console, and for tests
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await frame();
  performance.mark("drawn");
  document.documentElement.dataset.drawn = "yes";
})();
