// Scopes of an open step, such as the attention of a block: an outline with its operations, or a low box in place of them.
// Steps with one picture share which of them are closed.
const CLOSED = 40;  // the height that is left of what closed scopes hide
const scopeKey = (i, n) => `${D.steps[i][2]}.${n}`;
const contains = ([x, y, w, h], [left, top, wide = 0, high = 0]) => x <= left && y <= top && x + w >= left + wide && y + h >= top + high;

// The view of an open template with closed scopes: { …, hides: whether a point is hidden, out: the heights at which values leave }.
function folded(t, k) {
  const shut = t.open.scopes.filter((_, n) => S.shut.has(`${k}.${n}`)), hides = (x, y) => shut.some(scope => contains(scope, [x, y]));
  if (!shut.length) return { ...t.open, out: t.out, hides };
  const { size, lanes, shapes, wires, dots, words, scopes } = t.open, down = lowered(shut, shapes.filter(([row, x, y]) => row !== -1 && !hides(x, y)));
  const path = line => line.replace(/(-?[\d.]+) (-?[\d.]+)/g, (_, x, y) => `${x} ${down(Number(y)).toFixed(1)}`);
  const box = ([x, y, w, h, name]) => [x, down(y), w, down(y + h) - down(y), name], height = up => -down(-up);
  return {
    ...t.open, size: [size[0], height(size[1])], lanes: lanes.map(height), out: t.out.map(height), hides: (x, y) => shut.some(scope => contains(box(scope), [x, y])),
    shapes: shapes.map(([row, x, y, ...rest]) => [row, x, down(y), ...rest]), wires: wires.map(([line, head, ...rest]) => [path(line), path(head), ...rest]),
    dots: dots.map(([x, y]) => [x, down(y)]), words: words.map(([x, y, word]) => [x, down(y), word]), scopes: scopes.map(box),
  };
}

// Where a height goes when the heights that show nothing but closed scopes shrink: each stretch of them to CLOSED.
function lowered(shut, visible) {
  const ends = [...shut.map(([, y, , h]) => [y, y + h, 1]), ...visible.map(([, , y, , h]) => [y - h / 2 - 8, y + h / 2 + 8, 0])];
  const marks = [...new Set(ends.flatMap(([a, b]) => [a, b]))].sort((a, b) => a - b), free = [];
  marks.slice(1).forEach((b, n) => {
    const a = marks[n], over = ends.filter(([low, high]) => low <= a && high >= b), last = free[free.length - 1];
    if (!over.length || over.some(([, , closed]) => !closed)) return;
    if (last && last[1] === a) last[1] = b; else free.push([a, b]);
  });
  const long = free.filter(([a, b]) => b - a > CLOSED);
  return y => long.reduce((at, [a, b]) => at + (y >= b ? 0 : (Math.min(b - y, b - a)) * (1 - CLOSED / (b - a))), y);
}

function drawScope(i, n, [x, y, w, h, name]) {
  const shut = S.shut.has(scopeKey(i, n)), size = Math.min(18, h / 2, 1.6 * w / name.length);
  const props = { class: 'fold', role: 'button', 'data-scope': n, 'aria-expanded': !shut, 'aria-label': `${name}, ${shut ? 'open' : 'close'}` };
  const outline = svg('rect', { class: `scope${shut ? ' shut' : ''}`, x, y, width: w, height: h, rx: 7 });
  if (shut) return [svg('g', props, outline, svg('text', { x: x + w / 2, y: y + h / 2 + size * 0.35, 'font-size': size, 'text-anchor': 'middle' }, name))];
  return [outline, svg('g', props, svg('text', { class: 'word', x: x + 2, y: y - 2 }, `▾ ${name}`))];
}

function drawScopes(g, i) {  // not those inside a closed one
  const { scopes } = shape(i), inside = (scope, m) => scopes.some((other, n) => n !== m && S.shut.has(scopeKey(i, n)) && contains(other, scope));
  scopes.forEach((scope, n) => { if (!inside(scope, n)) g.append(...drawScope(i, n, scope)); });
}

// Close or open these scopes of a step.
function fold(i, numbers, close) {
  reshape(i, () => {
    numbers.forEach(n => S.shut[close ? 'add' : 'delete'](scopeKey(i, n)));
    D.templates.forEach(t => { t.folded = null; });
  });
}

function toggleScope(i, n) {
  const close = !S.shut.has(scopeKey(i, n));
  fold(i, [n], close);
  say(`${shape(i).scopes[n][4]} ${close ? 'closed' : 'open'}`);
}

function toggleScopes() {  // those of the step under the cursor
  const i = stepOf(S.at), all = shape(i).scopes.map((_, n) => n), close = !all.some(n => S.shut.has(scopeKey(i, n)));
  if (!all.length) return;
  fold(i, all, close);
  say(`scopes of ${D.steps[i][1]} ${close ? 'closed' : 'open'}`);
}

function uncover({ step, row }) {  // open the scopes that hide an operation
  const mark = isOpen(step) && template(step).open.shapes.find(([r, , , , , look]) => r === row && look !== 'output');
  const over = mark ? template(step).open.scopes.flatMap((scope, n) => S.shut.has(scopeKey(step, n)) && contains(scope, [mark[1], mark[2]]) ? [n] : []) : [];
  if (over.length) fold(step, over, false);
}

// What is closed as text for the address, and of a text.
const shutText = () => [...S.shut].sort().join(',');
function shutAs(text) {
  S.shut = new Set(text.split(',').filter(Boolean));
  D.templates.forEach(t => { t.folded = null; });
  layout();
  fit();
}
