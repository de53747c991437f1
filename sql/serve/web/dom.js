// Elements without a framework. Text becomes text nodes, never markup: names and attributes come from
// traced programs, and may be anything.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

/** h('button', {class: 'x', onclick: f}, 'text', child) */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** Calls `draw(width)` at once and whenever the element's width changes, while it is in the page. */
export function onWidth(element, draw) {
  let last = -1;
  const observer = new ResizeObserver(() => {
    const width = Math.floor(element.clientWidth);
    if (width === last || width === 0) return;
    last = width;
    draw(width);
  });
  observer.observe(element);
  return observer;
}

export function toast(text) {
  const note = h('div', {class: 'toast', role: 'status'}, text);
  document.body.append(note);
  setTimeout(() => note.remove(), 4000);
}

export function failure(error) {
  return h('div', {class: 'failure', role: 'alert'}, h('strong', {}, 'This did not work. '), error.message);
}
