// Primitives that move, sum and index elements. Axes are normalised, and arrays lie in row-major order.

// For each element of an array of this shape, in order: the start plus its index along each axis times the axis's stride.
function offsets(shape, strides, start = 0) {
  let found = new Int32Array([start]);
  shape.forEach((n, axis) => {
    const next = new Int32Array(found.length * n);
    for (let i = 0, o = 0; i < found.length; i++) for (let k = 0; k < n; k++) next[o++] = found[i] + k * strides[axis];
    found = next;
  });
  return found;
}
function stridesOf(shape) {
  const found = new Array(shape.length);
  for (let axis = shape.length - 1, step = 1; axis >= 0; step *= shape[axis--]) found[axis] = step;
  return found;
}
const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);

// What `make` gives for a key, made once.
function kept(map, key, make) {
  const known = map.get(key);
  if (known !== undefined) return known;
  const found = make();
  map.set(key, found);
  return found;
}

// Offsets for a result and an argument, made once: a shape is an object of one signature, so it stands for the attributes too.
const known = new WeakMap();
const placesFor = (y, x, make) => kept(kept(known, y.shape, () => new WeakMap()), x.shape, make);

// y[i] = x[start + index · strides], and its reverse, y[start + index · strides] = x[i]; `place` gives [strides, start].
function pickFrom(y, x, place) {
  if (x.data.length === 1) { y.data.fill(x.data[0]); return; }
  const at = placesFor(y, x, () => offsets(y.shape, ...place())), from = x.data, to = y.data;
  for (let i = 0; i < at.length; i++) to[i] = from[at[i]];
}
function putInto(y, x, place) {
  const at = placesFor(y, x, () => offsets(x.shape, ...place())), from = x.data, to = y.data;
  for (let i = 0; i < at.length; i++) to[at[i]] = from[i];
}

// An array as (outer, n, inner) around one axis.
const lanes = (shape, axis) => [count(shape.slice(0, axis)), shape[axis], count(shape.slice(axis + 1))];

const MOVEMENT = {
  reshape: copy,
  permute: (y, [x], { axes }) => pickFrom(y, x, () => { const s = stridesOf(x.shape); return [axes.map(a => s[a])]; }),
  broadcast: (y, [x]) => pickFrom(y, x, () => {
    const s = stridesOf(x.shape), extra = y.shape.length - x.shape.length;
    return [y.shape.map((_, a) => a < extra || x.shape[a - extra] === 1 ? 0 : s[a - extra])];
  }),
  slice: (y, [x], { start, step }) => pickFrom(y, x, () => { const s = stridesOf(x.shape); return [s.map((v, a) => v * step[a]), dot(start, s)]; }),
  pad: (y, [x], { low, interior }) => putInto(y, x, () => { const s = stridesOf(y.shape); return [s.map((v, a) => v * (interior[a] + 1)), dot(low, s)]; }),
  flip: (y, [x], { axes }) => pickFrom(y, x, () => {
    const s = stridesOf(x.shape);
    return [s.map((v, a) => axes.includes(a) ? -v : v), axes.reduce((sum, a) => sum + (x.shape[a] - 1) * s[a], 0)];
  }),
  roll(y, [x], { shift, axis }) {
    const [outer, n, inner] = lanes(x.shape, axis);
    for (let o = 0; o < outer; o++) for (let k = 0; k < n; k++) {
      const from = (o * n + k) * inner, to = (o * n + ((k + shift) % n + n) % n) * inner;
      y.data.set(x.data.subarray(from, from + inner), to);
    }
  },
  concat(y, xs, { axis }) {
    const [outer, total, inner] = lanes(y.shape, axis);
    let at = 0;
    for (const x of xs) {
      const row = x.shape[axis] * inner;
      for (let o = 0; o < outer; o++) y.data.set(x.data.subarray(o * row, (o + 1) * row), o * total * inner + at);
      at += row;
    }
  },
};

// ---- sums

const exact = dtype => isFloat(dtype) ? Float64Array : KINDS[dtype];  // sums of floats are rounded at the end

// For each element of the argument, the place of the result that it goes into.
const reducedPlaces = (y, x, axes) => placesFor(y, x, () => {
  const strides = stridesOf(y.shape);
  let next = 0;
  return offsets(x.shape, x.shape.map((_, a) => axes.includes(a) ? 0 : strides[next++]));
});

function reduction(f, start) {
  return (y, [x], { axes }) => {
    const g = f(x.dtype), found = new (exact(y.dtype))(y.data.length).fill(start(y.dtype)), seen = new Uint8Array(found.length);
    const at = reducedPlaces(y, x, axes);
    for (let i = 0; i < at.length; i++) {
      found[at[i]] = seen[at[i]] ? g(found[at[i]], x.data[i]) : x.data[i];
      seen[at[i]] = 1;
    }
    y.data.set(found);
  };
}
const plus = () => (a, b) => a + b;

// The sum of floats; of negative zeros it is one.
function total(y, [x], { axes }) {
  const at = reducedPlaces(y, x, axes), from = x.data, found = new Float64Array(y.data.length).fill(from.length ? -0 : 0);
  for (let i = 0; i < at.length; i++) found[at[i]] += from[i];
  y.data.set(found);
}

function cumulative(f) {
  return (y, [x], { axis, reverse }) => {
    const [outer, n, inner] = lanes(x.shape, axis), g = f(x.dtype), found = new (exact(y.dtype))(y.data.length);
    for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) for (let k = 0; k < n; k++) {
      const at = t => (o * n + (reverse ? n - 1 - t : t)) * inner + i;
      found[at(k)] = k ? g(found[at(k - 1)], x.data[at(k)]) : x.data[at(k)];
    }
    y.data.set(found);
  };
}

function argmax(y, [x], { axis }) {
  const [outer, n, inner] = lanes(x.shape, axis);
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) {
    let best = 0;
    const value = k => x.data[(o * n + k) * inner + i];
    for (let k = 1; k < n; k++) if (value(best) === value(best) && !(value(k) <= value(best))) best = k;
    y.data[o * inner + i] = BigInt(best);
  }
}

function matmul(z, [x, y]) {
  const k = x.shape[x.shape.length - 1], [rows, columns] = z.shape.slice(-2), batch = count(z.shape.slice(0, -2));
  const one = isFloat(z.dtype) ? floatRows : wholeRows;
  for (let b = 0; b < batch; b++) one(z, x.data, y.data, b * rows, rows, k, columns, b * k * columns);
}
function floatRows({ data: z }, x, y, top, rows, k, columns, start) {  // sums are rounded at the end
  const row = new Float64Array(columns);
  for (let i = top; i < top + rows; i++) {
    const to = i * columns;
    if (k === 1) {
      const a = x[i];
      for (let c = 0; c < columns; c++) z[to + c] = a * y[start + c];
      continue;
    }
    row.fill(0);
    for (let j = 0; j < k; j++) {
      const a = x[i * k + j], from = start + j * columns;
      for (let c = 0; c < columns; c++) row[c] += a * y[from + c];
    }
    z.set(row, to);
  }
}
function wholeRows(z, x, y, top, rows, k, columns, start) {
  const row = new KINDS[z.dtype](columns), zero = numeral(z.dtype)(0), multiply = product(z.dtype);
  for (let i = top; i < top + rows; i++) {
    row.fill(zero);
    for (let j = 0; j < k; j++) for (let c = 0; c < columns; c++) row[c] += multiply(x[i * k + j], y[start + j * columns + c]);
    z.data.set(row, i * columns);
  }
}

const SUMS = {
  sum: byDtype(total, reduction(plus, dtype => numeral(dtype)(0))), prod: reduction(product, dtype => numeral(dtype)(1)),
  max: reduction(() => greater, dtype => numeral(dtype)(0)), min: reduction(() => smaller, dtype => numeral(dtype)(0)),
  argmax, cumsum: cumulative(plus), cumprod: cumulative(product), matmul,
};

// ---- indices

function inBounds(what, index, n) {
  const at = Number(index);
  if (at < -n || at >= n) throw Error(`${what}: index ${at} out of bounds for an axis of size ${n}`);
  return at < 0 ? at + n : at;
}

// Calls f(element of the whole, element of the part) for a part that stands at indices along an axis of the whole.
function indexed(what, whole, part, index, axis, f) {
  const [outer, n, inner] = lanes(whole.shape, axis), m = index.data.length;
  for (let k = 0; k < m; k++) {
    const at = inBounds(what, index.data[k], n);
    for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) f((o * n + at) * inner + i, (o * m + k) * inner + i);
  }
}
function along(what, whole, part, index, axis, f) {  // the same where each element of the part has an index of its own
  const [outer, m, inner] = lanes(index.shape, axis), n = whole.shape[axis];
  for (let o = 0; o < outer; o++) for (let k = 0; k < m; k++) for (let i = 0; i < inner; i++) {
    const from = (o * m + k) * inner + i;
    f((o * n + inBounds(what, index.data[from], n)) * inner + i, from);
  }
}
function added(y, walk) {  // sums are rounded at the end
  const found = exact(y.dtype).from(y.data);
  walk((to, value) => { found[to] += value; });
  y.data.set(found);
}
const LOWEST = { int8: -128, int16: -32768, int32: -(2 ** 31), int64: -(2n ** 63n), float32: -Infinity, float64: -Infinity };

function argsort(y, [x], { axis, descending }) {
  const [outer, n, inner] = lanes(x.shape, axis);
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) {
    const value = k => x.data[(o * n + k) * inner + i], nan = v => v !== v;
    const order = Array.from({ length: n }, (_, k) => k).sort((p, q) => {
      const a = value(p), b = value(q);
      if (nan(a) || nan(b)) return nan(a) - nan(b);
      return a === b ? 0 : a < b !== descending ? -1 : 1;
    });
    order.forEach((k, at) => { y.data[(o * n + at) * inner + i] = BigInt(k); });
  }
}

const INDEX = {
  take: (y, [x, index], { axis }) => indexed('take', x, y, index, axis, (whole, part) => { y.data[part] = x.data[whole]; }),
  scatter: (y, [x, index], { axis }) => added(y, add => indexed('scatter', y, x, index, axis, (whole, part) => add(whole, x.data[part]))),
  add_at(y, [updates, index, x], attrs) {
    const sum = zeros([y.dtype, y.shape]);
    INDEX.scatter(sum, [updates, index], attrs);
    ELEMENTWISE.add(y, [x, sum]);
  },
  scatter_max(y, [x, index], { axis }) {
    y.data.fill(LOWEST[y.dtype] ?? numeral(y.dtype)(0));
    indexed('scatter_max', y, x, index, axis, (whole, part) => { y.data[whole] = greater(y.data[whole], x.data[part]); });
  },
  gather: (y, [x, index], { axis }) => along('gather', x, y, index, axis, (whole, part) => { y.data[part] = x.data[whole]; }),
  scatter_along: (y, [x, index], { axis }) => added(y, add => along('scatter_along', y, x, index, axis, (whole, part) => add(whole, x.data[part]))),
  position: (y, [index], { n, what }) => y.data.set(Array.from(index.data, i => BigInt(inBounds(what, i, n)))),
  argsort,
  one_hot: (y, [index], { n }) => index.data.forEach((at, row) => { if (at >= 0 && at < n) y.data[row * n + Number(at)] = numeral(y.dtype)(1); }),
  iota: (y, _, { n }) => { for (let i = 0; i < n; i++) y.data[i] = numeral(y.dtype)(i); },
  extent: (y, _, { n }) => { y.data[0] = BigInt(n); },
  random,
};

// Philox 4x64-10 with the counter (block, 0, stream, domain). Floats are its leading bits.
function random(y, [key, stream], { domain }) {
  const keys = key.data.length / 2, each = y.data.length / keys, bits = y.dtype === 'float32' ? 24n : 53n;
  for (let k = 0; k < keys; k++) for (let i = 0; i < each; i += 4) {
    const block = philox([BigInt(i / 4 + 1), 0n, stream.data[k % stream.data.length], BigInt(domain)], [key.data[2 * k], key.data[2 * k + 1]]);
    block.slice(0, each - i).forEach((v, n) => { y.data[k * each + i + n] = isFloat(y.dtype) ? Number(v >> 64n - bits) * 2 ** -Number(bits) : v; });
  }
}
function philox([a, b, c, d], [k0, k1]) {
  const low = v => BigInt.asUintN(64, v);
  for (let round = 0; round < 10; round++) {
    const p = 0xD2E7470EE14C6C93n * a, q = 0xCA5A826395121157n * c;
    [a, b, c, d] = [(q >> 64n) ^ b ^ k0, low(q), (p >> 64n) ^ d ^ k1, low(p)];
    [k0, k1] = [low(k0 + 0x9E3779B97F4A7C15n), low(k1 + 0xBB67AE8584CAA73Bn)];
  }
  return [a, b, c, d];
}
