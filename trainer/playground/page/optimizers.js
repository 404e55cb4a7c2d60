// One step of each optimizer, for two weights: torch's arithmetic in its order. `step` gets the place `w`, the
// gradient `g`, the state `s` (kept from step to step), and the numbers of this step: `lr`, `mu` (momentum or beta 1),
// `beta2`, `decay` (weight decay), `t` from 1. It returns the new place, and in `seen` what the equations show.
const zeros = () => [0, 0];
const both = (make) => [make(0), make(1)];
const plus = (a, b, factor = 1) => both((i) => a[i] + factor * b[i]);
const EPS = 1e-8;

// torch's lerp: exact at both ends
function lerp(a, b, share) {
  return both((i) => share < 0.5 ? a[i] + share * (b[i] - a[i]) : b[i] - (b[i] - a[i]) * (1 - share));
}

function sgd(kind) {
  return (w, gradient, s, { lr, mu, decay }) => {
    const g = plus(gradient, w, decay);
    if (kind === "plain") return { w: plus(w, g, -lr), seen: { g } };
    s.b = s.b ? plus(g, s.b, mu) : g;
    const u = kind === "nesterov" ? plus(g, s.b, mu) : s.b;
    return { w: plus(w, u, -lr), seen: { g, b: s.b, u } };
  };
}

function rmsprop(w, gradient, s, { lr, decay }) {
  const g = plus(gradient, w, decay), alpha = 0.99;
  s.v = both((i) => alpha * (s.v ?? zeros())[i] + (1 - alpha) * g[i] * g[i]);
  return { w: both((i) => w[i] - lr * g[i] / (Math.sqrt(s.v[i]) + EPS)), seen: { g, v: s.v } };
}

function adam({ decoupled = false, corrected = true }) {
  return (w, gradient, s, { lr, mu, beta2, decay, t }) => {
    const g = decoupled ? gradient : plus(gradient, w, decay);
    const from = decoupled ? both((i) => w[i] * (1 - lr * decay)) : w;
    s.m = lerp(s.m ?? zeros(), g, 1 - mu);
    s.v = both((i) => (s.v ?? zeros())[i] * beta2 + (1 - beta2) * g[i] * g[i]);
    const one = corrected ? 1 - mu ** t : 1, two = corrected ? 1 - beta2 ** t : 1;
    const size = lr / one, root = Math.sqrt(two);
    const moved = both((i) => from[i] - size * (s.m[i] / (Math.sqrt(s.v[i]) / root + EPS)));
    const hats = { mHat: both((i) => s.m[i] / one), vHat: both((i) => s.v[i] / two) };
    return { w: moved, seen: { g, m: s.m, v: s.v, ...hats } };
  };
}

function lion(w, g, s, { lr, mu, decay }) {
  const c = lerp(s.m ?? zeros(), g, 1 - mu);
  const from = both((i) => w[i] * (1 - lr * decay));
  s.m = lerp(s.m ?? zeros(), g, 1 - 0.99);
  return { w: both((i) => from[i] - lr * Math.sign(c[i])), seen: { g, c, m: s.m } };
}

// Muon on a matrix of one row and two columns: its one singular value is its length.
function muon(w, g, s, { lr, muonMu, decay }) {
  s.b = plus(g, s.b ?? zeros(), muonMu);
  const u = plus(g, s.b, muonMu);
  const length = Math.sqrt(u[0] * u[0] + u[1] * u[1]) + 1e-7;
  let o = both((i) => u[i] / length);
  for (let n = 0; n < 5; n += 1) {
    const gram = o[0] * o[0] + o[1] * o[1];
    const poly = -4.775 * gram + 2.0315 * gram * gram;
    o = both((i) => 3.4445 * o[i] + poly * o[i]);
  }
  const from = both((i) => w[i] * (1 - lr * decay));
  return { w: plus(from, o, -lr), seen: { g, b: s.b, u, o } };
}

// `size`: whether a step is as long as the rate says, whatever the gradient; then `rate` is its usual one here,
// else a multiple of the surface's.
const OPTIMIZERS = {
  sgd: { title: "SGD", step: sgd("plain"), rate: 1, cycles: false },
  momentum: { title: "momentum", step: sgd("heavy"), rate: 0.25, cycles: true },
  nesterov: { title: "Nesterov", step: sgd("nesterov"), rate: 0.25, cycles: true },
  rmsprop: { title: "RMSProp", step: rmsprop, rate: 0.02, size: true, cycles: false },
  adam: { title: "Adam", step: adam({}), rate: 0.1, size: true, cycles: true },
  raw: { title: "Adam, uncorrected", step: adam({ corrected: false }), rate: 0.1, size: true, cycles: true },
  adamw: { title: "AdamW", step: adam({ decoupled: true }), rate: 0.1, size: true, cycles: true },
  lion: { title: "Lion", step: lion, rate: 0.03, size: true, cycles: true },
  muon: { title: "Muon's shadow", step: muon, rate: 0.05, size: true, cycles: true },
};

function usualRate(name, surface) {
  const { rate, size } = OPTIMIZERS[name];
  return size ? rate : Number((rate * SURFACES[surface].rate).toPrecision(3));
}
