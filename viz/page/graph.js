// The graph: steps beside each other on one line. y is 0 at the lower border of every box, and negative above it.
const GAP = 34, TURN = 7, DROP = 9, LEAF = 45, FAR = 0.2, READABLE = 0.45, LEGIBLE = 0.85;
const X = [];  // left borders of the boxes
const drawn = new Map();  // step -> its SVG group, for the steps in view
let sheet, layer, base, top_, right, far = false, frame = 0;

const isOpen = i => S.open.has(i);
const shape = i => { const t = template(i); return isOpen(i) ? t.folded ??= folded(t, D.steps[i][2]) : t.closed; };
const entry = (i, exit) => template(i).links.findIndex(([kind, k]) => kind === 'exit' && k === exit);
const leaves = (i, k) => isOpen(i) ? shape(i).out[k] : template(i + 1).closed.lanes[entry(i + 1, k)];
const busY = n => -top_ - 22 - 10 * n;
const barY = LEAF + 36;

// ---- positions

function bends(i) {  // the lanes between a step and the one before that change their height: first those that rise, from the top; then those that fall, from the bottom
  const { links } = template(i), found = [];
  links.forEach(([kind, k], lane) => {
    if (kind !== 'exit') return;
    const from = leaves(i - 1, k), to = shape(i).lanes[lane];
    found.push({ lane, k, from, to, turn: 0 });
  });
  const up = found.filter(f => f.to - f.from > 0.5).sort((a, b) => b.from - a.from);
  const down = found.filter(f => f.from - f.to > 0.5).sort((a, b) => a.from - b.from);
  up.forEach((f, n) => { f.turn = n + 1; });
  down.forEach((f, n) => { f.turn = n + 1; });
  return { found, turns: Math.max(up.length, down.length) };
}

function corridor(i) {
  const { links, room } = template(i);
  return (i ? GAP + TURN * bends(i).turns : 0) + DROP * links.filter(([kind]) => kind === 'bus').length + room;
}

function layout() {
  let x = 0;
  top_ = 0;
  D.steps.forEach((_, i) => {
    x += corridor(i);
    X[i] = x;
    const { size: [w, h] } = shape(i);
    x += w;
    top_ = Math.max(top_, h + (shape(i).outputs.length ? LEAF + 11 : 20));
  });
  right = x;
  drawn.forEach(g => g.remove());
  drawn.clear();
  drawBase();
}

// What spans all steps: buses above, the bar of weights below. The text of the bar stays in view.
function drawBase() {
  base.replaceChildren();
  for (let n = 0; n < D.buses; n++) {
    const ends = D.steps.flatMap((_, i) => [
      ...shape(i).outputs.filter(([, , bus]) => bus === n).map(([x]) => X[i] + x),
      ...template(i).links.some(([kind, b]) => kind === 'bus' && b === n) ? [X[i] - 8] : [],
    ]);
    if (ends.length > 1) base.append(svg('path', { class: 'wire bus', d: `M${Math.min(...ends)} ${busY(n)}H${Math.max(...ends)}` }));
  }
  const users = D.steps.map((_, i) => i).filter(i => template(i).weights);
  if (!users.length) return;
  const left = X[users[0]], end = X[users[users.length - 1]] + shape(users[users.length - 1]).size[0];
  const bar = base.appendChild(svg('rect', { class: 'parameter', x: left, y: barY, height: 26, rx: 8 }));
  const words = svg('g', { id: 'weights' });
  let x = 8;
  D.shared.slice(0, D.weights).forEach((weight, n) => {
    const label = `${weight.node[1]} ${weight.shape}`, width = 6.1 * [...label].length + 18;
    const g = svg('g', { class: 'node', role: 'button', 'data-shared': n, 'aria-label': `weight ${label}` },
      svg('rect', { class: 'chip', x, y: barY + 4, width, height: 18, rx: 5 }),
      svg('text', { x: x + width / 2, y: barY + 16.5, 'text-anchor': 'middle' }, label));
    mark(g.firstChild, -1, -2 - n, -1, g.lastChild);
    words.append(g);
    x += width + 8;
  });
  bar.setAttribute('width', Math.max(end - left, x));
  words.room = [left, Math.max(left, end - x)];
  base.append(words);
  base.querySelectorAll('*').forEach(tint);
}

// ---- colours

// The colour of a value `row` of a step (below −1: a shared value), or of the cotangent along one of its arguments.
function mark(node, i, row, argument = -1, words = null) {
  if (row !== -1) node.m = row < 0 ? [-1, -2 - row, -1, words] : [i, row, argument, words];
  return node;
}

function colour([i, row, argument]) {
  if (S.mode === 'kind') return null;
  const read = i < 0 ? which => ofShared(row, which) : which => number(i, row, which);
  if (S.mode === 'gradient') return waiting(i) ? rgb(D.none) : decade(argument < 0 ? read(GRAD) : flow(i, row, argument));
  if (argument >= 0) return null;
  const size = i < 0 ? D.shared[row].node[8] : template(i).nodes[row][8];
  if (!size) return null;
  return decade(read(BAD) > 0 ? NaN : rms(read(NORM), size));
}

function tint(node) {
  if (node.plate) fillPlate(node);
  if (node.numbers) writeNumbers(node);
  if (!node.m) return;
  const found = colour(node.m), lines = node.classList.contains('wire');
  node.style[lines ? 'stroke' : 'fill'] = found ? css(found) : '';
  node.classList.toggle('changed', isChanged(node.m) && !(lines && node.m[2] < 0));
  if (node.m[3]) node.m[3].style.fill = found ? ink(found) : '';
}

const recolour = () => {
  sheet.classList.toggle('plain', S.mode === 'kind');
  sheet.querySelectorAll('*').forEach(tint);
};

// ---- one step

function drawStep(i) {
  const t = template(i), [column, label] = D.steps[i], { size: [w, h] } = shape(i), open = isOpen(i);
  const g = svg('g', { class: 'step', 'data-step': i, transform: `translate(${X[i]},0)`, role: 'group', 'aria-label': label });
  const head = svg('g', { class: 'head', role: 'button', 'aria-expanded': open, 'aria-label': `${label}, ${open ? 'close' : 'open'}` },
    svg('rect', { class: 'ghost', x: 0, y: -h - 20, width: Math.max(w, 40), height: 20 }),
    svg('text', { x: 4, y: -h - 6 }, `${open ? '▾' : '▸'} ${label}`));
  g.append(svg('rect', { class: `frame${open ? '' : ' shut'}${hasChanges(i) ? ' changed' : ''}`, x: 0, y: -h, width: w, height: h, rx: 12 }), head);
  drawCorridor(g, i);
  if (t.weights) g.append(svg('path', { class: 'stub', d: `M${w - 9} ${barY}V6` }), svg('path', { class: 'stub tip', d: `M${w - 9} 0l-3 8h6z` }));
  for (const [x, row, bus] of shape(i).outputs) if (bus >= 0) g.append(mark(svg('path', { class: 'wire bus', d: `M${x} ${-h - LEAF - 11}V${busY(bus)}` }), i, row));
  if (!open) g.append(svg('text', { class: 'name', x: w / 2, y: -h / 2 + 5, 'text-anchor': 'middle' }, t.closed.label));
  if (!open || !far) drawMarks(g, i);
  g.querySelectorAll('*').forEach(tint);
  if (column === S.at) g.classList.add('now');
  if (S.over && S.over.step === i) markOver(g, i);
  return g;
}

function drawCorridor(g, i) {
  const t = template(i), { lanes, size: [, h] } = shape(i);
  const gap = i ? X[i] - X[i - 1] - shape(i - 1).size[0] : 0;
  let above = -Infinity;  // where the last name stands
  for (const { lane, k, from, to, turn } of i ? bends(i).found.sort((a, b) => a.to - b.to) : []) {
    const x = -gap + 10 + TURN * turn;
    const d = turn ? elbow(-gap, -from, x, -to, 0) : `M${-gap} ${-to}H0`;
    g.append(mark(svg('path', { class: 'wire state', d }), i - 1, template(i - 1).exits[k]));
    const row = template(i - 1).exits[k], name = template(i - 1).nodes[row][0], norm = number(i - 1, row, GRAD);
    const words = S.mode !== 'gradient' ? name : norm > 0 && Number.isFinite(norm) ? Math.log10(norm).toFixed(1).replace('-', '−') : '';
    if (turn || words.length >= 6 || to - above < 8.5) continue;
    g.append(svg('text', { class: 'lane', x: -gap / 2, y: -to - 4 }, words));
    above = to;
  }
  let drops = 0;
  for (const { link: [kind, n], lane } of t.links.map((link, lane) => ({ link, lane })).sort((a, b) => lanes[a.lane] - lanes[b.lane])) {
    if (kind === 'bus') g.append(svg('path', { class: 'wire bus', d: `M${-8 - DROP * drops++} ${busY(n)}V${-lanes[lane]}H0` }));
  }
}

function elbow(x0, y0, x, y1, x1) {
  if (Math.abs(y1 - y0) < 0.5) return `M${x0} ${y1}H${x1}`;
  const r = Math.min(5, Math.abs(y1 - y0) / 2), s = Math.sign(y1 - y0) * r;
  return `M${x0} ${y0}H${x - r}Q${x} ${y0} ${x} ${y0 + s}V${y1 - s}Q${x} ${y1} ${x + r} ${y1}H${x1}`;
}

function drawMarks(g, i) {
  const { shapes, wires, dots, words, frames, names, cards, plates, hides } = shape(i), labels = D.steps[i][4], seen = (x, y) => !hides?.(x, y);
  frames.forEach(([x, y, width, height]) => g.append(svg('rect', { class: 'scope', x, y, width, height, rx: 7 })));
  g.append(...cards.map(card => drawCard(i, card)));
  for (const [line, head, row, argument, look, width] of wires) {
    g.append(mark(svg('path', { class: `wire ${look}`, d: line, 'stroke-width': width }), i, row, argument));
    if (head) g.append(mark(svg('path', { class: `tip ${look}`, d: head }), i, row, argument));
  }
  drawScopes(g, i);
  dots.filter(([x, y]) => seen(x, y)).forEach(([x, y]) => g.append(svg('circle', { class: 'dot', cx: x, cy: y, r: 2 })));
  words.filter(([x, y]) => seen(x, y)).forEach(([x, y, word]) => g.append(svg('text', { class: 'word', x, y: y + 3, 'text-anchor': 'middle' }, word)));
  g.append(...plates.map(plate => drawPlate(i, plate)));
  names.forEach(([x, y, word, size, anchor, muted]) => g.append(svg('text', { class: muted ? 'of muted' : 'of', x, y: y + size * 0.35, 'font-size': size, 'text-anchor': anchor }, word)));
  for (const one of shapes) if (one[0] !== -1 && seen(one[1], one[2])) g.append(drawShape(i, one, typeof one[6] === 'number' ? labels[one[6]] : one[6]));
}

function drawShape(i, [row, x, y, w, h, look, , round, size, wide, chips, numbers], label) {
  const body = round ? svg('ellipse', { class: look, cx: x, cy: y, rx: w / 2, ry: h / 2 })
    : svg('rect', { class: look, x: x - w / 2, y: y - h / 2, width: w, height: h, rx: Math.min(6, h / 3) });
  const all = chips.reduce((sum, [, width]) => sum + width + 4, 0), shared = row < 0;
  const words = svg('text', { x: x - all / 2, y: y + size * 0.35, 'font-size': size, 'text-anchor': 'middle' }, label);
  const [name, , op] = shared ? D.shared[-2 - row].node : template(i).nodes[row];
  const node = svg('g', { class: 'node', role: 'button', [shared ? 'data-shared' : 'data-row']: shared ? -2 - row : row, 'aria-label': named([label, ...chips.map(([text]) => text)].join(' '), `${name}, ${op}`) }, body, words);
  mark(body, i, row, -1, words);
  if (numbers) words.numbers = [i, row, label, numbers];
  let at = x - all / 2 + wide / 2;
  for (const [text, width, argument] of chips) {
    const chip = svg('rect', { class: 'chip', x: at + 4, y: y - size / 2 - 2, width, height: size + 4, rx: 4 });
    const word = svg('text', { x: at + 4 + width / 2, y: y + (size - 2) * 0.35, 'font-size': size - 2, 'text-anchor': 'middle' }, text);
    node.append(mark(chip, i, row, argument, word), ' ', word);
    at += width + 4;
  }
  return decorate(node, i, row);
}

// The name of a control contains the words that it shows: who speaks to a page says what stands there.
const named = (words, name) => name.includes(words) ? name : `${words}: ${name}`;

function decorate(node, i, row) {
  const p = S.picked;
  if (row < 0) return node;
  if (p && p.step === i && p.row === row) node.classList.add('picked');
  if (S.hits.has(template(i).slots[row])) node.classList.add('hit');
  return node;
}

// ---- the view

const pane = () => ({ w: $('graph').clientWidth, h: $('graph').clientHeight });

function first(x) {  // the first step that ends right of x
  let low = 0, high = D.steps.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (X[middle] + shape(middle).size[0] < x) low = middle + 1; else high = middle;
  }
  return low;
}
const inView = () => [first(-S.x / S.k - 60), Math.min(D.steps.length - 1, first((pane().w - S.x) / S.k))];

// Only the steps in view have elements. An open step is drawn as an outline where it would be too small to read.
function view() {
  frame = 0;
  if ((S.k < FAR) !== far) {
    far = S.k < FAR;
    drawn.forEach((g, i) => { if (isOpen(i)) { g.remove(); drawn.delete(i); } });
  }
  const [low, high] = inView();
  drawn.forEach((g, i) => { if (i < low || i > high) { g.remove(); drawn.delete(i); } });
  for (let i = low; i <= high; i++) {
    if (drawn.has(i)) continue;
    const g = drawStep(i);
    drawn.set(i, g);
    layer.append(g);
  }
  sheet.firstChild.setAttribute('transform', `translate(${S.x},${S.y}) scale(${S.k})`);
  const words = $('weights');
  if (words) words.setAttribute('transform', `translate(${Math.max(words.room[0], Math.min(words.room[1], -S.x / S.k + 4))},0)`);
  sheet.setAttribute('viewBox', `0 0 ${pane().w} ${pane().h}`);  // on paper the pane has another size
  brush(low, high);
  remember();
}
const schedule = () => { frame ||= requestAnimationFrame(view); };

function redraw() { drawn.forEach(g => g.remove()); drawn.clear(); schedule(); }

function zoom(by, x = pane().w / 2, y = pane().h / 2) {
  const k = Math.min(4, Math.max(0.02, S.k * by));
  S.x = x - (x - S.x) * k / S.k;
  S.y = y - (y - S.y) * k / S.k;
  S.k = k;
  S.own = true;
  schedule();
}

let fitted = false;  // whether the pane had a size then: a page that is not shown yet has none

// The whole graph, where it is readable as a whole; else as much as is, from the step under the cursor on.
function fit() {
  const { w, h } = pane(), high = top_ + 30 + 10 * D.buses + barY + 40, whole = (w - 40) / right, words = presented() ? 1.25 : LEGIBLE;
  S.own = false;
  S.k = Math.min(presented() ? 2.5 : 1.25, Math.max(0.1, Math.min((h - 16) / high, whole < 0.5 ? words : Math.max(whole, presented() ? 1.25 : 0))));
  S.y = (h - high * S.k) / 2 + (top_ + 30 + 10 * D.buses) * S.k;
  S.x = right * S.k < w ? (w - right * S.k) / 2 : 20;
  fitted = w > 0 && h > 0;
  reveal(stepOf(S.at));
}

function comeNear(i) {  // to the lower end of an open step that is too high to be read as a whole
  S.own = true;
  S.k = READABLE;
  S.x = pane().w / 2 - (X[i] + shape(i).size[0] / 2) * S.k;
  S.y = pane().h - (barY + 34) * S.k;
  schedule();
}

function reveal(i) {  // scroll to a step that is not in view
  const { w } = pane(), left = S.x + X[i] * S.k, wide = shape(i).size[0] * S.k;
  if (left < 12 || left + wide > w - 12) S.x = right * S.k < w ? S.x : Math.min(20, w / 2 - (X[i] + shape(i).size[0] / 2) * S.k);
  schedule();
}

function centre(i, row) {  // put an operation into the middle of the view, large enough to read
  const mark = isOpen(i) && shape(i).shapes.find(([r, , , , , look]) => r === row && look !== 'output'), { w, h } = pane();
  if (!mark) { reveal(i); return; }
  S.k = Math.max(S.k, 0.8);
  S.x = w / 2 - (X[i] + mark[1]) * S.k;
  S.y = h / 2 - mark[2] * S.k;
  schedule();
}

function buildGraph() {
  layer = svg('g');
  base = svg('g');
  sheet = svg('svg', { width: '100%', height: '100%', role: 'group', 'aria-label': `${D.title}: ${D.columns.length} steps` }, svg('g', {}, base, layer));
  $('graph').append(sheet);
  let drag = null;
  sheet.addEventListener('pointerdown', e => { drag = { x: e.clientX, y: e.clientY, moved: false }; });
  window.addEventListener('pointermove', e => {
    if (!drag) return;
    const [dx, dy] = [e.clientX - drag.x, e.clientY - drag.y];
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    Object.assign(drag, { x: e.clientX, y: e.clientY, moved: true });
    S.x += dx; S.y += dy; S.own = true;
    sheet.classList.add('dragged');
    schedule();
  });
  window.addEventListener('pointerup', () => { if (drag && drag.moved) setTimeout(() => sheet.classList.remove('dragged')); drag = null; });
  sheet.addEventListener('wheel', e => {
    e.preventDefault();
    if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) { S.x -= e.deltaX || e.deltaY; S.own = true; schedule(); return; }
    const box = sheet.getBoundingClientRect();
    zoom(Math.exp(-e.deltaY / 400), e.clientX - box.left, e.clientY - box.top);
  }, { passive: false });
  sheet.addEventListener('click', e => {
    if (sheet.classList.contains('dragged')) return;
    const node = e.target.closest('.node'), step = e.target.closest('.step'), i = step ? Number(step.dataset.step) : -1;
    if (node && node.dataset.shared) pick({ shared: Number(node.dataset.shared) });
    else if (node) pick({ step: i, row: Number(node.dataset.row) });
    else if (e.target.closest('.head')) toggle(i);
    else if (e.target.closest('.fold')) toggleScope(i, Number(e.target.closest('.fold').dataset.scope));
    else if (step) moveTo(D.steps[i][0]);
    else pick(null);
  });
  sheet.addEventListener('dblclick', e => {
    const step = e.target.closest('.step');
    if (step && !e.target.closest('.node') && !e.target.closest('.head, .fold')) toggle(Number(step.dataset.step));
  });
  new ResizeObserver(() => {
    if (fitted && S.own) { schedule(); return; }
    const known = fitted;
    fit();
    if (fitted && !known) repaint();
  }).observe($('graph'));
}
