// One trace: its head, waterfall or flame graph, and the details of the span that is chosen.
import {get} from './api.js';
import {h} from './dom.js';
import {day, duration, hue, percent, time} from './format.js';
import {flame} from './flame.js';
import {parameters, remember} from './router.js';
import {spanPanel} from './span_panel.js';
import {isDoubtful, makeTree} from './tree.js';
import {waterfall} from './waterfall.js';

// As `weft trace` has it: a call's own part of the path is what it waited for, the network or a peer that is not traced.
function shares(tree) {
  const by = new Map();
  for (const {span, children} of tree.nodes) if (span.path_ns > 0) {
    const call = span.kind === 'client' || span.kind === 'producer';
    const name = !call ? span.service : children.length ? `network from ${span.service}` : span.peer || `calls of ${span.service}`;
    const one = by.get(name) ?? {name, service: span.service, call, ns: 0};
    one.ns += span.path_ns;
    by.set(name, one);
  }
  const all = [...by.values()].reduce((sum, one) => sum + one.ns, 0) || 1;
  return [...by.values()].sort((a, b) => b.ns - a.ns).map((one) => ({...one, share: one.ns / all}));
}

function facts(trace, spans) {
  const services = new Set(spans.map((s) => s.service)).size;
  const doubtful = spans.filter(isDoubtful).length, orphans = spans.filter((s) => s.orphan).length;
  const failed = spans.filter((s) => s.error).length;
  const fact = (name, value, mark) => h('div', {class: `fact${mark ? ` ${mark}` : ''}`}, h('span', {}, name), h('b', {}, value));
  return h('div', {class: 'facts'},
    fact('Duration', duration(trace.duration_ns)), fact('Begun', `${day(trace.start_us)} ${time(trace.start_us)}`),
    fact('Spans', String(spans.length)), fact('Services', String(services)),
    failed > 0 && fact('Failed', String(failed), 'error'),
    doubtful > 0 && fact('Doubtful links', String(doubtful), 'doubt'),
    orphans > 0 && fact('Parents missing', String(orphans), 'doubt'),
    trace.flags.filter((f) => f !== 'new connection').map((flag) => fact('Marked', flag, 'doubt')),
    fact('Kept by', trace.rule || 'no sampler asked'),
    trace.weight > 1.0001 && fact('Stands for', `${trace.weight.toFixed(1)} traces`));
}

function pathBar(tree) {
  const parts = shares(tree);
  if (parts.length === 0) return null;
  return h('figure', {class: 'path-share'}, h('figcaption', {}, 'Critical path: what the duration is made of'),
    h('div', {class: 'parts'}, parts.map(({name, service, call, ns, share}) =>
      h('div', {class: `part${call ? ' network' : ''}`, style: {'--hue': hue(service), 'flex-grow': share}, title: `${name}: ${duration(ns)}, ${percent(share)}`},
        share > 0.085 ? `${name} ${percent(share)}` : ''))));
}

/** The whole id, where the address has its beginning only. */
function settle(id) {
  if (location.pathname !== `/trace/${id}`) history.replaceState(null, '', `/trace/${id}${location.search}`);
}

export async function show(element) {
  const id = location.pathname.split('/')[2] ?? '';
  const answer = await get(`trace/${encodeURIComponent(id)}`);
  const {trace, spans} = answer;
  settle(trace.id);
  document.title = `weft: ${trace.service} ${trace.operation}`;
  const tree = makeTree(spans);
  const body = h('div', {class: 'drawing'}), panel = h('aside', {class: 'panel', 'aria-label': 'Span', hidden: true});
  let drawing = null, chosen = null;

  function choose(span, focus = false) {
    chosen = span;
    remember({span: span?.id});
    drawing?.mark?.(span, focus);
    panel.hidden = !span;
    panel.replaceChildren();
    if (span) panel.append(spanPanel(span, tree, trace, {choose: (other) => choose(other, true), close: () => choose(null)}));
  }
  function draw(kind) {
    remember({view: kind === 'waterfall' ? '' : kind});
    for (const button of tabs.querySelectorAll('button')) button.setAttribute('aria-selected', button.value === kind);
    body.replaceChildren();
    drawing?.leave?.();
    drawing = kind === 'flame' ? flame(body, tree, {choose}) : waterfall(body, tree, trace, {choose});
    if (chosen) drawing.mark?.(chosen, true);
  }
  const tab = (kind, name) => h('button', {role: 'tab', value: kind, onclick: () => draw(kind)}, name);
  const tabs = h('div', {class: 'tabs', role: 'tablist'}, tab('waterfall', 'Waterfall'), tab('flame', 'Flame graph'));
  element.append(
    h('div', {class: 'title'}, h('h1', {}, h('i', {class: 'dot', style: {'--hue': hue(trace.service)}}), trace.service || '(no root)', ' ',
      h('span', {}, trace.operation)), h('code', {class: 'id', title: 'Trace id'}, trace.id),
      h('a', {class: 'plain', href: `/api/traces/${trace.id}`, download: `${trace.id}.json`}, 'Jaeger JSON')),
    facts(trace, spans), pathBar(tree), tabs, h('div', {class: 'trace-body'}, body, panel));
  draw(parameters().get('view') === 'flame' ? 'flame' : 'waterfall');
  const wanted = spans.find((span) => span.id === parameters().get('span'));
  if (wanted) choose(wanted, true);
  return {
    leave: () => drawing?.leave?.(),
    key(event) {
      if (event.key === 'Escape' && chosen) choose(null);
      else if (event.key === 'w') draw('waterfall');
      else if (event.key === 'f') draw('flame');
      else return drawing?.key?.(event) ?? false;
      return true;
    },
  };
}
