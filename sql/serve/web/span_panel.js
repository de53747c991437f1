// Everything about one span, and why it has its parent.
import {get, isReplaced} from './api.js';
import {h, toast} from './dom.js';
import {duration, hue, percent, time} from './format.js';
import {url} from './router.js';
import {size} from './tree.js';

const LINK = /^weft\.link\.(trace_id|span_id|trace|span)$/;

function list(pairs) {
  return h('dl', {}, pairs.filter(([, value]) => value !== '' && value !== null && value !== undefined).map(([name, value]) =>
    [h('dt', {}, name), h('dd', {}, value)]));
}

function text(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function copy(value) {
  navigator.clipboard?.writeText(value).then(() => toast('Copied'), () => toast('The browser does not allow that'));
}

function attributes(span) {
  const all = Object.entries(span.attributes);
  if (all.length === 0) return h('p', {class: 'hint'}, 'None.');
  return h('table', {class: 'attributes'}, h('tbody', {}, all.map(([key, value]) =>
    h('tr', {}, h('th', {scope: 'row'}, key), h('td', {},
      LINK.test(key) && /^[0-9a-f]{32}$/.test(text(value)) ? h('a', {href: `/trace/${text(value)}`}, text(value)) : text(value)),
    h('td', {class: 'acts'}, h('a', {title: 'Search traces with this', 'aria-label': `Search traces with ${key}`,
      href: url('search', {service: span.service, attr: `${key}=${text(value)}`})}, 'find'),
    h('button', {class: 'plain', title: 'Copy', 'aria-label': `Copy ${key}`, onclick: () => copy(text(value))}, 'copy'))))));
}

function candidates(explanation) {
  if (explanation.candidates.length === 0) return explanation.parent && h('p', {class: 'hint'}, 'No other request was weighed.');
  return h('table', {class: 'candidates'}, h('caption', {}, 'Weighed, best first'),
    h('thead', {}, h('tr', {}, ['Request', 'Before', 'Log-odds', 'Share', 'Evidence'].map((name, i) =>
      h('th', {scope: 'col', class: i > 0 && i < 4 ? 'number' : ''}, name)))),
    h('tbody', {}, explanation.candidates.map((c) => h('tr', {class: c.chosen ? 'chosen' : ''},
      h('td', {title: c.id}, c.id === '' ? 'no parent at all' : c.service ? `${c.service} ${c.operation}` : '(not stored)'),
      h('td', {class: 'number'}, c.before_ns === null ? '' : duration(c.before_ns)),
      h('td', {class: 'number'}, c.log_odds.toFixed(2)), h('td', {class: 'number'}, percent(c.share)),
      h('td', {}, c.evidence.join(' + '))))));
}

function why(span) {
  const box = h('div', {class: 'why'}, h('p', {class: 'hint'}, 'Asking …'));
  get(`explain/${span.id}`).then((explanation) => {
    const {parent} = explanation;
    box.replaceChildren(...[
      parent
        ? h('p', {}, 'Its parent is ', h('b', {}, parent.stored ? `${parent.service} ${parent.operation}` : `${parent.id}, which is not stored`),
          parent.stored ? `, begun ${duration(parent.before_ns)} before. ` : '. ',
          h('meter', {min: 0, max: 1, low: 0.7, high: 0.9, optimum: 1, value: span.confidence}), ` ${percent(span.confidence)} sure, because`)
        : h('p', {}, explanation.no_parent),
      parent && h('ul', {}, explanation.because.length ? explanation.because.map((one) => h('li', {}, one)) : h('li', {}, 'no evidence was recorded')),
      candidates(explanation), h('p', {class: 'hint'}, explanation.decision)].filter(Boolean));
  }, (error) => {
    if (!isReplaced(error)) box.replaceChildren(h('p', {class: 'failure'}, error.message));
  });
  return box;
}

export function spanPanel(span, tree, trace, {choose, close}) {
  const node = tree.byId.get(span.id);
  const slowest = [...node.children].sort((a, b) => b.span.duration_ns - a.span.duration_ns).slice(0, 5);
  return h('div', {style: {'--hue': hue(span.service)}},
    h('header', {}, h('h2', {}, h('i', {class: 'dot'}), span.service, ' ', h('span', {}, span.operation)),
      h('button', {class: 'plain', 'aria-label': 'Close', title: 'Close (Esc)', onclick: close}, '✕')),
    list([
      ['Kind', span.kind], ['Result', span.error ? h('b', {class: 'error'}, span.cause ? 'failed; the error began here' : 'failed') : 'no error'],
      ['Duration', span.flags.includes('open') ? 'not ended yet' : duration(span.duration_ns)],
      ['Own time', `${duration(span.self_ns)}, ${percent(span.self_ns / (span.duration_ns || 1))}`],
      ['Critical path', span.on_path ? `${duration(span.path_ns)}, ${percent(span.path_ns / (trace.duration_ns || 1))} of the trace` : 'not on it'],
      ['Begun', `${time(trace.start_us + span.start_ns / 1000)}, ${duration(span.start_ns)} into the trace`],
      ['Peer', span.peer], ['Process', span.pid ? `${span.pid} on ${span.node || 'an unknown node'}` : ''],
      ['Threads', span.request_tid ? (span.response_tid === span.request_tid ? String(span.request_tid) : `${span.request_tid}, answered by ${span.response_tid}`) : ''],
      ['Marks', span.flags.join(', ')], ['Spans below', node.children.length ? String(size(node) - 1) : ''],
      ['Span id', h('code', {}, span.id)],
    ]),
    h('h3', {}, 'Why this parent'), why(span),
    h('h3', {}, 'Attributes'), attributes(span),
    slowest.length > 0 && [h('h3', {}, 'Slowest below'), h('ol', {class: 'below'}, slowest.map(({span: s}) =>
      h('li', {}, h('button', {class: 'link', onclick: () => choose(s)}, `${s.service} ${s.operation}`), ` ${duration(s.duration_ns)}`)))]);
}
