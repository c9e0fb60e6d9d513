// The panes: bars between them that move, one pane in large type for a class, and paper.
const PANES = ['graph', 'strips', 'side'];
const BARS = {  // the bar's element: its CSS variable, the side that grows, and its bounds in percent of the whole
  'bar-high': { variable: '--high', low: 15, high: 85, size: () => share($('graph'), 'height'), at: (e, box) => (e.clientY - box.top) / box.height },
  'bar-wide': { variable: '--wide', low: 12, high: 60, size: () => share($('side'), 'width'), at: (e, box) => (box.right - e.clientX) / box.width },
};
const share = (pane, side) => 100 * pane.getBoundingClientRect()[side] / pane.parentNode.getBoundingClientRect()[side];

function moveBar(id, percent) {
  const { variable, low, high } = BARS[id], value = Math.min(high, Math.max(low, percent));
  S.bars[id] = value;
  document.querySelector('main').style.setProperty(variable, `${value.toFixed(1)}%`);
  $(id).setAttribute('aria-valuenow', Math.round(value));
}

function buildBars() {
  for (const [id, bar] of Object.entries(BARS)) {
    const node = $(id), change = { ArrowUp: -2, ArrowLeft: id === 'bar-wide' ? 2 : -2, ArrowDown: 2, ArrowRight: id === 'bar-wide' ? -2 : 2 };
    Object.entries({ valuemin: bar.low, valuemax: bar.high, valuenow: Math.round(bar.size()) }).forEach(([k, v]) => node.setAttribute(`aria-${k}`, v));
    node.addEventListener('pointerdown', e => { e.preventDefault(); node.setPointerCapture(e.pointerId); });
    node.addEventListener('pointermove', e => { if (e.buttons === 1) moveBar(id, 100 * bar.at(e, node.parentNode.getBoundingClientRect())); });
    node.addEventListener('keydown', e => {
      if (!change[e.key]) return;
      e.preventDefault();
      e.stopPropagation();
      moveBar(id, bar.size() + change[e.key]);
    });
  }
}

// ---- one pane

const presented = () => document.documentElement.classList.contains('present');

function showPane(pane) {  // in large type; outside of this mode the pane gets the focus
  if (!PANES.includes(pane) || (pane === 'strips' && !T)) return;
  if (!presented()) { focusPane(pane); return; }
  S.pane = pane;
  document.querySelector('main').dataset.pane = pane;
  document.querySelectorAll('#panes button').forEach(b => b.setAttribute('aria-pressed', b.dataset.pane === pane));
  if (pane === 'graph') fit();
  repaint();
  say(`${pane === 'strips' ? 'values' : pane === 'side' ? 'details' : pane} shown`);
}

function focusPane(pane) {
  const target = pane === 'graph' ? $('graph') : $(pane).querySelector('button, summary, [tabindex]');
  if (target) target.focus();
}

function present(pane = null) {
  const on = !presented();
  document.documentElement.classList.toggle('present', on);
  $('present').setAttribute('aria-pressed', on);
  S.pane = null;
  if (on) showPane(pane || 'graph');
  else { fit(); repaint(); say('all panes shown'); }
}

// ---- paper is white, whatever the theme

let printed = false;
['beforeprint', 'afterprint'].forEach(when => window.addEventListener(when, () => { printed = when === 'beforeprint'; repaint(); }));

function buildPanes() {
  buildBars();
  $('present').addEventListener('click', () => present());
  document.querySelectorAll('#panes button').forEach(b => b.addEventListener('click', () => showPane(b.dataset.pane)));
}
