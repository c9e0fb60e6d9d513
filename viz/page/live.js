// The values of the page computed again after what a reader changes, in the form in which `show` takes them.
// A change is { words, values: [[number of a value, elements or null for all]], number, scaled }, or { words, cuts: [[node, argument]] }.
const live = { program: null, recorded: null, base: null, now: null, changes: [], difference: false };

// Reads the program once, and computes what was recorded; an error says where it differs. Gives whether the page can be computed.
let opened = null;
const ready = () => opened ??= D.live ? openProgram() : Promise.resolve(false);
async function openProgram() {
  const P = await readProgram(D.live);
  live.base = live.now = computed(P, []);
  live.recorded = {
    templates: D.templates.map(({ numbers, edges }) => ({ numbers, edges })), shared: D.shared.map(({ numbers }) => ({ numbers })),
    strips: strips.map(s => ({ values: valuesOf(s), low: s.low, high: s.high })),
    memory: D.memory && { values: valuesOf(D.memory), low: D.memory.low, high: D.memory.high },
  };
  requireEqual(figures(P, live.base, null), live.recorded);
  live.program = P;
  recolour();
  return true;
}

function computed(P, changes) {
  const given = { values: new Map(), cuts: new Map() };
  for (const { values, cuts, number, scaled } of changes) {
    for (const [n, elements] of values ?? []) given.values.set(n, [...given.values.get(n) ?? [], { elements, number, scaled }]);
    for (const [n, argument] of cuts ?? []) given.cuts.set(n, (given.cuts.get(n) ?? new Set()).add(argument));
  }
  const values = forward(P, given, live.base);
  return { ...values, ...cotangents(P, values, given) };
}

// Put these changes in the place of all others. Raises what the computation raises, and then keeps the old ones.
function change(changes, difference = live.difference) {
  const now = changes.length ? computed(live.program, changes) : live.base;
  Object.assign(live, { now, changes, difference });
  show(changes.length || difference || chosen.what ? figures(live.program, now, difference ? live.base : null) : live.recorded);
}

// Norms of values and gradients, of the page's own computation against those recorded: rounding is all that may differ.
function requireEqual(mine, recorded) {
  const norms = found => found.templates.flatMap(t => [...t.numbers.filter((_, k) => k % STATS === NORM || k % STATS === GRAD), ...t.edges]);
  const theirs = norms(recorded), largest = theirs.reduce((a, b) => Number.isFinite(b) ? Math.max(a, b) : a, 0);
  norms(mine).forEach((a, k) => {
    const b = theirs[k];
    if (Number.isFinite(a) !== Number.isFinite(b) || Math.abs(a - b) > 2e-3 * Math.abs(b) + 1e-6 * largest) throw Error(`the page computes ${short(a)} where ${short(b)} was recorded`);
  });
}

// ---- all numbers of the page, from one computation, or from how it differs from another one

function figures(P, now, base) {
  const value = n => base ? difference(now.at(n), base.at(n)) : now.at(n);
  const ct = n => base ? difference(now.of(n), base.of(n)) : now.of(n);
  const along = edges => Array.isArray(edges[0]) ? lengthOf(edges.map(along)) : normOf(pairs(edges).map(([n, k]) => base ? difference(now.along(n, k), base.along(n, k)) : now.along(n, k)).filter(Boolean));
  const row = n => [...statistics(value(n)), normOf(ct(n) ? [ct(n)] : [])];
  const templates = D.templates.map(t => ({ numbers: new Float32Array(t.numbers.length), edges: new Float32Array(t.edges.length) }));
  D.steps.forEach(([, , k, member], i) => {
    const { numbers, edges } = templates[k], { nodes, first } = D.templates[k], all = first[first.length - 1];
    P.rows[i].forEach((n, r) => numbers.set(row(n), (member * nodes.length + r) * STATS));
    first.slice(0, -1).forEach((from, r) => {
      for (let e = from; e < first[r + 1]; e++) edges[member * all + e] = along(P.edges[i][e].length ? P.edges[i][e] : [P.rows[i][r], e - from]);
    });
  });
  return {
    templates, shared: P.shared.map(n => ({ numbers: Float32Array.from(row(n)) })),
    strips: strips.map((strip, s) => {
      const source = P.strips[s];
      if (!source) return base ? { values: valuesOf(strip).slice().fill(isBytes(strip) ? MISSING : NaN) } : live.recorded?.strips[s] ?? {};
      if (strip.kind === 'gradient') return { values: Float32Array.from(source, parts => lengthOf(parts.map(p => Array.isArray(p) ? along(p) : normOf([ct(p)].filter(Boolean))))) };
      const found = overTime(source, strip.rows, source.at ? n => now.at(n) : value);
      if (source.at && base) overTime(source, strip.rows, n => base.at(n)).forEach((v, k) => { found[k] -= v; });
      return isBytes(strip) ? asBytes(found, source, strip, live.recorded?.strips[s], base) : { values: Float32Array.from(found, v => Number.isFinite(v) || Number.isNaN(v) ? v : Infinity) };
    }),
    memory: D.memory && asBytes(overTime(P.memory, D.memory.slots * D.memory.width, value), P.memory, D.memory, live.recorded?.memory, base),
  };
}

const pairs = list => list.flatMap((n, k) => k % 2 ? [] : [[n, list[k + 1]]]);

function difference(a, b) {
  if (!a && !b) return undefined;
  if (Array.isArray(a)) return a;
  const { data } = a ?? b;
  return { data: Float64Array.from(data, (_, i) => Number(a?.data[i] ?? 0) - Number(b?.data[i] ?? 0)), shape: (a ?? b).shape };
}

// As STATISTICS of graph.py; of each value once.
const told = new WeakMap();
const statistics = value => kept(told, value, () => statisticsOf(value));
function statisticsOf(value) {
  if (Array.isArray(value) || !value.data.length) return [NaN, NaN, NaN, NaN, NaN];
  let low = Infinity, high = -Infinity, sum = 0, squares = 0, bad = 0;
  for (const given of value.data) {
    const v = Number(given);
    if (!Number.isFinite(v)) { bad++; continue; }
    low = Math.min(low, v); high = Math.max(high, v); sum += v; squares += v * v;
  }
  return [low, high, sum / Math.max(value.data.length - bad, 1), Math.sqrt(squares), bad];
}

// The norm of a sum of cotangents; an estimate where their shapes differ, as those of views do; −1 of none.
const normed = new WeakMap();  // those of single ones, made once
function normOf(parts) {
  if (!parts.length) return -1;
  if (parts.length === 1) return kept(normed, parts[0], () => sizeOf(parts[0].data));
  if (parts.some(p => p.shape.join() !== parts[0].shape.join())) return lengthOf(parts.map(p => normOf([p])));
  const [{ data }, ...others] = parts;
  let squares = 0;
  for (let i = 0; i < data.length; i++) {
    let v = data[i];
    for (let k = 0; k < others.length; k++) v += others[k].data[i];
    squares += v * v;
  }
  return Math.sqrt(squares);
}
function sizeOf(data) {
  let squares = 0;
  for (let i = 0; i < data.length; i++) squares += data[i] * data[i];
  return Math.sqrt(squares);
}
const lengthOf = norms => norms.some(n => n >= 0 || Number.isNaN(n)) ? Math.hypot(...norms.filter(n => !(n < 0))) : -1;

// ---- values over time

// Where the numbers of a strip at one time stand in the value that has them: a function of the number's place in the strip.
function placesOf({ from }, t) {
  const start = Array.isArray(from) ? from[t] : from;
  return Array.isArray(start) ? k => start[k] : k => start + k;
}

function overTime(source, rows, value) {  // T × rows numbers; NaN where there is no value, infinity where one is not finite
  const found = new Float64Array(T * rows).fill(NaN), wide = source.width || 1;
  source.values.forEach((n, t) => {
    if (n === null) return;
    const { data } = value(n), place = placesOf(source, t);
    if (source.at) {  // weights of a few slots
      const { data: slots } = value(source.at[t]);
      found.fill(0, t * rows, (t + 1) * rows);
      for (let k = 0; k < source.count; k++) found[t * rows + Number(slots[place(k)])] += Number(data[place(k)]);
      return;
    }
    for (let r = 0; r < rows; r++) {
      let v = Number(data[place(r * wide)]);
      if (source.width) { v *= v; for (let k = 1; k < wide; k++) v += Number(data[place(r * wide + k)]) ** 2; v = Math.sqrt(v); }
      found[t * rows + r] = Number.isFinite(v) ? v : Infinity;
    }
  });
  return found;
}

function asBytes(found, source, panel, recorded, base) {  // as _bytes of panels.py; the scale holds what was recorded too
  let most = base || !recorded ? 0 : recorded.high, signed = !base && recorded?.low < 0;
  for (const v of found) if (Number.isFinite(v)) { most = Math.max(most, Math.abs(v)); signed ||= v < 0 && (base || panel.kind !== 'weights'); }
  const high = most || 1, low = signed ? -high : 0, rows = found.length / T, values = new Uint8Array(found.length);
  for (let k = 0; k < found.length; k++) {
    const v = found[k];
    values[k] = source.values[Math.floor(k / rows)] === null ? MISSING : Number.isFinite(v) ? Math.round((Math.max(v, low) - low) / (high - low) * LEVELS) : BAD_BYTE;
  }
  return { low, high, values };
}
