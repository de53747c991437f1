// Search: the form, the scatter plot of what was found, and the table.
import {get, isReplaced} from './api.js';
import {failure, h} from './dom.js';
import {ago, count, day, duration, hue, time} from './format.js';
import {go, parameters, url} from './router.js';
import {scatter} from './scatter.js';

const FIELDS = ['service', 'operation', 'min', 'max', 'errors', 'last', 'from', 'to', 'limit', 'sort'];
const LASTS = [['', 'any time'], ['5m', '5 minutes'], ['15m', '15 minutes'], ['1h', 'hour'], ['6h', '6 hours'],
  ['24h', 'day'], ['168h', 'week']];
const SORTS = {
  newest: ['Newest first', (a, b) => b.start_us - a.start_us],
  slowest: ['Slowest first', (a, b) => b.duration_ns - a.duration_ns],
  spans: ['Most spans', (a, b) => b.spans - a.spans],
  errors: ['Most errors', (a, b) => b.errors - a.errors || b.start_us - a.start_us],
};
const LIVE_MS = 3000;

function options(id, values) {
  return h('datalist', {id}, values.map((value) => h('option', {value})));
}

function field(label, name, value, more) {
  return h('label', {class: more.size ? '' : 'grow'}, h('span', {}, label), h('input', {name, value, autocomplete: 'off', spellcheck: 'false', ...more}));
}

/** The form's values as the address has them. */
function read(form) {
  const data = new FormData(form);
  const out = new URLSearchParams();
  for (const name of FIELDS) {
    const value = String(data.get(name) ?? '').trim();
    if (value && !(name === 'sort' && value === 'newest') && !(name === 'limit' && value === '100')) out.set(name, value);
  }
  for (const pair of String(data.get('attr') ?? '').split(/\s+(?=[^\s=]+=)/)) if (pair.trim()) out.append('attr', pair.trim());
  return out;
}

function makeForm(info, asked) {
  const operations = () => {
    const chosen = info.services.filter((s) => !form.service.value || s.name === form.service.value);
    return [...new Set(chosen.flatMap((s) => s.operations))].sort();
  };
  const operationList = options('operations', []);
  const form = h('form', {class: 'filters', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    go(`/search?${read(form)}`);
  }},
  field('Service', 'service', asked.get('service'), {list: 'services', placeholder: 'any'}),
  options('services', info.services.map((s) => s.name)),
  field('Operation', 'operation', asked.get('operation'), {list: 'operations', placeholder: 'any', onfocus: () => {
    operationList.replaceChildren(...operations().map((value) => h('option', {value})));
  }}), operationList,
  field('At least', 'min', asked.get('min'), {placeholder: '50ms', size: 6, pattern: '\\s*[\\d.]+\\s*(ns|us|ms|s|m|h)\\s*', title: 'as 50ms, 1.5s'}),
  field('At most', 'max', asked.get('max'), {placeholder: '2s', size: 6, pattern: '\\s*[\\d.]+\\s*(ns|us|ms|s|m|h)\\s*', title: 'as 50ms, 1.5s'}),
  field('Attributes', 'attr', asked.getAll('attr').join(' '), {placeholder: 'http.route=/cart'}),
  h('label', {}, h('span', {}, 'In the last'), h('select', {name: 'last', onchange: () => {
    form.from.value = form.to.value = '';
    form.requestSubmit();
  }}, LASTS.map(([value, name]) =>
    h('option', {value, selected: (asked.get('last') ?? '') === value}, name)))),
  h('label', {class: 'check'}, h('input', {type: 'checkbox', name: 'errors', value: '1', checked: asked.has('errors'),
    onchange: () => form.requestSubmit()}), 'failed only'),
  h('input', {type: 'hidden', name: 'from', value: asked.get('from')}),
  h('input', {type: 'hidden', name: 'to', value: asked.get('to')}),
  h('input', {type: 'hidden', name: 'sort', value: asked.get('sort')}),
  h('label', {}, h('span', {}, 'Limit'), h('input', {name: 'limit', type: 'number', min: 1, max: 2000, value: asked.get('limit') ?? '100'})),
  h('button', {class: 'go'}, 'Search'));
  return form;
}

function badges(trace) {
  const out = [];
  if (trace.errors) out.push(h('span', {class: 'badge error', title: `${trace.errors} failed spans`}, `${trace.errors} failed`));
  for (const flag of trace.flags) if (flag !== 'new connection') out.push(h('span', {class: 'badge'}, flag));
  if (trace.weight > 1.0001) out.push(h('span', {class: 'badge', title: 'What sampling left of so many'}, `×${trace.weight.toFixed(1)}`));
  return out;
}

function row(trace, slowest, today) {
  const href = `/trace/${trace.id}`;
  const started = day(trace.start_us);
  return h('tr', {tabindex: '-1', 'data-href': href, onclick: (event) => {
    if (!event.target.closest('a')) go(href);
  }},
  h('td', {class: 'time', title: `${started} ${time(trace.start_us)}`}, started === today ? time(trace.start_us) :
    [h('span', {class: 'date'}, `${started} `), time(trace.start_us, false)]),
  h('td', {class: 'name'}, h('a', {href}, h('i', {class: 'dot', style: {'--hue': hue(trace.service)}}),
    h('b', {}, trace.service || '(no root)'), ' ', trace.operation), ' ', badges(trace)),
  h('td', {class: 'long'}, h('span', {class: 'meter', style: {'--share': trace.duration_ns / slowest}}), h('span', {}, duration(trace.duration_ns))),
  h('td', {class: 'number'}, count(trace.spans)),
  h('td', {class: 'services'}, trace.services.map((s) =>
    h('span', {class: `service${s.errors ? ' failed' : ''}`, style: {'--hue': hue(s.name)}, title: `${s.spans} spans, ${s.errors} failed`},
      s.name, h('small', {}, s.spans)))));
}

function table(traces, sort) {
  const slowest = Math.max(1, ...traces.map((t) => t.duration_ns));
  const today = day(Date.now() * 1000);
  return h('table', {class: 'traces'},
    h('thead', {}, h('tr', {}, ['Begun', 'Request', 'Duration', 'Spans', 'Services'].map((name) =>
      h('th', {scope: 'col', class: name === 'Spans' ? 'number' : ''}, name)))),
    h('tbody', {}, [...traces].sort(sort).map((trace) => row(trace, slowest, today))));
}

export async function show(element, info) {
  const asked = parameters();
  document.title = `weft: ${asked.get('service') ?? 'search'}`;
  const form = makeForm(info, asked);
  const plot = h('div', {class: 'plot'}), found = h('div', {class: 'found'});
  element.append(form, plot, found);
  let rows = [], at = -1, timer = 0, last = '';

  const sorted = () => SORTS[asked.get('sort')] ?? SORTS.newest;
  function draw(answer) {
    const {traces} = answer;
    const full = traces.length >= answer.limit;
    const sorter = h('select', {'aria-label': 'Order', onchange: (event) => {
      form.sort.value = event.target.value;
      form.requestSubmit();
    }}, Object.entries(SORTS).map(([name, [text]]) => h('option', {value: name, selected: name === (asked.get('sort') ?? 'newest')}, text)));
    const live = h('label', {class: 'check'}, h('input', {type: 'checkbox', checked: timer !== 0, onchange: (event) => follow(event.target.checked)}), 'live');
    const clear = asked.has('from') && h('a', {class: 'chip', href: `/search?${without(asked, ['from', 'to'])}`},
      `${time(asked.get('from') * 1000, false)} – ${time(asked.get('to') * 1000, false)} ✕`);
    const head = h('div', {class: 'bar'}, h('strong', {role: 'status'}, traces.length === 0 ? 'No trace matches' :
      `${full ? 'Newest ' : ''}${traces.length} trace${traces.length === 1 ? '' : 's'}`), clear, h('span', {class: 'space'}), live, sorter);
    if (traces.length === 0) {
      plot.replaceChildren();
      found.replaceChildren(head, h('p', {class: 'hint'}, info.newest_us ? `The newest trace began ${ago(info.newest_us, info.now_us)}.` : 'Nothing is stored yet.'));
      return;
    }
    const body = table(traces, sorted()[1]);
    found.replaceChildren(head, h('div', {class: 'wide'}, body));
    rows = [...body.tBodies[0].rows];
    at = -1;
    plot.replaceChildren(scatter(traces, {
      open: (trace) => go(`/trace/${trace.id}`),
      select: (fromUs, toUs, lowNs, highNs) => {
        const next = without(asked, ['last', 'from', 'to', 'min', 'max']);
        next.set('from', Math.floor(fromUs / 1000));
        next.set('to', Math.ceil(toUs / 1000));
        next.set('min', `${Math.floor(lowNs / 1000)}us`);
        next.set('max', `${Math.ceil(highNs / 1000)}us`);
        go(`/search?${next}`);
      },
    }));
  }
  async function load() {
    try {
      const query = new URLSearchParams(asked);
      query.delete('sort');
      const answer = await get('search', query);
      const text = JSON.stringify(answer.traces.map((t) => [t.id, t.spans]));
      if (text !== last) draw(answer);
      last = text;
    } catch (error) {
      if (!isReplaced(error)) found.replaceChildren(failure(error));
    }
  }
  function follow(on) {
    clearInterval(timer);
    timer = on ? setInterval(load, LIVE_MS) : 0;
  }
  await load();
  return {
    leave: () => clearInterval(timer),
    key(event) {
      const step = {j: 1, ArrowDown: 1, k: -1, ArrowUp: -1}[event.key];
      if (step && rows.length) {
        rows[at]?.classList.remove('at');
        at = Math.min(rows.length - 1, Math.max(0, at + step));
        rows[at].classList.add('at');
        rows[at].focus();
        rows[at].scrollIntoView({block: 'nearest'});
        return true;
      }
      if (event.key === 'Enter' && rows[at]) {
        go(rows[at].dataset.href);
        return true;
      }
      return false;
    },
  };
}

function without(asked, names) {
  const out = new URLSearchParams(asked);
  for (const name of names) out.delete(name);
  return out;
}

/** Where other views send to. */
export const searchUrl = (values) => url('search', values);
