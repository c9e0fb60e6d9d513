// The primitives of the engine on arrays { dtype, shape, data }, as its NumPy rules define them: (result, arguments, attributes) fills the result.
// Arithmetic is in double precision and rounded once to the dtype of the result. Numbers of 64-bit integers are BigInts, so these are exact too.
const KINDS = {
  bool: Uint8Array, int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array, float32: Float32Array, float64: Float64Array,
};
const count = shape => shape.reduce((n, m) => n * m, 1);
const zeros = ([dtype, shape]) => ({ dtype, shape, data: new KINDS[dtype](count(shape)) });
const isFloat = dtype => dtype.startsWith('float');
const isBig = dtype => dtype.endsWith('64') && !isFloat(dtype);
const width = dtype => dtype === 'bool' ? 8 : Number(dtype.match(/\d+$/)[0]);
const numeral = dtype => isBig(dtype) ? BigInt : Number;

// ---- functions of each element

const unary = f => (y, [x]) => { for (let i = 0; i < y.data.length; i++) y.data[i] = f(x.data[i]); };
const binary = f => (z, [x, y]) => { for (let i = 0; i < z.data.length; i++) z.data[i] = f(x.data[i], y.data[i]); };
// Those met most often have loops of their own: a function that is called for each element costs as much again.
const add = ({ data: z }, [{ data: a }, { data: b }]) => { for (let i = 0; i < z.length; i++) z[i] = a[i] + b[i]; };
const subtract = ({ data: z }, [{ data: a }, { data: b }]) => { for (let i = 0; i < z.length; i++) z[i] = a[i] - b[i]; };
const times = ({ data: z }, [{ data: a }, { data: b }]) => { for (let i = 0; i < z.length; i++) z[i] = a[i] * b[i]; };
const divide = ({ data: z }, [{ data: a }, { data: b }]) => { for (let i = 0; i < z.length; i++) z[i] = a[i] / b[i]; };
const negate = ({ data: y }, [{ data: a }]) => { for (let i = 0; i < y.length; i++) y[i] = -a[i]; };
const exponential = ({ data: y }, [{ data: a }]) => { for (let i = 0; i < y.length; i++) y[i] = Math.exp(a[i]); };
const tangent = ({ data: y }, [{ data: a }]) => { for (let i = 0; i < y.length; i++) y[i] = Math.tanh(a[i]); };
const squash = ({ data: y }, [{ data: a }]) => { for (let i = 0; i < y.length; i++) y[i] = sigmoid(a[i]); };
const byDtype = (floats, integers) => (y, args, attrs) => (isFloat(args[0].dtype) ? floats : integers)(y, args, attrs);
const copy = (y, [x]) => y.data.set(x.data);

const negative = a => a < 0 || Object.is(a, -0);
const even = a => { const low = Math.floor(a), rest = a - low; return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1; };
const rounded = a => Number.isInteger(a) || !Number.isFinite(a) ? a : even(a);
const greater = (a, b) => a > b || a !== a ? a : b;
const smaller = (a, b) => a < b || a !== a ? a : b;
const sigmoid = a => a < 0 ? Math.exp(a) / (1 + Math.exp(a)) : 1 / (1 + Math.exp(-a));
const logaddexp = (a, b) => a === b ? a + Math.LN2 : greater(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

function erf(x) {  // a series of positive terms
  const a = Math.abs(x);
  if (!(a < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  let term = a, sum = a;
  for (let n = 1; term > sum * 1e-17; n++) { term *= 2 * a * a / (2 * n + 1); sum += term; }
  return Math.sign(x) * 2 / Math.sqrt(Math.PI) * Math.exp(-a * a) * sum;
}

function modulo(a, b) {  // the remainder has the sign of b
  if (b === 0) return NaN;
  const rest = a % b;
  return rest === 0 ? (negative(b) ? -0 : 0) : rest < 0 !== b < 0 ? rest + b : rest;
}

function floored(a, b) {
  if (b === 0) return a / b;
  const rest = a % b, whole = (a - rest) / b - (rest !== 0 && rest < 0 !== b < 0 ? 1 : 0), low = Math.floor(whole);
  return low + (whole - low > 0.5 ? 1 : 0);
}

const zeroOf = a => typeof a === 'bigint' ? 0n : 0;
const wholeModulo = (a, b) => b == 0 ? zeroOf(a) : (a % b != 0 && a % b < 0 !== b < 0 ? a % b + b : a % b);
const wholeFloored = (a, b) => b == 0 ? zeroOf(a) : (a - wholeModulo(a, b)) / b;

const power = (a, b) => a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
function wholePower(z, [x, y]) {
  const bits = width(z.dtype), back = numeral(z.dtype);
  for (let i = 0; i < z.data.length; i++) {
    let base = BigInt(x.data[i]), e = BigInt(y.data[i]), found = 1n;
    if (e < 0n) { found = base === 1n || (base === -1n && e % 2n === 0n) ? 1n : base === -1n ? -1n : 0n; e = 0n; }
    for (; e > 0n; e >>= 1n, base = BigInt.asIntN(bits, base * base)) if (e & 1n) found = BigInt.asIntN(bits, found * base);
    z.data[i] = back(found);
  }
}

const product = dtype => /^u?int32$/.test(dtype) ? Math.imul : (a, b) => a * b;
const multiply = byDtype(times, (z, args) => binary(product(z.dtype))(z, args));

function shifted(left) {
  return (z, [x, y]) => {
    const bits = width(z.dtype);
    for (let i = 0; i < z.data.length; i++) {
      const a = x.data[i], b = y.data[i];
      if (b < 0 || b >= bits) z.data[i] = left || a >= 0 ? zeroOf(a) : zeroOf(a) - (typeof a === 'bigint' ? 1n : 1);
      else if (typeof a === 'bigint') z.data[i] = left ? a << b : a >> b;
      else z.data[i] = left ? a * 2 ** b : Math.floor(a / 2 ** b);
    }
  };
}
const not = (y, args) => unary(y.dtype === 'bool' ? a => 1 - a : a => ~a)(y, args);

function cast(y, [x], { dtype }) {
  if (isFloat(dtype)) unary(Number)(y, [x]);
  else if (dtype === 'bool') unary(a => a != 0 ? 1 : 0)(y, [x]);
  else if (!isFloat(x.dtype)) unary(isBig(dtype) ? BigInt : a => Number(BigInt(a) & 0xFFFFFFFFn))(y, [x]);
  else unary(saturated(dtype))(y, [x]);
}

function saturated(dtype) {  // of floats: the nearest integer towards zero that the dtype holds; 0 for NaN
  const bits = BigInt(width(dtype)), signed = dtype.startsWith('i');
  const low = signed ? -(1n << bits - 1n) : 0n, high = (1n << (signed ? bits - 1n : bits)) - 1n, number = numeral(dtype);
  return a => number(Number.isNaN(a) ? 0 : a >= Number(high) ? high : a <= Number(low) ? low : BigInt(Math.trunc(a)));
}

const bitcast = (y, [{ data: a }]) => y.data.set(new KINDS[y.dtype](a.buffer, a.byteOffset, a.length));

function holding(y, [x], attrs) {
  cast(y, [x], attrs);
  const lost = isFloat(attrs.dtype) ? (a, b) => !Number.isFinite(a) && Number.isFinite(Number(b)) : (a, b) => a != b;
  y.data.forEach((a, i) => { if (lost(a, x.data[i])) throw Error(`number: ${x.data[i]} does not fit ${attrs.dtype}`); });
}

const compare = f => binary((a, b) => f(a, b) ? 1 : 0);
const where = (z, [c, x, y]) => { for (let i = 0; i < z.data.length; i++) z.data[i] = c.data[i] ? x.data[i] : y.data[i]; };

const ELEMENTWISE = {
  neg: negate, exp: exponential, expm1: unary(Math.expm1), log: unary(Math.log), log1p: unary(Math.log1p), sqrt: unary(Math.sqrt),
  tanh: tangent, sigmoid: squash, softplus: unary(a => logaddexp(a, 0)), sin: unary(Math.sin), cos: unary(Math.cos),
  tan: unary(Math.tan), erf: unary(erf), abs: byDtype(unary(Math.abs), unary(a => a < 0 ? -a : a)),
  sign: byDtype(unary(Math.sign), (y, [x]) => unary(a => numeral(y.dtype)(Math.sign(Number(a))))(y, [x])),
  floor: unary(Math.floor), ceil: unary(Math.ceil), trunc: unary(Math.trunc), round: unary(rounded),
  asin: unary(Math.asin), acos: unary(Math.acos), atan: unary(Math.atan), sinh: unary(Math.sinh), cosh: unary(Math.cosh),
  asinh: unary(Math.asinh), acosh: unary(Math.acosh), atanh: unary(Math.atanh), exp2: unary(a => 2 ** a), log2: unary(Math.log2), log10: unary(Math.log10),
  add, sub: subtract, mul: multiply, div: divide,
  floor_divide: byDtype(binary(floored), binary(wholeFloored)), remainder: byDtype(binary(modulo), binary(wholeModulo)),
  pow: byDtype(binary(power), wholePower), maximum: binary(greater), minimum: binary(smaller),
  hypot: binary(Math.hypot), atan2: binary(Math.atan2), logaddexp: binary(logaddexp),
  copysign: binary((a, b) => negative(a) === negative(b) ? a : -a), signbit: unary(a => negative(a) ? 1 : 0),
  less: compare((a, b) => a < b), less_equal: compare((a, b) => a <= b), equal: compare((a, b) => a === b), not_equal: compare((a, b) => a !== b),
  where, cast, bitcast, fit: holding, detach: copy, alias: copy,
  and: binary((a, b) => a & b), or: binary((a, b) => a | b), xor: binary((a, b) => a ^ b), not, shl: shifted(true), shr: shifted(false),
};
