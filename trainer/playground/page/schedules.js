// The learning rate as a share of its peak, and the momentum where a schedule moves it: functions of the step of a
// run of `total` steps, `warmup` of them a linear rise. The keys are those of `python -m trainer scheduler=NAME`.
const FINAL = 1 / 25 / 1e4; // onecycle's last value; it begins at 1/25
const part = (percent, total) => percent * total / 100;
const TINY = 1e-9; // a share of the run may fall short of a whole step by a rounding error

const SCHEDULES = {
  constant: { title: "constant", keys: {}, at: () => [1] },
  step: {
    title: "step", keys: { step_size: "30%", gamma: 0.1 },
    at: ({ since, total }) => [0.1 ** Math.floor(since / part(30, total) + TINY)],
  },
  exponential: {
    title: "exponential", keys: { period: "50%", gamma: 0.1 },
    at: ({ since, total }) => [0.1 ** (since / part(50, total))],
  },
  cosine: {
    title: "cosine", keys: {},
    at: ({ progress }) => [0.5 * (1 + Math.cos(Math.PI * progress))],
  },
  cosine_restarts: {
    title: "cosine with restarts", keys: { t_0: "25%" },
    at({ since, total, span }) {
      const cycles = since / part(25, total), whole = Math.floor(cycles + TINY);
      const share = Math.max(cycles - whole, 0);
      const last = since >= span && whole && share < TINY ? 1 : share;
      return [0.5 * (1 + Math.cos(Math.PI * last))];
    },
  },
  cyclic: {
    title: "cyclic", keys: { step_size: "12.5%", min_lr: "10%" },
    at({ since, total }) {
      const up = part(12.5, total), cycle = Math.floor(1 + since / (2 * up)), into = since - (cycle - 1) * 2 * up;
      const height = Math.max(0, into <= up ? into / up : (2 * up - into) / up);
      return [0.1 + 0.9 * height];
    },
  },
  onecycle: {
    title: "1cycle", keys: { pct_start: "30%" },
    at({ since, total, span }) {
      const move = Math.min(since, span - 1), rise = part(30, total) - 1, last = span - 1;
      if (move <= rise) {
        const share = move / rise;
        return [eased(0.04, 1, share), 0.95 - 0.1 * eased(0, 1, share)];
      }
      const share = (move - rise) / (last - rise);
      return [eased(1, FINAL, share), 0.95 - 0.1 * eased(1, 0, share)];
    },
  },
  swa: {
    title: "for SWA", keys: { swa_lr: "50%", start: "37.5%", anneal: "30%" },
    at({ step, total }) {
      const begin = Math.floor(part(37.5, total) + 0.5);
      const end = Math.floor(part(37.5, total) + part(30, total) + 0.5);
      if (step < begin || step >= end) return [step < begin ? 1 : 0.5];
      const share = (step - begin) / (end - begin);
      return [(1 - share) + 0.5 * share];
    },
  },
};

function eased(begin, end, share) {
  const weight = 0.5 * (1 - Math.cos(Math.PI * share));
  return begin * (1 - weight) + end * weight;
}

// Returns the factor of the peak at a step, and the momentum or undefined.
function scheduleAt(name, step, total, warmupPercent) {
  const warmup = Math.floor(warmupPercent * total / 100 + 0.5), since = Math.max(step - warmup, 0);
  const span = total - warmup;
  const [scale, momentum] = SCHEDULES[name].at({ step: Math.max(step, warmup), since, total, span, progress: since / span });
  return [step < warmup ? scale * (step + 1) / warmup : scale, momentum];
}
