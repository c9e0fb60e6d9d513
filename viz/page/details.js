// The details of the selected node: texts, numbers, and its values over time. The memory at the cursor.
const NAMES = ['least', 'greatest', 'mean', 'norm', 'NaN or ∞'];

function pick(what, moved = false) {
  S.picked = what;
  sheet.querySelectorAll('.picked').forEach(n => n.classList.remove('picked'));
  if (what && what.step !== undefined) {
    uncover(what);
    if (!moved && D.steps[what.step][0] >= 0 && D.steps[what.step][0] !== S.at) moveTo(D.steps[what.step][0], false);
    const g = drawn.get(what.step);
    if (g) g.querySelectorAll(`.node[data-row="${what.row}"]`).forEach(n => n.classList.add('picked'));
  }
  showDetails();
  remember();
  if (what && !moved) say($('details').dataset.words);
}

function pickSlot(slot) {  // the value of the step under the cursor, or of the first step that has it
  const here = stepOf(S.at), i = template(here).slots.includes(slot) ? here : D.steps.findIndex((_, n) => template(n).slots.includes(slot));
  if (i < 0) return;
  pick({ step: i, row: template(i).slots.indexOf(slot) });
  reveal(i);
}

function follow() {  // select the same value in the step under the cursor
  const p = S.picked;
  if (!p || p.step === undefined || D.steps[p.step][0] < 0) return;
  const row = template(stepOf(S.at)).slots.indexOf(template(p.step).slots[p.row]);
  if (row >= 0) pick({ step: stepOf(S.at), row }, true);
}

const kindOf = shared => shared >= D.weights ? 'initial state' : D.unit === 'step' ? 'in every step' : 'weight';
const facts = pairs => el('dl', {}, ...pairs.filter(([, v]) => v !== '' && v !== null).flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, v)]));

function showDetails() {
  const p = S.picked, box = $('details');
  unlinkCharts(box);
  box.replaceChildren();
  if (!p) { overview(box); return; }
  const shared = p.shared !== undefined, [name, label, op, type, scope, place, source] = shared ? D.shared[p.shared].node : template(p.step).nodes[p.row];
  const numbers = Array.from({ length: STATS }, (_, s) => shared ? ofShared(p.shared, s) : number(p.step, p.row, s));
  const where = shared ? kindOf(p.shared) : D.steps[p.step][1];
  const norm = numbers[GRAD];
  box.dataset.words = `${name}, ${op}, ${where}, ${type}, norm ${short(numbers[NORM])}${D.gradient ? `, gradient ${normText(norm)}` : ''}`;
  const known = !Number.isNaN(numbers[NORM]);
  box.append(
    el('h2', {}, name, el('small', {}, ` ${where}`), D.live ? el('button', { id: 'edit', title: 'change this value (e)', onclick: () => aim(pickText()) }, 'change') : null,
      el('button', { class: 'close', 'aria-label': 'close details', title: 'close (Esc)', onclick: () => pick(null) })),
    facts([['operation', label === name || label === op ? op : `${label} · ${op}`], ['type', type], ['scope', scope], ['line', place]]));
  if (source) box.append(el('pre', {}, source));
  if (known) {
    const row = el('tr', {}, ...NAMES.map((_, s) => el('td', { class: s === BAD && numbers[s] > 0 ? 'bad' : null }, s === BAD ? String(numbers[s]) : short(numbers[s]))));
    box.append(el('table', {}, el('thead', {}, el('tr', {}, ...NAMES.map(n => el('th', { scope: 'col' }, n)))), el('tbody', {}, row)));
  }
  if (D.gradient) box.append(el('p', { class: 'norm' }, swatch(norm), `‖∂${lossName()}/∂${name}‖ = ${normText(norm)}`), offers(p) ?? '');
  if (known) entriesOf(box, p);
  if (!shared) { inputsOf(box, p); course(box, p); }
}

function swatch(norm) {
  const dot = el('i', { class: 'swatch' });
  dot.style.background = css(decade(norm));
  return dot;
}

// An argument of an operation: its name, and the node that it is, or null.
function argumentOf(step, row, argument) {
  const { args, nodes, links } = template(step), [kind, n] = args[row][argument];
  if (kind === 'row') return { words: nodes[n][0], what: { step, row: n } };
  if (kind === 'shared') return { words: D.shared[n].node[0], what: { shared: n } };
  if (kind !== 'lane') return { words: String(n), what: null };
  const [link, k, , label] = links[n], before = link === 'exit' ? template(step - 1) : null;
  if (before) return { words: `${before.nodes[before.exits[k]][0]}, step before`, what: { step: step - 1, row: before.exits[k] } };
  return link === 'start' ? { words: label, what: { shared: k } } : { words: 'a value of earlier steps', what: null };
}

// The arguments of the operation, each with the norm of the cotangent along it.
function inputsOf(box, { step, row }) {
  const args = template(step).args[row];
  if (!args || !args.length) return;
  const list = el('ul', {});
  args.forEach(([kind], argument) => {
    const { words, what } = argumentOf(step, row, argument), norm = flow(step, row, argument);
    list.append(el('li', {}, what ? el('button', { onclick: () => pick(what) }, words) : words,
      D.live && kind !== 'number' ? el('button', { 'aria-label': `cut the connection from ${words}`, class: 'cut', title: 'cut this connection', onclick: () => aim(`${step}.${row}.${argument}`) }, 'cut') : null,
      D.gradient ? el('span', { class: 'flow' }, swatch(norm), normText(norm)) : null));
  });
  box.append(el('h3', {}, 'reads', D.gradient ? el('small', {}, ' and gradient back along it') : null), list);
}

// The gradient norm and the norm of the value in every step, on a log scale.
function course(box, { step, row }) {
  const slot = template(step).slots[row], size = template(step).nodes[row][8];
  const rows = columnStep.map(i => [i, template(i).slots.indexOf(slot)]);
  if (rows.filter(([, r]) => r >= 0).length < 2) return;
  const series = [['size', 'value', ([i, r]) => r < 0 ? -1 : rms(number(i, r, NORM), size)]];
  if (D.gradient) series.push(['gradient', 'grad', ([i, r]) => r < 0 ? -1 : number(i, r, GRAD)]);
  const found = series.map(([words, look, f]) => ({ words, look, values: rows.map(f).map(v => v > 0 && Number.isFinite(v) ? Math.log10(v) : NaN) }));
  const all = found.flatMap(s => s.values).filter(v => !Number.isNaN(v));
  if (!all.length) return;
  const low = Math.floor(all.reduce((a, b) => Math.min(a, b))), high = Math.max(low + 1, Math.ceil(all.reduce((a, b) => Math.max(a, b))));
  const place = (t, v) => [30 + (t + 0.5) / T * 260, 8 + (high - v) / (high - low) * 74];
  const chart = svg('svg', { viewBox: '0 0 296 100', class: 'course', role: 'img', 'aria-label': 'size and gradient over time' });
  for (let e = low; e <= high; e += Math.max(1, Math.ceil((high - low) / 5))) {
    const [, y] = place(0, e);
    chart.append(svg('path', { class: 'grid', d: `M30 ${y}H290` }), svg('text', { x: 26, y: y + 3, 'text-anchor': 'end' }, `1e${e}`.replace('-', '−')));
  }
  const [x] = place(S.at, low);
  chart.append(svg('path', { class: 'now', d: `M${x} 4V84` }));
  found.forEach(({ look, values, words }, n) => {
    const points = values.map((v, t) => Number.isNaN(v) ? null : place(t, v));
    const d = points.map((q, t) => q && `${t && points[t - 1] ? 'L' : 'M'}${q[0].toFixed(1)} ${q[1].toFixed(1)}`).filter(Boolean).join('');
    chart.append(svg('path', { class: look, d }), svg('text', { class: look, x: 34 + 80 * n, y: 97 }, `— ${words}`));
  });
  linkChart(chart, 296, t => place(t, low)[0]);
  box.append(el('h3', {}, 'over time'), chart);
}

function overview(box) {
  const steps = D.columns.length, ops = D.steps.reduce((sum, _, i) => sum + template(i).args.length, 0);
  box.dataset.words = '';
  box.append(el('h2', {}, D.title), facts([[`${D.unit}s`, String(steps)], ['operations', ops.toLocaleString('en')], ['weights', String(D.weights)]]));
  const states = strips.filter(s => s.kind === 'gradient' && s.state && s.values && s.values[0] > 0 && s.values[T - 1] > 0);
  if (states.length && !live.difference) {
    box.append(el('h3', {}, `‖∂${lossName()}/∂·‖ at ${D.columns[0][0]} ÷ at ${D.columns[T - 1][0]}`),
      facts(states.map(s => [s.label, el('span', {}, swatch(s.values[0] / s.values[T - 1]), short(s.values[0] / s.values[T - 1]))])));
  }
  box.append(el('p', { class: 'hint' }, 'Click an operation for its type, numbers, gradient and line; a step’s name opens it. Drag to move, wheel to zoom.'));
}

// ---- the memory at the cursor, between the weightings that write and those that read

function buildMemory() {
  const m = D.memory;
  if (!m) return;
  m.sides = ['write', 'read'].map(word => strips.filter(s => !s.second && s.kind === 'weights' && s.label.startsWith('w ' + word)));
  const column = (canvas, words) => el('figure', {}, el('div', { class: 'plate' }, canvas, rowFrame(m.slots)), el('figcaption', {}, words));
  m.canvas = el('canvas', { role: 'img', class: 'whole' });
  m.small = m.sides.map(() => el('canvas', { role: 'img', class: 'side' }));
  m.caption = el('h3', {});
  $('memory').append(m.caption, el('div', { class: 'plates' },
    m.sides[0].length ? column(m.small[0], 'written') : null, column(m.canvas, `${m.slots} slots × ${m.width}`), m.sides[1].length ? column(m.small[1], 'read') : null), el('div', { id: 'cell' }));
  [m.canvas, ...m.small].forEach(c => { c.style.height = `${Math.min(260, Math.max(96, 4 * m.slots)) / 13}rem`; });
  m.canvas.addEventListener('click', e => {
    const box = m.canvas.getBoundingClientRect(), slot = Math.min(m.slots - 1, Math.max(0, Math.floor((e.clientY - box.top) / box.height * m.slots)));
    aim(`m${S.at}`, slot, false);
  });
  $('memory').hidden = false;
}

function showMemory() {
  const m = D.memory;
  if (!m) return;
  const at = shownAt(), from = at * m.slots * m.width;
  m.caption.textContent = `${m.label} at ${D.columns[at][0]}`;
  heat(m.canvas, m.width, m.slots, (x, y) => valuesOf(m)[from + y * m.width + x], palette(m), strengths(m));
  m.canvas.setAttribute('aria-label', `slots of the memory ${m.caption.textContent}, ${m.slots} slots of ${m.width} numbers`);
  m.sides.forEach((list, n) => {
    if (!list.length) return;
    heat(m.small[n], list.length, m.slots, (x, y) => valuesOf(list[x])[at * m.slots + y], palette(list[0]), strengths(list[0]));
    m.small[n].setAttribute('aria-label', list.map(s => `${s.label}: ${reading(s, at)}`).join('; '));
  });
}
