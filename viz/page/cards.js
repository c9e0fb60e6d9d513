// Cards: the values of an open step of a known family, such as the memory of a DeltaNet. Their numbers are those that the page computes.
const PLATE = 16;  // the most numbers behind a label

const shownValue = n => live.difference ? difference(live.now.at(n), live.base.at(n)) : live.now.at(n);
const shownGradient = n => live.difference ? difference(live.now.of(n), live.base.of(n)) : live.now.of(n);

// Of an array of all members of the batch the number at a place of the member that is shown.
const reader = (array, size) => array ? k => Number(array.data[(size < array.data.length ? (live.program.example ?? 0) * size : 0) + k]) : () => 0;
// Of a gradient its size there over the whole batch.
const lengthReader = (array, size) => array ? k => { let sum = 0; for (let m = k; m < array.data.length; m += size) sum += array.data[m] ** 2; return Math.sqrt(sum); } : () => 0;

// The ends of a value's colours: those recorded, or what the changes call for in all steps.
const scales = new WeakMap();
function scaleOf(i, row, scale, top) {
  if (!live.changes.length && !live.difference) return { low: scale === 'signed' ? -top : 0, high: top };
  const known = kept(scales, live.now, () => new Map()), key = `${template(i).slots[row]} ${live.difference}`;
  return kept(known, key, () => {
    let most = live.difference ? 0 : top, signed = !live.difference && scale === 'signed';
    for (const n of inColumns(i, row, (s, r) => live.program.rows[s][r])) {
      if (n !== null) for (const v of shownValue(n).data) if (Number.isFinite(Number(v))) { most = Math.max(most, Math.abs(Number(v))); signed ||= v < 0; }
    }
    return { low: signed ? -(most || 1) : 0, high: most || 1 };
  });
}

function drawCard(i, [row, x, y, width, height, role]) {
  const [name, , op] = template(i).nodes[row];
  return decorate(svg('g', { class: 'node', role: 'button', 'data-row': row, 'aria-label': `${name}, ${op}` }, svg('rect', { class: `card ${role}`, x, y, width, height, rx: 8 })), i, row);
}

function drawPlate(i, plate) {
  const [row, x, y, width, height] = plate, g = svg('g', { class: 'cells' }, mark(svg('rect', { x, y, width, height }), i, row), svg('rect', { class: 'edge', x, y, width, height }));
  g.plate = [i, plate];
  if (D.live && !opened) computes();  // once it is computed, the plates are filled
  return g;
}

// Colour a plate: its values, or with the colours of gradients or sizes, those of its numbers. Of numbers that become one colour the one farthest from 0 stays.
function fillPlate(g) {
  const [i, [row, x, y, w, h, scale, top, [size, starts, apart, columns], at, slots]] = g.plate;
  g.replaceChildren(g.firstChild, g.lastChild);
  if (!live.program) return;
  const n = live.program.rows[i][row], gradient = S.mode === 'gradient', none = gradient && (waiting(i) || !shownGradient(n)), places = starts.map(start => Array.from({ length: columns }, (_, c) => start + c * apart));
  const spread = run => {  // the weights of a few slots over those that are shown
    const read = reader(gradient ? run.of(n) : run.at(n), size), named = reader(run.at(live.program.rows[i][at]), size);
    return slots.map(slot => places.flat().reduce((sum, k) => sum + (named(k) === slot ? read(k) : 0), 0));
  };
  const read = gradient ? lengthReader(shownGradient(n), size) : reader(shownValue(n), size), before = slots && live.difference ? spread(live.base) : null;
  const grid = slots ? spread(live.now).map((v, k) => [v - (before?.[k] ?? 0)]) : places.map(line => line.map(read));
  const ends = S.mode === 'kind' ? scaleOf(i, row, scale, top) : null, shades = ends && palette({ low: ends.low, tone: D.scales[scale] && scale !== 'signed' ? scale : 'amount' });
  const shade = v => ends ? shades[Number.isFinite(v) ? Math.round((Math.min(Math.max(v, ends.low), ends.high) - ends.low) / (ends.high - ends.low) * LEVELS) : BAD_BYTE].slice(0, 3) : none ? rgb(D.none) : decade(Math.abs(v));
  const high = Math.min(grid.length, Math.floor(h)), wide = Math.min(grid[0].length, Math.floor(w)), best = new Map(), paths = new Map();
  grid.forEach((line, r) => line.forEach((v, c) => {
    const key = Math.floor(r * high / grid.length) * wide + Math.floor(c * wide / line.length);
    if (!best.has(key) || Number.isNaN(v) || Math.abs(v) > Math.abs(best.get(key))) best.set(key, v);
  }));
  best.forEach((v, key) => {
    const colour = css(shade(v)), path = `M${(x + key % wide * w / wide).toFixed(2)} ${(y + Math.floor(key / wide) * h / high).toFixed(2)}h${(w / wide).toFixed(2)}v${(h / high).toFixed(2)}h${(-w / wide).toFixed(2)}z`;
    paths.set(colour, (paths.get(colour) ?? '') + path);
  });
  paths.forEach((d, fill) => g.lastChild.before(svg('path', { d, fill })));
}

// The few numbers of a box, behind its label: β .51 .49.
function writeNumbers(words) {
  const [i, row, label, [size, starts, apart, columns]] = words.numbers;
  if (!live.program) return;
  const array = shownValue(live.program.rows[i][row]), read = reader(array, size), whole = !isFloat(array.dtype ?? 'float64');
  const all = starts.flatMap(start => Array.from({ length: columns }, (_, c) => read(start + c * apart))).slice(0, PLATE);
  words.textContent = [label, ...all.map(v => whole ? String(v) : brief(v))].join(' ');
  words.parentNode.setAttribute('aria-label', named(words.textContent, template(i).nodes[row][0]));
}

const brief = v => v.toFixed(Math.abs(v) < 1 ? 2 : Math.abs(v) < 10 ? 1 : 0).replace(/^(-?)0\./, '$1.').replace('-', '−');
