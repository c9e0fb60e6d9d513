// The box in which a reader changes values, and the list of changes. It is no form: a frame in a notebook submits none.
// A target is what the box changes: { spec, name, numbers: one in each column (null for none) or a single one, column }, or with `edges` a connection.
let target = null;

// ---- targets

// Put what a text names into the box: of a row of it where one is given, and with the focus unless a click is for the cursor first.
async function aim(spec, row = null, focus = true) {
  if (!await computes()) return;
  const found = targetAt(spec);
  if (found) target = row === null ? found : { ...found, element: elementAt(found, row) };
  drawChanges();
  if (focus) $(target?.edges ? 'apply' : 'value')?.focus();
}

// Whether the page can compute; where it cannot, it says why, once.
async function computes() {
  if (!D.live) return false;
  try {
    return await ready();
  } catch (error) {
    D.live = '';
    target = null;
    $('changes').hidden = true;
    note(`values cannot be changed on this page: ${error.message}`);
    return false;
  }
}
function note(words) {
  $('notes').append(el('p', {}, words));
  say(words);
}

// For the slot of a row: (step, row of that slot) -> what it is there, in each column.
function inColumns(step, row, f) {
  const slot = template(step).slots[row];
  return columnStep.map(i => { const r = template(i).slots.indexOf(slot); return r < 0 ? null : f(i, r); });
}

function rowTarget(step, row) {
  if (!D.steps[step] || !template(step).nodes[row]) return null;
  const { rows } = live.program, name = template(step).nodes[row][0], column = D.steps[step][0];
  return column < 0 ? single(name, rows[step][row]) : { name, column, numbers: inColumns(step, row, (i, r) => rows[i][r]) };
}

function edgeTarget(step, row, argument) {
  if (!D.steps[step] || !template(step).args[row]?.[argument]) return null;
  const P = live.program, edges = (i, r) => {
    if (template(i).args[r].length <= argument) return null;
    const found = P.edges[i][template(i).first[r] + argument];
    return pairs(found.length ? found : [P.rows[i][r], argument]);
  };
  const name = `${argumentOf(step, row, argument).words} → ${template(step).nodes[row][0]}`, column = D.steps[step][0];
  return column < 0 ? { name, column: 0, edges: [edges(step, row)] } : { name, column, edges: inColumns(step, row, edges) };
}

// The values of a strip, or of the memory. `member`: the one of the batch that is not the first shown.
function seriesTarget(name, source, column, member) {
  if (!source || source.at || Array.isArray(source) || (source.values[column] ?? null) === null) return null;
  return { name, column, numbers: source.values, source, member };
}

const stripName = ({ label, second, member }) => `${label}${second ? ` of member ${member}` : ''}`;
const single = (name, number) => ({ name, column: 0, numbers: [number], whole: true });

// The text of a target, which stands in the address too: what stands in every step (w3), a row of a step (5.2), what its argument reads
// (5.2.0), a strip at a column (s4.7), the memory at a column (m7).
const TARGETS = [
  [/^w(\d+)$/, n => D.shared[n] && single(D.shared[n].node[0], live.program.shared[n])],
  [/^(\d+)\.(\d+)$/, rowTarget],
  [/^(\d+)\.(\d+)\.(\d+)$/, edgeTarget],
  [/^s(\d+)\.(\d+)$/, (n, t) => strips[n] && seriesTarget(stripName(strips[n]), live.program.strips[n], t, strips[n].member)],
  [/^m(\d+)$/, t => D.memory && seriesTarget(D.memory.label, { ...live.program.memory, width: D.memory.width }, t)],
];
function targetAt(spec) {
  for (const [form, find] of TARGETS) {
    const parts = spec.match(form), found = parts && find(...parts.slice(1).map(Number));
    if (found) return { ...found, spec, element: '' };
  }
  return null;
}

// The element of a value that a row of its strip shows; "" for all.
function elementAt(one, row) {
  if (row < 0) return '';
  const { source, column } = one, wide = source.width || 1, { start, shape } = blockOf(one, source.values[column]);
  const steps = stridesOf(shape), place = placesOf(source, column)(row * wide) - start;
  return steps.map((step, axis) => Math.floor(place / step) % shape[axis]).slice(0, source.width ? -1 : shape.length).join(', ');
}

// The part of a value that is shown: that of one member of the batch, without axes of length 1.
function blockOf({ whole, member }, n) {
  const { shape } = live.base.at(n), { slices } = live.program, example = member ?? live.program.example;
  const own = slices.includes(n) ? shape.slice(1) : shape, inner = whole || example === null || own.length < 2 ? own : own.slice(1);
  return { start: inner === own ? 0 : example * count(inner), shape: inner.filter(n => n !== 1) };
}

// The places of an element such as "3" or "2, 5" in a value; those of the whole block for "". Raises an error for what it does not have.
function elementsOf(one, n, text) {
  const { start, shape } = blockOf(one, n), index = text.split(/[\s,]+/).filter(Boolean).map(Number);
  if (index.length > shape.length || index.some((k, axis) => !(k >= 0 && k < shape[axis]))) throw Error(`${one.name} has no element ${text}: its shape is (${shape.join(', ')})`);
  const size = count(shape.slice(index.length)), first = start + dot(index, stridesOf(shape));
  return Array.from({ length: size }, (_, k) => first + k);
}

// ---- changes

const MOMENTS = { here: 'at', every: 'in every', on: 'from' };

// The change of a target: { element, how: "set", "scale" or "cut", number, when }. Its code is what stands in the address.
function described(one, { element = '', how, number, when = 'here' }) {
  const { spec, name, numbers, edges, column } = one, all = numbers ?? edges, label = D.columns[column]?.[0];
  const there = all.filter((v, t) => v !== null && (all.length === 1 || when === 'every' || t === column || (when === 'on' && t > column)));
  const time = all.length === 1 ? '' : when === 'every' ? ` in every ${D.unit}` : ` ${MOMENTS[when]} ${label}${when === 'on' ? ' on' : ''}`;
  if (edges) return { words: `${name} cut${time}`, code: [spec, '', 'cut', '', when].join('!'), cuts: there.flat() };
  if (number === '' || !Number.isFinite(Number(number))) throw Error('give a number');
  const text = element.split(/[\s,]+/).filter(Boolean).join(', '), scaled = how === 'scale', code = [spec, text.replaceAll(' ', ''), how, Number(number), when].join('!');
  const values = there.map(n => [n, elementsOf(one, n, text)]);
  return { words: `${name}${text && `[${text}]`} ${scaled ? '×' : '='} ${short(Number(number))}${time}`, code, values, number: Number(number), scaled };
}

// The changes as one text, and those of such a text in the place of all others.
const codes = () => live.changes.length ? live.changes.map(c => c.code).join('~') : null;
async function restoreChanges(text) {
  if (!text || text === codes()) return;
  if (!await computes()) throw Error('its values cannot be changed');
  const found = text.split('~').map(code => {
    const [spec, element, how, number, when] = code.split('!'), one = targetAt(spec), cut = how === 'cut';
    if (!one || cut !== Boolean(one.edges) || !(when in MOMENTS) || !(cut || how === 'set' || how === 'scale')) throw Error(`${code} names nothing here`);
    return described(one, { element, how, number, when });
  });
  const problem = changeTo(found);
  if (problem) throw Error(problem);
}
const openChanges = text => restoreChanges(text).catch(error => note(`a change in the address does not fit this page: ${error.message}`));

function changeTo(changes, difference = live.difference) {
  try {
    change(changes, difference);
  } catch (error) {
    say(error.message);
    return error.message;
  }
  drawChanges();
  remember();
  say(`${changes.length === 1 ? '1 change' : `${changes.length} changes`}; ${lossWords()}`);
  return '';
}

function lossWords() {
  const { loss } = live.program, at = run => loss === null ? 0 : Number(run.at(loss).data[0]);
  return loss === null ? '' : `L = ${short(at(live.now))}${live.changes.length ? `, recorded ${short(at(live.base))}` : ''}`;
}

function applyBox() {
  let problem;
  try {
    const given = { element: $('element')?.value, how: $('how')?.value, number: $('value')?.value, when: $('when')?.value };
    Object.assign(target, given);
    problem = changeTo([...live.changes, described(target, given)]);
  } catch (error) { problem = error.message; }
  if (problem) { $('problem').textContent = problem; $('problem').hidden = false; }
}

function flip() {
  $('how').value = 'set';
  $('value').value = 1 - pointed().now;
  $('apply').click();
}

const valueHere = ({ numbers, column }) => numbers.length === 1 ? numbers[0] : numbers[column];

// The number that the box points at, now and as it was recorded; of several numbers, how many they are.
function pointed() {
  const n = valueHere(target), places = elementsOf(target, n, $('element').value.trim());
  const [now, before] = [live.now, live.base].map(run => Number(run.at(n).data[places[0]]));
  return places.length === 1 ? { many: 1, now, before } : { many: places.length };
}

function showPointed() {
  let words, bit = false;
  try {
    const { many, now, before } = pointed();
    words = many !== 1 ? `${many} numbers` : `now ${short(now)}${now === before ? '' : `, recorded ${short(before)}`}`;
    bit = now === 0 || now === 1;
  } catch (error) { words = error.message; }
  $('current').textContent = words;
  $('flip').hidden = !bit;
}

function drawBox() {
  const { name, numbers, edges, column, element } = target, some = (numbers ?? edges).length > 1, label = D.columns[column]?.[0] ?? '';
  const option = (value, words) => el('option', { value, selected: value === target.how || value === target.when }, words);
  const when = some ? el('select', { id: 'when', 'aria-label': 'when' }, option('here', `at ${label}`), option('every', `in every ${D.unit}`), option('on', `from ${label} on`)) : null;
  const close = el('button', { class: 'close', 'aria-label': 'close the box', title: 'close (Esc)', onclick: () => { target = null; $('graph').focus(); drawChanges(); } });
  const apply = el('button', { id: 'apply', onclick: applyBox }, edges ? 'cut' : 'apply'), problem = el('p', { id: 'problem', class: 'bad', hidden: true });
  const keys = e => {
    if (e.key === 'Escape') close.click(); else if (e.key === 'Enter' && e.target.tagName === 'INPUT') applyBox(); else return;
    e.stopPropagation();
  };
  const box = el('div', { onkeydown: keys }, el('h3', {}, edges ? 'cut ' : 'change ', el('b', {}, name), close));
  if (edges) { box.append(el('p', { class: 'hint' }, 'What is read there becomes 0, and no gradient passes.'), el('p', {}, when, ' ', apply), problem); return box; }
  const { shape } = blockOf(target, valueHere(target)), one = count(shape) === 1;
  const which = el('input', { id: 'element', type: one ? 'hidden' : 'text', value: one ? '' : element, placeholder: 'all', size: 7, autocomplete: 'off', oninput: showPointed });
  box.append(
    el('p', {}, one ? which : el('label', {}, 'element ', which, ` of (${shape.join(', ')})`), el('small', { id: 'current' }), el('button', { id: 'flip', onclick: flip }, 'flip')),
    el('p', {}, el('select', { id: 'how', 'aria-label': 'how' }, option('set', 'set to'), option('scale', 'multiply by')), ' ',
      el('input', { id: 'value', type: 'number', step: 'any', 'aria-label': 'number' }), ' ', when, ' ', apply),
    problem);
  return box;
}

function drawChanges() {
  const box = $('changes'), state = $('state'), focus = box.contains(document.activeElement) && document.activeElement.id;
  state.hidden = !live.changes.length && !live.difference;
  state.textContent = live.difference ? 'difference from the recording' : 'changed';
  document.body.classList.toggle('differs', live.difference);
  box.hidden = !target && !live.changes.length && !live.difference;
  box.replaceChildren();
  if (box.hidden) { if (focus !== false) $('graph').focus(); return; }
  if (target) box.append(drawBox());
  if (target?.numbers) showPointed();
  if (live.changes.length) {
    box.append(el('h3', {}, 'changes', el('small', {}, ` ${lossWords()}`)), el('ul', {}, ...live.changes.map((one, k) => el('li', {}, one.words,
      el('button', { class: 'cross', 'aria-label': `take back: ${one.words}`, title: 'take back', onclick: () => changeTo(live.changes.filter((_, n) => n !== k)) })))));
  }
  box.append(el('p', {}, el('label', {}, el('input', { id: 'difference', type: 'checkbox', checked: live.difference, onchange: e => changeTo(live.changes, e.target.checked) }), ' difference from the recording'),
    live.changes.length ? el('button', { id: 'reset', onclick: () => changeTo([], false) }, 'reset') : null));
  if (focus !== false) ($(focus) ?? $('difference')).focus();
}

// ---- marks of what is changed

const isSet = n => live.changes.some(c => c.values?.some(([m]) => m === n));
const hasChanges = i => live.changes.length > 0 && live.program.rows[i].some(isSet);

function isChanged([i, row, argument]) {
  if (!live.changes.length) return false;
  const { rows, shared, edges } = live.program;
  if (argument < 0) return isSet(i < 0 ? shared[row] : rows[i][row]);
  const found = edges[i][template(i).first[row] + argument], all = found.length ? pairs(found.flat()) : [[rows[i][row], argument]];
  return live.changes.some(c => c.cuts?.some(([m, l]) => all.some(([n, k]) => m === n && l === k)));
}
