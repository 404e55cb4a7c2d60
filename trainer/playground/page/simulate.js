// From settings to paths: all steps at once; the picture then shows as many as it likes.

// A pure function of its arguments: mini-batches are the same for every optimizer.
function uniform(seed, step, number) {
  let h = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(step + 1, 0x85ebca6b) ^ Math.imul(number + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

function normal(seed, step) { // two numbers, by Box and Muller
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, step, 0)));
  const angle = 2 * Math.PI * uniform(seed, step, 1);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

// Averages of the weights along a path, as `average=swa` and `average=ema` take their snapshots: at start + every,
// start + 2 every and so on.
const AVERAGES = {
  swa: { title: "SWA", share: (count) => 1 / (count + 1), plan: (state) => [state.from, state.every] },
  ema: { title: "EMA", share: (count, state) => 1 - state.decay, plan: () => [0, 1] },
};

function averager(kind, state) {
  const { share, plan } = AVERAGES[kind], [percent, every] = plan(state);
  const first = Math.floor(percent * state.steps / 100 + 0.5) + every;
  const points = [];
  let average = null, count = 0;
  return {
    points,
    take(w, done) {
      if (done >= first && (done - first) % every === 0) {
        average = count ? lerp(average, w, share(count, state)) : w;
        count += 1;
      }
      points.push(average && { w: average, count });
    },
  };
}

const LOST = 1e9; // a number beyond it is not followed further

// Returns one optimizer's path: `points` (from the start on), `losses` there, what each step saw, the averages, and
// the step at which it first was out of the picture (or null).
function follow(name, state) {
  const surface = SURFACES[state.surface], { step, cycles } = OPTIMIZERS[name];
  const kinds = Object.keys(AVERAGES).filter((kind) => state.average === kind || state.average === "both");
  const averages = Object.fromEntries(kinds.map((kind) => [kind, averager(kind, state)]));
  const path = { name, points: [], losses: [], seen: [], averages, left: null, lost: false };
  const memory = {}, rate = state.lr[name];
  let w = state.at.slice();
  for (let done = 0; ; done += 1) {
    path.points.push(w);
    path.losses.push(surface.loss(...w));
    if (path.left === null && !isInside(w, surface.box)) path.left = done;
    for (const kind of kinds) averages[kind].take(w, done);
    if (done === state.steps) return path;
    const [scale, momentum] = scheduleAt(state.schedule, done, state.steps, state.warmup);
    const gradient = surface.gradient(...w);
    if (state.noise) {
      const drawn = normal(state.seed, done);
      for (const i of [0, 1]) gradient[i] += state.noise * surface.noise * drawn[i];
    }
    const moving = cycles && momentum !== undefined;
    const numbers = {
      lr: rate * scale, mu: moving ? momentum : state.mu, muonMu: moving ? momentum : 0.95,
      beta2: state.beta2, decay: state.wd, t: done + 1,
    };
    const moved = step(w, gradient, memory, numbers);
    path.seen.push({ ...moved.seen, ...numbers, scale, from: w, to: moved.w });
    w = moved.w;
    if (!(Math.abs(w[0]) < LOST && Math.abs(w[1]) < LOST)) {
      path.lost = true;
      if (path.left === null) path.left = done + 1;
      return path;
    }
  }
}

function isInside([x, y], box) {
  return x >= box[0] && x <= box[1] && y >= box[2] && y <= box[3];
}

// The last loss of a path or of one of its averages, above the least that there is; Infinity for a lost one.
function lastLoss(path, state, kind = null) {
  if (path.lost) return Infinity;
  const surface = SURFACES[state.surface];
  if (!kind) return path.losses.at(-1) - surface.least;
  const end = path.averages[kind].points.at(-1);
  return end ? surface.loss(...end.w) - surface.least : Infinity;
}

function simulate(state) {
  return state.show.map((name) => follow(name, state));
}
