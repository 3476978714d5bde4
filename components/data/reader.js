// One row, whole, in a sheet at the right. Esc closes it; the arrow keys go to the rows beside it.
const NOUN = { responses: 'Response', comparisons: 'Comparison', transcripts: 'Transcript', labels: 'Label', runs: 'Run' };
const TABLE = { response: 'responses', comparison: 'comparisons', transcript: 'transcripts', label: 'labels', run: 'runs' };
const HOW = { under: 'under', by: 'by', from: 'from', about: 'about', side: 'of', read: 'read' };
const STALE = 'The constitution of this name has changed since.';
let view = null;
let back = [];

const link = (text, act, title) => node('button', { type: 'button', class: 'link', text, title, on: { click: act } });
const heading = node('h3', { tabindex: -1 });
const id = node('span', { class: 'meta id' });
const stale = node('span', { class: 'tag stale' });
const backLink = link('← back', () => trigger('open', back.pop()));
const step = (by) => window.dispatchEvent(new CustomEvent('cw-row-step', { detail: { id: view.id, by } }));
const previous = node('button', { type: 'button', class: 'btn', text: '‹', 'aria-label': 'The row above', title: 'Left arrow', on: { click: () => step(-1) } });
const next = node('button', { type: 'button', class: 'btn', text: '›', 'aria-label': 'The row below', title: 'Right arrow', on: { click: () => step(1) } });
const close = node('button', { type: 'button', class: 'btn', text: 'Close', on: { click: () => sheet.close() } });
const inside = node('div', { class: 'inside' });
const sheet = node('dialog', { class: 'sheet', 'aria-label': 'The row, whole' }, [
  node('header', {}, [heading, id, stale, node('span', { class: 'tools' }, [backLink,
    link('copy link', (event) => copyText(window.location.href, event.currentTarget)), previous, next, close])]), inside]);
root.append(sheet);

sheet.addEventListener('close', () => { back = []; view = null; window.dispatchEvent(new CustomEvent('cw-row-closed')); });
sheet.addEventListener('click', (event) => { if (event.target === sheet) sheet.close(); });
sheet.addEventListener('keydown', (event) => {
  if (event.target.closest('textarea, input, pre') || event.ctrlKey || event.metaKey || event.altKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by && !back.length) { event.preventDefault(); step(by); }
});

function go(noun, id) { back.push({ noun: view.noun, id: view.id }); trigger('open', { noun, id }); }

function text(card) {
  if (!card.diff) return node('div', { class: 'body', text: card.text });
  const tags = { '=': 'span', '+': 'ins', '-': 'del' };
  return node('div', { class: 'body' }, card.diff.map(([op, piece]) => node(tags[op], { text: piece })));
}
function card(one) {
  return node('article', { class: `step ${one.kind}`, 'aria-label': one.title }, [
    node('header', {}, [node('h3', { text: one.title }), node('span', { class: 'meta', text: one.meta }),
      ...one.flags.map((flag) => node('span', { class: 'tag', text: flag.replace('_', ' ') })),
      node('span', { class: 'tools' }, [link('copy', (event) => copyText(one.text, event.currentTarget))])]),
    one.request && node('p', { class: 'request', text: one.request }), text(one)]);
}
function facts() {
  return node('dl', {}, view.facts.map((fact) => node('div', {}, [node('dt', { text: fact.name }),
    node('dd', {}, fact.noun ? [link(fact.value, () => go(fact.noun, fact.id))] : [fact.value])])));
}
function labels() {
  if (!view.labels.length) return null;
  return node('section', {}, [node('h4', { text: 'Labels' }), node('table', {}, [
    node('thead', {}, [node('tr', {}, ['kind', 'value', 'by', 'principle'].map((text) => node('th', { scope: 'col', text })))]),
    node('tbody', {}, view.labels.map((one) =>
    node('tr', {}, [node('td', {}, [link(one.kind, () => go('labels', one.id))]), node('td', { class: 'n', text: one.value }),
      node('td', {}, [one.rater, ' ', one.version === 'stale' && node('span', { class: 'tag stale', text: 'stale', title: STALE })].filter(Boolean)), node('td', { text: one.principle })])))])]);
}

// Lineage as it was made: each thing under what was made of it, a constitution with its version.
function lineage() {
  const found = view.lineage;
  if (!found) return null;
  const types = new Map(found.nodes.map((one) => [one.id, one]));
  const seen = new Set();
  const named = (id) => {
    const { type, version } = types.get(id);
    const short = type === 'file' ? id.slice(0, 19) : id;
    return [node('span', { class: 'meta', text: `${type} ` }), TABLE[type] && id !== view.id ? link(short, () => go(TABLE[type], id)) : node('span', { text: short }),
      version === 'stale' && node('span', { class: 'tag stale', text: 'stale', title: STALE }),
      version === 'unknown' && node('span', { class: 'tag', text: 'not here', title: 'No constitution of this name is here to compare with.' })];
  };
  const above = (id) => {
    if (seen.has(id)) return null;
    seen.add(id);
    const up = found.edges.filter((edge) => edge.child === id && edge.parent !== found.id);
    return up.length ? node('ul', {}, up.map((edge) => node('li', {}, [node('span', { class: 'how', text: `${HOW[edge.relation] ?? edge.relation} ` }), ...named(edge.parent), above(edge.parent)]))) : null;
  };
  // Labels of the row have their table above.
  const down = found.edges.filter((edge) => edge.parent === found.id && !(view.labels.length && types.get(edge.child).type === 'label'));
  const rows = Object.entries(found.rows).map(([type, count]) => plural(count, type)).join(', ');
  return node('section', { class: 'lineage' }, [node('h4', { text: 'Made from' }), above(found.id) ?? node('p', { class: 'meta', text: 'nothing that is known here' }),
    (down.length > 0 || rows) && node('h4', { text: 'Became' }), rows && node('p', { text: rows }),
    down.length > 0 && node('ul', {}, down.map((edge) => node('li', {}, named(edge.child))))]);
}

// The address is of the row that is read, whatever link led to it. What was searched for among rows
// of another kind does not go with it.
function address() {
  const at = addressOf('data');
  if (at.get('show') !== view.noun) for (const name of [...at.keys()]) if (name === 'q' || name.startsWith('f.')) at.delete(name);
  for (const [name, value] of Object.entries({ tab: 'data', show: view.noun, id: view.id })) at.set(name, value);
  window.history.replaceState(null, '', `?${at}`);
}

function draw() {
  address();
  setText(heading, NOUN[view.noun]);
  setText(id, view.id);
  const old = view.lineage?.stale ?? [];
  setShown(stale, old.length > 0);
  setText(stale, `stale: ${old.map((one) => one.split('@')[0]).join(', ')} has changed since`);
  setShown(backLink, back.length > 0);
  for (const one of [previous, next]) setShown(one, !back.length);
  if (view.state === 'failed') { inside.replaceChildren(node('div', { class: 'note bad', role: 'alert', text: view.message })); return; }
  inside.replaceChildren(...[
    view.prompt && node('blockquote', { text: view.prompt }),
    view.cards.length > 0 && node('div', { class: `chain ${view.noun}` }, [node('div', { class: 'list' }, view.cards.map(card))]),
    (view.pair || view.noun === 'runs') && node('div', { class: 'row acts' }, [
      view.pair && node('button', { type: 'button', class: 'btn', text: 'Send to Judge', title: 'The first and the last text', on: { click: () => { sheet.close(); trigger('compare', {}); } } }),
      view.noun === 'runs' && node('button', { type: 'button', class: 'btn', text: 'Open in Runs', on: { click: () => { const run = view.id; sheet.close(); window.dispatchEvent(new CustomEvent('cw-run', { detail: run })); } } })]),
    facts(), labels(), lineage(),
    view.config && node('section', {}, [node('h4', { text: 'config.yaml' }), node('pre', { tabindex: 0, text: view.config })])].filter(Boolean));
  inside.scrollTop = 0;
}

start((value) => {
  if (!value || value.state === 'empty' || value.serial === Number(root.dataset.serial)) return;
  root.dataset.serial = value.serial;
  view = value;
  draw();
  if (!sheet.open && root.isConnected) sheet.showModal();
  heading.focus({ preventScroll: true });
});
