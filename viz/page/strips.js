// Values over time: one row for each value, all on the same time axis, with one cursor.
const MISSING = 254, BAD_BYTE = 255, LEVELS = 252;
const strips = [];
const T = D.columns.length;

// 256 colours, from the background colour upwards; for values of both signs the background is in the middle. On a dark background they are lighter.
const palettes = new Map();
const palette = ({ low, tone }) => kept(palettes, `${isDark()} ${printed} ${low < 0} ${tone}`, () => paletteOf(low, tone));
function paletteOf(low, tone) {
  const share = !isDark() ? 0 : low < 0 || tone !== 'amount' ? 0.25 : 0.8, lighter = colour => mix(colour, [255, 255, 255], share);
  const stops = (low < 0 ? D.scales.signed : D.scales[tone]).map(hex => hex === '#FFFFFF' ? ground() : lighter(rgb(hex)));
  return Array.from({ length: 256 }, (_, v) => {
    if (v === BAD_BYTE) return [...rgb(D.bad), 255];
    if (v === MISSING) return [0, 0, 0, 0];
    const at = Math.min(v / LEVELS, 1) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2);
    return [...mix(stops[k], stops[k + 1], at - k), 255];
  });
}

// How far each byte of a strip is from zero; no value is the least, a value that is not finite the most.
const strong = new Map();
const strengths = ({ low }) => kept(strong, low < 0, () => Array.from({ length: 256 }, (_, v) =>
  v === BAD_BYTE ? Infinity : v === MISSING ? -1 : low < 0 ? Math.abs(v - LEVELS / 2) : v));

// The size at which a canvas shows each of its pixels.
const fitting = (canvas, width, height) => [Math.min(width, canvas.clientWidth || width), Math.min(height, canvas.clientHeight || height)];

// Draw bytes (width × height, read by `at(x, y)`) onto a canvas, one pixel each. The style sheet enlarges the canvas.
// Where the canvas is smaller, a pixel is the strongest of its bytes, so that none is lost.
function heat(canvas, width, height, at, colours, strong, size = fitting(canvas, width, height)) {
  [canvas.width, canvas.height] = size;
  const w = canvas.width, h = canvas.height, image = new ImageData(w, h), most = new Float64Array(w * h).fill(-2);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const o = Math.floor(y * h / height) * w + Math.floor(x * w / width), v = at(x, y);
    if (strong[v] > most[o]) { most[o] = strong[v]; image.data.set(colours[v], 4 * o); }
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

// Curves from the greatest value (y = 3) to the least one (y = 31). A step without a value interrupts them; one that is not finite is marked.
function drawCurves({ canvas, values, rows }) {
  const known = [...values].filter(Number.isFinite), high = known.reduce((a, b) => Math.max(a, b), -Infinity), low = known.reduce((a, b) => Math.min(a, b), Infinity);
  const lines = Array.from({ length: rows }, (_, n) => D.columns.map((_, t) => values[t * rows + n]));
  const bad = D.columns.flatMap((_, t) => lines.some(line => line[t] === Infinity) ? [t] : []);
  canvas.replaceChildren(
    ...bad.map(t => svg('rect', { fill: D.bad, x: t, width: 1, height: 34 })),
    ...lines.map((line, n) => svg('path', {
      d: line.map((v, t) => Number.isFinite(v) ? `${Number.isFinite(line[t - 1]) ? 'L' : 'M'}${t + 0.5} ${(31 - 28 * (v - low) / (high - low || 1)).toFixed(1)}` : '').join(''),
      stroke: ['#3A86C8', '#D0604F', '#4F9F80', '#C79A1E'][n % 4],
    })));
}

// Draw the strips of open groups. All sizes are read first: after a drawing the browser would lay the page out again for the next one.
function drawStrips(list = strips) {
  const sized = list.filter(s => s.value.offsetParent).map(s => [s, fitting(s.canvas, T, s.kind === 'gradient' ? 1 : s.rows)]);
  sized.forEach(([strip, size]) => drawStrip(strip, size));
}

const ofClass = v => v >= 0 && v < Infinity ? [...rgb(D.cycle[Math.floor(v) % D.cycle.length]), 255] : [0, 0, 0, 0];

function drawStrip(strip, size) {
  const { canvas, rows, kind } = strip, all = valuesOf(strip), values = S.back && kind === 'gradient' ? all.map((v, t) => t < S.at ? -1 : v) : all;
  if (kind === 'gradient') heat(canvas, T, 1, x => x, Array.from(values, v => [...decade(v), 255]), Array.from(values, v => Number.isNaN(v) ? Infinity : v), size);
  else if (kind === 'curves') drawCurves(strip);
  else if (kind === 'classes') heat(canvas, T, 1, x => x, Array.from(values, ofClass), new Uint8Array(T), size);
  else heat(canvas, T, rows, (x, y) => values[x * rows + y], palette(strip), strengths(strip), size);
  if (strip.extent) strip.extent.textContent = `${strip.size} ${rangeOf(strip)}`;
  read(strip);
}

// The values of the two ends of a strip's colours.
const rangeOf = ({ low, high }) => low < 0 ? `±${short(high)}` : `0…${short(high)}`;

// Whether the size of a strip's canvas calls for other pixels than it has.
function outgrown({ canvas, kind, rows, values }) {
  if (!values || kind === 'curves') return false;
  const [w, h] = fitting(canvas, T, kind === 'gradient' ? 1 : rows);
  return w !== canvas.width || h !== canvas.height;
}

const level = (strip, byte) => byte === BAD_BYTE ? NaN : strip.low + byte / LEVELS * (strip.high - strip.low);

// The text for a strip at one time: of one row, or of all rows.
function reading(strip, t, row = -1) {
  const { values, rows, kind } = strip;
  if (!values) return '';
  if (kind === 'gradient') return normText(values[t]);
  if (kind === 'classes') return values[t] >= 0 ? short(values[t]) : '–';
  const cells = values.subarray(t * rows, (t + 1) * rows);
  if (kind === 'curves') return [...cells].slice(0, 4).map(v => Number.isNaN(v) ? '–' : v === Infinity ? 'NaN or ∞' : short(v)).join('  ');
  if (cells[0] === MISSING) return '–';
  if (row >= 0) return `${row}: ${short(level(strip, cells[row]))}`;
  if (cells.includes(BAD_BYTE)) return `${cells.filter(c => c === BAD_BYTE).length} NaN or ∞`;
  const high = cells.reduce((a, b) => Math.max(a, b)), low = cells.reduce((a, b) => Math.min(a, b));
  if (kind === 'weights') return `${short(level(strip, high))} at ${cells.indexOf(high)}`;
  return `${short(level(strip, low))} … ${short(level(strip, high))}`;
}
const read = strip => { strip.value.textContent = reading(strip, shownAt()); };

function buildStrip(strip) {
  const unit = /^w |^usage/.test(strip.label) ? ' slots' : '';
  const size = isBytes(strip) ? `${strip.rows}${unit}` : '';
  strip.size = size && `${size},`;
  strip.canvas = strip.kind === 'curves' ? svg('svg', { class: 'curves', viewBox: `0 0 ${T} 34`, preserveAspectRatio: 'none' }) : el('canvas', { class: strip.kind });
  strip.canvas.setAttribute('role', 'img');
  strip.canvas.setAttribute('aria-label', `${stripName(strip)} over ${T} steps${size ? `, ${size}` : ''}`);
  strip.canvas.style.height = `${(strip.kind === 'gradient' ? 12 : strip.kind === 'curves' ? 34 : Math.min(110, Math.max(16, 3 * strip.rows))) / 13}rem`;
  strip.value = el('span', { class: 'value' });
  const cell = e => {
    const box = strip.canvas.getBoundingClientRect(), at = (share, n) => Math.min(n - 1, Math.max(0, Math.floor(share * n)));
    return [at((e.clientX - box.left) / box.width, T), at((e.clientY - box.top) / box.height, strip.rows)];
  };
  const hover = e => {
    const [t, row] = cell(e);
    if (e.buttons === 1) moveTo(t);
    point({ at: t, slot: strip.slot || undefined, cell: hasCells(strip) ? row : undefined });
    strip.value.textContent = `${D.columns[t][0]}  ${reading(strip, t, isBytes(strip) ? row : -1)}`;
  };
  strip.canvas.addEventListener('pointerdown', e => { strip.canvas.setPointerCapture(e.pointerId); [strip.pressed] = cell(e); hover(e); });
  strip.canvas.addEventListener('pointermove', hover);
  strip.canvas.addEventListener('pointerleave', () => point(null));
  const n = strips.length;
  strip.canvas.addEventListener('click', e => {
    const [t, row] = cell(e), curved = strip.kind === 'curves' && strip.rows > 1;
    if (t === strip.pressed) aim(`s${n}.${t}`, curved ? -1 : row, false);
    if (hasCells(strip)) keepCell(row);
  });
  strips.push(strip);
  const member = strip.member === undefined ? null : el('small', {}, `member ${strip.member}`);
  strip.extent = size && !strip.second ? el('small', {}, size) : null;
  const words = strip.second ? [member] : [strip.label, member, strip.extent], known = inGraph.has(strip.slot);
  const label = known ? el('button', { class: 'label', title: 'show this value in the graph', onclick: () => pickSlot(strip.slot) }, ...words.filter(Boolean)) : el('span', { class: 'label' }, ...words.filter(Boolean));
  strip.line = el('div', { class: `strip${strip.second ? ' second' : ''}` }, label, el('div', { class: 'plate' }, strip.canvas, hasCells(strip) ? rowFrame(strip.rows) : null), strip.value);
  return strip.line;
}

function buildStrips() {
  const every = Math.max(1, Math.ceil(T / 20)), axis = el('div', { class: 'scale' }, el('div', { id: 'brush' }));
  for (let t = 0; t < T; t += every) {
    const tick = el('span', {}, String(D.columns[t][1]));
    tick.style.left = `${(t + 0.5) / T * 100}%`;
    axis.append(tick);
  }
  axis.addEventListener('pointerdown', e => { axis.setPointerCapture(e.pointerId); });
  axis.addEventListener('pointermove', e => { if (e.buttons === 1 && !e.shiftKey) scrub(e, axis); });
  axis.addEventListener('click', e => { if (!e.shiftKey) scrub(e, axis); });
  $('strips').append(el('div', { class: 'strip axis' }, el('span', { class: 'label' }, D.axis), axis, el('span', { class: 'value', id: 'here' })));
  const rows = el('div', { id: 'rows' }, el('div', { id: 'cursor' }), el('div', { id: 'ghost', hidden: true }));
  D.groups.forEach(([name, list]) => {
    const quiet = name === 'inside the heads' || (name === 'states and gates' && D.groups.some(([other]) => other === 'memory'));
    rows.append(el('details', { open: !quiet, ontoggle: e => { if (e.target.open) drawStrips(); } },
      el('summary', {}, name), ...list.map(buildStrip)));
  });
  $('strips').append(rows, el('div', { id: 'scales', role: 'group', 'aria-label': 'colours of the values' }));
  new ResizeObserver(() => drawStrips(strips.filter(outgrown))).observe(rows);
}

function scrub(e, axis) {
  const box = axis.getBoundingClientRect();
  moveTo(Math.min(T - 1, Math.max(0, Math.floor((e.clientX - box.left) / box.width * T))));
}

function cursor() {
  const bar = $('cursor');
  if (!T) return;
  bar.style.setProperty('--at', S.at / T);
  bar.parentNode.style.setProperty('--width', 1 / T);
  $('here').textContent = D.columns[S.at][0];
}

// Mark on the time axis the steps that the graph shows.
function brush(low, high) {
  const seen = D.steps.slice(low, high + 1).map(s => s[0]).filter(c => c >= 0), bar = $('brush');
  bar.hidden = !seen.length;
  if (!seen.length) return;
  bar.style.left = `${seen[0] / T * 100}%`;
  bar.style.width = `${(seen[seen.length - 1] + 1 - seen[0]) / T * 100}%`;
}

// What the colours of the strips mean: the kinds of colours that occur.
function showScales() {
  const maps = strips.filter(isBytes), box = $('scales');
  const one = tone => maps.find(s => s.tone === tone && s.low === 0), kinds = [
    [maps.find(s => s.low < 0), 'negative, 0, positive'], [one('write'), 'from 0, of what is written'], [one('read'), 'from 0, of what is read'], [one('amount'), 'from 0'],
  ].filter(([strip]) => strip);
  if (!box) return;
  box.replaceChildren(...kinds.map(([strip, words]) => {
    const sample = el('i', { class: 'sample' }), colours = palette(strip);
    sample.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(v => css(colours[Math.round(v * LEVELS)].slice(0, 3))).join(',')})`;
    return el('span', { class: 'key' }, sample, words);
  }));
  if (kinds.length) box.append(el('span', {}, 'Beside a name: how many numbers, and the value of the strongest colour.'));
}
