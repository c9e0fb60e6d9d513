// What is shown, as the fragment of the page's address: #t=5&colour=value&open=0,3-7. A copy of the address shows the same.
const addressed = /^(file|https?):$/.test(location.protocol);  // a frame in a notebook has no address of its own
let saving = 0, saved = '';

// Numbers as runs: [0, 3, 4, 5] is "0,3-5".
function runs(numbers) {
  const found = [];
  [...numbers].sort((a, b) => a - b).forEach(n => {
    const last = found[found.length - 1];
    if (last && last[1] === n - 1) last[1] = n; else found.push([n, n]);
  });
  return found.map(([a, b]) => a === b ? `${a}` : `${a}-${b}`).join(',');
}
function unrun(text) {
  const found = [];
  for (const run of text.split(',')) {
    const [low, high] = run.split('-').map(Number);
    for (let n = low; n <= Math.min(high ?? low, D.steps.length - 1); n++) found.push(n);
  }
  return found;
}

// For each part of what is shown: its text, or null where it is as at first; and how to restore it. In this order.
const PARTS = {
  theme: [() => document.documentElement.dataset.theme || null, v => { if (v === 'dark' || v === 'light') document.documentElement.dataset.theme = v; }],
  colour: [() => S.mode === MODE ? null : S.mode, v => { if ([...$('mode').options].some(o => o.value === v && !o.disabled)) colourBy(v); }],
  high: [() => barText('bar-high'), v => moveBar('bar-high', Number(v) || 50)],
  wide: [() => barText('bar-wide'), v => moveBar('bar-wide', Number(v) || 25)],
  open: [() => runs(S.open) === runs(firstOpen) ? null : runs(S.open), v => { S.open = new Set(unrun(v)); layout(); fit(); controls(); }],
  shut: [() => shutText() === firstShut ? null : shutText(), shutAs],
  t: [() => S.at ? String(S.at) : null, v => moveTo(Number(v) || 0)],
  present: [() => S.pane, v => { if (!presented()) present(v); else showPane(v); }],
  view: [() => S.own ? [(pane().w / 2 - S.x) / S.k, (pane().h / 2 - S.y) / S.k, S.k].map(v => v.toFixed(2)).join(',') : null, lookAt],
  stretch: [() => S.stretch && S.stretch.join('-'), v => { const two = v.split('-').map(Number); if (two.length === 2 && two.every(n => n >= 0 && n < T)) chooseStretch(two); }],
  slot: [() => S.cell === null ? null : String(S.cell), v => { if (D.memory && /^\d+$/.test(v)) keepCell(Number(v)); }],
  of: [() => chosen.what && `${chosen.what.step}.${chosen.what.row}${chosen.through ? '.L' : ''}`, v => { const what = unpick(v.replace('.L', '')); if (what) differentiate(what, v.endsWith('.L')); }],
  pick: [pickText, v => { const what = unpick(v); if (what) pick(what, true); }],
  change: [codes, openChanges],
  differs: [() => live.difference ? '1' : null, async () => { if (await computes()) changeTo(live.changes, true); }],
};

const barText = id => S.bars[id] === undefined ? null : S.bars[id].toFixed(1);

function pickText() {
  const p = S.picked;
  return !p ? null : p.shared !== undefined ? `w${p.shared}` : `${p.step}.${p.row}`;
}
function unpick(text) {
  const [, shared, step, row] = text.match(/^(?:w(\d+)|(\d+)\.(\d+))$/) || [];
  if (shared !== undefined) return D.shared[shared] ? { shared: Number(shared) } : null;
  return D.steps[step] && template(step).nodes[row] ? { step: Number(step), row: Number(row) } : null;
}

function lookAt(text) {  // the point of the graph in the middle of its pane, and the scale
  const [x, y, k] = text.split(',').map(Number);
  if (![x, y, k].every(Number.isFinite)) return;
  S.own = true;
  S.k = Math.min(4, Math.max(0.02, k));
  S.x = pane().w / 2 - x * S.k;
  S.y = pane().h / 2 - y * S.k;
  schedule();
}

function remember() {  // soon, once for many changes
  if (!addressed || saving) return;
  saving = setTimeout(() => {
    saving = 0;
    const parts = Object.entries(PARTS).map(([name, [text]]) => [name, text()]).filter(([, v]) => v !== null);
    const fragment = parts.map(([name, v]) => `${name}=${encodeURIComponent(v).replaceAll('%2C', ',')}`).join('&');
    if (fragment === saved) return;
    saved = fragment;
    history.replaceState(null, '', fragment ? `#${fragment}` : location.pathname + location.search);
  }, 250);
}

function restore() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (location.hash.slice(1) === saved) return;
  if (live.changes.length && !wanted.has('change')) changeTo([], false);
  for (const [name, [, put]] of Object.entries(PARTS)) if (wanted.has(name)) put(wanted.get(name));
}

function buildAddress() {
  restore();
  window.addEventListener('hashchange', restore);
}
