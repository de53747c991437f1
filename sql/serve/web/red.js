// Rates, errors and durations of what services answered: charts, and a table of operations.
import {get} from './api.js';
import {chart, spark} from './charts.js';
import {h} from './dom.js';
import {count, duration, hue, percent} from './format.js';
import {change, rangeControl, rangeText} from './range.js';
import {go, parameters, url} from './router.js';

const COLUMNS = [
  ['Operation', (o) => `${o.service} ${o.operation}`], ['Over time', null], ['Per second', (o) => o.requests],
  ['Failed', (o) => o.errors / o.requests], ['p50', (o) => o.p50_ns], ['p95', (o) => o.p95_ns], ['p99', (o) => o.p99_ns], ['Max', (o) => o.max_ns],
];

function charts(red) {
  const {buckets} = red, seconds = red.step_us / 1e6;
  const asked = parameters();
  const choose = (i) => {
    const from = red.from_us + i * red.step_us;
    go(url('search', {service: asked.get('service'), operation: asked.get('operation'), from: Math.floor(from / 1000), to: Math.ceil((from + red.step_us) / 1000)}));
  };
  const make = (title, series, text, more) => chart({title, series, text, ...more, fromUs: red.from_us, stepUs: red.step_us, choose});
  const or = (value) => (b) => (b.requests ? value(b) : null);
  return [
    make('Requests per second', [{name: 'requests', mark: 'rate', area: true, values: buckets.map((b) => b.requests / seconds)}], (v) => (v < 10 ? v.toFixed(1).replace(/\.0$/, '') : count(Math.round(v)))),
    make('Failed', [{name: 'share', mark: 'errors', area: true, values: buckets.map(or((b) => b.errors / b.requests))}], percent, {least: 0.01}),
    make('Duration', [{name: 'p50', mark: 'p50', values: buckets.map(or((b) => b.p50_ns))}, {name: 'p95', mark: 'p95', values: buckets.map(or((b) => b.p95_ns))},
      {name: 'p99', mark: 'p99', values: buckets.map(or((b) => b.p99_ns))}], duration, {log: true}),
  ];
}

function operations(red) {
  const seconds = Math.max(1, (red.asked_to_us - red.asked_from_us) / 1e6);
  let by = COLUMNS[2][1], down = true;
  const body = h('tbody');
  const slowest = Math.max(1, ...red.operations.map((o) => o.p95_ns));
  const draw = () => {
    const sorted = [...red.operations].sort((a, b) => {
      const [x, y] = [by(a), by(b)];
      return (typeof x === 'string' ? x.localeCompare(y) : x - y) * (down ? -1 : 1);
    });
    body.replaceChildren(...sorted.map((o) => h('tr', {},
      h('td', {class: 'name'}, h('a', {href: `/red?${merged({service: o.service, operation: o.operation})}`}, h('i', {class: 'dot', style: {'--hue': hue(o.service)}}), h('b', {}, o.service), ' ', o.operation)),
      h('td', {}, spark(o.series, o.failed)),
      h('td', {class: 'number', title: `${o.requests} requests${o.estimated > o.requests * 1.01 ? `, ${Math.round(o.estimated)} before sampling` : ''}`}, (o.estimated / seconds).toFixed(o.estimated / seconds < 10 ? 2 : 1)),
      h('td', {class: `number${o.errors ? ' error' : ''}`}, o.errors ? h('a', {class: 'error', href: url('search', {service: o.service, operation: o.operation, errors: '1'})}, percent(o.errors / o.requests)) : '0'),
      h('td', {class: 'number'}, duration(o.p50_ns)),
      h('td', {class: 'number long'}, h('span', {class: 'meter', style: {'--share': Math.log(Math.max(o.p95_ns, 1000) / 1000) / Math.log(Math.max(slowest, 2000) / 1000)}}), duration(o.p95_ns)),
      h('td', {class: 'number'}, duration(o.p99_ns)),
      h('td', {class: 'number'}, h('a', {title: 'Search its slowest', href: url('search', {service: o.service, operation: o.operation, min: `${Math.floor(o.p99_ns / 1000)}us`, sort: 'slowest'})}, duration(o.max_ns))))));
  };
  const head = h('tr', {}, COLUMNS.map(([name, key], i) => h('th', {scope: 'col', class: i > 1 ? 'number' : ''}, key ? h('button', {class: 'plain', onclick: () => {
    down = by === key ? !down : true;
    by = key;
    draw();
  }}, name) : name)));
  draw();
  return h('div', {class: 'wide'}, h('table', {class: 'operations'}, h('thead', {}, head), body));
}

function merged(values) {
  const next = parameters();
  for (const [key, value] of Object.entries(values)) next.set(key, value);
  return next;
}

export async function show(element, info) {
  const asked = parameters();
  document.title = `weft: rates ${asked.get('service') ?? ''}`;
  const chosen = info.services.filter((s) => !asked.get('service') || s.name === asked.get('service'));
  const select = (name, label, values) => h('label', {}, h('span', {}, label), h('select', {name, onchange: (event) =>
    change(name === 'service' ? {service: event.target.value, operation: ''} : {operation: event.target.value})},
  h('option', {value: ''}, 'all'), values.map((value) => h('option', {value, selected: asked.get(name) === value}, value))));
  const bar = h('form', {class: 'filters', onsubmit: (event) => event.preventDefault()},
    select('service', 'Service', info.services.map((s) => s.name)),
    select('operation', 'Operation', [...new Set(chosen.flatMap((s) => s.operations))].sort()), rangeControl());
  element.append(bar);
  const red = await get('red', asked);
  bar.append(h('p', {class: 'hint'}, `${rangeText(red.asked_from_us, red.asked_to_us)} · ${red.by_span ? 'counted span by span' : 'from counts per minute'}`));
  if (red.operations.length === 0) {
    element.append(h('p', {class: 'hint'}, 'Nothing was answered in this time.'));
    return {};
  }
  const drawn = charts(red);
  element.append(h('div', {class: 'charts'}, drawn), h('p', {class: 'hint'}, 'A click in a chart searches the traces of that moment.'), operations(red));
  return {leave: () => drawn.forEach((one) => one.leave())};
}
