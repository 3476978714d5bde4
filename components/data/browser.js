// The table of rows. The question lives here, the rows come from the server; an answer to an older
// question is dropped. What is looked at goes into the address.
const NOUNS = { responses: 'Responses', comparisons: 'Comparisons', transcripts: 'Transcripts', labels: 'Labels', runs: 'Runs' };
const RETRIES = 20; // looks for a finished run's rows, two seconds apart
const linked = new URLSearchParams(window.location.search);
const mine = linked.get('tab') === 'data';
let noun = mine && linked.get('show') in NOUNS ? linked.get('show') : 'responses';
let onSql = mine && linked.has('sql');
let search = (mine && linked.get('q')) || '';
let filters = {};
let trail = [null]; // cursors of the pages gone through; the last one is shown
let serial = 0;
let view = null;
let opened = (mine && linked.get('id')) || '';
let retries = 0;
let typing = null;
let looked = 0;
if (mine) for (const [name, value] of linked) if (name.startsWith('f.')) filters[name.slice(2)] = value;

const tabs = node('div', { class: 'nouns', role: 'group', 'aria-label': 'What to look at' });
const field = node('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search in these rows', value: search });
const selects = node('span', { class: 'row' });
const bar = node('div', { class: 'bar' }, [field, selects]);
const note = node('div', { class: 'note', role: 'status' });
const head = node('tr');
const body = node('tbody');
const table = node('table', {}, [node('thead', {}, [head]), body]);
const empty = node('div');
const place = node('span', { class: 'meta', role: 'status' });
const newer = node('button', { type: 'button', class: 'btn', text: '‹ newer', on: { click: () => page(-1) } });
const olderButton = node('button', { type: 'button', class: 'btn', text: 'older ›', on: { click: () => page(1) } });
const foot = node('div', { class: 'foot row' }, [newer, olderButton, place]);
root.append(tabs, bar, note, node('div', { class: 'scroll' }, [table]), empty, foot);

const shown = () => root.offsetParent !== null;
function ask() {
  serial += 1;
  looked = Date.now();
  root.classList.add('asking');
  address();
  trigger('ask', { noun, search, filters, before: trail.at(-1), serial });
}
function fresh() { trail = [null]; ask(); }
function page(way) {
  if (way < 0) trail.pop(); else trail.push(view.next);
  ask();
  root.scrollIntoView({ block: 'nearest' });
}
function address() {
  if (!shown()) return;
  const old = addressOf('data'), query = new URLSearchParams();
  for (const [name, value] of old) if (!['show', 'q', 'id', 'sql'].includes(name) && !name.startsWith('f.')) query.set(name, value);
  query.set('tab', 'data');
  if (onSql) query.set('sql', old.get('sql') ?? '');
  else {
    query.set('show', noun);
    if (search) query.set('q', search);
    for (const [name, value] of Object.entries(filters)) if (value) query.set(`f.${name}`, value);
    if (opened) query.set('id', opened);
  }
  window.history.replaceState(null, '', `?${query}`);
}
function show(which) {
  onSql = which === 'sql';
  root.closest('.cw-data')?.classList.toggle('on-sql', onSql);
  if (onSql) { drawTabs(); address(); document.querySelector('#data-sql textarea')?.focus({ preventScroll: true }); return; }
  if (which !== noun) { noun = which; filters = {}; search = ''; field.value = ''; view = view && { ...view, rows: [], filters: [] }; }
  drawTabs();
  fresh();
}
function open(id) { opened = id; address(); trigger('open', { noun, id }); }

field.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => { search = field.value; fresh(); }, 250);
});

function drawTabs() {
  const counts = view?.counts ?? {};
  const made = (name, text, count) => node('button', { type: 'button', 'aria-pressed': String(onSql ? name === 'sql' : name === noun), on: { click: () => show(name) } },
    [text, count !== undefined && node('span', { class: 'meta', text: count.toLocaleString('en') })]);
  const focused = [...tabs.children].indexOf(document.activeElement);
  tabs.replaceChildren(...Object.entries(NOUNS).map(([name, text]) => made(name, text, counts[name])), made('sql', 'SQL'));
  if (focused >= 0) tabs.children[focused].focus();
}

function drawFilters() {
  const key = JSON.stringify([noun, view.filters, filters]);
  if (selects.dataset.key === key) return;
  selects.dataset.key = key;
  refill(selects, view.filters.map((filter) => {
    const chosen = filters[filter.name] ?? '';
    const values = chosen && !filter.values.includes(chosen) ? [chosen, ...filter.values] : filter.values;
    if (!values.length) return null;
    return node('select', { 'aria-label': filter.label, 'data-hold': filter.name, class: chosen ? 'set' : '', on: { change: (event) => { filters = { ...filters, [filter.name]: event.target.value }; fresh(); } } }, [
      node('option', { value: '', text: `${filter.label}: any` }),
      ...values.map((value) => node('option', { value, text: `${filter.label}: ${value}`, selected: value === chosen }))]);
  }).filter(Boolean));
}

const STALE = 'The constitution of this name has changed since this row was made.';
function cell(text, column, line, first) {
  const inner = column.kind === 'tag' && text
    ? [node('span', { class: `tag ${column.name === 'State' ? { done: 'good', failed: 'bad', dead: 'bad' }[text] ?? '' : ''}`, text }),
      column.name === 'Constitution' && line.version === 'stale' && node('span', { class: 'tag stale', text: 'stale', title: STALE })]
    : [node('span', { class: 'clamp', text })];
  return node('td', { class: `k-${column.kind}` }, first
    ? [node('button', { type: 'button', class: 'open', 'aria-label': `Read: ${text.slice(0, 80)}`, on: { click: (event) => { event.stopPropagation(); open(line.id); } } }, inner)] : inner);
}
function drawRows() {
  head.replaceChildren(...view.columns.map((column) => node('th', { scope: 'col', class: `k-${column.kind}`, text: column.name })));
  body.replaceChildren(...view.rows.map((line) => node('tr', { 'data-id': line.id, on: { click: () => { if (!window.getSelection().toString()) open(line.id); } } },
    view.columns.map((column, index) => cell(line.cells[index], column, line, index === 0)))));
}

function steps() {
  const card = (name, title, text, act) => node('button', { type: 'button', class: 'step', disabled: name !== 'sql' && !view.may_write, on: { click: act } },
    [node('b', { text: title }), node('span', { text })]);
  return node('div', { class: 'empty' }, [node('h3', { text: 'Nothing is kept here yet' }),
    node('p', { text: 'Look around in what ships, or make rows of your own: each starts with one click, and nothing can go wrong, as rows are only ever added.' }),
    view.may_write && node('p', {}, [demoButton()]),
    node('div', { class: 'steps' }, [
      card('pairs', 'Write 12 pairs', 'Two answers each to harmful requests, by the pocket model: what a judge or a person can compare.', () => trigger('begin', { name: 'pairs' })),
      card('chains', 'Write 8 chains', 'Draft, critique, revision, twice over: what supervised training learns from.', () => trigger('begin', { name: 'chains' })),
      card('sql', 'Ask in SQL', 'See the tables that rows go into, and the questions you can put to them.', () => show('sql'))])].filter(Boolean));
}

function drawFoot() {
  const full = view.rows.length >= view.size;
  const more = view.next !== null && view.next !== undefined;
  setShown(foot, view.state === 'ready' && (view.rows.length > 0 || trail.length > 1 || more));
  newer.disabled = trail.length < 2;
  olderButton.disabled = !more;
  setText(olderButton, more && !full ? 'search further back ›' : 'older ›');
  const said = view.rows.length ? `${plural(view.rows.length, 'row')}, newest first` : 'none so far';
  setText(place, more && !full ? `${said} · the search goes on further back` : `page ${trail.length} · ${said}`);
}

function draw() {
  const failed = view.state === 'failed';
  const any = Object.values(view.counts).some((count) => count > 0);
  const narrowed = search || Object.values(filters).some(Boolean);
  const bare = view.state === 'ready' && !view.rows.length;
  drawTabs(); drawFilters(); drawRows(); drawFoot();
  const taking = view.pending ? `Taking in the rows of ${plural(view.pending, 'finished run')}…` : '';
  setText(note, view.message || view.trouble || (retries < RETRIES ? taking : 'A finished run could not be taken in: the terminal that runs the page says why.'));
  note.className = `note ${failed || view.trouble ? 'bad' : ''}`;
  if (failed) note.append(' ', node('button', { type: 'button', class: 'btn', text: 'Try again', on: { click: ask } }));
  setShown(note, Boolean(note.textContent));
  setShown(table, view.rows.length > 0);
  setShown(bar, any && !failed);
  const words = { responses: 'No responses yet', comparisons: 'No comparisons yet', transcripts: 'No transcripts yet', labels: 'No labels yet', runs: 'No runs yet' }[noun];
  const ways = { labels: 'Labels come from judging and from people.', transcripts: 'Start a run of chains on the left.' }[noun] ?? 'Start a run on the left.';
  empty.replaceChildren(...(!bare || view.next ? [] : !any && !view.pending ? [steps()] : [node('div', { class: 'empty' }, [
    node('h3', { text: narrowed ? 'No row fits' : words }), node('p', { text: narrowed ? 'Search for something else, or set the filters to “any”.' : ways })])]));
}

// Rows come when a run has ended; whoever returns to this tab sees them.
window.addEventListener('cw-run-done', () => { retries = 0; if (shown() && trail.length === 1) ask(); });
window.addEventListener('cw-row-closed', () => { opened = ''; address(); });
window.addEventListener('cw-row-step', (event) => {
  const ids = view?.rows.map((line) => line.id) ?? [];
  const next = ids[ids.indexOf(event.detail.id) + event.detail.by];
  if (next) open(next);
});
window.addEventListener('cw-rows', () => { if (shown() && trail.length === 1) ask(); });
new IntersectionObserver((seen) => {
  if (!seen.some((one) => one.isIntersecting)) return;
  if (!view || view.state === 'new' || (trail.length === 1 && Date.now() - looked > 3000)) ask(); else address();
}, { rootMargin: '9999px' }).observe(root); // below the fold counts, another tab does not

start((value) => {
  if (!value || value.state === 'new') { drawTabs(); for (const one of [bar, note, foot]) one.hidden = true; return; }
  if (value.query.serial < serial) return;
  root.classList.remove('asking');
  root.dataset.serial = value.query.serial;
  // Who came for nothing in particular sees what there is.
  const first = Object.keys(NOUNS).find((name) => value.counts[name] > 0);
  if (!root.dataset.linked && !linked.has('show') && !onSql && value.state === 'ready' && !value.counts[noun] && first) { noun = first; root.dataset.linked = 'yes'; view = value; return fresh(); }
  view = value.state === 'failed' ? { ...value, counts: view?.counts ?? {} } : value;
  draw();
  if (view.pending && retries < RETRIES) { retries += 1; setTimeout(() => { if (shown() && trail.length === 1) ask(); }, 2000); }
  if (!view.pending) retries = 0;
  root.closest('.cw-data')?.classList.toggle('on-sql', onSql);
  if (mine && opened && !root.dataset.linked) trigger('open', { noun, id: opened });
  root.dataset.linked = 'yes';
});
