// The flame graph: spans of one service and operation below the same callers are one box, as wide as
// the time in them; what shows no box above it is their own time. Boxes beside each other are sums, not
// moments: work that ran at once counts twice. A click shows a box alone.
import {h, onWidth, svg} from './dom.js';
import {count, duration, hue, percent} from './format.js';

const ROW = 22, SMALLEST = 1.5;

function merge(nodes, parent) {
  const groups = new Map();
  for (const node of nodes) {
    const key = `${node.span.service}\0${node.span.operation}`;
    const group = groups.get(key);
    if (group) group.push(node);
    else groups.set(key, [node]);
  }
  return [...groups.values()].map((members) => {
    const {service, operation} = members[0].span;
    const box = {service, operation, members, parent, depth: parent ? parent.depth + 1 : 0,
      self: members.reduce((sum, n) => sum + n.span.self_ns, 0), failed: members.filter((n) => n.span.error).length};
    box.children = merge(members.flatMap((n) => n.children), box);
    box.total = box.self + box.children.reduce((sum, c) => sum + c.total, 0);
    return box;
  }).sort((a, b) => b.total - a.total);
}

function layout(roots, alone, width) {
  const out = [];
  const place = (box, x, wide) => {
    if (wide < SMALLEST) return;
    out.push({box, x, wide});
    let at = x;
    for (const child of box.children) {
      const w = box.total > 0 ? (child.total / box.total) * wide : 0;
      place(child, at, w);
      at += w;
    }
  };
  if (alone) {
    for (let above = alone.parent; above; above = above.parent) out.push({box: above, x: 0, wide: width, faded: true});
    place(alone, 0, width);
  } else {
    const all = roots.reduce((sum, r) => sum + r.total, 0) || 1;
    let at = 0;
    for (const root of roots) {
      place(root, at, (root.total / all) * width);
      at += (root.total / all) * width;
    }
  }
  return out;
}

export function flame(container, tree, {choose}) {
  const roots = merge(tree.roots, null);
  const everything = roots.reduce((sum, r) => sum + r.total, 0) || 1;
  let alone = null, width = 0, boxes = [];
  const root = svg('svg', {class: 'flame', role: 'group', 'aria-label': 'Flame graph'});
  const note = h('p', {class: 'hint', role: 'status'}, 'Sums of own time by call path. Click a box to see it alone, double-click for its slowest span.');
  const box = h('div', {class: 'flame-box'}, root);
  container.append(note, box);

  function zoom(to) {
    alone = to;
    draw();
  }
  function draw() {
    boxes = layout(roots, alone, width);
    const depth = boxes.reduce((most, {box: b}) => Math.max(most, b.depth), 0) + 1;
    root.setAttribute('width', width);
    root.setAttribute('height', depth * ROW);
    root.replaceChildren(...boxes.map(({box: b, x, wide, faded}) => {
      const text = `${b.service} ${b.operation}`, room = Math.floor((wide - 8) / 6.6);
      const slowest = b.members.reduce((a, n) => (n.span.duration_ns > a.span.duration_ns ? n : a));
      const label = `${text}: ${duration(b.total)}, ${percent(b.total / everything)}; own ${duration(b.self)}; ${count(b.members.length)} spans${b.failed ? `, ${b.failed} failed` : ''}`;
      return svg('g', {class: `box${b.failed ? ' failed' : ''}${faded ? ' faded' : ''}`, tabindex: '0', role: 'button', 'aria-label': label,
        style: {'--hue': hue(b.service)},
        onclick: () => zoom(b === alone ? b.parent : b), ondblclick: () => choose(slowest.span),
        onkeydown: (event) => {
          if (event.key === 'Enter') zoom(b === alone ? b.parent : b);
        },
        onmouseenter: () => { note.textContent = label; }, onfocus: () => { note.textContent = label; }},
      svg('rect', {x, y: b.depth * ROW, width: Math.max(wide - 1, 0.5), height: ROW - 1, rx: 2}),
      room > 3 && svg('text', {x: x + 4, y: b.depth * ROW + 15}, text.length > room ? `${text.slice(0, room - 1)}…` : text),
      room > text.length + 12 && svg('text', {class: 'sum', x: x + wide - 8, y: b.depth * ROW + 15, 'text-anchor': 'end'}, duration(b.total)));
    }));
  }
  const observer = onWidth(box, (w) => {
    width = w;
    draw();
  });
  return {leave: () => observer.disconnect(), key: () => false};
}
