// The choice of a time for the map and the rates, kept in the address.
import {h} from './dom.js';
import {day, time} from './format.js';
import {go, parameters} from './router.js';

const CHOICES = [['', 'newest 15 minutes'], ['5m', 'last 5 minutes'], ['15m', 'last 15 minutes'], ['1h', 'last hour'],
  ['6h', 'last 6 hours'], ['24h', 'last day'], ['168h', 'last week'], ['100000h', 'all']];

/** Goes to this view with other parameters. */
export function change(values) {
  const next = parameters();
  for (const [key, value] of Object.entries(values)) {
    if (value) next.set(key, value);
    else next.delete(key);
  }
  const text = next.toString();
  go(location.pathname + (text ? `?${text}` : ''));
}

export function rangeControl() {
  const asked = parameters(), fixed = asked.has('from');
  return h('label', {}, h('span', {}, 'Time'), h('select', {name: 'last', onchange: (event) => change({last: event.target.value, from: '', to: ''})},
    fixed && h('option', {value: '', selected: true}, `${time(asked.get('from') * 1000, false)} – ${time(asked.get('to') * 1000, false)}`),
    CHOICES.map(([value, name]) => h('option', {value, selected: !fixed && (asked.get('last') ?? '') === value}, name))));
}

export function rangeText(fromUs, toUs) {
  const a = day(fromUs), b = day(toUs);
  return `${a} ${time(fromUs, false)} – ${a === b ? '' : `${b} `}${time(toUs, false)}`;
}
