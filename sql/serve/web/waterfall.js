// The waterfall: a row per span. Dark parts of a bar are the span's own time, light ones those in which
// a span below was under way; the line under it is its part of the critical path. Only the rows in view
// are in the page, so a trace may have 100,000.
import {h} from './dom.js';
import {duration, hue, percent, ticks} from './format.js';
import {flatten, isDoubtful, ownParts, size} from './tree.js';

const ROW = 28, SPARE = 12, FOLD_ABOVE = 400;
// Own time in one piece that is worth a word: this share of the trace, in a span that has some below.
const GAP = 0.2;

function pathParts(node) {
  return node.span.on_path ? ownParts(node, node.children.filter((c) => c.span.on_path)) : [];
}

function marks(node, total) {
  const {span} = node, out = [];
  if (span.cause) out.push(h('span', {class: 'badge error'}, 'error began here'));
  else if (span.error) out.push(h('span', {class: 'badge error'}, 'failed'));
  if (isDoubtful(span)) out.push(h('span', {class: 'badge doubt', title: 'How sure the link to its parent is'}, percent(span.confidence)));
  if (span.orphan) out.push(h('span', {class: 'badge doubt'}, 'parent missing'));
  const links = Object.keys(span.attributes).some((key) => key.startsWith('weft.link.trace'));
  if (links) out.push(h('span', {class: 'badge'}, 'linked'));
  for (const flag of span.flags) if (flag !== 'new connection' && flag !== 'reported') out.push(h('span', {class: 'badge'}, flag));
  if (node.children.length) {
    const [gap] = ownParts(node).sort((a, b) => b[1] - b[0] - (a[1] - a[0]));
    if (gap && gap[1] - gap[0] > GAP * total) out.push(h('span', {class: 'badge gap', title: 'The longest time without a span below'}, `gap ${duration(gap[1] - gap[0])}`));
  }
  return out;
}

function bar(node, from, total) {
  const {span} = node, left = (ns) => `${(100 * (ns - from)) / total}%`, wide = (a, b) => `${(100 * (b - a)) / total}%`;
  const end = span.start_ns + span.duration_ns;
  const part = (name, [a, b]) => h('i', {class: name, style: {left: left(a), width: wide(a, b)}});
  // Beside the bar where there is room: after it, before it, else in it.
  const room = 1 - (end - from) / total, early = (span.start_ns - from) / total;
  const place = room > 0.14 ? 'after' : early > 0.3 ? 'before' : 'inside';
  const at = {after: {left: `calc(${left(end)} + 6px)`}, before: {right: `calc(100% - ${left(span.start_ns)} + 6px)`}, inside: {right: `calc(100% - ${left(end)} + 8px)`}};
  return h('div', {class: 'lane'},
    h('i', {class: 'whole', style: {left: left(span.start_ns), width: wide(span.start_ns, end)}}),
    ownParts(node).map((p) => part('own', p)), pathParts(node).map((p) => part('onpath', p)),
    h('span', {class: `label ${place}`, style: at[place]},
      span.flags.includes('open') ? 'not ended' : duration(span.duration_ns), marks(node, total)));
}

function ruler(from, total, wide) {
  return h('div', {class: 'ruler', 'aria-hidden': 'true'}, h('div', {class: 'names'}, 'Service and operation'),
    h('div', {class: 'lane'}, ticks(total, wide ? 8 : 4).filter((t) => t < total * 0.97).map((t) =>
      h('span', {style: {left: `${(100 * t) / total}%`}}, t === 0 ? '0' : duration(t)))));
}

export function waterfall(box, tree, trace, {choose}) {
  const folded = new Set();
  if (tree.nodes.length > FOLD_ABOVE) for (const node of tree.nodes) if (node.depth === 2 && node.children.length > 0) folded.add(node);
  const from = Math.min(0, ...tree.roots.map((n) => n.span.start_ns));
  let total = 1;
  for (const {span} of tree.nodes) total = Math.max(total, span.start_ns + span.duration_ns - from);
  const rows = h('div', {class: 'rows', role: 'treegrid', 'aria-label': 'Spans', 'aria-rowcount': tree.nodes.length});
  const scroller = h('div', {class: 'scroller', tabindex: '0'}, rows);
  const fold = (all) => {
    folded.clear();
    if (all) for (const node of tree.nodes) if (node.children.length && node.depth > 0) folded.add(node);
    refresh();
  };
  box.append(h('div', {class: 'bar'}, h('button', {class: 'plain', onclick: () => fold(false)}, 'Unfold all'),
    h('button', {class: 'plain', onclick: () => fold(true)}, 'Fold all'), h('span', {class: 'legend'},
      h('i', {class: 'own'}), 'own time ', h('i', {class: 'below'}), 'waiting for spans below ', h('i', {class: 'onpath'}), 'critical path')),
  ruler(from, total, box.clientWidth > 700), scroller);
  let list = [], marked = null;

  function row(node, i) {
    const {span} = node, isFolded = folded.has(node);
    const toggle = node.children.length > 0 ? h('button', {class: 'fold', tabindex: '-1', 'aria-label': isFolded ? 'Unfold' : 'Fold', onclick: (event) => {
      event.stopPropagation();
      setFold(node, !isFolded);
    }}, isFolded ? '▸' : '▾') : h('span', {class: 'fold'});
    return h('div', {
      class: ['row', span.error && 'failed', span.on_path && 'critical', isDoubtful(span) && 'doubtful', node === marked && 'at'].filter(Boolean).join(' '),
      role: 'row', 'aria-level': node.depth + 1, 'aria-rowindex': i + 1, 'aria-selected': node === marked, 'data-span': span.id,
      'aria-expanded': node.children.length ? String(!isFolded) : undefined,
      style: {top: `${i * ROW}px`, '--hue': hue(span.service), '--depth': node.depth}, onclick: () => choose(span),
    }, h('div', {class: 'names', role: 'gridcell', title: `${span.service} ${span.operation}${span.peer ? `\nto ${span.peer}` : ''}`},
      toggle, h('i', {class: `kind ${span.kind}`, title: span.kind}), h('b', {}, span.service), ' ', h('span', {}, span.operation),
      isFolded && h('small', {}, ` +${size(node) - 1}`)),
    h('div', {role: 'gridcell'}, bar(node, from, total)));
  }
  function paint() {
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - SPARE);
    const last = Math.min(list.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW) + SPARE);
    rows.replaceChildren(...list.slice(first, last).map((node, i) => row(node, first + i)));
  }
  function refresh() {
    list = flatten(tree.roots, (node) => folded.has(node));
    rows.style.height = `${list.length * ROW}px`;
    paint();
  }
  function setFold(node, on) {
    if (on) folded.add(node);
    else folded.delete(node);
    refresh();
  }
  let queued = false;
  scroller.addEventListener('scroll', () => {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      paint();
    });
  });
  const observer = new ResizeObserver(() => paint());
  observer.observe(scroller);
  refresh();

  function mark(span, reveal) {
    marked = span ? tree.byId.get(span.id) : null;
    if (marked && reveal) {
      for (let above = marked.parent; above; above = above.parent) folded.delete(above);
      refresh();
      const top = list.indexOf(marked) * ROW;
      if (top < scroller.scrollTop || top + ROW > scroller.scrollTop + scroller.clientHeight)
        scroller.scrollTop = Math.max(0, top - scroller.clientHeight / 3);
    }
    paint();
  }
  function key(event) {
    const at = list.indexOf(marked), step = {j: 1, ArrowDown: 1, k: -1, ArrowUp: -1}[event.key];
    if (step) choose(list[Math.min(list.length - 1, Math.max(0, at + step))].span, true);
    else if (event.key === 'ArrowLeft' && marked)
      folded.has(marked) || !marked.children.length ? marked.parent && choose(marked.parent.span, true) : setFold(marked, true);
    else if (event.key === 'ArrowRight' && marked?.children.length)
      folded.has(marked) ? setFold(marked, false) : choose(marked.children[0].span, true);
    else return false;
    return true;
  }
  return {mark, key, leave: () => observer.disconnect()};
}
