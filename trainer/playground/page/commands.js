// The command lines that train the small network on digits as the picture's points move: a line for each optimizer
// and each average.
const WORDS = {
  sgd: () => ["optim=sgd", "optim.momentum=0"],
  momentum: ({ mu }) => ["optim=sgd", `optim.momentum=${mu}`, "optim.nesterov=false"],
  nesterov: ({ mu }) => ["optim=sgd", `optim.momentum=${mu}`, "optim.nesterov=true"],
  rmsprop: () => ["optim=rmsprop"],
  adam: ({ mu, beta2 }) => ["optim=adam", `'optim.betas=[${mu},${beta2}]'`],
  raw: () => null,
  adamw: ({ mu, beta2 }) => ["optim=adamw", `'optim.betas=[${mu},${beta2}]'`],
  lion: ({ mu }) => ["optim=lion", `'optim.betas=[${mu},0.99]'`],
  muon: () => ["optim=muon"],
};

function commands(state) {
  const last = [`scheduler=${state.schedule}`];
  for (const [key, value] of Object.entries(SCHEDULES[state.schedule].keys)) last.push(`scheduler.${key}=${value}`);
  if (state.warmup) last.push(`scheduler.warmup=${state.warmup}%`);
  const swa = ["average=swa", `average.start=${state.from}%`, `average.every=${state.every}st`];
  const ema = ["average=ema", `average.decay=${state.decay}`];
  const averages = { none: [[]], swa: [swa], ema: [ema], both: [swa, ema] }[state.average];
  const lines = [];
  for (const name of state.show) {
    const words = WORDS[name](state);
    if (!words) continue;
    const numbers = [`optim.lr=${state.lr[name]}`, `optim.weight_decay=${state.wd}`];
    for (const average of averages) {
      const all = ["python -m trainer", ...words, ...numbers, ...last, ...average, "epochs=25", `max_steps=${state.steps}`];
      lines.push(all.join(" "));
    }
  }
  return lines;
}
