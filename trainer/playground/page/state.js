// What is chosen, as one plain object; and as the address after `#`, which holds what differs from the beginning or
// from the scene it names.
const BEGINNING = {
  scene: "", surface: "ravine", at: [-2.0, -0.2], show: ["sgd", "momentum", "nesterov", "rmsprop", "adam", "lion"],
  focus: "adam", lr: {}, schedule: "constant", warmup: 0, steps: 200, noise: 0, seed: 0, average: "none", from: 50,
  every: 1, decay: 0.95, mu: 0.9, beta2: 0.999, wd: 0,
};
// key of the address: its least and greatest value
const RANGES = {
  warmup: [0, 30], steps: [20, 500], noise: [0, 2], seed: [0, 999], from: [0, 90], every: [1, 50], decay: [0, 0.999],
  mu: [0.1, 0.99], beta2: [0.5, 0.9999], wd: [0, 1],
};
const WHOLE = ["warmup", "steps", "seed", "from", "every"];
const NAMES = { surface: SURFACES, schedule: SCHEDULES, average: { none: 0, swa: 0, ema: 0, both: 0 } };
const RATE = [1e-4, 10];

// Returns the state a scene begins with, or the page for "".
function begun(scene) {
  const set = Object.hasOwn(SCENES, scene) ? SCENES[scene].set : {};
  const state = { ...structuredClone(BEGINNING), ...structuredClone(set), scene: set.surface ? scene : "" };
  state.lr = { ...usualRates(state.surface), ...state.lr };
  return state;
}

function usualRates(surface) {
  return Object.fromEntries(Object.keys(OPTIMIZERS).map((name) => [name, usualRate(name, surface)]));
}

function toHash(state) {
  const base = begun(state.scene), words = new URLSearchParams();
  words.set("scene", state.scene || "free"); // an empty address is the first scene's
  for (const key of ["surface", "focus", "schedule", "average", ...Object.keys(RANGES)]) {
    if (state[key] !== base[key]) words.set(key, state[key]);
  }
  if (state.at.join() !== base.at.join()) words.set("at", state.at.join());
  if (state.show.join() !== base.show.join()) words.set("show", state.show.join());
  const rates = state.surface === base.surface ? base.lr : usualRates(state.surface);
  const moved = Object.keys(OPTIMIZERS).filter((name) => state.lr[name] !== rates[name]);
  if (moved.length) words.set("lr", moved.map((name) => `${name}:${state.lr[name]}`).join());
  return "#" + words.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

const within = (value, [low, high]) => Math.min(high, Math.max(low, value));

// Reads an address; what it does not understand it leaves out.
function fromHash(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, "")), state = begun(words.get("scene") ?? "");
  for (const [key, known] of Object.entries(NAMES)) {
    if (words.has(key) && Object.hasOwn(known, words.get(key))) state[key] = words.get(key);
  }
  if (state.surface !== begun(state.scene).surface) {
    state.at = SURFACES[state.surface].start.slice();
    state.lr = usualRates(state.surface);
  }
  for (const [key, range] of Object.entries(RANGES)) {
    const value = words.get(key)?.trim() ? Number(words.get(key)) : NaN;
    if (Number.isFinite(value)) state[key] = within(WHOLE.includes(key) ? Math.round(value) : value, range);
  }
  const at = (words.get("at") ?? "").split(",").map((word) => word.trim() ? Number(word) : NaN);
  if (at.length === 2 && at.every(Number.isFinite) && isInside(at, SURFACES[state.surface].box)) state.at = at;
  const show = [...new Set((words.get("show") ?? "").split(","))].filter((name) => Object.hasOwn(OPTIMIZERS, name));
  if (show.length) state.show = inOrder(show);
  if (Object.hasOwn(OPTIMIZERS, words.get("focus") ?? "")) state.focus = words.get("focus");
  for (const pair of (words.get("lr") ?? "").split(",")) {
    const [name, text] = pair.split(":"), value = Number(text);
    if (Object.hasOwn(OPTIMIZERS, name) && value > 0) state.lr[name] = within(value, RATE);
  }
  if (!state.show.includes(state.focus)) state.focus = state.show[0];
  return state;
}

const inOrder = (names) => Object.keys(OPTIMIZERS).filter((name) => names.includes(name));
