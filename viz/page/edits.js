// The box in which a reader changes values, and the list of changes. It is no form: a frame in a notebook submits none.
// A target is what the box changes: { name, numbers: one in each column (null for none) or a single one, column, block }, or with `edges` a connection.
let target = null;

// ---- targets

async function aim(find, focus = true) {
  if (!D.live) return;
  try {
    await ready();
    target = find(live.program);
  } catch (error) {
    D.live = '';
    target = null;
    $('changes').hidden = true;
    $('notes').append(el('p', {}, `values cannot be changed on this page: ${error.message}`));
    say(error.message);
    return;
  }
  drawChanges();
  if (focus) $(target?.edges ? 'apply' : 'value')?.focus();
}

// For the slot of a row: (step, row of that slot) -> what it is there, in each column.
function inColumns({ step, row }, f) {
  const slot = template(step).slots[row];
  return columnStep.map(i => { const r = template(i).slots.indexOf(slot); return r < 0 ? null : f(i, r); });
}

const aimAtPick = p => aim(P => {
  if (p.shared !== undefined) return single(D.shared[p.shared].node[0], P.shared[p.shared]);
  const name = template(p.step).nodes[p.row][0], column = D.steps[p.step][0];
  return column < 0 ? single(name, P.rows[p.step][p.row]) : { name, column, element: '', numbers: inColumns(p, (i, r) => P.rows[i][r]) };
});

const aimAtEdge = (p, argument, words) => aim(P => {
  const edges = (i, r) => {
    if (template(i).args[r].length <= argument) return null;
    const found = P.edges[i][template(i).first[r] + argument];
    return pairs(found.length ? found : [P.rows[i][r], argument]);
  };
  const name = `${words} → ${template(p.step).nodes[p.row][0]}`, column = D.steps[p.step][0];
  return column < 0 ? { name, column: 0, edges: [edges(p.step, p.row)] } : { name, column, edges: inColumns(p, edges) };
});

// A cell of a strip, or of the memory; all rows of a step where `row` is −1. `find` gives the source of its values,
// `member` the one of the batch that is not the first shown.
const aimAtCell = (name, find, t, row, member) => aim(P => {
  const source = find(P);
  if (!source || Array.isArray(source) || source.values[t] === null) return target;
  const found = { name, column: t, numbers: source.values, element: '', member };
  const { start, shape } = blockOf(found, source.values[t]), steps = stridesOf(shape), place = placesOf(source, t)(Math.max(row, 0) * (source.width || 1)) - start;
  const index = steps.map((step, axis) => Math.floor(place / step) % shape[axis]);
  return { ...found, element: row < 0 ? '' : index.slice(0, source.width ? -1 : index.length).join(', ') };
}, false);  // a click on a strip is for the cursor first: keys go on to move it

const single = (name, number) => ({ name, column: 0, numbers: [number], element: '', whole: true });

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

const MOMENTS = { here: 'at', every: 'in every step', on: 'from' };

// The change that the box describes.
function described() {
  const { name, numbers, edges, column } = target, all = numbers ?? edges, when = $('when')?.value ?? 'here', label = D.columns[column]?.[0];
  const there = all.filter((v, t) => v !== null && (all.length === 1 || when === 'every' || t === column || (when === 'on' && t > column)));
  const time = all.length === 1 ? '' : when === 'every' ? ' in every step' : ` ${MOMENTS[when]} ${label}${when === 'on' ? ' on' : ''}`;
  if (edges) return { words: `${name} cut${time}`, cuts: there.flat() };
  const text = $('element').value.trim(), number = Number($('value').value), scaled = $('how').value === 'scale';
  if ($('value').value === '' || !Number.isFinite(number)) throw Error('give a number');
  const values = there.map(n => [n, elementsOf(target, n, text)]);
  return { words: `${name}${text && `[${text}]`} ${scaled ? '×' : '='} ${short(number)}${time}`, values, number, scaled };
}

function changeTo(changes, difference = live.difference) {
  try {
    change(changes, difference);
  } catch (error) {
    say(error.message);
    return error.message;
  }
  drawChanges();
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
    Object.assign(target, { element: $('element')?.value, how: $('how')?.value, when: $('when')?.value });
    problem = changeTo([...live.changes, described()]);
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
  const when = some ? el('select', { id: 'when', 'aria-label': 'when' }, option('here', `at ${label}`), option('every', 'in every step'), option('on', `from ${label} on`)) : null;
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
  const found = edges[i][template(i).first[row] + argument], [[n, k]] = found.length ? pairs(found) : [[rows[i][row], argument]];
  return live.changes.some(c => c.cuts?.some(([m, l]) => m === n && l === k));
}
