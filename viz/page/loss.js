// What the gradients are of: the loss L, or a value that the reader chose; and how they arrive from the end of time, step by step.
// chosen.what is a node as S.picked; `through`: the part of L that depends on it, else the sum of its numbers.
const chosen = { what: null, through: false, name: 'L' };
const lossName = () => chosen.name;

const subscript = n => [...String(n)].map(c => c === '-' ? '₋' : String.fromCharCode(0x2080 + Number(c))).join('');
function nameOf(p) {
  const column = D.steps[p.step][0];
  return template(p.step).nodes[p.row][0] + (column < 0 ? '' : subscript(D.columns[column][1]));
}

function cotangents(P, values, given) {
  const none = { of: () => undefined, along: () => undefined };
  if (P.loss === null) return none;
  const whole = () => backward(P, values, given);
  if (!chosen.what) return whole();
  const n = P.rows[chosen.what.step][chosen.what.row], seed = chosen.through ? whole().of(n) : null;
  return seed === undefined ? none : backward(P, values, given, n, seed);
}

// Show the gradients of a value instead of those of the loss; of the loss again for null.
async function differentiate(what, through = false) {
  if (!D.live || !D.gradient || (what && what.step === undefined)) return;
  try {
    await ready();
    const P = live.program, n = what && P.rows[what.step][what.row], array = what && live.base.at(n), passes = what && n >= 0 && (P.rules[n] >= 0 || P.signatures[P.graph.nodes[n][0]][0] === 'item');
    if (what && (!passes || !isFloat(array.dtype ?? ''))) throw Error(`L does not depend on ${nameOf(what)}: no gradient passes there`);
    Object.assign(chosen, { what, through, name: !what ? 'L' : through ? `L(${nameOf(what)})` : `${array.data.length > 1 ? 'Σ' : ''}${nameOf(what)}` });
    live.base = computed(P, []);
    change(live.changes);
  } catch (error) { say(error.message); $('chosen').replaceChildren(el('p', { class: 'bad' }, error.message)); return; }
  colourBy('gradient');
  showChosen();
  remember();
  say(`gradients of ${chosen.name}`);
}

function showChosen() {
  const { what, through, name } = chosen, words = through ? `the part of L that comes through ${nameOf(what)}` : '';
  $('mode').querySelector('[value=gradient]').textContent = `gradient ‖∂${name}/∂·‖`;
  $('chosen').replaceChildren(...what ? [el('p', {}, 'gradients of ', el('b', {}, name), words && `, ${words}`, ' ', el('button', { onclick: () => differentiate(null) }, 'back to L'))] : []);
}

// The buttons below the gradient of the selected value.
function offers(p) {
  if (!D.live || p.step === undefined || D.steps[p.step][0] < 0) return null;
  const name = nameOf(p);
  return el('p', { class: 'offers' }, el('button', { title: 'how everything before it moves this value (g)', onclick: () => differentiate(p) }, `gradients of ${name}`), ' ',
    el('button', { title: 'the loss at this step: what of L comes through this value', onclick: () => differentiate(p, true) }, `of L through ${name}`));
}

// ---- the gradient arrives, step by step, from the end of time

const waiting = i => S.back && (i < 0 || (D.steps[i][0] < 0 ? i < columnStep[0] : D.steps[i][0] < S.at));

function playBack() {
  const on = !(timer && S.back);
  play(0);
  if (!on) return;
  colourBy('gradient');
  if (!S.back || S.at === 0) { S.back = true; moveTo(chosen.what ? Math.max(0, D.steps[chosen.what.step][0]) : T - 1); }
  play(-1);
}

function leaveBack() {  // all of the gradient has arrived
  S.back = false;
  recolour();
  drawStrips(strips.filter(s => s.kind === 'gradient'));
}
