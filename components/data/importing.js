// A file before and while it is taken in: its first rows, which column is which, how far it is.
let view = null;
const note = node('div', { class: 'note bad', role: 'alert', hidden: true });
const progress = node('div', { class: 'going', hidden: true });
const meter = node('progress', { max: 1, 'aria-label': 'Rows read' });
const far = node('span', { class: 'meta' });
const stop = node('button', { type: 'button', class: 'btn', text: 'Stop', on: { click: () => { stop.disabled = true; trigger('stop', {}); } } });
progress.append(meter, far, stop);
const outcome = node('div', { class: 'outcome', role: 'status' });
const head = node('div', { class: 'head' });
const columns = node('div', { class: 'columns' });
const body = node('div', { class: 'scroll' });
const foot = node('div', { class: 'twin' });
root.append(note, progress, outcome, head, columns, body, foot);
const FIRST = 7; // of our columns; the others are folded away

// A column of our name is ours, unless another field has it or the Source field stands in for it.
const unclaimed = (ours) => !(ours === 'source' && view.named) && !Object.entries(view.mapping).some(([other, theirs]) => other !== ours && theirs === ours);

function mapColumn(ours, theirs) {
  const mapping = { ...view.mapping };
  if (theirs ? theirs === ours && unclaimed(ours) : !view.columns.includes(ours)) delete mapping[ours]; else mapping[ours] = theirs;
  trigger('map', { mapping });
}
function field(ours) {
  const chosen = view.mapping[ours] ?? (view.columns.includes(ours) && unclaimed(ours) ? ours : '');
  return node('label', { class: chosen ? 'set' : '' }, [node('span', { text: ours }), node('select', { 'aria-label': `Which column is ${ours}?`, 'data-ours': ours, 'data-hold': ours, on: { change: (event) => mapColumn(ours, event.target.value) } }, [
    node('option', { value: '', text: 'none' }), ...view.columns.map((name) => node('option', { value: name, text: name, selected: name === chosen }))])]);
}
function drawColumns() {
  if (!view.columns.length) { columns.replaceChildren(); return; }
  const folded = columns.querySelector('details')?.open ?? false;
  refill(columns, [node('p', { class: 'meta', text: 'Which column is which? A table needs prompt, a and b, or prompt, chosen and rejected; value says who wins.' }),
    node('div', { class: 'fields' }, view.ours.slice(0, FIRST).map(field)),
    node('details', { open: folded }, [node('summary', { text: 'more columns' }), node('div', { class: 'fields' }, view.ours.slice(FIRST).map(field))])]);
}
function drawLines() {
  const bad = view.lines.filter((one) => one.reason).length;
  head.replaceChildren(node('h3', { text: view.file }), node('p', { class: 'meta', text: view.lines.length ? `The first ${view.lines.length} rows as they would be taken in${bad ? `; ${bad} of them would be kept aside` : ''}.` : 'No rows.' }));
  body.replaceChildren(node('table', {}, [node('thead', {}, [node('tr', {}, ['line', 'prompt', 'a', 'b', 'label'].map((text) => node('th', { scope: 'col', text })))]),
    node('tbody', {}, view.lines.map((one) => node('tr', { class: one.reason ? 'aside' : '' }, one.reason
      ? [node('td', { class: 'n', text: one.number }), node('td', { colspan: 2 }, [node('span', { class: 'clamp raw', text: one.prompt })]), node('td', { colspan: 2, text: `kept aside: ${one.reason}` })]
      : [node('td', { class: 'n', text: one.number }), ...['prompt', 'a', 'b'].map((name) => node('td', {}, [node('span', { class: 'clamp', text: one[name] })])), node('td', { text: one.says })])))]));
}
async function downloadAside(event) {
  const said = await server.rejected({}).catch(() => ({ error: 'No connection. Try again in a moment.' }));
  if (said.error) { setText(note, said.error); setShown(note, true); return; }
  const url = URL.createObjectURL(new Blob([said.value.text], { type: 'application/x-ndjson' }));
  node('a', { href: url, download: said.value.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
function drawOutcome() {
  const found = view.result;
  if (view.state === 'stopped') { outcome.replaceChildren(node('div', { class: 'note', text: 'Stopped. Nothing of the file was taken in; import it again whenever you like.' })); return; }
  if (!found) { outcome.replaceChildren(); return; }
  const count = (value, text, look = '') => node('div', { class: `figure ${look}` }, [node('b', { text: value.toLocaleString('en') }), node('span', { text })]);
  outcome.replaceChildren(node('div', { class: 'counts' }, [count(found.read, 'rows read'), count(found.added, 'added', 'main'), count(found.duplicates, 'there already'), ...(found.conflicts ? [count(found.conflicts, 'said otherwise before', 'bad')] : []), count(found.rejected, 'kept aside', found.rejected ? 'bad' : '')]),
    ...[found.extra_turns > 0 && node('p', { class: 'meta', text: `${plural(found.extra_turns, 'response')} hold further turns, as they stand in the file.` }),
      found.conflicts > 0 && node('p', { class: 'meta', text: `${plural(found.conflicts, 'row')} say something else of a pair on which the same rater has an answer here already; that one stays. To keep both, name ${view.columns.length ? 'a time column or another rater' : 'another rater'}, and import again.` }),
      found.rejected > 0 && node('button', { type: 'button', class: 'btn', text: 'Download what was kept aside', title: 'Every line with its number and the reason', on: { click: downloadAside } })].filter(Boolean));
}
function drawProgress() {
  const running = view.state === 'running';
  setShown(progress, running);
  if (!running) { stop.disabled = false; return; }
  if (view.total) meter.value = Math.min(1, view.read / view.total); else meter.removeAttribute('value');
  setText(far, view.phase === 'keeping' ? `All ${view.read.toLocaleString('en')} rows are read and being kept…` : view.phase === 'stopping' ? 'Stopping…' : `${view.read.toLocaleString('en')} rows read${view.total ? ` of about ${view.total.toLocaleString('en')}` : ''}`);
  setShown(stop, view.phase === 'reading');
}

start((value) => {
  root.dataset.state = value?.state ?? 'new';
  if (!value || value.state === 'new') { root.hidden = true; return; }
  root.hidden = false;
  if (value.state === 'done') window.dispatchEvent(new CustomEvent('cw-rows'));
  view = value;
  setText(note, value.message); setShown(note, Boolean(value.message));
  drawProgress(); drawOutcome();
  for (const one of [head, columns, body]) setShown(one, value.lines.length > 0 || value.columns.length > 0);
  if (value.state === 'ready') { drawColumns(); drawLines(); }
  setShown(foot, Boolean(value.command));
  foot.replaceChildren(node('div', { class: 'row' }, [node('span', { class: 'meta', text: 'The same in a terminal' }), node('button', { type: 'button', class: 'link', text: 'copy', on: { click: (event) => copyText(value.command, event.currentTarget) } })]), node('pre', { tabindex: 0, text: value.command }));
});
trigger('watch', {});
