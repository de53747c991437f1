// The page: its head, its views, and the keys that work everywhere.
import {get, isReplaced} from './api.js';
import {failure, h} from './dom.js';
import {ago, setServices} from './format.js';
import {go, start} from './router.js';

const VIEWS = [
  ['search', 'Search', () => import('./search.js')],
  ['graph', 'Map', () => import('./graph.js')],
  ['red', 'Rates', () => import('./red.js')],
  ['sql', 'SQL', () => import('./sql.js')],
];
const KEYS = [
  ['/', 'go to the search form'], ['g s · g m · g r · g q', 'search, map, rates, SQL'],
  ['j k, ↑ ↓', 'next and previous row'], ['← →', 'fold and unfold spans'], ['Enter', 'open'],
  ['w · f', 'waterfall, flame graph of a trace'], ['Esc', 'close the details'], ['t', 'dark or light'],
  ['?', 'this list'],
];

const main = h('main', {id: 'main', tabindex: '-1'});
const store = h('span', {class: 'store'});
const nav = h('nav', {'aria-label': 'Views'}, VIEWS.map(([path, name]) => h('a', {href: `/${path}`}, name)));
let view = null;  // {leave?(), key?(event)} of what is shown
let shown = 0;

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem('theme', theme);
  } catch { /* a browser that keeps nothing */ }
}
function savedTheme() {
  try {
    return localStorage.getItem('theme');
  } catch {
    return null;
  }
}
function toggleTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light');
  setTheme(now === 'dark' ? 'light' : 'dark');
}

const help = h('dialog', {'aria-label': 'Keys'}, h('h2', {}, 'Keys'),
  h('dl', {class: 'keys'}, KEYS.map(([key, what]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, what)])),
  h('form', {method: 'dialog'}, h('button', {}, 'Close')));

async function route() {
  const path = location.pathname.split('/')[1] || 'search';
  const number = ++shown;
  delete document.body.dataset.ready;
  view?.leave?.();
  view = null;
  for (const link of nav.children) {
    const current = link.pathname === `/${path}` || (path === 'trace' && link.pathname === '/search');
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = 'weft';
  try {
    const load = path === 'trace' ? () => import('./trace.js') : VIEWS.find(([name]) => name === path)?.[2];
    if (!load) throw new Error(`there is no page ${location.pathname}`);
    const [module, info] = await Promise.all([load(), get('info')]);
    if (number !== shown) return;
    setServices(info.services.map((service) => service.name));
    store.textContent = info.newest_us ? `${info.store} · newest ${ago(info.newest_us, info.now_us)}` : info.store;
    if (info.unread.length) store.textContent += ` · ${info.unread.length} not read`;
    store.title = info.unread.join('\n');
    const element = h('div', {class: `view ${path}`});
    main.replaceChildren(element);
    view = await module.show(element, info);
    document.body.dataset.ready = path;
  } catch (error) {
    if (number === shown && !isReplaced(error)) main.replaceChildren(failure(error));
  }
}

let prefix = '';
function onKey(event) {
  if (event.metaKey || event.ctrlKey || event.altKey || help.open) return;
  const field = event.target.closest?.('input, textarea, select');
  if (field) {
    if (event.key === 'Escape') field.blur();
    return;
  }
  if (prefix === 'g') {
    prefix = '';
    const to = {s: '/search', m: '/graph', r: '/red', q: '/sql'}[event.key];
    if (to) go(to);
    return;
  }
  if (event.key === 'g') {
    prefix = 'g';
    setTimeout(() => (prefix = ''), 1000);
  } else if (event.key === '?') {
    help.showModal();
  } else if (event.key === 't') {
    toggleTheme();
  } else if (event.key === '/') {
    const first = document.querySelector('.view.search form input, .view.sql textarea');
    if (first) first.focus();
    else go('/search');
  } else if (!view?.key?.(event)) {
    return;
  }
  event.preventDefault();
}

const theme = savedTheme();
if (theme) setTheme(theme);
document.body.append(
  h('a', {class: 'skip', href: '#main'}, 'Skip to the content'),
  h('header', {},
    h('a', {class: 'brand', href: '/search'}, h('img', {src: '/icon.svg', alt: '', width: 22, height: 22}), 'weft'),
    nav, store,
    h('button', {class: 'plain', title: 'Dark or light (t)', 'aria-label': 'Dark or light', onclick: toggleTheme}, '◐'),
    h('button', {class: 'plain', title: 'Keys (?)', 'aria-label': 'Keys', onclick: () => help.showModal()}, '?')),
  main, help);
addEventListener('keydown', onKey);
start(route);
