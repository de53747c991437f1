// The scatter plot of a search: when traces began and how long they took (logarithmic), with a
// histogram of the durations at its right. Dragging selects a part.
import {h, onWidth, svg} from './dom.js';
import {duration, hue, time} from './format.js';

const HEIGHT = 168, LEFT = 58, BOTTOM = 20, TOP = 8, BINS = 28;

function scales(traces, width) {
  const times = traces.map((t) => t.start_us), long = traces.map((t) => Math.max(t.duration_ns, 1000));
  let from = Math.min(...times), to = Math.max(...times);
  if (to - from < 1000) [from, to] = [from - 500_000, to + 500_000];
  const low = Math.floor(Math.log10(Math.min(...long)) * 2) / 2, high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...long)) * 2) / 2);
  const histogram = Math.min(140, Math.max(60, width * 0.12));
  const right = width - histogram - 28;
  return {
    from, to, low, high, right, histogram,
    x: (us) => LEFT + ((us - from) / (to - from)) * (right - LEFT),
    y: (ns) => HEIGHT - BOTTOM - ((Math.log10(Math.max(ns, 1000)) - low) / (high - low)) * (HEIGHT - BOTTOM - TOP),
    us: (x) => from + ((x - LEFT) / (right - LEFT)) * (to - from),
    ns: (y) => 10 ** (low + ((HEIGHT - BOTTOM - y) / (HEIGHT - BOTTOM - TOP)) * (high - low)),
  };
}

function axes(scale) {
  const out = [];
  for (let power = Math.ceil(scale.low); power <= scale.high; ++power) {
    const y = scale.y(10 ** power);
    out.push(svg('line', {class: 'grid', x1: LEFT, x2: scale.right, y1: y, y2: y}),
      svg('text', {class: 'tick', x: LEFT - 6, y: y + 4, 'text-anchor': 'end'}, duration(10 ** power).replace(/\.0+/, '')));
  }
  const steps = Math.max(2, Math.floor((scale.right - LEFT) / 160));
  for (let i = 0; i <= steps; ++i) {
    const us = scale.from + ((scale.to - scale.from) * i) / steps;
    out.push(svg('text', {class: 'tick', x: scale.x(us), y: HEIGHT - 5, 'text-anchor': i === 0 ? 'start' : i === steps ? 'end' : 'middle'},
      time(us, scale.to - scale.from < 20e6)));
  }
  return out;
}

function histogram(traces, scale) {
  const bins = Array.from({length: BINS}, () => [0, 0]);
  for (const trace of traces) {
    const share = (Math.log10(Math.max(trace.duration_ns, 1000)) - scale.low) / (scale.high - scale.low);
    const bin = bins[Math.min(BINS - 1, Math.max(0, Math.floor(share * BINS)))];
    ++bin[trace.errors ? 1 : 0];
  }
  const most = Math.max(...bins.map(([a, b]) => a + b));
  const step = (HEIGHT - BOTTOM - TOP) / BINS, left = scale.right + 16;
  return bins.flatMap(([fine, failed], i) => {
    const y = HEIGHT - BOTTOM - (i + 1) * step, w = (n) => (n / most) * scale.histogram;
    return [fine && svg('rect', {class: 'bin', x: left, y, width: w(fine), height: step - 1}),
      failed && svg('rect', {class: 'bin failed', x: left + w(fine), y, width: w(failed), height: step - 1})];
  });
}

export function scatter(traces, {open, select}) {
  const root = svg('svg', {class: 'scatter', height: HEIGHT, role: 'img',
    'aria-label': `Durations of ${traces.length} traces by time; the table has the same`});
  const box = h('div', {class: 'scatter-box'}, root);
  onWidth(box, (width) => {
    const scale = scales(traces, width);
    root.setAttribute('width', width);
    root.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    const dots = traces.map((trace) => svg('circle', {
      class: trace.errors ? 'trace failed' : 'trace', cx: scale.x(trace.start_us), cy: scale.y(trace.duration_ns),
      r: Math.min(8, 2.5 + Math.log2(1 + trace.spans) / 1.5), style: {'--hue': hue(trace.service)},
      onclick: () => open(trace),
    }, svg('title', {}, `${trace.service} ${trace.operation}\n${duration(trace.duration_ns)}, ${trace.spans} spans`)));
    const brush = svg('rect', {class: 'brush', visibility: 'hidden'});
    root.replaceChildren(...axes(scale), ...histogram(traces, scale).filter(Boolean), brush, ...dots);
    root.onpointerdown = (down) => drag(down, root, brush, scale, select);
  });
  return box;
}

function drag(down, root, brush, scale, select) {
  const bounds = root.getBoundingClientRect();
  const at = (event) => [Math.min(scale.right, Math.max(LEFT, event.clientX - bounds.left)),
    Math.min(HEIGHT - BOTTOM, Math.max(TOP, event.clientY - bounds.top))];
  const [x0, y0] = at(down);
  let x1 = x0, y1 = y0;
  root.onpointermove = (event) => {
    [x1, y1] = at(event);
    for (const [name, value] of Object.entries({x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0)}))
      brush.setAttribute(name, value);
    brush.setAttribute('visibility', 'visible');
  };
  addEventListener('pointerup', () => {
    root.onpointermove = null;
    brush.setAttribute('visibility', 'hidden');
    if (Math.abs(x1 - x0) > 5 && Math.abs(y1 - y0) > 5)
      select(scale.us(Math.min(x0, x1)), scale.us(Math.max(x0, x1)), scale.ns(Math.max(y0, y1)), scale.ns(Math.min(y0, y1)));
  }, {once: true});
}
