// Numbers as people read them.

const UNITS = [[1, 'ns'], [1e3, 'µs'], [1e6, 'ms'], [1e9, 's'], [60e9, 'm'], [3600e9, 'h']];

/** 1280000 -> "1.28 ms" */
export function duration(ns) {
  if (ns === 0) return '0';
  const size = Math.abs(ns);
  const at = UNITS.findLastIndex(([unit]) => size >= unit);
  const [unit, name] = UNITS[Math.max(at, 0)];
  const value = ns / unit;
  return `${value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)}\u202f${name}`;
}

const two = (n) => String(n).padStart(2, '0');

/** Local time of a moment in microseconds since 1970. */
export function time(us, withMs = true) {
  const d = new Date(us / 1000);
  const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return withMs ? `${text}.${String(d.getMilliseconds()).padStart(3, '0')}` : text;
}
export function day(us) {
  const d = new Date(us / 1000);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}
export function ago(us, nowUs) {
  const s = Math.max(0, (nowUs - us) / 1e6);
  if (s < 90) return `${Math.round(s)} s ago`;
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  if (s < 129600) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86400)} days ago`;
}

export function count(n) {
  if (n < 10000) return String(n);
  if (n < 1e6) return `${(n / 1e3).toFixed(n < 1e5 ? 1 : 0)}k`;
  return `${(n / 1e6).toFixed(1)}M`;
}

export const percent = (share) => share === 0 ? '0 %' :
  share > 0 && share < 0.001 ? '<0.1 %' : `${(100 * share).toFixed(share < 0.1 || (share > 0.99 && share < 1) ? 1 : 0)} %`;

/** "50ms" -> ns, as the server reads it; NaN for what it would not. */
export function parseDuration(text) {
  const match = /^\s*([\d.]+)\s*(ns|us|µs|ms|s|m|h)\s*$/.exec(text);
  if (!match) return NaN;
  const unit = match[2] === 'us' ? 'µs' : match[2];
  return Number(match[1]) * UNITS.find(([, name]) => name === unit)[0];
}

/** Round values for an axis from 0 to `most`. */
export function ticks(most, wanted = 5) {
  if (!(most > 0)) return [0];
  const rough = most / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
  const out = [];
  for (let v = 0; v <= most * 1.0001; v += step) out.push(v);
  return out;
}

let order = [];
export function setServices(names) {
  order = names;
}
/** A hue of its own for each service, the same in every view. */
export function hue(service) {
  const at = order.indexOf(service);
  if (at >= 0) return Math.round((at * 137.508 + 205) % 360);
  let hash = 0;
  for (const c of service) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  return hash % 360;
}
