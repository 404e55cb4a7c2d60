// The picture and the curves, on two canvases. Colours are the page's CSS variables.
const BANDS = 16;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const parsed = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// Gives a canvas the pixels of its size on the screen, and returns its context with units of CSS pixels.
function prepared(canvas) {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return { context, width, height, scale };
}

// Levels that give each band a part of the picture, smaller parts near the least loss.
function levelsOf(field) {
  const sorted = [];
  for (let i = 0; i < 48; i += 1) for (let j = 0; j < 48; j += 1) sorted.push(field.share(i / 47, j / 47));
  sorted.sort((a, b) => a - b);
  const levels = [];
  for (let band = 0; band <= BANDS; band += 1) {
    levels.push(sorted[Math.round((sorted.length - 1) * (band / BANDS) ** 1.5)]);
  }
  return levels;
}

// The band of a loss with its fraction: how far between two levels.
function bandOf(levels, loss) {
  let low = 0, high = BANDS;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (levels[middle] <= loss) low = middle; else high = middle;
  }
  const rise = levels[low + 1] - levels[low];
  return low + (rise > 0 ? Math.min(1.5, Math.max(0, (loss - levels[low]) / rise)) : 0);
}

// Bands of the loss with lines between them, as an image that is kept while nothing of it changes.
const kept = { key: "", image: null };
function drawField(context, field, pixels) {
  const key = [field.key, pixels.width, pixels.height, color("low"), color("high")].join();
  if (kept.key !== key) {
    const { width, height } = pixels, levels = levelsOf(field), bands = new Float32Array(width * height);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) bands[y * width + x] = bandOf(levels, field.share(x / (width - 1), 1 - y / (height - 1)));
    }
    const image = context.createImageData(width, height);
    const [low, high, line] = ["low", "high", "contour"].map((name) => parsed(color(name)));
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const i = y * width + x, band = bands[i];
        const slope = Math.hypot(bands[Math.min(x + 1, width - 1) + y * width] - band, bands[x + Math.min(y + 1, height - 1) * width] - band);
        const near = Math.abs(band - Math.round(band)) / Math.max(slope, 1e-6);
        const ink = Math.round(band) > 0 ? Math.min(1, Math.max(0, 1.1 - near)) * 0.8 : 0;
        const share = Math.min(1, Math.floor(band) / (BANDS - 1));
        for (let c = 0; c < 3; c += 1) {
          image.data[4 * i + c] = (low[c] + (high[c] - low[c]) * share) * (1 - ink) + line[c] * ink;
        }
        image.data[4 * i + 3] = 255;
      }
    }
    Object.assign(kept, { key, image });
  }
  context.putImageData(kept.image, 0, 0);
}

// What is drawn of a surface of two weights.
function fieldOf(name) {
  const { box, loss } = SURFACES[name];
  return { key: name, box, share: (a, b) => loss(box[0] + a * (box[1] - box[0]), box[2] + b * (box[3] - box[2])) };
}

// Draws a field, paths over it, their heads and names. A path has `points`, `shown` (how many of them), `color`,
// `title`, `dash`; `marks` are points of their own: `{ at, color, shape, title }`.
function drawMap(canvas, field, paths, marks, start) {
  const { context, width, height } = prepared(canvas), [left, right, bottom, top] = field.box;
  drawField(context, field, { width: canvas.width, height: canvas.height });
  const place = ([x, y]) => [(x - left) / (right - left) * width, (top - y) / (top - bottom) * height];
  const size = Math.max(1, width / 520);
  context.lineJoin = context.lineCap = "round";
  const paper = color("paper");
  for (const path of paths) {
    const points = path.points.slice(0, path.shown).map(place);
    for (const [ink, thick] of [[paper, 5.5 * size], [color(path.color), 3 * size]]) {
      context.strokeStyle = ink;
      context.lineWidth = thick * (path.thin ? 0.6 : 1);
      context.setLineDash(path.dash && ink !== paper ? [2 * size, 6 * size] : []);
      context.beginPath();
      points.forEach(([x, y], i) => { if (i) context.lineTo(x, y); else context.moveTo(x, y); });
      context.stroke();
    }
    context.setLineDash([]);
    if (path.dots) for (const point of points) shape(context, "circle", point, 3.2 * size, color(path.color), paper, 1);
  }
  if (start) shape(context, "ring", place(start), 8 * size, color("ink"), paper, 2 * size);
  const heads = paths.filter((path) => path.shown && !path.headless)
    .map((path) => ({ at: path.points[path.shown - 1], shape: "circle", color: path.color, title: path.title }));
  const radii = { star: 13, diamond: 10, least: 8, circle: 7 }, taken = [], names = [];
  for (const mark of [...heads, ...marks]) {
    const at = place(mark.at), isOut = !(at[0] >= 0 && at[0] <= width && at[1] >= 0 && at[1] <= height);
    const radius = radii[mark.shape] * size;
    if (!isOut) {
      shape(context, mark.shape, at, radius, color(mark.color), mark.shape === "circle" ? paper : color("ink"), 2 * size);
      taken.push([at[0] - radius, at[1] - radius, 2 * radius, 2 * radius]);
    }
    const edge = [Math.min(width, Math.max(0, at[0])), Math.min(height, Math.max(0, at[1]))];
    if (mark.title && Number.isFinite(edge[0] + edge[1])) names.push([isOut ? `${mark.title}: out` : mark.title, edge, radius, color(mark.ink ?? mark.color)]);
  }
  for (const name of names) label(context, ...name, { taken, width, height, size });
}

function shape(context, kind, [x, y], radius, fill, edge, thick) {
  context.beginPath();
  if (kind === "least") { // a cross
    for (const [ink, width] of [[fill, thick + 4], [edge, thick + 0.5]]) {
      context.beginPath();
      for (const [a, b] of [[1, 1], [1, -1]]) {
        context.moveTo(x - a * radius, y - b * radius);
        context.lineTo(x + a * radius, y + b * radius);
      }
      context.strokeStyle = ink;
      context.lineWidth = width;
      context.stroke();
    }
    return;
  }
  if (kind === "star") {
    for (let i = 0; i < 10; i += 1) {
      const far = i % 2 ? radius * 0.45 : radius, angle = -Math.PI / 2 + i * Math.PI / 5;
      context.lineTo(x + far * Math.cos(angle), y + far * Math.sin(angle));
    }
    context.closePath();
  } else if (kind === "diamond") {
    for (const [a, b] of [[0, -1], [1, 0], [0, 1], [-1, 0]]) context.lineTo(x + radius * a, y + radius * b);
    context.closePath();
  } else {
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
  context.lineWidth = thick;
  if (kind === "ring") {
    context.strokeStyle = edge;
    context.lineWidth = thick + 3;
    context.stroke();
    context.lineWidth = thick;
    context.strokeStyle = fill;
    context.stroke();
    return;
  }
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = edge;
  context.stroke();
}

// Writes a name beside a point, where no other name is yet.
function label(context, text, [x, y], away, ink, { taken, width, height, size }) {
  const points = Math.round(Math.min(20, Math.max(13, 15 * size)));
  context.font = `700 ${points}px system-ui, "DejaVu Sans", sans-serif`;
  const wide = context.measureText(text).width + 10, tall = points + 8;
  const clash = (box) => taken.some((b) => box[0] < b[0] + b[2] && b[0] < box[0] + box[2] && box[1] < b[1] + b[3] && b[1] < box[1] + box[3]);
  let best = null;
  for (let ring = 0; ring < 9 && !best; ring += 1) {
    const reach = away + 6 + ring * tall * 0.7;
    for (const [a, b] of [[1, -0.5], [1, 0.6], [-1, -0.5], [-1, 0.6], [0, -1], [0, 1]]) {
      const left = x + (a > 0 ? reach : a < 0 ? -reach - wide : -wide / 2);
      const top = y - tall / 2 + b * (reach + tall * 0.3);
      const box = [left, top, wide, tall];
      if (left >= 2 && left + wide <= width - 2 && top >= 2 && top + tall <= height - 2 && !clash(box)) { best = box; break; }
    }
  }
  const box = best ?? [Math.min(Math.max(2, x + away), width - wide - 2), Math.min(Math.max(2, y - tall / 2), height - tall - 2), wide, tall];
  taken.push(box);
  context.fillStyle = color("paper");
  context.beginPath();
  context.roundRect(...box, 5);
  context.fill();
  context.fillStyle = ink;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, box[0] + 5, box[1] + tall / 2 + 1);
}

// Draws curves of positive numbers over steps on a logarithmic axis. A curve has `x`, `y`, `color`, `dash`, `title`,
// and `upto`: the step to which it is shown.
function drawCurves(canvas, curves, { first: origin = 0, steps, cursor, caption }) {
  const { context, width, height } = prepared(canvas), narrow = width < 440;
  const points = narrow ? 13 : 15, pad = { left: narrow ? 48 : 58, right: 14, top: points + 14, bottom: points + 14 };
  const values = curves.flatMap((curve) => curve.y).filter((y) => y > 0 && Number.isFinite(y));
  const first = Math.max(...curves.map((curve) => curve.y[0]).filter(Number.isFinite), 1e-12);
  const top = Math.log10(Math.min(Math.max(...values, 1e-12), 100 * first)) + 0.1;
  const bottom = Math.max(Math.log10(Math.min(...values, 10 ** top)), top - 9) - 0.05;
  const px = (x) => pad.left + (x - origin) / Math.max(steps - origin, 1) * (width - pad.left - pad.right);
  const py = (y) => pad.top + (top - Math.log10(Math.max(y, 1e-300))) / Math.max(top - bottom, 1e-9) * (height - pad.top - pad.bottom);
  context.clearRect(0, 0, width, height);
  context.font = `${points}px system-ui, "DejaVu Sans", sans-serif`;
  context.fillStyle = color("soft");
  context.strokeStyle = color("line");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  const isWide = top - bottom > 1.5, every = Math.max(1, Math.ceil((top - bottom) / 5));
  const ticks = [];
  for (let power = Math.floor(bottom); power <= top; power += 1) {
    for (const factor of isWide ? [1] : [1, 2, 5]) {
      const at = power + Math.log10(factor);
      if (at >= bottom && at <= top && (!isWide || power % every === 0)) ticks.push(factor * 10 ** power);
    }
  }
  for (const tick of ticks) {
    context.beginPath();
    context.moveTo(pad.left, py(tick));
    context.lineTo(width - pad.right, py(tick));
    context.stroke();
    context.fillText(tick >= 0.001 && tick < 1e4 ? String(Number(tick.toPrecision(2))) : digits(tick), pad.left - 6, py(tick));
  }
  context.textBaseline = "alphabetic";
  for (const share of narrow ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    context.textAlign = share === 0 ? "left" : share === 1 ? "right" : "center";
    const step = Math.round(origin + share * (steps - origin));
    context.fillText(share === 1 ? `step ${step}` : String(step), px(step), height - 6);
  }
  context.textAlign = "left";
  context.fillText(caption, 4, points);
  context.save();
  context.beginPath();
  context.rect(pad.left, pad.top - 4, width - pad.left - pad.right + 6, height - pad.top - pad.bottom + 8);
  context.clip();
  context.lineJoin = "round";
  for (const curve of curves) {
    context.strokeStyle = color(curve.color);
    context.lineWidth = curve.dash ? 2 : 2.6;
    context.setLineDash(curve.dash ? [3, 5] : []);
    context.beginPath();
    let isOn = false, end = null;
    curve.x.forEach((x, i) => {
      if (x > curve.upto || !Number.isFinite(curve.y[i]) || !(curve.y[i] > 0)) return;
      end = [px(x), py(curve.y[i])];
      if (isOn) context.lineTo(...end); else context.moveTo(...end);
      isOn = true;
    });
    context.stroke();
    context.setLineDash([]);
    if (end) shape(context, curve.dash ? "diamond" : "circle", end, curve.dash ? 6 : 4.5, color(curve.color), color("paper"), 1.5);
  }
  context.strokeStyle = color("soft");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(px(cursor), pad.top);
  context.lineTo(px(cursor), height - pad.bottom);
  context.stroke();
  context.restore();
}
