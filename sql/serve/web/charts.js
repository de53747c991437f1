// Line and area charts over equal buckets of time, in SVG.
import {h, onWidth, svg} from './dom.js';
import {ticks, time} from './format.js';

const HEIGHT = 170, LEFT = 58, RIGHT = 12, TOP = 10, BOTTOM = 22;

// The powers of ten around all values.
function powers(values) {
  const some = values.filter((v) => v > 0);
  if (some.length === 0) return [1, 10];
  const low = Math.floor(Math.log10(Math.min(...some))), high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...some))));
  return Array.from({length: high - low + 1}, (_, i) => 10 ** (low + i));
}

/** series: [{name, values, mark, area?}]; null is a hole. `choose(i)` is called for a click on a bucket. */
export function chart({title, series, fromUs, stepUs, text, choose, least = 0, log = false}) {
  const n = series[0].values.length;
  const all = series.flatMap((one) => one.values.filter((v) => v !== null));
  const most = Math.max(least, 1e-9, ...all), marks = log ? powers(all) : ticks(most, 4), top = Math.max(most, marks.at(-1));
  const share = log ? (v) => Math.log(Math.max(v, marks[0]) / marks[0]) / Math.log(top / marks[0]) : (v) => v / top;
  const tip = h('div', {class: 'tip', hidden: true});
  const root = svg('svg', {height: HEIGHT, role: 'img', 'aria-label': `${title}: ${series.map((one) => `${one.name} at most ${text(Math.max(0, ...one.values.filter((v) => v !== null)))}`).join(', ')}`});
  const box = h('figure', {class: 'chart'}, h('figcaption', {}, title, h('span', {class: 'keys-of'}, series.map((one) =>
    h('span', {}, h('i', {class: `key ${one.mark}`}), one.name)))), h('div', {class: 'chart-box'}, root, tip));
  const observer = onWidth(root.parentElement, (width) => {
    const x = (i) => LEFT + ((i + 0.5) / n) * (width - LEFT - RIGHT), y = (v) => HEIGHT - BOTTOM - share(v) * (HEIGHT - BOTTOM - TOP);
    root.setAttribute('width', width);
    const lines = series.flatMap(({values, mark, area}) => {
      const runs = [];
      values.forEach((v, i) => {
        if (v === null) return;
        if (i === 0 || values[i - 1] === null) runs.push([]);
        runs.at(-1).push([x(i), y(v)]);
      });
      return runs.flatMap((points) => {
        const path = points.map(([a, b], i) => `${i ? 'L' : 'M'}${a.toFixed(1)} ${b.toFixed(1)}`).join('');
        return [area && svg('path', {class: `area ${mark}`, d: `${path}L${points.at(-1)[0]} ${HEIGHT - BOTTOM}L${points[0][0]} ${HEIGHT - BOTTOM}z`}),
          points.length === 1 ? svg('circle', {class: `point ${mark}`, cx: points[0][0], cy: points[0][1], r: 3.5}) : svg('path', {class: `line ${mark}`, d: path})];
      }).filter(Boolean);
    });
    const steps = Math.max(1, Math.min(n, Math.floor((width - LEFT) / 120)));
    const times = Array.from({length: steps + 1}, (_, i) => Math.round((i / steps) * (n - 1)));
    const cursor = svg('line', {class: 'cursor', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden'});
    root.replaceChildren(...marks.flatMap((v) => [svg('line', {class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v)}),
      svg('text', {class: 'tick', x: LEFT - 6, y: y(v) + 4, 'text-anchor': 'end'}, text(v))]),
    ...[...new Set(times)].map((i) => svg('text', {class: 'tick', x: x(i), y: HEIGHT - 5, 'text-anchor': i === n - 1 && n > 1 ? 'end' : 'middle'}, time(fromUs + i * stepUs, false))),
    ...lines, cursor);
    const at = (event) => Math.min(n - 1, Math.max(0, Math.floor(((event.clientX - root.getBoundingClientRect().left - LEFT) / (width - LEFT - RIGHT)) * n)));
    root.onpointermove = (event) => {
      const i = at(event);
      cursor.setAttribute('x1', x(i));
      cursor.setAttribute('x2', x(i));
      cursor.setAttribute('visibility', 'visible');
      tip.hidden = false;
      tip.replaceChildren(h('b', {}, time(fromUs + i * stepUs, false)), ...series.map((one) =>
        h('span', {}, `${one.name} ${one.values[i] === null ? 'none' : text(one.values[i])}`)));
      tip.style.left = `${Math.min(x(i) + 10, width - 130)}px`;
    };
    root.onpointerleave = () => {
      cursor.setAttribute('visibility', 'hidden');
      tip.hidden = true;
    };
    root.onclick = (event) => choose?.(at(event));
  });
  box.leave = () => observer.disconnect();
  return box;
}

/** A small line of counts, the failed ones on it. */
export function spark(values, failed) {
  const width = 110, height = 22, most = Math.max(1, ...values), n = Math.max(1, values.length - 1);
  const path = (all) => all.map((v, i) => `${i ? 'L' : 'M'}${((i / n) * width).toFixed(1)} ${(height - 1 - (v / most) * (height - 3)).toFixed(1)}`).join('');
  return svg('svg', {class: 'spark', width, height, 'aria-hidden': 'true'}, svg('path', {class: 'line rate', d: path(values)}),
    failed.some((v) => v > 0) && svg('path', {class: 'line errors', d: path(failed)}));
}
