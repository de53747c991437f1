// The spans of a trace as a tree: roots and orphans at the top, children by their start.

/** {nodes, roots, byId}; a node is {span, children, depth, parent}. */
export function makeTree(spans) {
  const byId = new Map(), nodes = spans.map((span) => ({span, children: [], depth: 0, parent: null}));
  for (const node of nodes) if (!byId.has(node.span.id)) byId.set(node.span.id, node);
  const roots = [];
  for (const node of nodes) {
    const parent = node.span.parent ? byId.get(node.span.parent) : undefined;
    if (!parent || parent === node || isAbove(node, parent)) {
      roots.push(node);
      continue;
    }
    node.parent = parent;
    parent.children.push(node);
  }
  const stack = [...roots];
  while (stack.length) {
    const node = stack.pop();
    node.children.sort((a, b) => a.span.start_ns - b.span.start_ns);
    for (const child of node.children) {
      child.depth = node.depth + 1;
      stack.push(child);
    }
  }
  roots.sort((a, b) => a.span.start_ns - b.span.start_ns);
  return {nodes, roots, byId};
}

// A store that was tampered with may hold a circle.
function isAbove(node, other) {
  for (let at = other; at; at = at.parent) if (at === node) return true;
  return false;
}

/** Whether `skip` of a node's children are left out: rows from top to bottom. */
export function flatten(roots, isFolded) {
  const out = [], stack = [...roots].reverse();
  while (stack.length) {
    const node = stack.pop();
    out.push(node);
    if (!isFolded(node)) for (let i = node.children.length - 1; i >= 0; --i) stack.push(node.children[i]);
  }
  return out;
}

/** The parts of a span in which none of `children` was under way: [[from, to], ...] */
export function ownParts(node, children = node.children) {
  const {start_ns: start, duration_ns: long} = node.span, end = start + long, out = [];
  let at = start;
  for (const {span} of children) {
    if (span.start_ns > at) out.push([at, Math.min(span.start_ns, end)]);
    at = Math.max(at, span.start_ns + span.duration_ns);
    if (at >= end) break;
  }
  if (at < end) out.push([at, end]);
  return out.filter(([a, b]) => b > a);
}

export const size = (node) => {
  let n = 0;
  const stack = [node];
  while (stack.length) {
    const one = stack.pop();
    ++n;
    stack.push(...one.children);
  }
  return n;
};

// A parent that weft was not sure of.
const DOUBTFUL = 0.9;
export const isDoubtful = (span) => span.parent !== '' && span.confidence < DOUBTFUL;
