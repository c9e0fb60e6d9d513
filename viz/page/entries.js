// The numbers of the selected value, or of its gradient: a table, or a heat map where they are many.
const CELLS = 400, WIDE = 6;  // the most cells of a table, and of one of its rows
const listed = { open: false, gradient: false };

function entriesOf(box, p) {
  if (!D.live) return;
  const inner = el('div', { class: 'entries' });
  box.append(el('details', { open: listed.open, ontoggle: e => { listed.open = e.target.open; drawEntries(inner, p); } }, el('summary', {}, 'entries'), inner));
}

async function drawEntries(inner, p) {
  if (!listed.open) return;
  try { await ready(); } catch (error) { inner.replaceChildren(el('p', { class: 'hint' }, error.message)); return; }
  if (!live.program) return;
  const n = p.shared !== undefined ? live.program.shared[p.shared] : live.program.rows[p.step][p.row], ct = live.now.of(n);
  const several = Array.isArray(live.now.at(n)), array = several ? null : listed.gradient ? ct : live.now.at(n);
  const choose = (gradient, words) => el('button', { 'aria-pressed': listed.gradient === gradient, onclick: () => { listed.gradient = gradient; drawEntries(inner, p); } }, words);
  inner.replaceChildren(...D.gradient && !several ? [el('p', {}, choose(false, 'value'), ' ', choose(true, `∂${lossName()}/∂·`))] : []);
  if (!array) { inner.append(el('p', { class: 'hint' }, several ? 'several arrays' : 'no gradient')); return; }
  const { start, shape } = blockOf({ whole: p.shared !== undefined }, n), all = Array.from({ length: count(shape) }, (_, k) => Number(array.data[start + k]));
  if (live.program.example !== null && count(shape) < array.data.length) inner.append(el('p', { class: 'hint' }, `of member ${live.program.example} of the batch`));
  inner.append(matrix(all, shape));
}

// Axes before the last one are rows; a vector is one row, or a column of numbers where it is long.
function matrix(all, shape) {
  const wide = shape.length > 1 ? shape[shape.length - 1] : all.length > WIDE ? 1 : all.length || 1, high = wide ? all.length / wide : 0;
  const lead = shape.length > 1 ? shape.slice(0, -1) : wide === 1 ? shape : [];
  const index = row => stridesOf(lead).map((step, axis) => Math.floor(row / step) % lead[axis]).join(', ');
  const most = all.reduce((m, v) => Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m, 0) || 1, shades = palette({ low: -1 });
  const shade = v => shades[Number.isFinite(v) ? Math.round((v / most + 1) / 2 * LEVELS) : BAD_BYTE];
  if (all.length > CELLS || wide > WIDE) return map(all, wide, high, index, v => shade(v));
  const cell = v => {
    const td = el('td', { title: short(v) }, short(Number(v.toPrecision(2)))), colour = shade(v).slice(0, 3);
    td.style.background = css(colour);
    td.style.color = ink(colour);
    return td;
  };
  return el('table', { class: 'matrix' }, el('tbody', {}, ...Array.from({ length: high }, (_, r) =>
    el('tr', {}, lead.length ? el('th', { scope: 'row' }, index(r)) : null, ...all.slice(r * wide, (r + 1) * wide).map(cell)))));
}

function map(all, wide, high, index, shade) {
  const canvas = el('canvas', { role: 'img', class: 'numbers', 'aria-label': `${all.length} numbers, ${high} × ${wide}` }), words = el('p', { class: 'hint' }, `${high} × ${wide}; point at one`);
  canvas.style.height = `${Math.min(300, Math.max(40, 8 * high)) / 13}rem`;
  canvas.addEventListener('pointermove', e => {
    const box = canvas.getBoundingClientRect(), at = (share, n) => Math.min(n - 1, Math.max(0, Math.floor(share * n)));
    const column = at((e.clientX - box.left) / box.width, wide), row = at((e.clientY - box.top) / box.height, high);
    words.textContent = `[${[index(row), column].filter(w => w !== '').join(', ')}] = ${short(all[row * wide + column])}`;
  });
  requestAnimationFrame(() => {  // once the canvas has its size
    const strong = Array.from(all, v => Number.isFinite(v) ? Math.abs(v) : Infinity);
    heat(canvas, wide, high, (x, y) => y * wide + x, all.map(shade), strong);
  });
  return el('div', {}, canvas, words);
}
