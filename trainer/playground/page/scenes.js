// Six questions. `set` is what differs from the page's beginning; `outcome` reads the answer off the paths, as the
// number of an option, so that the page tells what happened and not what was expected; a test compares both.
const firstBelow = (path, state, level) => {
  const at = path.losses.findIndex((loss) => loss - SURFACES[state.surface].least < level);
  return at < 0 ? Infinity : at;
};
const placeOf = (numbers, wanted) => numbers.indexOf(wanted(...numbers));
const firstMove = ({ seen: [first] }) => Math.hypot(first.to[0] - first.from[0], first.to[1] - first.from[1]);

const SCENES = {
  diverge: {
    title: "Who diverges?",
    question: "A bowl, 100 times as steep along y as along x. All four have the learning rate 0.022. Which leave the picture?",
    options: ["none of them", "SGD alone", "SGD and Nesterov", "all but Adam"],
    right: 2,
    answer: "A step of SGD multiplies y by 1 − 100 η, here −1.2: each step overshoots more. Stable is η < 2/100 for SGD, "
      + "2(1 + μ)/100 = 0.038 for momentum, which is more, and 2(1 + μ)/(100 (1 + 2μ)) ≈ 0.0136 for Nesterov, which is "
      + "less. Adam divides by the gradient's size: it is slow here, and safe.",
    outcome(paths) {
      const gone = paths.filter((path) => path.left !== null).map((path) => path.name).join();
      return ["", "sgd", "sgd,nesterov", "sgd,momentum,nesterov"].indexOf(gone);
    },
    set: {
      surface: "scaled", at: [-2.0, 0.5], show: ["sgd", "momentum", "nesterov", "adam"], focus: "sgd", steps: 120,
      lr: { sgd: 0.022, momentum: 0.022, nesterov: 0.022, adam: 0.022 },
    },
  },
  ravine: {
    title: "Who is first?",
    question: "A long valley, askew to the axes, each optimizer at a good rate. Which is first below a hundredth of the loss at the start?",
    options: ["SGD", "momentum", "Adam"],
    right: 1,
    answer: "SGD's rate is bounded by the steep direction, so along the valley it crawls. Momentum sums what gradients agree "
      + "on, which is the way along. Adam scales each axis by itself: this valley is askew to both, so it gains little; on "
      + "the bowl of the first scene, whose axes are its own, it gains much.",
    outcome: (paths, state) => placeOf(paths.map((path) => firstBelow(path, state, 0.01 * path.losses[0])), Math.min),
    set: {
      surface: "ravine", at: [-2.0, -0.2], show: ["sgd", "momentum", "adam"], focus: "momentum", steps: 150,
      lr: { sgd: 0.045, momentum: 0.03, adam: 0.1 },
    },
  },
  saddle: {
    title: "Who is last?",
    question: "The start is a thousandth off the line that leads into the saddle. Which is the last to leave it?",
    options: ["SGD", "momentum", "RMSProp", "Adam"],
    right: 0,
    answer: "Near the saddle the gradient is almost 0, and SGD's steps shrink with it: y grows by 1 + η each step, from a "
      + "thousandth. Momentum makes that growth about ten times as fast. RMSProp and Adam divide by the gradient's size: "
      + "their steps are as long as anywhere.",
    outcome: (paths, state) => placeOf(paths.map((path) => firstBelow(path, state, 0.05)), Math.max),
    set: {
      surface: "saddle", at: [-1.8, 0.001], show: ["sgd", "momentum", "rmsprop", "adam"], focus: "sgd", steps: 250,
      lr: { sgd: 0.05, momentum: 0.05, rmsprop: 0.02, adam: 0.05 },
    },
  },
  bias: {
    title: "No correction",
    question: "Adam's averages m and v begin at 0, and are divided by 1 − βᵗ to correct for that. Without the correction, the first step is …",
    options: ["shorter", "as long", "longer"],
    right: 2,
    answer: "m is a tenth of the gradient after one step, but √v only a 32nd of its size: (1 − β₁)/√(1 − β₂) = 0.1/0.0316 "
      + "≈ 3.2 times too long a step, and up to about 6.6 times ten steps later. It pays on this plateau; in a network such steps come "
      + "where the gradients are least known. The correction, or a warm-up, takes them away.",
    outcome(paths) {
      const [adam, raw] = ["adam", "raw"].map((name) => firstMove(paths.find((path) => path.name === name)));
      return raw < 0.99 * adam ? 0 : raw > 1.01 * adam ? 2 : 1;
    },
    set: {
      surface: "plateau", at: [-2.6, 1.4], show: ["adam", "raw"], focus: "raw", steps: 120,
      lr: { adam: 0.03, raw: 0.03 },
    },
  },
  average: {
    title: "Averages",
    question: "Gradients are noisy, and the learning rate does not fall. Which has the lowest loss at the end?",
    options: ["the last weights", "SWA: the mean from half-way on", "EMA: the moving average"],
    right: 1,
    answer: "The weights hover about the minimum at a distance that the rate and the noise set. Their mean is much nearer: "
      + "the deviations cancel. SWA's mean is over half of the path, EMA's over about the last five steps, so it cancels less. "
      + "With another seed luck may have it otherwise, seldom. Try a cosine schedule: then the last weights come near as well.",
    outcome: ([path], state) => placeOf([null, "swa", "ema"].map((kind) => lastLoss(path, state, kind)), Math.min),
    set: {
      surface: "ravine", at: [-2.0, -0.2], show: ["nesterov"], focus: "nesterov", steps: 500, noise: 0.6, seed: 2,
      average: "both", from: 50, every: 1, decay: 0.8, lr: { nesterov: 0.012 },
    },
  },
  sharp: {
    title: "Sharp or flat",
    question: "Both start in the narrow, deeper well: SGD with the rate 0.35, momentum with 0.01. Which stay in it?",
    options: ["both", "momentum alone", "SGD alone", "neither"],
    right: 1,
    answer: "A minimum of curvature λ holds gradient descent only while η < 2/λ, here about 0.1. At 0.35 SGD's steps grow "
      + "until it is out, and the wide well, whose bound is about 1.6, catches it. Large rates end in flat minima.",
    outcome(paths) {
      const stays = Object.fromEntries(paths.map((path) => [path.name, path.points.at(-1)[0] < -0.9]));
      return stays.sgd ? (stays.momentum ? 0 : 2) : (stays.momentum ? 1 : 3);
    },
    set: {
      surface: "minima", at: [-1.3, 0.12], show: ["sgd", "momentum"], focus: "sgd", steps: 300, noise: 0.3, seed: 1,
      lr: { sgd: 0.35, momentum: 0.01 },
    },
  },
};
