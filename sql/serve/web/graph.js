// The service map: who calls whom, from left to right. Lines are as thick as they are busy, and red by
// the share that fails; a click on one shows its numbers and the way to its traces.
import {get} from './api.js';
import {h, onWidth, svg} from './dom.js';
import {count, duration, hue, percent} from './format.js';
import {rangeControl, rangeText} from './range.js';
import {parameters, remember, url} from './router.js';

const NODE = {width: 150, height: 50}, BEND = 16, GAP_Y = 26, OUTSIDE = 'outside';

function nodesOf(edges) {
  const nodes = new Map();
  const node = (name, traced) => {
    if (!nodes.has(name)) nodes.set(name, {name, traced, calls: 0, errors: 0, layer: 0, out: [], in: []});
    const one = nodes.get(name);
    one.traced ||= traced;
    return one;
  };
  for (const edge of edges) {
    edge.from = node(edge.caller || OUTSIDE, edge.caller !== '');
    edge.to = node(edge.callee || '(unknown)', edge.traced);
    edge.from.out.push(edge);
    edge.to.in.push(edge);
    edge.to.calls += edge.calls;
    edge.to.errors += edge.errors;
  }
  return [...nodes.values()];
}

// The longest way from a service that nobody calls; edges that close a circle do not count.
function setLayers(nodes) {
  const state = new Map();
  const back = new Set();
  const visit = (node) => {
    state.set(node, 'open');
    for (const edge of node.out) {
      if (state.get(edge.to) === 'open') back.add(edge);
      else if (!state.has(edge.to)) visit(edge.to);
    }
    state.set(node, 'done');
  };
  const busiest = [...nodes].sort((a, b) => a.in.length - b.in.length || b.out.length - a.out.length);
  for (const node of busiest) if (!state.has(node)) visit(node);
  for (let i = 0; i < nodes.length; ++i) {
    let changed = false;
    for (const node of nodes) for (const edge of node.out) {
      if (back.has(edge) || edge.to.layer > node.layer) continue;
      edge.to.layer = node.layer + 1;
      changed = true;
    }
    if (!changed) break;
  }
}

// An edge over several layers gets a bend of its own in each between, so that it passes nodes by.
function addBends(nodes, layers) {
  for (const node of nodes) for (const edge of node.out) {
    edge.bends = [];
    let last = node;
    for (let layer = node.layer + 1; layer < edge.to.layer; ++layer) {
      const bend = {bend: true, name: `${edge.caller}>${edge.callee}`, near: [last], height: BEND};
      if (last.bend) last.near.push(bend);
      layers[layer].push(bend);
      edge.bends.push(bend);
      last = bend;
    }
    if (last.bend) last.near.push(edge.to);
  }
}

function order(layers) {
  const nearOf = (node) => node.near ?? [...node.in.map((e) => e.bends.at(-1) ?? e.from), ...node.out.map((e) => e.bends[0] ?? e.to)];
  const setPlaces = (layer) => {
    const all = layer.reduce((sum, node) => sum + node.height + GAP_Y, 0);
    let at = 0;
    for (const node of layer) {
      node.place = (at + node.height / 2) / all;
      at += node.height + GAP_Y;
    }
  };
  layers.forEach(setPlaces);
  for (let round = 0; round < 8; ++round) {
    for (const layer of round % 2 ? [...layers].reverse() : layers) {
      for (const node of layer) {
        const near = nearOf(node).filter((n) => n !== node);
        node.weight = near.length ? near.reduce((sum, n) => sum + n.place, 0) / near.length : node.place;
      }
      layer.sort((a, b) => a.weight - b.weight || a.name.localeCompare(b.name));
      setPlaces(layer);
    }
  }
}

function layout(nodes, width) {
  for (const node of nodes) Object.assign(node, {layer: 0, height: NODE.height});
  setLayers(nodes);
  const layers = [];
  for (const node of nodes) (layers[node.layer] ??= []).push(node);
  addBends(nodes, layers);
  order(layers);
  NODE.width = Math.max(112, Math.min(150, (width - 24 - (layers.length - 1) * 44) / layers.length));
  const height = Math.max(240, ...layers.map((layer) => layer.reduce((sum, node) => sum + node.height + GAP_Y, GAP_Y)));
  const step = Math.max(NODE.width + 44, Math.min(NODE.width + 170, (width - NODE.width - 24) / Math.max(1, layers.length - 1)));
  layers.forEach((layer, column) => layer.forEach((node) => {
    node.x = 12 + column * step;
    node.y = node.place * height - node.height / 2;
  }));
  return {height, width: Math.max(width, 24 + (layers.length - 1) * step + NODE.width)};
}

function curve(edge) {
  const {from, to} = edge, right = from.x + NODE.width;
  if (from === to) return `M${right - 30} ${from.y} C${right - 20} ${from.y - 34} ${right + 26} ${from.y - 20} ${right} ${from.y + 14}`;
  if (to.x > from.x) {
    let at = [right, from.y + NODE.height / 2], path = `M${at[0]} ${at[1]}`;
    const go = (x, y) => {
      const bend = Math.max(20, (x - at[0]) / 2);
      path += ` C${at[0] + bend} ${at[1]} ${x - bend} ${y} ${x} ${y}`;
      at = [x, y];
    };
    for (const bend of edge.bends) {
      go(bend.x, bend.y + BEND / 2);
      at = [bend.x + NODE.width, at[1]];
      path += ` L${at[0]} ${at[1]}`;
    }
    go(to.x - 3, to.y + NODE.height / 2);
    return path;
  }
  const low = Math.max(from.y, to.y) + NODE.height + 30, middle = NODE.width / 2;
  return `M${from.x + middle} ${from.y + NODE.height} C${from.x + middle} ${low} ${to.x + middle} ${low} ${to.x + middle} ${to.y + NODE.height + 3}`;
}

const short = (name) => {
  const room = Math.floor((NODE.width - 18) / 7.4);
  return name.length > room ? `${name.slice(0, room - 1)}…` : name;
};

// What is told of a node below its name: of a narrow one that fails the share that does.
function below(node, seconds) {
  if (!node.calls) return node.traced ? 'root' : 'not traced';
  const perSecond = node.calls / seconds, rate = `${perSecond.toFixed(perSecond < 100 ? 1 : 0)}/s`;
  if (!node.errors) return rate;
  const failed = `${percent(node.errors / node.calls)} failed`, both = `${rate}, ${failed}`;
  return both.length * 6.2 > NODE.width - 20 ? failed : both;
}

function edgeFacts(edge, seconds) {
  const {caller, callee} = edge;
  const fact = (name, value) => h('div', {class: 'fact'}, h('span', {}, name), h('b', {}, value));
  return [h('strong', {}, caller || OUTSIDE, ' → ', callee || '(unknown)'), fact('Calls', count(edge.calls)),
    fact('Per second', (edge.calls / seconds).toFixed(2)), fact('Failed', `${count(edge.errors)} (${percent(edge.errors / edge.calls)})`),
    fact('p50', duration(edge.p50_ns)), fact('p95', duration(edge.p95_ns)), !edge.traced && h('span', {class: 'badge'}, 'not traced'),
    h('a', {href: url('search', {service: caller || callee, errors: edge.errors ? '1' : ''})}, edge.errors ? 'Failed traces' : 'Traces')];
}

export async function show(element) {
  document.title = 'weft: map';
  const box = h('div', {class: 'map wide'}), facts = h('div', {class: 'bar edge-facts', role: 'status'});
  const bar = h('form', {class: 'filters', onsubmit: (event) => event.preventDefault()}, rangeControl());
  element.append(bar, facts, box);
  const asked = parameters();
  const graph = await get('graph', new URLSearchParams([...asked].filter(([key]) => ['last', 'from', 'to'].includes(key))));
  const {edges} = graph, nodes = nodesOf(edges), seconds = Math.max(1, (graph.to_us - graph.from_us) / 1e6);
  bar.append(h('p', {class: 'hint'}, `${rangeText(graph.from_us, graph.to_us)} · ${nodes.length} services and peers, ${edges.length} edges${graph.one_in > 1 ? ` · estimated from one trace in ${graph.one_in}` : ''}`));
  if (edges.length === 0) {
    box.replaceChildren(h('p', {class: 'hint'}, 'No calls in this time.'));
    return {};
  }
  const most = Math.max(...edges.map((edge) => edge.calls));
  let lines = [];
  const choose = (edge, line) => {
    for (const other of lines) other.classList.toggle('at', other === line);
    facts.replaceChildren(...edgeFacts(edge, seconds).filter(Boolean));
    remember({edge: `${edge.caller}>${edge.callee}`});
  };
  const observer = onWidth(box, (wide) => {
    const size = layout(nodes, wide);
    lines = edges.map((edge) => {
      const line = svg('path', {class: `edge${edge.errors ? ' failed' : ''}${edge.traced ? '' : ' untraced'}`, d: curve(edge), tabindex: '0', role: 'button',
        'aria-label': `${edge.caller || OUTSIDE} calls ${edge.callee}: ${edge.calls} calls, ${edge.errors} failed, p95 ${duration(edge.p95_ns)}`,
        'stroke-width': 1.3 + 4.7 * Math.sqrt(edge.calls / most), 'marker-end': edge.errors ? 'url(#arrow-failed)' : 'url(#arrow)',
        style: {'--failed': `${Math.round(100 * Math.min(1, edge.errors ? 0.35 + (4 * edge.errors) / edge.calls : 0))}%`},
        onclick: () => choose(edge, line), onkeydown: (event) => {
          if (event.key === 'Enter') choose(edge, line);
        }}, svg('title', {}, `${edge.caller || OUTSIDE} → ${edge.callee}\n${count(edge.calls)} calls, ${edge.errors} failed, p95 ${duration(edge.p95_ns)}`));
      return line;
    });
    const arrow = (id) => svg('marker', {id, viewBox: '0 0 8 8', refX: 6, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: 'userSpaceOnUse', orient: 'auto'},
      svg('path', {d: 'M0 0 L8 4 L0 8 z'}));
    const drawn = nodes.map((node) => svg('a', {class: `node${node.traced ? '' : ' untraced'}`, href: node.traced ? url('search', {service: node.name}) : undefined,
      style: {'--hue': hue(node.name)}}, svg('title', {}, node.traced ? `${node.name}: search its traces` : `${node.name}: not traced`),
    svg('rect', {x: node.x, y: node.y, width: NODE.width, height: NODE.height, rx: 9}),
    svg('rect', {class: 'stripe', x: node.x, y: node.y, width: 5, height: NODE.height, rx: 2}),
    svg('text', {x: node.x + 14, y: node.y + 21}, short(node.name)),
    svg('text', {class: `small${node.errors ? ' error' : ''}`, x: node.x + 14, y: node.y + 39},
      below(node, seconds))));
    box.replaceChildren(svg('svg', {width: size.width, height: size.height + 40, role: 'group', 'aria-label': 'Service map'},
      svg('defs', {}, arrow('arrow'), arrow('arrow-failed')), ...lines, ...drawn));
    const at = edges.findIndex((edge) => `${edge.caller}>${edge.callee}` === asked.get('edge'));
    if (at >= 0) choose(edges[at], lines[at]);
    else facts.replaceChildren(h('span', {class: 'hint'}, 'Choose a line for its numbers, a service for its traces.'));
  });
  return {leave: () => observer.disconnect()};
}
