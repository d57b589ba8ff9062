// What the map of prompts is made of: where marks lie, which one is near, which lie in a lasso, and their ink. Marks are written
// into an image by hand: a hundred thousand of them take a few hundredths of a second.
const PAD = 14, NEAR = 9, WIDE = 1.35;  // px; and how far the two axes may differ in scale
const has = (bits, i) => (bits[i >> 3] >> (i & 7)) & 1;

PIECES.marks = { layOut, nearest, inside, rgb, stampAll, trace, names, ring };

// -- where marks are ----------------------------------------------------------------------------------

// Places in px, and a grid of buckets to find the nearest one.
function layOut(map, wide, tall) {
  const { xy } = map, n = map.n, x = new Float32Array(n), y = new Float32Array(n), cell = 12, across = Math.ceil(wide / cell);
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < n; i += 1) {
    left = Math.min(left, xy[2 * i]); right = Math.max(right, xy[2 * i]);
    low = Math.min(low, xy[2 * i + 1]); high = Math.max(high, xy[2 * i + 1]);
  }
  const sx = (wide - 2 * PAD) / Math.max(right - left, 1e-9), sy = (tall - 2 * PAD) / Math.max(high - low, 1e-9);
  const least = Math.min(sx, sy), kx = Math.min(sx, WIDE * least), ky = Math.min(sy, WIDE * least);
  const dx = wide / 2 - kx * (left + right) / 2, dy = tall / 2 + ky * (low + high) / 2;
  const starts = new Uint32Array(across * Math.ceil(tall / cell) + 2), where = new Uint32Array(n), order = new Uint32Array(n);
  for (let i = 0; i < n; i += 1) {
    x[i] = dx + kx * xy[2 * i]; y[i] = dy - ky * xy[2 * i + 1];
    where[i] = Math.floor(y[i] / cell) * across + Math.floor(x[i] / cell);
    starts[where[i] + 2] += 1;
  }
  for (let c = 2; c < starts.length; c += 1) starts[c] += starts[c - 1];
  for (let i = 0; i < n; i += 1) { order[starts[where[i] + 1]] = i; starts[where[i] + 1] += 1; }
  const to = (px, py) => [dx + kx * px, dy - ky * py], back = (px, py) => [(px - dx) / kx, (dy - py) / ky];
  return { x, y, n, tall, cell, across, starts, order, to, back, size: Math.max(2.2, Math.min(6.5, 75 / Math.sqrt(n))) };
}

function nearest(laid, x, y) {
  const { cell, across, starts, order } = laid;
  let best = -1, least = NEAR * NEAR;
  for (let row = Math.floor(y / cell) - 1; row <= Math.floor(y / cell) + 1; row += 1) {
    for (let column = Math.max(0, Math.floor(x / cell) - 1); column <= Math.min(across - 1, Math.floor(x / cell) + 1); column += 1) {
      const bucket = row * across + column;
      if (bucket < 0 || bucket + 1 >= starts.length) continue;
      for (let k = starts[bucket]; k < starts[bucket + 1]; k += 1) {
        const i = order[k], d = (laid.x[i] - x) ** 2 + (laid.y[i] - y) ** 2;
        if (d < least) { least = d; best = i; }
      }
    }
  }
  return best;
}

// Which marks lie in a polygon (even-odd), as bits.
function inside(laid, points) {
  const bits = new Uint8Array(Math.ceil(laid.n / 8)), m = points.length;
  const px = Float32Array.from(points, (p) => p[0]), py = Float32Array.from(points, (p) => p[1]);
  const [left, right, top, foot] = [Math.min(...px), Math.max(...px), Math.min(...py), Math.max(...py)];
  let n = 0;
  for (let i = 0; i < laid.n; i += 1) {
    const x = laid.x[i], y = laid.y[i];
    if (x < left || x > right || y < top || y > foot) continue;
    let within = false;
    for (let a = 0, b = m - 1; a < m; b = a, a += 1) {
      if ((py[a] > y) !== (py[b] > y) && x < (px[b] - px[a]) * (y - py[a]) / (py[b] - py[a]) + px[a]) within = !within;
    }
    if (within) { bits[i >> 3] |= 1 << (i & 7); n += 1; }
  }
  return { bits, n };
}

// -- ink ----------------------------------------------------------------------------------------------

function rgb(colour) {
  const pen = h("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data;
}

// How much of each pixel a shape covers, 0 to 255.
function stamp(path, size, scale) {
  const wide = 2 * Math.ceil(size * scale / 2) + 3, k = size * scale / 10, canvas = h("canvas", { width: wide, height: wide });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.setTransform(k, 0, 0, k, wide / 2 - 5 * k, wide / 2 - 5 * k);
  pen.fill(new Path2D(path));
  const { data } = pen.getImageData(0, 0, wide, wide), cover = new Uint8Array(wide * wide);
  for (let i = 0; i < cover.length; i += 1) cover[i] = data[4 * i + 3];
  return { cover, wide };
}

function stampAll(canvas, laid, map, paint, bits, look) {
  const { width, height } = canvas, pen = canvas.getContext("2d", { willReadFrequently: true });
  const image = pen.createImageData(width, height), { data } = image;
  new Uint32Array(data.buffer).fill((255 << 24) | (look.ground[2] << 16) | (look.ground[1] << 8) | look.ground[0]);
  const stamps = map.slots.map((slot) => stamp(SHAPES[slot], laid.size * (slot === "form" ? 1.15 : 1.1), laid.scale));
  const loose = stamp(SHAPES.helpful, 0.75 * laid.size, laid.scale);
  for (const chosen of bits ? [0, 1] : [1]) {  // what is selected lies above the rest
    for (let i = 0; i < laid.n; i += 1) {
      if (bits && has(bits, i) !== chosen) continue;
      const slot = paint ? paint.codes[i] : map.slots.length - 1, grey = !map.grouped[i], alpha = 0.4 + 0.6 * map.kept[i] / 255;
      const tone = grey ? look.grey : look.tones[slot], kind = grey ? loose : stamps[slot];
      press(image, laid.x[i] * laid.scale, laid.y[i] * laid.scale, kind, tone, chosen ? alpha : 0.22 * alpha);
    }
  }
  pen.putImageData(image, 0, 0);
}

function press({ data, width, height }, x, y, { cover, wide }, tone, alpha) {
  const left = Math.round(x - wide / 2), top = Math.round(y - wide / 2);
  for (let row = 0; row < wide; row += 1) {
    const py = top + row;
    if (py < 0 || py >= height) continue;
    for (let column = 0; column < wide; column += 1) {
      const c = cover[row * wide + column], px = left + column;
      if (!c || px < 0 || px >= width) continue;
      const a = alpha * c / 255, at = 4 * (py * width + px);
      data[at] += a * (tone[0] - data[at]); data[at + 1] += a * (tone[1] - data[at + 1]); data[at + 2] += a * (tone[2] - data[at + 2]);
    }
  }
}

function trace(pen, points, ink) {
  pen.beginPath();
  points.forEach((at, i) => pen[i ? "lineTo" : "moveTo"](...at));
  pen.closePath();
  pen.fillStyle = pen.strokeStyle = ink; pen.lineWidth = 1.2;
  pen.globalAlpha = 0.05;
  pen.fill();
  pen.globalAlpha = 1;
  pen.setLineDash([4, 3]);
  pen.stroke();
  pen.setLineDash([]);
}

// Names of clusters, the largest first; one that finds no free place is left out.
function names(pen, clusters, laid, family, ink, ground) {
  const taken = [], most = Math.max(1, ...clusters.map((one) => one.n));
  pen.textAlign = "center"; pen.textBaseline = "middle"; pen.lineJoin = "round";
  for (const one of clusters) {
    const size = 11 + 2 * Math.sqrt(one.n / most);
    pen.font = `600 ${size}px ${family}`;
    const half = pen.measureText(one.name).width / 2 + 3, [px, py] = laid.to(one.x, one.y);
    const x = Math.max(half, Math.min(laid.wide - half, px));
    const y = [-12, 13, -26, 27, 0].map((by) => py + by).find((at) => at > 9 && at < laid.tall - 9
      && !taken.some((box) => Math.abs(box.x - x) < box.half + half && Math.abs(box.y - at) < size + 3));
    if (y === undefined || 2 * half > laid.wide) continue;
    taken.push({ x, y, half });
    pen.strokeStyle = ground; pen.lineWidth = 4; pen.fillStyle = ink;
    pen.strokeText(one.name, x, y); pen.fillText(one.name, x, y);
  }
}

function ring(pen, x, y, ink, ground) {
  const round = (r, paint) => { pen.beginPath(); pen.arc(x, y, r, 0, 2 * Math.PI); paint(); };
  pen.fillStyle = pen.strokeStyle = ground; pen.lineWidth = 4;
  round(6, () => pen.stroke());
  pen.strokeStyle = pen.fillStyle = ink; pen.lineWidth = 1.6;
  round(6, () => pen.stroke()); round(2.4, () => pen.fill());
}
