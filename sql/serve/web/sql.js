// The SQL box: a statement, its rows, and beside it what there is to ask.
import {get, isReplaced, post} from './api.js';
import {failure, h} from './dom.js';
import {duration} from './format.js';
import {parameters, remember} from './router.js';

const FIRST = 'SELECT service, operation, count, error_percent, p95_ms\nFROM red_hour ORDER BY p95_ms DESC LIMIT 20';

const isNumber = (value) => typeof value === 'number' || /^-?\d+$/.test(String(value));
const isNumberOrNull = (value) => value === null || isNumber(value);

function cell(column, value) {
  if (value === null) return h('td', {class: 'null'}, 'NULL');
  const text = String(value);
  if (column === 'trace_id' && /^[0-9a-f]{32}$/.test(text)) return h('td', {}, h('a', {href: `/trace/${text}`}, h('code', {}, text)));
  return h('td', {class: isNumber(value) ? 'number' : ''}, text);
}

function csv({columns, rows}) {
  const quote = (value) => {
    const text = value === null ? '' : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(quote).join(',')).join('\r\n');
}

function results(answer) {
  const save = h('a', {class: 'plain', href: URL.createObjectURL(new Blob([csv(answer)], {type: 'text/csv'})), download: 'weft.csv'}, 'CSV');
  return [h('div', {class: 'bar'}, h('strong', {role: 'status'}, `${answer.truncated ? 'First ' : ''}${answer.rows.length} row${answer.rows.length === 1 ? '' : 's'}`),
    h('span', {class: 'hint'}, duration(answer.took_ns)), save),
  h('div', {class: 'wide'}, h('table', {class: 'results'}, h('thead', {}, h('tr', {}, answer.columns.map((name, i) =>
    h('th', {scope: 'col', class: answer.rows.length && answer.rows.every((row) => isNumberOrNull(row[i])) ? 'number' : ''}, name)))),
    h('tbody', {}, answer.rows.map((row) => h('tr', {}, row.map((value, i) => cell(answer.columns[i], value)))))))];
}

function plan(answer) {
  const depth = new Map();
  return h('pre', {class: 'plan'}, answer.rows.map(([id, parent, , text]) => {
    depth.set(id, (depth.get(parent) ?? -1) + 1);
    return `${'  '.repeat(depth.get(id))}${text}\n`;
  }).join(''));
}

function browser(views, put) {
  const filter = h('input', {type: 'search', placeholder: 'Find a view or column', 'aria-label': 'Find a view or column', oninput: () => {
    const wanted = filter.value.toLowerCase();
    for (const one of list.children) one.hidden = !one.dataset.words.includes(wanted);
  }});
  const list = h('div', {}, views.map((view) => h('details', {'data-words': `${view.name} ${view.columns.join(' ')}`},
    h('summary', {}, h('code', {}, view.name)), h('p', {}, view.text),
    view.example && h('button', {class: 'link question', title: view.example, onclick: () => put(view.example)}, view.question || 'An example'),
    h('p', {class: 'columns'}, view.columns.map((name) => h('button', {class: 'plain', onclick: () => put(name, true)}, name))))));
  return h('aside', {class: 'schema', 'aria-label': 'Views'}, filter, list);
}

export async function show(element) {
  document.title = 'weft: SQL';
  const out = h('div', {class: 'output'});
  const text = h('textarea', {rows: 7, spellcheck: 'false', 'aria-label': 'SQL', value: parameters().get('q') ?? FIRST, onkeydown: (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run(false);
  }});
  const ask = h('button', {class: 'go', onclick: () => run(false)}, 'Run');
  async function run(explain) {
    remember({q: text.value});
    ask.disabled = true;
    try {
      const answer = await post(explain ? 'sql?plan=1' : 'sql', text.value);
      out.replaceChildren(...(explain ? [plan(answer)] : results(answer)));
    } catch (error) {
      if (!isReplaced(error)) out.replaceChildren(failure(error));
    } finally {
      ask.disabled = false;
    }
  }
  function put(words, inside = false) {
    if (inside) text.setRangeText(words, text.selectionStart, text.selectionEnd, 'end');
    else text.value = words;
    text.focus();
    if (!inside) run(false);
  }
  element.append(h('div', {class: 'asking'}, text, h('div', {class: 'bar'}, ask, h('button', {onclick: () => run(true)}, 'Plan'),
    h('span', {class: 'hint'}, 'Ctrl+Enter runs. Reads only; one statement; at most 5,000 rows.')), out));
  const {views} = await get('schema');
  element.append(browser(views, put));
  await run(false);
  return {};
}
