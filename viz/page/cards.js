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

// Colour a plate: its values, or with the colours of gradients or sizes, those of its numbers. One that is coloured so already stays.
function fillPlate(g) {
  const [i, plate] = g.plate, state = [live.now, live.base, live.difference, S.mode, S.mode === 'gradient' && waiting(i), isDark(), printed];
  if (!live.program || g.state?.every((v, k) => v === state[k])) return;
  g.state = state;
  g.replaceChildren(g.firstChild, g.lastChild);
  const [, x, y, w, h] = plate, shade = plateShade(i, plate), cells = pooled(plateNumbers(i, plate), h, w), paths = new Map();
  const high = h / cells.length, wide = w / cells[0].length, outline = `h${wide.toFixed(2)}v${high.toFixed(2)}h${(-wide).toFixed(2)}z`;
  cells.forEach((line, r) => line.forEach((v, c) => {
    const colour = css(shade(v));
    paths.set(colour, `${paths.get(colour) ?? ''}M${(x + c * wide).toFixed(2)} ${(y + r * high).toFixed(2)}${outline}`);
  }));
  paths.forEach((d, fill) => g.lastChild.before(svg('path', { d, fill })));
}

// The numbers of a plate, row by row: of weights of a few slots those of the slots that are shown.
function plateNumbers(i, [row, , , , , , , [size, starts, apart, columns], at, slots]) {
  const gradient = S.mode === 'gradient', n = live.program.rows[i][row], places = starts.map(start => Array.from({ length: columns }, (_, c) => start + c * apart));
  if (!slots) {
    const read = gradient ? lengthReader(shownGradient(n), size) : reader(shownValue(n), size);
    return places.map(line => line.map(read));
  }
  const spread = run => {
    const read = reader(gradient ? run.of(n) : run.at(n), size), named = reader(run.at(live.program.rows[i][at]), size);
    return slots.map(slot => places.flat().reduce((sum, k) => sum + (named(k) === slot ? read(k) : 0), 0));
  };
  const before = live.difference ? spread(live.base) : slots.map(() => 0);
  return spread(live.now).map((v, k) => [v - before[k]]);
}

// The colour of a number of a plate.
function plateShade(i, [row, , , , , scale, top]) {
  if (S.mode !== 'kind') {
    const none = S.mode === 'gradient' && (waiting(i) || !shownGradient(live.program.rows[i][row]));
    return v => none ? rgb(D.none) : decade(Math.abs(v));
  }
  const { low, high } = scaleOf(i, row, scale, top), shades = palette({ low, tone: D.scales[scale] && scale !== 'signed' ? scale : 'amount' });
  return v => shades[Number.isFinite(v) ? Math.round((Math.min(Math.max(v, low), high) - low) / (high - low) * LEVELS) : BAD_BYTE].slice(0, 3);
}

// At most so many rows and columns, as `pooled` of heat.py: of the numbers that become one, that farthest from zero stays.
function pooled(grid, rows, columns) {
  const kept = (size, most) => Math.max(1, Math.min(size, Math.floor(most))), high = kept(grid.length, rows), wide = kept(grid[0].length, columns);
  const place = (k, kept, size) => Math.floor(((k + 1) * kept - 1) / size), found = Array.from({ length: high }, () => Array(wide).fill(0));
  grid.forEach((line, r) => line.forEach((v, c) => {
    const to = found[place(r, high, grid.length)], k = place(c, wide, line.length);
    if (Number.isNaN(v) || Math.abs(v) > Math.abs(to[k]) || v === Math.abs(to[k])) to[k] = v;
  }));
  return found;
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
