// Where the content of a slot of the memory comes from: the steps that wrote it, from which inputs, and the steps that read it.
// A slot's content obeys M_t(i) = M_{t−1}(i) ⊙ Π (1 − w e) + Σ w a over the write heads; each step's share is followed through later erasing.
const MOST = 4;  // steps that are named

function amount(strip, t, row) {  // the value that a heat map shows; 0 for none
  const byte = valuesOf(strip)[t * strip.rows + row];
  return byte === MISSING || byte === BAD_BYTE ? 0 : level(strip, byte);
}
function stored(t, cell, j) {
  const m = D.memory, byte = t < 0 ? MISSING : valuesOf(m)[(t * m.slots + cell) * m.width + j];
  return byte === MISSING || byte === BAD_BYTE ? 0 : level(m, byte);
}

function vectorsOf(word) {  // the strips of this name, one for each write head; null unless each head has one
  const found = strips.filter(s => !s.second && new RegExp(`^${word}( \\d+)?$`).test(s.label) && s.rows === D.memory.width && s.kind === 'values');
  return found.length && found.length === D.memory.sides[0].length ? found : null;
}

const products = (t, cell, vectors, j) => D.memory.sides[0].map((w, n) => amount(w, t, cell) * amount(vectors[n], t, j));
const sum = list => list.reduce((a, b) => a + b, 0);

// The share of each number of a slot that step t keeps. Without erase vectors it is one share for all, the one that explains the memory best.
function keptAt(t, cell, { adds, erases }) {
  const numbers = Array.from({ length: D.memory.width }, (_, j) => j);
  if (erases) return numbers.map(j => products(t, cell, erases, j).reduce((kept, we) => kept * (1 - we), 1));
  const before = numbers.map(j => stored(t - 1, cell, j)), down = sum(before.map(v => v * v));
  const up = sum(numbers.map(j => before[j] * (stored(t, cell, j) - sum(products(t, cell, adds, j)))));
  return numbers.map(() => down ? Math.min(1, Math.max(0, up / down)) : 1);
}

// The vectors by which a slot is written, { adds, erases or null }: those with which the equation gives the memory that is shown. Else null.
function lawOf(cell) {
  const erases = vectorsOf('erase'), rounding = ((D.memory.high - D.memory.low) / LEVELS) ** 2;
  for (const adds of ['add', 'k'].map(vectorsOf).filter(Boolean)) {
    let missed = 0, whole = 0;
    for (let t = 1; t < T; t++) keptAt(t, cell, { adds, erases }).forEach((kept, j) => {
      const now = stored(t, cell, j);
      missed += (now - kept * stored(t - 1, cell, j) - sum(products(t, cell, adds, j))) ** 2;
      whole += now ** 2 + 25 * rounding;
    });
    if (missed <= 0.05 * whole) return { adds, erases };
  }
  return null;
}

// For each step up to t: { at, size: how much it wrote, left: how much of that is left at t }. Where no equation is known, how much it changed.
function written(cell, t, law) {
  const kept = new Float64Array(D.memory.width).fill(1), found = [];
  for (let at = t; at >= 0; at--) {
    const added = Array.from(kept, (_, j) => law ? sum(products(at, cell, law.adds, j)) : stored(at, cell, j) - stored(at - 1, cell, j));
    found.unshift({ at, size: Math.hypot(...added), left: Math.hypot(...added.map((v, j) => v * kept[j])) });
    if (law) keptAt(at, cell, law).forEach((share, j) => { kept[j] *= share; });
  }
  return found;
}

const readings = cell => columnStep.map((_, at) => ({ at, left: D.memory.sides[1].reduce((most, s) => Math.max(most, amount(s, at, cell)), 0) }));

// The greatest few, in the order of time. Those below a tenth of the greatest, or below a hundredth of this scale, are left out.
function greatest(list, scale) {
  const top = list.reduce((most, { left }) => Math.max(most, left), 0);
  return list.filter(({ left }) => left >= top / 10 && left > scale / 100).sort((a, b) => b.left - a.left).slice(0, MOST).sort((a, b) => a.at - b.at);
}

function inputsAt(at) {  // [{ label, what: the node }] for the inputs of a step
  const i = stepOf(at), t = template(i);
  return D.steps[i][4].slice(0, t.inputs).map((label, k) => ({ label, what: { step: i, row: t.args.length + k } }));
}

// ---- the view

function sentence(cell, t, verb, writes, reads) {
  const list = (found, words) => found.map(({ at, left }) => `${D.columns[at][0]}${words(at)} (${short(left)})`).join(', ');
  const from = at => { const names = inputsAt(at).map(({ label }) => label).join(', '); return names && ` from ${names}`; };
  const first = writes.length ? `${verb} at ${list(writes, from)}` : `not ${verb} yet`;
  return `slot ${cell} at ${D.columns[t][0]}: ${first}${reads.length ? `; read at ${list(reads, () => '')}` : ''}`;
}

let shownCell = '';  // the slot and the step whose provenance is shown
function markCell(anew = false) {
  if (!D.memory || !T) return;
  const pointed = S.over && S.over.cell !== undefined, cell = pointed ? S.over.cell : S.cell, t = pointed ? shownAt() : S.at;
  document.querySelectorAll('.mark').forEach(mark => {
    mark.hidden = cell === null;
    if (cell !== null) mark.style.setProperty('--cell', cell / D.memory.slots);
  });
  if (!anew && shownCell === `${cell} ${t}`) return;
  shownCell = `${cell} ${t}`;
  showCell(cell, t);
}

function showCell(cell, t) {
  const box = $('cell');
  unlinkCharts(box);
  box.replaceChildren();
  D.memory.canvas.setAttribute('aria-valuenow', cell ?? 0);
  if (cell === null) {
    D.memory.canvas.setAttribute('aria-valuetext', 'no slot');
    box.append(el('p', { class: 'hint' }, 'Point at a slot: when it was written, from which input, and when it is read. A click keeps it.'));
    return;
  }
  const law = lawOf(cell), verb = law ? 'written' : 'changed', all = written(cell, t, law), reads = readings(cell);
  const words = sentence(cell, t, verb, greatest(all, D.memory.high), greatest(reads, 1));
  D.memory.canvas.setAttribute('aria-valuetext', words);
  box.append(el('h3', {}, `slot ${cell}`, el('small', {}, ` at ${D.columns[t][0]}`)), cellChart(all, reads, words));
  box.append(cellList(verb, greatest(all, D.memory.high), true), cellList('read', greatest(reads, 1), false));
}

// Bars over time: upwards what a step wrote, with what is left of it in full colour; downwards how much a step reads.
function cellChart(all, reads, words) {
  const chart = svg('svg', { viewBox: '0 0 296 90', class: 'course', role: 'img', 'aria-label': words });
  const x = at => 30 + (at + 0.5) / T * 260, wide = Math.max(1, 260 / T - 1);
  const most = all.reduce((m, { size }) => Math.max(m, size), 0) || 1;
  const bar = (at, y, height, look) => height > 0.2 ? svg('rect', { class: look, x: x(at) - wide / 2, y, width: wide, height }) : null;
  chart.append(svg('text', { x: 26, y: 22, 'text-anchor': 'end' }, 'write'), svg('text', { x: 26, y: 70, 'text-anchor': 'end' }, 'read'));
  for (const { at, size, left } of all) chart.append(...[bar(at, 44 - 40 * size / most, 40 * size / most, 'was'), bar(at, 44 - 40 * Math.min(left, most) / most, 40 * Math.min(left, most) / most, 'write')].filter(Boolean));
  for (const { at, left } of reads) chart.append(...[bar(at, 46, 40 * Math.min(1, left), 'read')].filter(Boolean));
  chart.append(svg('path', { class: 'grid', d: 'M30 45H290' }), svg('path', { class: 'now', d: `M${x(S.at)} 2V88` }));
  linkChart(chart, 296, x);
  return chart;
}

function cellList(words, found, inputs) {
  const list = el('ul', { class: 'links' });
  for (const { at, left } of found) {
    list.append(el('li', {},
      el('button', { onclick: () => moveTo(at) }, D.columns[at][0]),
      ...inputs ? inputsAt(at).map(({ label, what }) => el('button', { onclick: () => pick(what) }, `from ${label}`)) : [],
      el('span', { class: 'flow' }, short(left))));
  }
  if (!found.length) list.append(el('li', {}, inputs ? 'not yet' : 'never'));
  return el('div', { class: inputs ? 'writes' : 'reads' }, el('h4', {}, words), list);
}

function keepCell(cell) {
  S.cell = cell === null ? null : Math.min(D.memory.slots - 1, Math.max(0, cell));
  markCell(true);
  remember();
}

function linkMemory() {
  const m = D.memory;
  if (!m || !T) return;
  const cell = e => {
    const box = e.currentTarget.getBoundingClientRect();
    return Math.min(m.slots - 1, Math.max(0, Math.floor((e.clientY - box.top) / box.height * m.slots)));
  };
  for (const canvas of [m.canvas, ...m.small]) {
    canvas.addEventListener('pointermove', e => point({ cell: cell(e) }));
    canvas.addEventListener('pointerleave', () => point(null));
    canvas.addEventListener('click', e => keepCell(S.cell === cell(e) ? null : cell(e)));
  }
  Object.entries({ role: 'slider', tabindex: 0, 'aria-orientation': 'vertical', 'aria-valuemin': 0, 'aria-valuemax': m.slots - 1 }).forEach(([k, v]) => m.canvas.setAttribute(k, v));
  m.canvas.addEventListener('keydown', e => {
    const next = { ArrowUp: (S.cell ?? m.slots) - 1, ArrowDown: (S.cell ?? -1) + 1, Home: 0, End: m.slots - 1, Escape: null }[e.key];
    if (next === undefined) return;
    e.preventDefault();
    e.stopPropagation();
    keepCell(next);
  });
  markCell();
}
