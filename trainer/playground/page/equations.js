// Formulas as MathML, in the text's letters, with the numbers of the step that is shown.
const id = (text) => `<mi>${text}</mi>`;
const op = (text) => `<mo>${text}</mo>`;
const num = (text) => `<mn>${text}</mn>`;
const row = (...parts) => `<mrow>${parts.join("")}</mrow>`;
const sub = (base, index) => `<msub>${base}${index}</msub>`;
const sup = (base, index) => `<msup>${base}${index}</msup>`;
const frac = (above, below) => `<mfrac>${above}${below}</mfrac>`;
const root = (inner) => `<msqrt>${inner}</msqrt>`;
const hat = (base) => `<mover accent="true">${base}<mo>^</mo></mover>`;
const inParts = (...parts) => row(op("("), ...parts, op(")"));

const [THETA, ETA, MU, GRAD] = [id("θ"), id("η"), id("μ"), id("J")];
const T = id("t"), BEFORE = row(T, op("−"), num(1)), NEXT = row(T, op("+"), num(1));
const at = (letter, when = T) => sub(id(letter), when);
const [B1, B2] = [sub(id("β"), num(1)), sub(id("β"), num(2))];
const oneMinus = (what) => inParts(num(1), op("−"), what);
const square = (what) => sup(what, num(2));
const mean = (letter, share, of) => row(at(letter), op("="), share, at(letter, BEFORE), op("+"), oneMinus(share), of);
const moves = (...by) => row(sub(THETA, NEXT), op("="), sub(THETA, T), op("−"), at("η"), ...by);
const shrinks = (...by) => row(sub(THETA, NEXT), op("="), oneMinus(row(at("η"), id("λ"))), sub(THETA, T), op("−"), at("η"), ...by);
const over = (letter) => row(root(letter), op("+"), id("ε"));

const GRADIENT = [row(at("g"), op("="), sub(op("∇"), THETA), GRAD, inParts(sub(THETA, T))), "g"];
const VELOCITY = [row(at("b"), op("="), MU, at("b", BEFORE), op("+"), at("g")), "b"];
const MOMENTS = [[mean("m", B1, at("g")), "m"], [mean("v", B2, square(at("g"))), "v"]];
const HATS = [
  [row(sub(hat(id("m")), T), op("="), frac(at("m"), row(num(1), op("−"), sup(B1, T)))), "mHat"],
  [row(sub(hat(id("v")), T), op("="), frac(at("v"), row(num(1), op("−"), sup(B2, T)))), "vHat"],
];
const ADAM_STEP = [frac(num(1), over(sub(hat(id("v")), T))), sub(hat(id("m")), T)];

const EQUATIONS = {
  sgd: [GRADIENT, [moves(at("g")), "to"]],
  momentum: [GRADIENT, VELOCITY, [moves(at("b")), "to"]],
  nesterov: [GRADIENT, VELOCITY, [moves(inParts(at("g"), op("+"), MU, at("b"))), "to"]],
  rmsprop: [GRADIENT, [mean("v", id("α"), square(at("g"))), "v"], [moves(frac(at("g"), over(at("v")))), "to"]],
  adam: [GRADIENT, ...MOMENTS, ...HATS, [moves(...ADAM_STEP), "to"]],
  raw: [GRADIENT, ...MOMENTS, [moves(frac(num(1), over(at("v"))), at("m")), "to"]],
  adamw: [GRADIENT, ...MOMENTS, ...HATS, [shrinks(...ADAM_STEP), "to"]],
  lion: [
    GRADIENT, [row(at("c"), op("="), B1, at("m", BEFORE), op("+"), oneMinus(B1), at("g")), "c"],
    [shrinks(id("sign"), inParts(at("c"))), "to"], [mean("m", B2, at("g")), "m"],
  ],
  muon: [
    GRADIENT, VELOCITY, [row(at("u"), op("="), at("g"), op("+"), MU, at("b")), "u"],
    [row(at("o"), op("="), id("NewtonSchulz"), inParts(at("u"))), "o"], [shrinks(at("o")), "to"],
  ],
};
const MEANS = {
  sgd: "The text's step: against the gradient, as far as it is steep.",
  momentum: "Velocity b sums the gradients; where they agree, steps grow up to 1/(1 − μ) times.",
  nesterov: "Momentum that looks ahead: the gradient counts once more, on top of the velocity.",
  rmsprop: "Each weight's gradient is divided by its usual size, α = 0.99.",
  adam: "The text's Adam: mean over root of the mean square, both corrected for their start at 0.",
  raw: "Adam without the text's correction: m and v start at 0 and are too small, v more so.",
  adamw: "Adam whose weight decay λ does not pass through its division.",
  lion: "Only the sign of the momentum counts: each weight moves by η, up or down. β₂ = 0.99.",
  muon: "Muon makes a matrix's singular values equal. Two weights are a matrix of one row, which has a single one, its "
    + "length: what is left is momentum (μ = 0.95) with steps of about 0.7 to 1.2 η. What Muon gains on whole matrices "
    + "cannot be seen in two weights.",
};
const SWA_MATH = row(
  sub(id("w"), id("SWA")), op("←"),
  frac(row(sub(id("w"), id("SWA")), sub(id("n"), id("models")), op("+"), id("w")), row(sub(id("n"), id("models")), op("+"), num(1))),
);
const EMA_MATH = row(sub(id("w"), id("EMA")), op("←"), id("d"), sub(id("w"), id("EMA")), op("+"), oneMinus(id("d")), id("w"));

const SHARE = frac(row(id("t")), id("T"));
const HALF_COSINE = row(frac(num(1), num(2)), inParts(num(1), op("+"), id("cos"), inParts(id("π"), SHARE)));
const SCHEDULE_MATH = {
  constant: row(at("η"), op("="), ETA),
  step: row(at("η"), op("="), ETA, op("·"), sup(num("0.1"), row(op("⌊"), id("t"), op("/"), num("0.3"), id("T"), op("⌋")))),
  exponential: row(at("η"), op("="), ETA, op("·"), sup(num("0.1"), row(id("t"), op("/"), num("0.5"), id("T")))),
  cosine: row(at("η"), op("="), ETA, op("·"), HALF_COSINE),
  cosine_restarts: row(at("η"), op("="), ETA, op("·"), frac(num(1), num(2)), inParts(num(1), op("+"), id("cos"), inParts(id("π"), frac(sub(id("T"), id("current")), row(num("0.25"), id("T")))))),
  cyclic: row(at("η"), op("="), sub(ETA, id("min")), op("+"), inParts(sub(ETA, id("max")), op("−"), sub(ETA, id("min"))), id("max"), inParts(num(0), op(","), num(1), op("−"), id("x"))),
  onecycle: row(at("η"), op(":"), frac(ETA, num(25)), op("→"), ETA, op("→"), frac(ETA, num("250000"))),
  swa: row(at("η"), op(":"), ETA, op("→"), frac(ETA, num(2))),
};

const math = (inner) => `<math>${inner}</math>`;
const digits = (value) => !Number.isFinite(value) ? "∞"
  : value === 0 ? "0"
  : Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3 ? value.toExponential(1).replace(".0e", "e").replace("e+", "e").replace("-", "−").replace("e-", "e−")
  : Number(value.toPrecision(3)).toString().replace("-", "−");
const pair = (values) => `(${values.map(digits).join(", ")})`;

// Lines of [formula, value] for one optimizer at a step of its path.
function equations(path, step, state) {
  const seen = path.seen[Math.min(step, path.seen.length - 1)];
  const lines = EQUATIONS[path.name].map(([formula, key]) => [math(formula), pair(seen[key])]);
  lines.push([math(SCHEDULE_MATH[state.schedule]), digits(seen.lr)]);
  for (const [kind, formula] of [["swa", SWA_MATH], ["ema", EMA_MATH]]) {
    const now = path.averages[kind]?.points[Math.min(step, path.points.length - 1)];
    if (path.averages[kind]) lines.push([math(formula), now ? `${pair(now.w)}, n = ${now.count}` : "not begun"]);
  }
  return lines;
}
