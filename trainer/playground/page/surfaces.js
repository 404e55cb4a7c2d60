// Losses of two numbers x, y with their gradients. `box` is the picture: x from, to, y from, to. `least` is the loss
// of the lowest minimum, `noise` the spread of a mini-batch's gradient that the slider's 1 means, `rate` a learning
// rate for SGD that works.
const TILT = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
const WELLS = [[1.0, -1.2, 0.0, 0.22], [0.8, 0.9, 0.0, 0.8]]; // depth, x, y, width: one sharp, one flat

const SURFACES = {
  ravine: {
    title: "ravine",
    about: "A long valley, 40 times as steep across as along, that lies askew to both axes.",
    formula: "½ (u² + 40 v²), (u, v) = (x, y) turned by 30°",
    box: [-2.4, 2.4, -1.8, 1.8], start: [-2.0, -0.2], minima: [[0, 0]], least: 0, noise: 4, rate: 0.04,
    loss(x, y) {
      const u = TILT[0] * x + TILT[1] * y, v = TILT[0] * y - TILT[1] * x;
      return 0.5 * (u * u + 40 * v * v);
    },
    gradient(x, y) {
      const u = TILT[0] * x + TILT[1] * y, v = TILT[0] * y - TILT[1] * x;
      return [TILT[0] * u - 40 * TILT[1] * v, TILT[1] * u + 40 * TILT[0] * v];
    },
  },
  scaled: {
    title: "badly scaled",
    about: "A bowl that is 100 times as steep along y as along x.",
    formula: "½ (x² + 100 y²)",
    box: [-2.4, 2.4, -1.8, 1.8], start: [-2.0, 0.5], minima: [[0, 0]], least: 0, noise: 4, rate: 0.015,
    loss: (x, y) => 0.5 * (x * x + 100 * y * y),
    gradient: (x, y) => [x, 100 * y],
  },
  saddle: {
    title: "saddle",
    about: "Down along x, then flat at the saddle in the middle: the minima lie above and below it.",
    formula: "½ x² − ½ y² + ¼ y⁴",
    box: [-2.4, 2.4, -1.8, 1.8], start: [-1.8, 0.001], minima: [[0, 1], [0, -1]], least: -0.25, noise: 0.5, rate: 0.05,
    loss: (x, y) => 0.5 * x * x - 0.5 * y * y + 0.25 * y * y * y * y,
    gradient: (x, y) => [x, y * y * y - y],
  },
  minima: {
    title: "two minima, sharp and flat",
    about: "A narrow well on the left, a wide one on the right.",
    formula: "1.2 + 0.02 (x² + y²) − exp(−|p − s|² / 0.0968) − 0.8 exp(−|p − f|² / 1.28), s = (−1.2, 0), f = (0.9, 0)",
    box: [-2.4, 2.4, -1.8, 1.8], start: [-1.3, 0.12], minima: [[-1.1936, 0], [0.8721, 0]], least: 0.20286015, noise: 0.5, rate: 0.05,
    loss(x, y) {
      let sum = 1.2 + 0.02 * (x * x + y * y);
      for (const [depth, a, b, width] of WELLS) sum -= depth * well(x - a, y - b, width);
      return sum;
    },
    gradient(x, y) {
      let [p, q] = [0.04 * x, 0.04 * y];
      for (const [depth, a, b, width] of WELLS) {
        const pull = depth * well(x - a, y - b, width) / (width * width);
        p += pull * (x - a);
        q += pull * (y - b);
      }
      return [p, q];
    },
  },
  plateau: {
    title: "plateau",
    about: "Nearly flat far from the hole in the middle: the gradient is a few thousandths there.",
    formula: "1 − 1 / (1 + x² + 2 y²)²",
    box: [-3.2, 3.2, -2.4, 2.4], start: [-2.6, 1.4], minima: [[0, 0]], least: 0, noise: 0.05, rate: 0.3,
    loss: (x, y) => 1 - 1 / (1 + x * x + 2 * y * y) ** 2,
    gradient(x, y) {
      const pull = 4 / (1 + x * x + 2 * y * y) ** 3;
      return [pull * x, 2 * pull * y];
    },
  },
  rosenbrock: {
    title: "Rosenbrock",
    about: "Rosenbrock's banana: the valley is found at once, its bottom at (1, 1) is not.",
    formula: "(1 − x)² + 100 (y − x²)²",
    box: [-2.2, 2.2, -0.8, 2.5], start: [-1.4, 2.1], minima: [[1, 1]], least: 0, noise: 10, rate: 0.001,
    loss: (x, y) => (1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x),
    gradient: (x, y) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
  },
};

function well(dx, dy, width) {
  return Math.exp(-(dx * dx + dy * dy) / (2 * width * width));
}
