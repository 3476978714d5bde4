// The SQL console: one SELECT, examples to click, rows as text.
const linked = new URLSearchParams(window.location.search);
let view = null;
let examples = [];

const area = node('textarea', { rows: 5, spellcheck: false, 'aria-label': 'One SELECT', placeholder: 'SELECT …', value: '' });
const run = node('button', { type: 'button', class: 'btn go', text: 'Ask', id: 'data-ask', on: { click: ask } });
const told = node('span', { class: 'meta', role: 'status' });
const tools = node('span', { class: 'tools' }, [
  node('button', { type: 'button', class: 'link', text: 'copy as CSV', on: { click: (event) => copyText(csv(), event.currentTarget) } }),
  node('button', { type: 'button', class: 'link', text: 'copy link', on: { click: (event) => copyText(window.location.href, event.currentTarget) } })]);
const note = node('div', { class: 'note bad', role: 'alert' });
const table = node('table');
const list = node('ul', { class: 'asks' });
root.append(node('p', { class: 'meta', text: 'One SELECT, read-only, stopped after ten seconds. Tables: responses, comparisons, labels, raters, transcripts, constitutions, runs, outputs, lineage; view: latest_labels.' }),
  area, node('div', { class: 'row' }, [run, node('span', { class: 'meta', text: 'Ctrl+Enter' }), told, tools]), note,
  node('div', { class: 'scroll' }, [table]), node('p', { class: 'meta', text: 'Or try' }), list);
area.value = (linked.get('tab') === 'data' && linked.get('sql')) || '';

function ask() {
  if (!area.value.trim()) { area.focus(); return; }
  const query = addressOf('data');
  query.set('tab', 'data'); query.set('sql', area.value.length < 4000 ? area.value : '');
  window.history.replaceState(null, '', `?${query}`);
  run.disabled = true;
  setText(told, 'asking…');
  trigger('query', { query: area.value });
}
area.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); event.stopPropagation(); ask(); }
});
const quoted = (text) => text === null ? '' : /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
const csv = () => [view.columns, ...view.rows].map((row) => row.map(quoted).join(',')).join('\n');
const numeric = (text) => text !== null && /^-?[\d.]+(e[+-]?\d+)?$/.test(text);

start((value) => {
  view = value;
  if (value?.examples) examples = value.examples;
  list.replaceChildren(...examples.map((one) => node('li', {}, [node('button', { type: 'button', text: one.title, on: { click: () => { area.value = one.query; ask(); } } })])));
  run.disabled = false;
  if (!value) return;
  root.dataset.state = value.state;
  setText(note, value.message); setShown(note, value.state === 'failed');
  const rows = value.state === 'ready' ? `${plural(value.rows.length, 'row')}${value.truncated ? ', and more that are not shown' : ''} · ${value.took_ms} ms` : '';
  setText(told, rows);
  setShown(tools, value.state === 'ready'); setShown(table, value.state === 'ready');
  table.replaceChildren(...(value.state === 'ready' ? [
    node('thead', {}, [node('tr', {}, value.columns.map((name) => node('th', { scope: 'col', text: name })))]),
    node('tbody', {}, value.rows.map((row) => node('tr', {}, row.map((text) => node('td', { class: text === null ? 'null' : numeric(text) ? 'n' : '' }, [node('span', { class: 'clamp', text: text ?? 'null' })])))))] : []));
});
if (area.value) ask();
