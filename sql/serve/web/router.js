// The address is the state: a view's path and its parameters. Links are real links, so that they can be
// opened elsewhere, copied and gone back from.

let show = () => {};

export function start(onChange) {
  show = onChange;
  addEventListener('popstate', () => show());
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[href]');
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.origin !== location.origin || link.target || link.hasAttribute('download')) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
  show();
}

export function go(url) {
  history.pushState(null, '', url);
  show();
}

export const parameters = () => new URLSearchParams(location.search);

/** Changes parameters of this view without drawing it anew; '' and null take one away. */
export function remember(changes) {
  const all = parameters();
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '' || value === false) all.delete(key);
    else all.set(key, value);
  }
  const text = all.toString();
  history.replaceState(null, '', location.pathname + (text ? `?${text}` : ''));
}

export function url(path, values) {
  const all = new URLSearchParams();
  for (const [key, value] of Object.entries(values ?? {})) if (value) all.set(key, value);
  const text = all.toString();
  return `/${path}${text ? `?${text}` : ''}`;
}
