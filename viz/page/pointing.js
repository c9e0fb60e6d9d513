// Linked hover: what the pointer is on — a step, a value, a slot of the memory — is marked in every pane, and the numbers shown are those of that step.
const lines = [];  // charts over time: { svg, x: column -> x }
const inGraph = new Set(D.templates.flatMap(t => t.slots));
const shownAt = () => S.over && S.over.at !== undefined ? S.over.at : S.at;

function point(over) {  // { at: column, slot: value of the graph, cell: slot of the memory }, each where known; null for nothing
  if (same(over, S.over)) return;
  S.over = over;
  const at = over ? over.at : undefined, i = over && over.step !== undefined ? over.step : at === undefined ? -1 : stepOf(at);
  sheet.querySelectorAll('.over').forEach(n => n.classList.remove('over'));
  if (i >= 0 && drawn.has(i)) markOver(drawn.get(i), i);
  $('ghost').hidden = at === undefined || !T;
  $('ghost').style.setProperty('--at', (at ?? 0) / T);
  strips.forEach(s => {
    s.line.classList.toggle('over', Boolean(over && over.slot && s.slot === over.slot));
    read(s);
  });
  showMemory();
  markCell();
  lines.forEach(({ line, x }) => { line.setAttribute('d', at === undefined ? '' : `M${x(at)} 2V88`); });
}
const same = (a, b) => a === b || (a && b && a.at === b.at && a.slot === b.slot && a.cell === b.cell && a.step === b.step);

function markOver(g, i) {
  g.classList.add('over');
  const { slots } = template(i);
  if (S.over.slot) g.querySelectorAll('.node[data-row]').forEach(n => n.classList.toggle('over', slots[n.dataset.row] === S.over.slot));
}

// ---- where the pointer is

function pointInGraph(e) {
  const step = e.target.closest('.step'), node = e.target.closest('.node[data-row]');
  if (!step) { point(null); return; }
  const i = Number(step.dataset.step), column = D.steps[i][0];
  point({ step: i, at: column < 0 ? undefined : column, slot: node ? template(i).slots[node.dataset.row] : undefined });
}

function linkGraph() {
  sheet.addEventListener('pointerover', pointInGraph);
  sheet.addEventListener('pointerleave', () => point(null));
}

const hasCells = strip => D.memory && !strip.second && strip.rows === D.memory.slots && (strip.kind === 'weights' || strip.label.startsWith('‖'));

// The frame around one of so many rows of a heat map.
function rowFrame(rows) {
  const frame = el('i', { class: 'mark', hidden: true });
  frame.style.setProperty('--rows', rows);
  return frame;
}

// A chart over time: `x` gives the place of a column in its viewBox of this width.
function linkChart(chart, width, x) {
  const line = svg('path', { class: 'line' });
  chart.append(line);
  lines.push({ chart, line, x });
  const column = e => {
    const box = chart.getBoundingClientRect(), place = (e.clientX - box.left) / box.width * width;
    return Math.min(T - 1, Math.max(0, Math.round((place - x(0)) / ((x(T - 1) - x(0)) / (T - 1) || 1))));
  };
  chart.addEventListener('pointermove', e => point({ ...S.over, at: column(e), step: undefined }));
  chart.addEventListener('pointerleave', () => point(null));
  chart.addEventListener('click', e => moveTo(column(e)));
}

function unlinkCharts(box) {  // before a box is filled anew
  for (let n = lines.length - 1; n >= 0; n--) if (box.contains(lines[n].chart)) lines.splice(n, 1);
}
