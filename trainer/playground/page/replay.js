// Trajectories of real runs, as `python -m trainer playground RUN` writes them into the page: checkpoints in the plane of
// their principal components, over the loss there.
const TRAJECTORIES = JSON.parse(document.getElementById("trajectories").textContent);

// The loss of a trajectory's grid at shares of the picture, by Catmull and Rom's curves between the points measured.
function trajectoryField(trajectory, number) {
  const { x, y, losses } = trajectory, box = [x[0], x.at(-1), y[0], y.at(-1)];
  const inside = (i, size) => Math.min(size - 1, Math.max(0, i));
  const spline = (a, b, c, d, s) => b + 0.5 * s * (c - a + s * (2 * a - 5 * b + 4 * c - d + s * (3 * (b - c) + d - a)));
  const value = (i, j) => Math.log(losses[inside(j, y.length)][inside(i, x.length)] + 1e-9);
  const share = (a, b) => {
    const [u, v] = [a * (x.length - 1), b * (y.length - 1)];
    const [i, j] = [inside(Math.floor(u), x.length - 1), inside(Math.floor(v), y.length - 1)];
    const rows = [-1, 0, 1, 2].map((k) => spline(...[-1, 0, 1, 2].map((h) => value(i + h, j + k)), u - i));
    return spline(...rows, v - j); // of the logarithm: bands need the order alone
  };
  return { key: `trajectory ${number}`, box, share };
}

function trajectoryPaths(trajectory, shown) {
  const averages = trajectory.average.slice(0, shown).filter((point) => point);
  const paths = [{ points: trajectory.points, shown, color: "trajectory", title: "weights", dots: true }];
  const marks = [];
  if (averages.length) {
    paths.push({ points: averages.map((point) => point.at), shown: averages.length, color: "adam", dash: true, headless: true, thin: true });
    marks.push({ at: averages.at(-1).at, shape: "star", color: "star", ink: "ink", title: trajectory.average_name });
  }
  return { paths, marks };
}

function trajectoryCurves(trajectory, shown) {
  const upto = trajectory.steps[shown - 1], known = trajectory.average.map((point, i) => point && [trajectory.steps[i], point.loss]).filter((p) => p);
  const curves = [{ x: trajectory.steps, y: trajectory.point_losses, color: "trajectory", title: "weights", upto }];
  if (known.length) curves.push({ x: known.map((p) => p[0]), y: known.map((p) => p[1]), color: "adam", dash: true, title: trajectory.average_name, upto });
  return { curves, first: trajectory.steps[0], steps: trajectory.steps.at(-1), cursor: upto };
}

// What a table says of a trajectory: [name, value] pairs.
function trajectoryFacts(trajectory) {
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const fewer = trajectory.steps.length < trajectory.checkpoints ? ` of ${trajectory.checkpoints}` : "";
  const facts = [["run", trajectory.run], ["made by", trajectory.command]];
  facts.push(["plane", `two principal components of ${trajectory.steps.length}${fewer} checkpoints (steps ${trajectory.steps[0]} to ${trajectory.steps.at(-1)}), which hold ${percent(trajectory.variance)} of their variance`]);
  facts.push(["loss", `on ${trajectory.images} ${trajectory.of} images, ${trajectory.x.length} × ${trajectory.y.length} points, BatchNorm statistics recomputed at each, ${trajectory.seconds.toFixed(0)} s`]);
  const end = trajectory.average.at(-1);
  facts.push(["at the end", `last weights ${digits(trajectory.point_losses.at(-1))}` + (end ? `, ${trajectory.average_name} ${digits(end.loss)}` : "")]);
  for (const [name, top1] of trajectory.test) facts.push([`test, ${name}`, `${percent(top1)} right`]);
  return facts;
}
