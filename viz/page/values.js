// The values shown. All panes read them here: what was recorded, or what `show` puts in its place.
D.templates.forEach(t => { t.numbers = floats(t.numbers); t.edges = floats(t.edges); });
D.shared.forEach(s => { s.numbers = floats(s.numbers); });

const number = (i, row, which) => template(i).numbers[(D.steps[i][3] * template(i).nodes.length + row) * STATS + which];
const flow = (i, row, argument) => {
  const t = template(i);
  return t.edges[D.steps[i][3] * t.first[t.first.length - 1] + t.first[row] + argument];
};
const ofShared = (n, which) => D.shared[n].numbers[which];

const isBytes = panel => !['curves', 'gradient', 'classes'].includes(panel.kind);
const valuesOf = panel => panel.values ||= (isBytes(panel) ? bytes : floats)(panel.data);

// Show other values: { templates: [{ numbers, edges }], shared: [{ numbers }], strips: [{ values, low, high }], memory: { values, low, high } }.
function show(found) {
  D.templates.forEach((t, n) => Object.assign(t, found.templates[n]));
  D.shared.forEach((s, n) => Object.assign(s, found.shared[n]));
  strips.forEach((s, n) => Object.assign(s, found.strips[n]));
  if (D.memory) Object.assign(D.memory, found.memory);
  drawBase();
  redraw();
  repaint();
  showDetails();
}
