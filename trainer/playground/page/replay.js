// Walks of real runs, as `python -m trainer playground RUN` writes them into the page: checkpoints in the plane of
// their principal components, over the loss there.
const WALKS = JSON.parse(document.getElementById("walks").textContent);

// The loss of a walk's grid at shares of the picture, by Catmull and Rom's curves between the points measured.
function walkField(walk, number) {
  const { x, y, losses } = walk, box = [x[0], x.at(-1), y[0], y.at(-1)];
  const inside = (i, size) => Math.min(size - 1, Math.max(0, i));
  const spline = (a, b, c, d, s) => b + 0.5 * s * (c - a + s * (2 * a - 5 * b + 4 * c - d + s * (3 * (b - c) + d - a)));
  const value = (i, j) => Math.log(losses[inside(j, y.length)][inside(i, x.length)] + 1e-9);
  const share = (a, b) => {
    const [u, v] = [a * (x.length - 1), b * (y.length - 1)];
    const [i, j] = [inside(Math.floor(u), x.length - 1), inside(Math.floor(v), y.length - 1)];
    const rows = [-1, 0, 1, 2].map((k) => spline(...[-1, 0, 1, 2].map((h) => value(i + h, j + k)), u - i));
    return spline(...rows, v - j); // of the logarithm: bands need the order alone
  };
  return { key: `walk ${number}`, box, share };
}

function walkPaths(walk, shown) {
  const averages = walk.average.slice(0, shown).filter((point) => point);
  const paths = [{ points: walk.points, shown, color: "walk", title: "weights", dots: true }];
  const marks = [];
  if (averages.length) {
    paths.push({ points: averages.map((point) => point.at), shown: averages.length, color: "adam", dash: true, headless: true, thin: true });
    marks.push({ at: averages.at(-1).at, shape: "star", color: "star", ink: "ink", title: walk.average_name });
  }
  return { paths, marks };
}

function walkCurves(walk, shown) {
  const upto = walk.steps[shown - 1], known = walk.average.map((point, i) => point && [walk.steps[i], point.loss]).filter((p) => p);
  const curves = [{ x: walk.steps, y: walk.point_losses, color: "walk", title: "weights", upto }];
  if (known.length) curves.push({ x: known.map((p) => p[0]), y: known.map((p) => p[1]), color: "adam", dash: true, title: walk.average_name, upto });
  return { curves, first: walk.steps[0], steps: walk.steps.at(-1), cursor: upto };
}

// What a table says of a walk: [name, value] pairs.
function walkFacts(walk) {
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const facts = [["run", walk.run], ["made by", walk.command]];
  facts.push(["plane", `two principal components of ${walk.steps.length} checkpoints (steps ${walk.steps[0]} to ${walk.steps.at(-1)}), which hold ${percent(walk.variance)} of their variance`]);
  facts.push(["loss", `on ${walk.images} ${walk.of} images, ${walk.x.length} × ${walk.y.length} points, BatchNorm statistics recomputed at each, ${walk.seconds.toFixed(0)} s`]);
  const end = walk.average.at(-1);
  facts.push(["at the end", `last weights ${digits(walk.point_losses.at(-1))}` + (end ? `, ${walk.average_name} ${digits(end.loss)}` : "")]);
  for (const [name, top1] of walk.test) facts.push([`test, ${name}`, `${percent(top1)} right`]);
  return facts;
}
