// Elements, numbers and colours. Text enters the page only as text (textContent, setAttribute), never as markup.
const D = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const STATS = 6, [LOW, HIGH, MEAN, NORM, BAD, GRAD] = [0, 1, 2, 3, 4, 5];

// What is shown: the column under the cursor, the open steps, the closed scopes in them, the selected node ({step, row} or {shared}), the slots that a search found,
// the view of the graph and whether the reader chose it, where the bars between panes stand, the one pane that is shown,
// what the pointer is on ({at, step, slot, cell}), the slot of the memory whose provenance is shown, and
// whether time runs backwards, so that gradients are shown from the cursor on, and a stretch of columns
// to which others are compared.
const MODE = D.gradient ? 'gradient' : 'kind';
const S = { at: 0, open: new Set(), shut: new Set(), mode: MODE, picked: null, hits: new Set(), x: 0, y: 0, k: 1, own: false, bars: {}, pane: null, over: null, cell: null, back: false, stretch: null };

function make(name, space, props, kids) {
  const node = space ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const [key, value] of Object.entries(props || {})) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key.startsWith('aria-')) node.setAttribute(key, String(value));
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...kids.filter(kid => kid !== null && kid !== undefined));
  return node;
}
const el = (name, props, ...kids) => make(name, false, props, kids);
const svg = (name, props, ...kids) => make(name, true, props, kids);

function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}
const floats = text => new Float32Array(bytes(text).buffer);

const columnStep = [];  // column -> step; steps before and after the loop have no column
D.steps.forEach(([column], i) => { if (column >= 0) columnStep[column] = i; });

const template = i => D.templates[D.steps[i][2]];
const stepOf = column => columnStep[column] ?? 0;
const rms = (norm, size) => norm / Math.sqrt(size || 1);

function short(value) {
  if (value === undefined || Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  return text.replaceAll('-', '−');
}
const normText = norm => norm < 0 ? 'none' : short(norm);

const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
const mix = (a, b, share) => a.map((v, i) => Math.round(v + (b[i] - v) * share));
const css = colour => `rgb(${colour.join(',')})`;
const stops = D.stops.map(([at, hex]) => [at, rgb(hex)]);

// The colour of a norm on the log scale: grey for none and zero, magenta for NaN and infinity.
function decade(norm) {
  if (norm < 0 || norm === 0) return rgb(D.none);
  if (!Number.isFinite(norm)) return rgb(D.bad);
  const e = Math.min(Math.max(Math.log10(norm), stops[0][0]), stops[stops.length - 1][0]);
  const next = Math.max(1, stops.findIndex(([at]) => e <= at));
  const [[low, a], [high, b]] = [stops[next - 1], stops[next]];
  return mix(a, b, (e - low) / (high - low));
}
// The colour of text that is readable on another one, as `ink` of style.py.
const luminance = colour => colour.map(v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4).reduce((sum, v, k) => sum + [0.2126, 0.7152, 0.0722][k] * v, 0);
const ink = colour => ['#2F3B45', '#FFFFFF', '#000000'].find(text => {
  const [low, high] = [luminance(rgb(text)), luminance(colour)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05) >= 4.5;
});

const ground = () => printed ? [255, 255, 255] : rgb(getComputedStyle(document.documentElement).getPropertyValue('--pane').trim());
const wanted = window.matchMedia('(prefers-color-scheme: dark)');
const isDark = () => !printed && (document.documentElement.dataset.theme || (wanted.matches ? 'dark' : 'light')) === 'dark';
const say = text => { $('live').textContent = text; };
