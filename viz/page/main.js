// The controls: time, colours, opening and closing of steps, search, keys, theme.
function moveTo(column, show = true) {
  if (column < 0 || !T) return;
  S.at = Math.min(T - 1, Math.max(0, column));
  const i = stepOf(S.at), label = D.columns[S.at][0];
  $('time').value = S.at;
  $('time').setAttribute('aria-valuetext', `${label} of ${T} steps`);
  $('now').textContent = label;
  drawn.forEach((g, n) => g.classList.toggle('now', n === i));
  if (show) reveal(i);
  cursor();
  strips.forEach(read);
  showMemory();
  markCell(true);
  if (S.back) { recolour(); drawStrips(strips.filter(s => s.kind === 'gradient')); }
  follow();
  controls();
}

function controls() {
  const open = isOpen(stepOf(S.at)), some = columnStep.every(isOpen);
  $('open').setAttribute('aria-expanded', open);
  $('open').textContent = `${open ? 'close' : 'open'} ${D.unit}`;
  $('all').textContent = some ? 'close all' : 'open all';
}

function reshape(i, change) {  // change which steps are open, and keep this step where it is on the screen
  const old = S.x + X[i] * S.k;
  change();
  layout();
  S.x = old - X[i] * S.k;
  if (S.y < shape(i).size[1] * S.k) fit(); else reveal(i);
  if (S.k < READABLE && isOpen(i)) comeNear(i);
  controls();
}

function toggle(i) {
  reshape(i, () => { if (!S.open.delete(i)) S.open.add(i); });
  say(`${D.steps[i][1]} ${isOpen(i) ? 'open' : 'closed'}`);
}

function toggleAll() {
  const every = columnStep.every(isOpen);
  reshape(stepOf(S.at), () => columnStep.forEach(i => S.open[every ? 'delete' : 'add'](i)));
  say(every ? 'all steps closed' : 'all steps open');
}

function colourBy(mode) {
  S.mode = mode;
  $('mode').value = mode;
  redraw();
  recolour();
  legend();
}

function legend() {
  const box = $('legend');
  box.replaceChildren();
  if (S.mode === 'kind') {
    for (const [look, words] of D.looks) box.append(el('span', { class: 'key' }, svg('svg', { width: 18, height: 12 }, svg('rect', { class: look, x: 1, y: 1, width: 16, height: 10, rx: 4 })), words));
    return;
  }
  const ticks = el('span', { class: 'ticks' }, ...[-8, -6, -4, -2, 0, 2, 4].map(e => el('span', {}, e ? `1e${e}`.replace('-', '−') : '1')));
  const ends = S.mode === 'gradient' ? ['← vanishing', `‖∂${lossName()}/∂·‖₂`, 'exploding →'] : ['← small', 'root mean square', 'large →'];
  box.append(el('span', { class: 'ramp' }, el('span', { class: 'ticks' }, ...ends.map(w => el('span', {}, w))), el('i', {}), ticks));
  [[-1, S.mode === 'gradient' ? 'none or zero' : 'zero'], [NaN, 'NaN or ∞']].forEach(([v, words]) => box.append(el('span', { class: 'key' }, swatch(v), words)));
}

// ---- playing time

let timer = 0;
function play(by = 1) {  // 1: on or off, forwards; −1: backwards; 0: off
  const on = by < 0 || (by > 0 && !timer);
  clearInterval(timer);
  timer = on ? setInterval(() => playOn(by), Math.max(60, Math.min(400, 12000 / T))) : 0;
  if (by > 0 && on && S.at === T - 1) moveTo(0);
  $('play').textContent = on && by > 0 ? '⏸' : '▶';
  $('play').setAttribute('aria-pressed', on && by > 0);
  $('back').setAttribute('aria-pressed', on && by < 0);
}

function playOn(by) {
  if (S.at + by >= 0 && S.at + by < T) { moveTo(S.at + by); return; }
  play(0);
  if (by < 0) leaveBack();
}

// ---- search

const index = new Map();  // slot -> its place, and the text to search in
function buildIndex() {
  D.templates.forEach((t, k) => t.slots.forEach((slot, row) => {
    const [name, label, op, , scope] = t.nodes[row];
    if (!index.has(slot)) index.set(slot, { k, row, name, words: `${name} ${label} ${op} ${scope}`.toLowerCase(), op, scope });
  }));
}

function list(on) {
  $('found').hidden = !on;
  $('query').setAttribute('aria-expanded', on);
}

function search(text) {
  const query = text.trim().toLowerCase(), results = [];
  S.hits.clear();
  $('found').replaceChildren();
  const at = query.match(/^(?:t\s*=?\s*)?(\d+)$/);
  if (at) D.columns.forEach(([label, step], c) => { if (step === Number(at[1])) results.push([label, 'go to this step', () => moveTo(c)]); });
  else if (query) {
    index.forEach((entry, slot) => {
      if (!entry.words.includes(query)) return;
      S.hits.add(slot);
      results.push([entry.name, `${entry.op}${entry.scope ? ` · ${entry.scope}` : ''}`, () => goTo(slot, entry)]);
    });
    D.shared.forEach((s, n) => { if (s.node[0].toLowerCase().includes(query)) results.push([s.node[0], kindOf(n), () => pick({ shared: n })]); });
    results.sort((a, b) => (b[0].toLowerCase() === query) - (a[0].toLowerCase() === query));
  }
  results.slice(0, 40).forEach(([name, words, go]) => {
    const take = () => { go(); list(false); };
    $('found').append(el('li', { role: 'option', tabindex: -1, 'aria-selected': false, onclick: take, onkeydown: e => { if (e.key === 'Enter') take(); } }, name, el('small', {}, ` ${words}`)));
  });
  list(results.length > 0);
  if (query) say(results.length ? `${results.length} found` : 'nothing found');
  redraw();
}

function goTo(slot, { k }) {
  let i = stepOf(S.at), row = template(i).slots.indexOf(slot);
  if (row < 0) { i = D.steps.findIndex(s => s[2] === k); row = template(i).slots.indexOf(slot); }
  if (!isOpen(i)) toggle(i);
  pick({ step: i, row });
  centre(i, row);
}

function keysOfSearch(e) {
  const items = [...$('found').children], here = items.indexOf(document.activeElement);
  if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
    e.preventDefault();
    const next = here + (e.key === 'ArrowDown' ? 1 : -1);
    (next < 0 ? $('query') : items[Math.min(next, items.length - 1)] || $('query')).focus();
  } else if (e.key === 'Enter' && here < 0 && items.length) items[0].click();
  else if (e.key === 'Escape') { $('query').value = ''; search(''); $('graph').focus(); }
  else return;
  e.stopPropagation();
}

// ---- keys

function nextNode(by) {  // select the next operation of the step under the cursor
  const i = S.picked && S.picked.step !== undefined ? S.picked.step : stepOf(S.at), count = template(i).nodes.length;
  if (count) pick({ step: i, row: ((S.picked && S.picked.row !== undefined ? S.picked.row : by > 0 ? -1 : count) + by + count) % count });
}

const KEYS = {
  ArrowLeft: e => moveTo(Math.max(0, S.at - (e.shiftKey ? 10 : 1))), ArrowRight: e => moveTo(S.at + (e.shiftKey ? 10 : 1)),
  ArrowUp: () => nextNode(1), ArrowDown: () => nextNode(-1), Home: () => moveTo(0), End: () => moveTo(T - 1),
  Enter: () => toggle(stepOf(S.at)), ' ': () => play(), '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8), 0: fit, a: toggleAll, s: toggleScopes,
  c: () => { const modes = [...$('mode').options].filter(o => !o.disabled).map(o => o.value); colourBy(modes[(modes.indexOf(S.mode) + 1) % modes.length]); },
  e: () => { if (S.picked) aim(pickText()); }, g: () => { if (S.picked) differentiate(S.picked); }, b: () => { if (D.gradient && T) playBack(); },
  '[': () => chooseStretch([S.at, S.stretch ? Math.max(S.at, S.stretch[1]) : S.at]), ']': () => chooseStretch([S.stretch ? Math.min(S.at, S.stretch[0]) : S.at, S.at]),
  d: theme, p: () => present(), 1: () => showPane('graph'), 2: () => showPane('strips'), 3: () => showPane('side'), '/': () => $('query').focus(), Escape: () => { play(0); leaveBack(); pick(null); S.hits.clear(); redraw(); },
};

document.addEventListener('keydown', e => {
  const { tagName, type } = e.target, graph = e.target.closest('#graph');
  if (e.ctrlKey || e.metaKey || e.altKey || /SELECT|TEXTAREA/.test(tagName)) return;
  if (tagName === 'INPUT' && (type !== 'range' || e.key.startsWith('Arrow') || e.key === 'Home' || e.key === 'End')) return;
  if (/BUTTON|SUMMARY/.test(tagName) && (e.key === 'Enter' || e.key === ' ')) return;
  if ((e.key === 'ArrowUp' || e.key === 'ArrowDown') && !graph && e.target !== document.body) return;
  const act = KEYS[e.key];
  if (!act) return;
  e.preventDefault();
  act(e);
});

function theme() {
  document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
  repaint();
}
function repaint() { recolour(); drawStrips(); showScales(); showMemory(); markCell(true); if (T) showStretch(); remember(); }
wanted.addEventListener('change', repaint);

let firstOpen, firstShut;
function start() {
  $('title').textContent = D.title;
  $('time').max = Math.max(0, T - 1);
  for (const [id, act] of Object.entries({
    previous: () => moveTo(Math.max(0, S.at - 1)), next: () => moveTo(S.at + 1), play: () => play(), back: playBack, open: () => toggle(stepOf(S.at)), all: toggleAll,
    in: () => zoom(1.25), out: () => zoom(0.8), fit, theme,
  })) $(id).addEventListener('click', act);
  $('time').addEventListener('input', e => moveTo(Number(e.target.value)));
  $('mode').addEventListener('change', e => colourBy(e.target.value));
  $('query').addEventListener('input', e => search(e.target.value));
  document.querySelector('.search').addEventListener('keydown', keysOfSearch);
  document.addEventListener('click', e => { if (!e.target.closest('.search')) list(false); });
  if (!D.gradient) $('mode').querySelector('[value=gradient]').disabled = $('back').disabled = true;
  D.notes.forEach(note => $('notes').append(el('p', {}, note)));
  document.body.classList.toggle('still', !T);
  const low = i => !T || (template(i).open.size[1] <= 300 && (T <= 6 || !template(i).open.plates.length));  // of a long graph cards are computed when asked for
  D.steps.forEach(([column], i) => { if (column < 0 && low(i)) S.open.add(i); });
  if (columnStep.every(low)) columnStep.slice(0, T <= 6 ? T : 1).forEach(i => S.open.add(i));
  firstOpen = new Set(S.open);
  columnStep.filter(i => !low(i)).forEach(i => template(i).open.scopes.forEach((_, n) => S.shut.add(scopeKey(i, n))));
  firstShut = shutText();
  buildGraph();
  buildStrips();
  buildMemory();
  buildIndex();
  buildPanes();
  linkGraph();
  linkMemory();
  linkStretch();
  layout();
  colourBy(S.mode);
  fit();
  repaint();
  moveTo(0);
  showDetails();
  buildAddress();
}
start();
