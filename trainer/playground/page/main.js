// The page: what the reader does, and what is shown of it.
const $ = (name) => document.getElementById(name);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const PLAY_MS = 7000; // from the first step to the last

let state, paths = [], time = 0, guess = null, isTold = false, timer = null, replay = null, isWide = false;

const made = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const lastTime = () => replay === null ? state.steps : TRAJECTORIES[replay].steps.length - 1;
const say = (text) => { $("live").textContent = text; };

// -- the address

function remember() {
  const hash = replay === null ? toHash(state) : `#replay=${replay + 1}`;
  if (hash !== (location.hash || "#")) history.replaceState(null, "", hash);
}

function restore() {
  const number = new URLSearchParams(location.hash.slice(1)).get("replay");
  const wanted = number === null ? (location.hash.length > 1 || !TRAJECTORIES.length ? null : 0) : Number(number) - 1;
  replay = Number.isInteger(wanted) && TRAJECTORIES[wanted] ? wanted : null;
  state = fromHash(replay === null ? (location.hash || "#scene=diverge") : "");
  isWide = false;
  begin();
}

// Shows a scene, the page for "", or a replay, from its start.
function open(scene, trajectory = null) {
  replay = trajectory;
  state = begun(scene);
  isWide = false;
  begin();
  remember();
  say(SCENES[scene]?.question ?? "");
}

function begin() {
  pause();
  time = 0;
  guess = null;
  isTold = false;
  build();
  compute();
}

function compute() {
  if (replay === null) paths = simulate(state);
  time = Math.min(time, lastTime());
  show();
}

// Takes in a change: of everything that is computed, with the step that is shown kept.
function change(part) {
  Object.assign(state, part);
  if (!state.show.includes(state.focus)) state.focus = state.show[0];
  compute();
  remember();
}

// -- time

function play() {
  if (timer !== null) return moveTo(time);
  if (time >= lastTime()) time = 0;
  if (calm.matches) return moveTo(lastTime());
  const from = time, start = performance.now(), whole = lastTime();
  const frame = (now) => {
    time = Math.min(whole, from + Math.floor((now - start) / PLAY_MS * whole));
    timer = time < whole ? requestAnimationFrame(frame) : null;
    show();
    if (timer === null) tell();
  };
  timer = requestAnimationFrame(frame);
  $("play").textContent = "Pause";
}

function pause() {
  if (timer !== null) cancelAnimationFrame(timer);
  timer = null;
}

function moveTo(step) {
  pause();
  time = Math.min(lastTime(), Math.max(0, step));
  show();
  tell();
}

// Says where things stand; at the end the scene's answer too.
function tell() {
  say(`${clockText()}. ${summary()}${isTold ? ` ${$("answer").textContent}` : ""}`);
}

function summary() {
  if (replay !== null) return `Loss ${digits(TRAJECTORIES[replay].point_losses[time])}.`;
  return paths.map((path) => `${OPTIMIZERS[path.name].title}: ${lossText(path)}.`).join(" ");
}

const clockText = () => replay === null ? `step ${time} / ${state.steps}`
  : `step ${TRAJECTORIES[replay].steps[time]} / ${TRAJECTORIES[replay].steps.at(-1)}`;

function lossText(path) {
  const loss = path.losses[time];
  if (path.left !== null && time >= path.left && (loss === undefined || !isInside(path.points[time], SURFACES[state.surface].box))) return "out";
  return digits(loss - SURFACES[state.surface].least);
}

// -- showing

function show() {
  const end = time >= lastTime();
  if (end && SCENES[state.scene] && replay === null) isTold = true;
  $("time").max = lastTime();
  $("time").value = time;
  $("time").setAttribute("aria-valuetext", clockText());
  $("clock").textContent = clockText();
  $("play").textContent = timer !== null ? "Pause" : end ? "Again" : "Play";
  if (replay === null) showPaths(); else showTrajectory();
  showCard();
  document.documentElement.dataset.drawn = "yes";
}

function showPaths() {
  const surface = SURFACES[state.surface], marks = [], lines = [], curves = [];
  for (const path of paths) {
    const { title } = OPTIMIZERS[path.name], shown = Math.min(time + 1, path.lost ? path.left + 1 : path.points.length);
    lines.push({ points: path.points, shown, color: path.name, title, dash: path.name === "raw" });
    curves.push({ x: path.losses.map((_, i) => i), y: path.losses.map((loss) => loss - surface.least), color: path.name, title, upto: time });
    for (const [kind, { points }] of Object.entries(path.averages)) {
      const known = points.slice(0, shown).filter((point) => point), from = points.findIndex((point) => point);
      if (!known.length) continue;
      lines.push({ points: known.map((point) => point.w), shown: known.length, color: path.name, thin: true, headless: true, dash: true });
      const name = paths.length > 1 ? `${AVERAGES[kind].title} of ${title}` : AVERAGES[kind].title;
      marks.push({ at: known.at(-1).w, shape: kind === "swa" ? "star" : "diamond", color: "star", ink: path.name, title: name });
      curves.push({
        x: known.map((_, i) => from + i), y: known.map((point) => surface.loss(...point.w) - surface.least),
        color: path.name, dash: true, title: name, upto: time,
      });
    }
  }
  marks.push(...surface.minima.map((place) => ({ at: place, shape: "least", color: "paper", title: "" })));
  drawMap($("map"), fieldOf(state.surface), lines, marks, state.at);
  drawCurves($("curves"), curves, { steps: state.steps, cursor: time, caption: "loss above the least" });
  $("map").setAttribute("aria-label", `${surface.title}: ${surface.about} Start at ${pair(state.at)}. ${clockText()}. ${summary()}`);
  $("curves").setAttribute("aria-label", `Loss above the least over steps, on a logarithmic axis. ${summary()}`);
  for (const line of $("optimizers").tBodies[0].rows) {
    const path = paths.find((one) => one.name === line.dataset.name), cell = line.cells[2];
    cell.textContent = path ? lossText(path) : "";
    cell.classList.toggle("out", cell.textContent === "out");
  }
  showFormulas();
  $("commands").textContent = commands(state).join("\n");
  const notes = [];
  if (state.show.includes("raw")) notes.push("Adam without its correction has no command: trainer and torch always correct.");
  if (state.noise) notes.push("Noise there is that of mini-batches: batch_size.");
  $("commands-note").textContent = notes.join(" ");
}

function showFormulas() {
  const path = paths.find((one) => one.name === state.focus), step = Math.min(time, path.seen.length - 1);
  $("formula-step").textContent = `from step ${step} to ${step + 1}`;
  const rows = $("equations").tBodies[0], lines = equations(path, time, state);
  const key = `${state.focus} ${state.schedule} ${lines.length}`;
  if (rows.dataset.key !== key) {
    rows.replaceChildren(...lines.map(([formula]) => {
      const cell = made("td");
      cell.innerHTML = formula;
      return made("tr", {}, cell, made("td"));
    }));
    rows.dataset.key = key;
  }
  lines.forEach(([, value], i) => { rows.rows[i].cells[1].textContent = value; });
  $("meaning").textContent = MEANS[state.focus];
}

function showCard() {
  const scene = replay === null ? SCENES[state.scene] : null;
  $("card").hidden = !scene;
  $("answer").hidden = !isTold;
  if (!scene) return;
  const found = isTold ? scene.outcome(paths, state) : null;
  [...$("options").children].forEach((button, i) => {
    button.setAttribute("aria-pressed", String(guess === i));
    button.className = !isTold ? "" : i === found ? "right" : guess === i ? "wrong" : "";
  });
  if (isTold) {
    const what = found < 0 ? "none of these" : scene.options[found];
    const verdict = guess === null ? "" : guess === found ? "You were right: " : "Not as you guessed: ";
    $("answer").replaceChildren(made("b", { textContent: `${verdict}${what}. ` }), scene.answer);
  }
}

function showTrajectory() {
  const trajectory = TRAJECTORIES[replay], { paths: lines, marks } = trajectoryPaths(trajectory, time + 1);
  drawMap($("map"), trajectoryField(trajectory, replay), lines, marks, trajectory.points[0]);
  const { curves, ...axis } = trajectoryCurves(trajectory, time + 1);
  drawCurves($("curves"), curves, { ...axis, caption: `loss on ${trajectory.of} images; dashed: the average` });
  $("map").setAttribute("aria-label", `Trajectory of the run ${trajectory.run} in the plane of its principal components. ${clockText()}. ${summary()}`);
  $("curves").setAttribute("aria-label", `Loss over the run's steps. ${summary()}`);
}

// -- building what does not change from step to step

function build() {
  const isReplay = replay !== null;
  document.body.classList.toggle("replaying", isReplay);
  for (const name of ["settings", "formulas", "lines", "optimizers", "rate-row", "map-help"]) $(name).hidden = isReplay;
  $("facts").hidden = !isReplay;
  $("scenes").replaceChildren(
    ...TRAJECTORIES.map((trajectory, i) => tab(TRAJECTORIES.length > 1 ? `run ${i + 1}` : "a real run", replay === i, () => open("", i))),
    ...Object.entries(SCENES).map(([name, scene], i) => tab(`${i + 1} ${scene.title}`, !isReplay && state.scene === name, () => open(name))),
    tab("free play", !isReplay && !state.scene, () => open("")),
  );
  if (isReplay) {
    const facts = trajectoryFacts(TRAJECTORIES[replay]).flatMap(([name, value]) => [made("dt", { textContent: name }), made("dd", { textContent: value })]);
    $("facts").replaceChildren(made("dl", {}, ...facts));
    return;
  }
  const scene = SCENES[state.scene];
  if (scene) {
    $("question").textContent = scene.question;
    $("options").replaceChildren(...scene.options.map((text, i) => made("button", {
      textContent: text, onclick() { if (!isTold) guess = i; showCard(); },
    })));
  }
  buildOptimizers();
  buildFields();
}

function tab(text, isCurrent, onclick) {
  const button = made("button", { textContent: text, onclick });
  if (isCurrent) button.setAttribute("aria-current", "true");
  return button;
}

function buildOptimizers() {
  const names = Object.keys(OPTIMIZERS).filter((name) => isWide || !state.scene || state.show.includes(name));
  $("more").hidden = names.length === Object.keys(OPTIMIZERS).length;
  $("optimizers").tBodies[0].replaceChildren(...names.map((name) => {
    const { title } = OPTIMIZERS[name], isOn = state.show.includes(name);
    const box = made("input", { type: "checkbox", checked: isOn, onchange() { toggle(name, box); } });
    const swatch = made("i", { className: name === "raw" ? "swatch dashed" : "swatch" });
    swatch.style.setProperty("--color", `var(--${name})`);
    const value = made("output", { textContent: digits(state.lr[name]) });
    const slider = made("input", {
      type: "range", min: Math.log10(RATE[0]), max: Math.log10(RATE[1]), step: 0.01, value: Math.log10(state.lr[name]),
      oninput() { setRate(name, Number((10 ** slider.value).toPrecision(3))); },
    });
    slider.setAttribute("aria-label", `learning rate of ${title}`);
    slider.setAttribute("aria-valuetext", digits(state.lr[name]));
    const line = made("tr", { className: isOn ? "" : "off" }, made("td", {}, made("label", {}, box, swatch, title)),
      made("td", {}, made("div", { className: "rate" }, slider, value)), made("td", { className: "number" }));
    line.dataset.name = name;
    return line;
  }));
  $("focus").replaceChildren(...state.show.map((name) => made("option", { value: name, textContent: OPTIMIZERS[name].title, selected: name === state.focus })));
}

function toggle(name, box) {
  const show = box.checked ? inOrder([...state.show, name]) : state.show.filter((one) => one !== name);
  if (!show.length) { box.checked = true; return; }
  change({ show });
  buildOptimizers();
  showPaths();
  $("optimizers").querySelector(`tr[data-name=${name}] input`)?.focus();
}

function setRate(name, rate) {
  const names = $("same").checked ? Object.keys(OPTIMIZERS) : [name];
  for (const one of names) {
    state.lr[one] = rate;
    const line = $("optimizers").querySelector(`tr[data-name=${one}]`);
    if (!line) continue;
    line.querySelector("output").textContent = digits(rate);
    const slider = line.querySelector("input[type=range]");
    slider.setAttribute("aria-valuetext", digits(rate));
    if (one !== name) slider.value = Math.log10(rate);
  }
  change({});
}

function buildFields() {
  const titles = (table) => Object.fromEntries(Object.entries(table).map(([name, one]) => [name, one.title]));
  const averages = { none: "none", swa: "SWA", ema: "EMA", both: "SWA and EMA" };
  const parts = [
    choice("surface", "surface", titles(SURFACES)), startField(), number("steps", "steps", 10),
    choice("schedule", "schedule", titles(SCHEDULES)), number("warmup", "warm-up", 1, "%"),
    number("noise", "noise of mini-batches", 0.05), number("seed", "seed of the noise", 1),
    choice("average", "average", averages),
  ];
  if (["swa", "both"].includes(state.average)) parts.push(number("from", "SWA begins at", 5, "%"), number("every", "SWA: a snapshot every", 1, " st"));
  if (["ema", "both"].includes(state.average)) parts.push(number("decay", "EMA's decay d", 0.005));
  parts.push(number("mu", "momentum μ, β₁", 0.01), number("beta2", "β₂", 0.0001), number("wd", "weight decay λ", 0.01));
  $("fields").replaceChildren(...parts);
  const surface = SURFACES[state.surface];
  $("about").textContent = `${surface.about} Loss: ${surface.formula}.`;
}

function choice(key, title, names) {
  const select = made("select", {
    onchange() {
      if (key === "surface") {
        Object.assign(state, { at: SURFACES[select.value].start.slice(), lr: usualRates(select.value) });
        if (state.scene) state = { ...state, scene: "" };
      }
      change({ [key]: select.value });
      if (key === "surface") { build(); showPaths(); showCard(); remember(); } else buildFields();
      document.getElementById(`field-${key}`).focus();
    },
  }, ...Object.entries(names).map(([value, textContent]) => made("option", { value, textContent, selected: value === state[key] })));
  select.id = `field-${key}`;
  return made("label", {}, title, select);
}

function number(key, title, step, unit = "") {
  const text = () => `${digits(state[key])}${unit}`, [min, max] = RANGES[key];
  const value = made("span", { className: "value", textContent: text() });
  const slider = made("input", {
    type: "range", min, max, step, value: state[key],
    oninput() {
      const isAtEnd = time === lastTime();
      change({ [key]: Number(slider.value) });
      if (key === "steps" && isAtEnd) { time = lastTime(); show(); }
      value.textContent = text();
      slider.setAttribute("aria-valuetext", text());
    },
  });
  slider.setAttribute("aria-valuetext", text());
  slider.id = `field-${key}`;
  return made("label", {}, title, value, slider);
}

function startField() {
  const box = SURFACES[state.surface].box;
  const fields = [0, 1].map((i) => {
    const field = made("input", {
      type: "number", step: 0.1, min: box[2 * i], max: box[2 * i + 1], value: state.at[i],
      onchange() { startAt(state.at.map((old, j) => j === i && field.value !== "" ? Number(field.value) : old)); },
    });
    field.setAttribute("aria-label", `start ${"xy"[i]}`);
    field.id = `field-${"xy"[i]}`;
    return field;
  });
  return made("label", {}, "start x, y", made("span", { className: "pair" }, ...fields));
}

function startAt(place) {
  const box = SURFACES[state.surface].box;
  const at = place.map((value, i) => Number(within(value, [box[2 * i], box[2 * i + 1]]).toPrecision(4)));
  change({ at });
  [0, 1].forEach((i) => { $(`field-${"xy"[i]}`).value = at[i]; });
}

// -- what the reader does

$("play").onclick = play;
$("back").onclick = () => moveTo(time - 1);
$("on").onclick = () => moveTo(time + 1);
$("time").oninput = () => moveTo(Number($("time").value));
$("more").onclick = () => { isWide = true; buildOptimizers(); showPaths(); $("optimizers").querySelector("input").focus(); };
$("focus").onchange = () => change({ focus: $("focus").value });
$("copy").onclick = () => {
  const done = () => say("copied");
  if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText($("commands").textContent).then(done, select);
  else select();
};
function select() {
  getSelection().selectAllChildren($("commands"));
  say("selected: press Ctrl+C to copy");
}
$("map").onclick = (event) => {
  if (replay !== null) return;
  const [left, right, bottom, top] = SURFACES[state.surface].box, { clientWidth, clientHeight } = $("map");
  startAt([left + event.offsetX / clientWidth * (right - left), top - event.offsetY / clientHeight * (top - bottom)]);
  pause();
  time = 0;
  play();
};
$("map").onkeydown = (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  if (event.key === " ") play();
  else if (moves[event.key] && replay === null) {
    const [left, right, bottom, top] = SURFACES[state.surface].box, [a, b] = moves[event.key];
    startAt([state.at[0] + a * (right - left) / 50, state.at[1] + b * (top - bottom) / 50]);
    say(`start at ${pair(state.at)}`);
  } else return;
  event.preventDefault();
};
addEventListener("hashchange", restore);
addEventListener("resize", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
restore();
window.playground = { SURFACES, OPTIMIZERS, SCHEDULES, SCENES, RANGES, begun, commands, fromHash, scheduleAt, simulate, toHash, get state() { return state; } };
