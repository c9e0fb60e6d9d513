// A stretch of time, and the stretches of equal length whose states are most like it: the cosine between all their states, each number
// of a state centred and scaled over time.
const LIKE = 5;  // stretches that are named
const compared = { name: '' };  // the state that is compared; '' for all

const states = () => strips.filter(s => s.state && !s.second && s.kind !== 'gradient' && !s.label.startsWith('‖'));

// T vectors of all numbers of these strips, centred and scaled; numbers that do not change are left out.
function stateVectors(list) {
  const rows = list.flatMap(s => Array.from({ length: s.rows }, (_, row) => columnStep.map((_, t) => s.kind === 'curves' ? valuesOf(s)[t * s.rows + row] : amount(s, t, row))));
  const scaled = rows.map(row => {
    const known = row.map(v => Number.isFinite(v) ? v : 0), mean = sum(known) / T, size = Math.sqrt(sum(known.map(v => (v - mean) ** 2)) / T);
    return size > 0 ? known.map(v => (v - mean) / size) : null;
  }).filter(Boolean);
  return columnStep.map((_, t) => scaled.map(row => row[t]));
}

// [{ from, to, like }]: the best stretches that overlap neither the given one nor each other, the most alike first.
function alike([from, to], list) {
  const vectors = stateVectors(list), wide = to - from, dot = (a, b) => sum(a.map((v, i) => v * b[i]));
  const over = (a, b, f) => sum(Array.from({ length: wide + 1 }, (_, k) => f(vectors[a + k], vectors[b + k])));
  const norm = at => Math.sqrt(over(at, at, dot)), found = [];
  const all = columnStep.slice(0, T - wide).map((_, at) => ({ from: at, to: at + wide, like: over(from, at, dot) / (norm(from) * norm(at) || 1) }));
  for (const one of all.sort((a, b) => b.like - a.like)) {
    if (found.length === LIKE || one.like <= 0) break;
    if ([{ from, to }, ...found].every(other => one.to < other.from || one.from > other.to)) found.push(one);
  }
  return found;
}

const stretchWords = ({ from, to }) => from === to ? D.columns[from][0] : `${D.columns[from][0]} – ${D.columns[to][1]}`;

function chooseStretch(stretch) {  // [first, last] column, or null
  S.stretch = stretch && [Math.min(...stretch), Math.max(...stretch)];
  showStretch();
  remember();
  if (S.stretch) say($('similar').textContent);
}

function showStretch() {
  const box = $('similar'), axis = document.querySelector('.scale'), list = states();
  box.replaceChildren();
  axis.querySelectorAll('.band').forEach(b => b.remove());
  if (!S.stretch || !list.length) return;
  const [from, to] = S.stretch, found = alike(S.stretch, list.filter(s => !compared.name || s.label === compared.name));
  axis.append(band({ from, to }, 'band'), ...found.map(one => band(one, 'band like')));
  const select = el('select', { 'aria-label': 'states compared', onchange: e => { compared.name = e.target.value; showStretch(); } },
    el('option', { value: '' }, 'all states'), ...list.map(s => el('option', { value: s.label, selected: s.label === compared.name }, s.label)));
  box.append(
    el('h2', {}, `steps like ${stretchWords({ from, to })} `, select, el('button', { class: 'close', 'aria-label': 'close the stretch', onclick: () => chooseStretch(null) })),
    el('ul', { class: 'links' }, ...found.map(one => el('li', {}, el('button', { onclick: () => moveTo(one.from) }, stretchWords(one)), el('span', { class: 'flow' }, `cosine ${short(one.like)}`)))));
  if (!found.length) box.append(el('p', { class: 'hint' }, 'none'));
}

function band({ from, to }, look) {
  const bar = el('i', { class: look });
  bar.style.left = `${from / T * 100}%`;
  bar.style.width = `${(to + 1 - from) / T * 100}%`;
  return bar;
}

// Shift and drag along the time axis; or the keys [ and ] at the first and at the last step.
function linkStretch() {
  const axis = document.querySelector('.scale');
  if (!axis || !T) return;
  let start = null;
  const column = e => { const box = axis.getBoundingClientRect(); return Math.min(T - 1, Math.max(0, Math.floor((e.clientX - box.left) / box.width * T))); };
  axis.addEventListener('pointerdown', e => { if (e.shiftKey) { start = column(e); chooseStretch([start, start]); } });
  axis.addEventListener('pointermove', e => { if (start !== null && e.buttons === 1) chooseStretch([start, column(e)]); });
  window.addEventListener('pointerup', () => { start = null; });
}
