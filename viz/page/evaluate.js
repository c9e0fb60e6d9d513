// Graphs computed: forward, with what a reader changes, and in reverse by the gradient rules, which are graphs too.
// A graph is { params, nodes: [[signature, ...arguments]], outputs }; program.py says what an argument is.

const CONTROL = {
  item: (y, [xs], { index }) => y.data.set(xs[index].data),
  call: (ys, xs, { graph }, P) => fill(ys, run(P, graph, xs)),
  cond: (ys, [c, ...xs], { then, otherwise }, P) => fill(ys, run(P, c.data[0] ? then : otherwise, xs)),
  while_loop(ys, xs, { condition, body, constants }, P) {
    const fixed = xs.slice(0, constants);
    let carry = xs.slice(constants);
    while (run(P, condition, [...fixed, ...carry])[0].data[0]) carry = run(P, body, [...fixed, ...carry]);
    fill(ys, carry);
  },
  scan(ys, xs, { body, constants, carries, length, reverse }, P) {
    const fixed = xs.slice(0, constants), sequences = xs.slice(constants + carries);
    let carry = xs.slice(constants, constants + carries);
    for (let k = 0; k < length; k++) {
      const t = reverse ? length - 1 - k : k, found = run(P, body, [...fixed, ...carry, ...sequences.map(x => element(x, t))]);
      carry = found.slice(0, carries);
      found.slice(carries).forEach((y, i) => ys[carries + i].data.set(y.data, t * y.data.length));
    }
    fill(ys.slice(0, carries), carry);
  },
};
const OPERATIONS = { ...ELEMENTWISE, ...MOVEMENT, ...SUMS, ...INDEX, ...CONTROL };

const fill = (ys, xs) => ys.forEach((y, i) => y.data.set(xs[i].data));
function element(x, t) {
  const n = count(x.shape.slice(1));
  return { dtype: x.dtype, shape: x.shape.slice(1), data: x.data.subarray(t * n, (t + 1) * n) };
}

// The program of a page, as program.py packed it, with its leaves as arrays, and the numbers of the arguments of each node.
async function readProgram(text) {
  const deflated = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream('deflate'));
  const raw = new Uint8Array(await new Response(deflated).arrayBuffer()), start = 4 + new DataView(raw.buffer).getUint32(0, true);
  const data = JSON.parse(new TextDecoder().decode(raw.subarray(4, start)));
  let at = start;
  const leaves = data.leaves.map(([dtype, shape, size]) => {
    const found = zeros([dtype, shape]), given = numbersOf(raw.subarray(at, at += size), KINDS[dtype]);
    if (given.length === found.data.length) found.data = given; else found.data.fill(given[0]);
    return found;
  });
  const sources = data.graph.nodes.map((node, n) => node.slice(1).map(a => a < 0 ? a : n - a));
  return { ...data, leaves, sources };
}
function numbersOf(planes, Kind) {  // from all first bytes, then all second ones, …
  const each = Kind.BYTES_PER_ELEMENT, count = planes.length / each, whole = new Uint8Array(planes.length);
  for (let k = 0, i = 0; k < each; k++) for (let n = 0; n < count; n++) whole[n * each + k] = planes[i++];
  return new Kind(whole.buffer);
}

const SAME = new Set(['reshape', 'alias', 'detach']);  // these give the numbers of their argument, in the same memory: no array is written to later
const permuted = new WeakMap();  // numbers -> signature -> what these are permuted; weights are, in each step

function apply(P, signature, args) {
  const [name, attrs, types] = P.signatures[signature];
  if (SAME.has(name)) return { ...args[0], shape: types[1] };
  const known = name === 'permute' ? kept(permuted, args[0].data, () => new Map()) : null;
  if (known?.has(signature)) return known.get(signature);
  const found = typeof types[0] === 'string' ? zeros(types) : types.map(zeros);
  OPERATIONS[name](found, args, attrs, P);
  known?.set(signature, found);
  return found;
}

// The outputs of a graph. The number of a leaf is negative.
function run(P, graph, params) {
  const values = [...params];
  for (const node of graph.nodes) {
    const args = [];
    for (let k = 1; k < node.length; k++) args.push(node[k] < 0 ? P.leaves[-1 - node[k]] : values[values.length - node[k]]);
    values.push(apply(P, node[0], args));
  }
  return graph.outputs.map(o => o < 0 ? P.leaves[-1 - o] : values[o]);
}

// ---- the whole program, with changes

// Changes: { values: number of a value -> [{ elements (null: all), number, scaled }], cuts: node -> set of arguments that are zero }.
const UNCHANGED = { values: new Map(), cuts: new Map() };

function changed(array, edits) {
  const found = { ...array, data: array.data.slice() }, number = numeral(array.dtype);
  for (const { elements, number: n, scaled } of edits) {
    if (!isFloat(array.dtype) && !Number.isInteger(n)) throw Error(`${array.dtype} holds whole numbers`);
    for (const i of elements ?? found.data.keys()) found.data[i] = scaled ? found.data[i] * number(n) : number(n);
  }
  return found;
}

// { at(number): a value, given: the arguments of each node as it read them }. What no change reaches is taken from the run without changes.
function forward(P, { values: edits, cuts }, base = null) {
  const leaves = P.leaves.map((leaf, k) => edits.has(-1 - k) ? changed(leaf, edits.get(-1 - k)) : leaf);
  const values = [], given = [], at = n => n < 0 ? leaves[-1 - n] : values[n], reached = new Uint8Array(P.graph.nodes.length);
  P.graph.nodes.forEach(([signature], node) => {
    const cut = cuts.get(node), from = P.sources[node];
    if (base && !cut && !edits.has(node) && !from.some(a => a < 0 ? edits.has(a) : reached[a])) {
      values[node] = base.at(node);
      given[node] = base.given[node];
      return;
    }
    reached[node] = 1;
    given[node] = from.map((a, k) => cut && cut.has(k) ? zeros([at(a).dtype, at(a).shape]) : at(a));
    const found = apply(P, signature, given[node]);
    values[node] = edits.has(node) ? changed(found, edits.get(node)) : found;
  });
  return { at, given };
}

// Cotangents of the loss, or of the sum of a value (of its product with a seed): { of(number): of a value, along(node, argument): that reaches it by one reader }; undefined for none.
// Where a value was overwritten it is a constant: it has a cotangent, and nothing passes on from there. Nothing passes along what was cut.
function backward(P, { at, given }, { values: edits, cuts }, from = P.loss, seed = null) {
  const totals = new Map(), flows = [];
  const own = new Set();  // the numbers whose cotangent is a sum made here
  const deposit = (n, ct) => {
    const held = totals.get(n), sum = own.has(n) ? held : held && zeros([held.dtype, held.shape]);
    if (held) { add(sum, [held, ct]); own.add(n); }
    totals.set(n, sum ?? ct);
  };
  const several = new Map();  // node with several results -> their cotangents
  const ones = zeros([at(from).dtype, at(from).shape]);
  ones.data.fill(1);
  totals.set(from, seed ?? ones);
  for (let node = P.graph.nodes.length - 1; node >= 0; node--) {
    const [name, attrs] = P.signatures[P.graph.nodes[node][0]], args = P.sources[node];
    if (name === 'item' && totals.has(node)) {
      const held = several.get(args[0]) ?? several.set(args[0], []).get(args[0]);
      held[attrs.index] = stopped(totals.get(node), edits.get(node));
      continue;
    }
    const rule = P.pulls[P.rules[node]], out = at(node), outs = Array.isArray(out) ? out : [out];
    if (!rule || !(totals.has(node) || several.has(node))) continue;
    const held = several.get(node) ?? [stopped(totals.get(node), edits.get(node))];
    const cts = outs.flatMap((y, k) => isFloat(y.dtype) ? [held[k] ?? zeros([y.dtype, y.shape])] : []);
    const found = run(P, rule, [...cts, ...outs, ...given[node]]);
    flows[node] = [];
    rule.gives.forEach((k, n) => {
      if (cuts.get(node)?.has(k)) return;
      flows[node][k] = found[n];
      deposit(args[k], found[n]);
    });
  }
  return { of: n => totals.get(n), along: (node, argument) => flows[node]?.[argument] };
}

// What passes on of the cotangent of a changed value.
function stopped(ct, edits) {
  if (!edits) return ct;
  const found = { ...ct, data: ct.data.slice() };
  for (const { elements, number, scaled } of edits) for (const i of elements ?? found.data.keys()) found.data[i] *= scaled ? number : 0;
  return found;
}
