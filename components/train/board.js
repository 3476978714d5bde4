// The trainings of one kind: a list, the chosen ones' curves over one another, what differs in
// their settings, and the open one whole (detail.js). Everything is asked anew from the run
// directories every second, from where this page has read to, so that neither a closed browser nor
// a killed app loses a point or shows one twice.
const LIVE = ['starting', 'running', 'stopping'];
const ENDED = ['stopped', 'paused', 'failed', 'dead', 'done'];
const STATES = { queued: 'waiting', starting: 'starting…', stopping: 'stopping…' };
const TONES = { done: 'good', failed: 'bad', dead: 'bad', paused: 'warn' };
const MOST = 8;
const SHOWN = 6;
const query = new URLSearchParams(window.location.search);
let kind = query.get('kind') || 'helpful';
let names = {};
let lines = [], stamp = '', mayWrite = false, heard = false;
let opened = query.get('training') ?? '';
let all = false, smooth = 0, minor = false;
const chosen = new Map(); // run id -> {id, number, colour, series, place, card}
const rows = new Map();
const dropped = new Set(); // runs that somebody took out by hand
const cards = new Map();

const link = (text, act, title) => node('button', { type: 'button', class: 'link', text, title, on: { click: act } });
const btn = (text, act, title) => node('button', { type: 'button', class: 'btn', text, title, on: { click: act } });
const clock = (seconds) => { const s = Math.max(0, Math.round(seconds)), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60; return h ? `${h}:${String(m).padStart(2, '0')}:${String(s % 60).padStart(2, '0')}` : `${m}:${String(s % 60).padStart(2, '0')}`; };
const when = (seconds) => new Date(seconds * 1000).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });

const trouble = node('div', { class: 'note bad', role: 'status', hidden: true });
// What was refused stays until something else is asked for: the next look comes within a second.
const refused = node('div', { class: 'note bad', role: 'alert', hidden: true });
const refuse = (message) => { setText(refused, message); setShown(refused, Boolean(message)); };
const alarms = node('div', { class: 'alarms' });
const heading = node('h3');
const empty = node('div', { class: 'empty', hidden: true });
const body = node('tbody');
const table = node('table', { class: 'runs-of' }, [node('thead', {}, [node('tr', {}, [['', 'pick'], ['run'], ['state'], ['progress', 'n'], ['numbers'], ['time', 'n']].map(([text, look]) => node('th', { scope: 'col', text, class: look ?? '' })))]), body]);
const more = link('', () => { all = !all; drawList(); });
const smoother = node('select', { 'aria-label': 'Smoothing of the curves', on: { change: () => { smooth = Number(smoother.value); drawPlots(true); } } }, [[0, 'as measured'], [0.8, 'smoothed'], [0.95, 'smoothed more']].map(([value, text]) => node('option', { value, text })));
const minors = link('all numbers', () => { minor = !minor; minors.setAttribute('aria-expanded', String(minor)); drawPlots(true); });
const plotHead = node('div', { class: 'row spread' }, [node('h3', { text: 'Curves' }), node('span', { class: 'row' }, [smoother, minors])]);
const plots = node('div', { class: 'plots' });
const differs = node('section', { class: 'differs', hidden: true });
const detailPlace = node('section', { class: 'detail', 'aria-label': 'The open run', hidden: true });
root.append(trouble, refused, alarms, empty, node('div', { class: 'row spread' }, [heading, more]), node('div', { class: 'scroll' }, [table]), plotHead, plots, differs, detailPlace);

const ask = async (name, payload) => {
  const said = await server[name](payload);
  if (said.error) throw new Error(said.error);
  return said.value;
};
const mine = () => lines.filter((line) => line.kind === kind);
const lineOfRun = (id) => lines.find((line) => line.id === id);

function address() {
  if (!root.offsetParent) return;
  const address = addressOf('train');
  address.set('tab', 'train'); address.set('kind', kind);
  if (opened) address.set('training', opened); else address.delete('training');
  window.history.replaceState(null, '', `?${address}`);
}

// Choosing: the newest three of a kind are laid over one another until somebody chooses others.
function choose(id, yes) {
  if (yes) {
    if (chosen.size >= MOST) chosen.delete(chosen.keys().next().value);
    const used = new Set([...chosen.values()].map((one) => one.colour));
    const colour = Array.from({ length: MOST }, (_, n) => n).find((n) => !used.has(n));
    chosen.set(id, { id, number: colour + 1, colour, series: new Map(), place: { offset: 0, mark: '' } });
    dropped.delete(id);
    readCard(id);
  } else { chosen.delete(id); dropped.add(id); }
}
function chooseSome() {
  for (const id of [...chosen.keys()]) if (!mine().some((line) => line.id === id)) chosen.delete(id);
  // One that was not there yet when the page was opened is chosen as it starts.
  for (const line of mine().slice(0, 3).reverse()) if (!chosen.has(line.id) && !dropped.has(line.id) && (chosen.size < 3 || !ENDED.includes(line.state))) choose(line.id, true);
}
async function readCard(id) {
  try { cards.set(id, await ask('read_card', { run: id })); } catch { return; }
  drawDiffers();
}
function open(id) { opened = id; refuse(''); detail.reset(); address(); drawList(); tick(); }

function take(run, piece) {
  if (piece.anew) run.series.clear();
  for (const [name, points] of Object.entries(piece.series)) {
    const known = run.series.get(name) ?? [];
    if (points.length) while (known.length && known.at(-1)[0] >= points[0][0]) known.pop();
    known.push(...points);
    run.series.set(name, known.length > 1500 ? known.filter((_, n) => n % 2 === 0 || n === known.length - 1) : known);
  }
  run.place = piece.place;
  return piece.anew || Object.keys(piece.series).length > 0;
}

let busy = false;
async function tick() {
  if (busy || !root.offsetParent || document.hidden) return;
  busy = true;
  try {
    const asked = { stamp, curves: Object.fromEntries([...chosen].map(([id, run]) => [id, run.place])), opened, ...detail.place() };
    const before = opened;
    const said = await ask('watch', asked);
    mayWrite = said.may_write; setShown(trouble, false);
    if (said.lines) { lines = said.lines; stamp = said.stamp; chooseSome(); if (!opened || !lineOfRun(opened) || lineOfRun(opened).kind !== kind) { const first = mine()[0]?.id ?? ''; if (first !== opened) { opened = first; detail.reset(); address(); } } drawAll(); }
    heard = true;
    let changed = false;
    for (const [id, piece] of Object.entries(said.curves)) if (chosen.has(id)) changed = take(chosen.get(id), piece) || changed;
    if (changed) drawPlots();
    if (before === opened) detail.take(said);
  } catch (error) {
    setText(trouble, `${error.message || 'The app does not answer.'} Runs go on without it; this page asks again.`);
    setShown(trouble, true);
  } finally { busy = false; }
  if (lines.length && [...chosen.values()].some((run) => !run.place.offset && !run.asked)) { for (const run of chosen.values()) run.asked = true; tick(); }
}

async function act(what, id) {
  try { await ask('act', { run: id, act: what }); refuse(''); } catch (error) { refuse(error.message); return; }
  stamp = ''; tick();
}

function row(line) {
  let it = rows.get(line.id);
  if (!it) {
    it = { pick: node('input', { type: 'checkbox', on: { change: () => { choose(line.id, it.pick.checked); drawList(); drawPlots(true); drawDiffers(); tick(); } } }), mark: node('i', { class: 'mark' }), name: node('button', { type: 'button', class: 'read', on: { click: () => open(line.id) } }), id: node('span', { class: 'meta' }), state: node('span', { class: 'tag' }), bar: node('i'), part: node('span'), numbers: node('td', { class: 'meta figures' }), time: node('td', { class: 'n meta' }) };
    it.element = node('tr', { 'data-run': line.id }, [node('td', { class: 'pick' }, [node('label', {}, [it.pick, it.mark])]), node('td', {}, [it.name, it.id]), node('td', {}, [it.state]), node('td', { class: 'n' }, [it.part, node('span', { class: 'thin' }, [it.bar])]), it.numbers, it.time]);
    rows.set(line.id, it);
  }
  const run = chosen.get(line.id);
  it.pick.checked = Boolean(run);
  it.pick.setAttribute('aria-label', `Show the curves of ${line.title}`);
  it.mark.className = `mark ${run ? `r${run.colour}` : 'none'}`; setText(it.mark, run ? String(run.number) : '');
  setText(it.name, line.title); setText(it.id, line.id);
  it.element.setAttribute('aria-selected', String(line.id === opened));
  setText(it.state, line.state === 'queued' && line.place ? `waiting, ${line.place}.` : STATES[line.state] ?? line.state);
  it.state.className = `tag ${TONES[line.state] ?? ''}`;
  const share = line.total ? Math.min(1, line.done / line.total) : 0;
  setText(it.part, line.total ? `${line.done.toLocaleString('en')} / ${line.total.toLocaleString('en')}` : '');
  it.bar.style.width = `${100 * share}%`;
  setText(it.numbers, headline(line.metrics).map(([name, value]) => `${spoken(name)} ${few(value)}`).join(' · '));
  const took = line.started ? (line.ended ?? Date.now() / 1000) - line.started : null;
  setText(it.time, line.eta_s !== null && line.state === 'running' ? `${clock(line.eta_s)} left` : took !== null ? clock(took) : when(line.created));
  return it.element;
}
// Held-out numbers first: they are what a run is compared by.
const FIRST = ['ai_accuracy', 'helpful_accuracy', 'checked_accuracy', 'held_out_loss', 'held_out_pm', 'test_pm', 'kl', 'harm', 'helpfulness', 'held_out_accuracy', 'loss'];
const headline = (metrics) => { const known = Object.entries(metrics).filter(([name]) => !QUIET.has(name) && name !== 'lr'); const place = ([name]) => { const n = FIRST.indexOf(name); return n < 0 ? FIRST.length : n; }; return known.sort((a, b) => place(a) - place(b)).slice(0, kind === 'rl' ? 4 : 3); };

function drawList() {
  const found = mine();
  setText(heading, `${names[kind] ?? 'Trainings'}: ${plural(found.length, 'run')}`);
  const shown = found.filter((line, n) => all || n < SHOWN || line.id === opened || chosen.has(line.id) || !ENDED.includes(line.state));
  for (const [id, it] of rows) if (!shown.some((line) => line.id === id)) { it.element.remove(); rows.delete(id); }
  shown.forEach((line, n) => { const element = row(line); if (body.children[n] !== element) body.insertBefore(element, body.children[n] ?? null); });
  setText(more, all ? 'fewer' : `${found.length - shown.length} older`);
  setShown(more, all || found.length > shown.length);
  for (const one of [heading, table, plotHead, plots]) setShown(one, found.length > 0);
  setShown(empty, heard && !found.length);
}
function drawAlarms() {
  const stopped = mine().filter((line) => line.state === 'paused' || (['failed', 'dead'].includes(line.state) && line.id === mine()[0].id));
  if (unchanged(alarms, [mayWrite, stopped.slice(0, 3).map(({ id, title, state, note, error }) => [id, title, state, note, error])])) return;
  alarms.replaceChildren(...stopped.slice(0, 3).map((line) => node('div', { class: `note ${line.state === 'paused' ? 'warn' : 'bad'}`, role: 'alert' }, [
    node('b', { text: `${line.title} ${line.state === 'paused' ? 'was paused by an alarm' : line.state === 'dead' ? 'died' : 'failed'}: ` }), node('span', { text: line.note && line.state === 'paused' ? line.note : line.error || line.note || 'no reason was written' }),
    node('span', { class: 'row' }, [mayWrite && btn('Resume', () => act('resume', line.id), 'Go on from the last checkpoint'), link('open', () => open(line.id))].filter(Boolean))])));
}
function drawEmpty() {
  if (unchanged(empty, [kind, names[kind], mayWrite])) return;
  const start = (text, sub, name) => node('button', { type: 'button', class: 'step', on: { click: () => trigger('begin', { name }) } }, [node('b', { text }), node('span', { text: sub })]);
  const texts = { helpful: 'Fine-tune on helpful answers: the model that the method starts from.', 'sl-cai': 'Fine-tune on revisions: chains of critique and revision are its data.', preference: 'Learn a score from comparisons: AI labels of harmlessness, people’s or reference labels of helpfulness.', rl: 'Let a policy gain reward from a preference model, held near where it starts.', dpo: 'Learn from the labels at once, without a preference model: the cheap baseline.', distill: 'Teach a model to answer without its preamble as it does with it.' };
  empty.replaceChildren(node('h3', { text: `No ${names[kind] ?? ''} run yet` }), node('p', { text: `${texts[kind] ?? ''} Press Start on the left: what it needs, and what it would take, is said there.` }), ...(mayWrite && ['preference', 'dpo'].includes(kind) ? [node('p', { class: 'row' }, [demoButton(), node('span', { class: 'meta', text: 'AI labels to learn from, ready made.' })])] : []),
    node('div', { class: 'steps' }, [start('Generate chains', 'Eight prompts, two rounds of revision each, as a run of a minute or two.', 'chains'), start('Label pairs', 'The built-in comparisons, judged in both orders, as a run.', 'labels'), start('Import comparisons', 'Your own or published pairs, on the Data tab.', 'data')]));
}

const drawn = new Map();
function drawPlots(anew = false) {
  const runs = [...chosen.values()].filter((run) => run.series.size).sort((a, b) => a.number - b.number);
  const wanted = plotsOf(runs, kind).filter((plot) => minor || !plot.minor);
  const keys = new Set(wanted.map((plot) => plot.title));
  for (const [key, it] of drawn) if (!keys.has(key)) { it.element.remove(); drawn.delete(key); }
  wanted.forEach((plot, n) => {
    let it = drawn.get(plot.title);
    if (!it) { it = chart(plot); drawn.set(plot.title, it); }
    it.plot = plot;
    if (plots.children[n] !== it.element) plots.insertBefore(it.element, plots.children[n] ?? null);
    it.draw(runs, smooth);
  });
  root.dataset.points = String(runs.reduce((sum, run) => sum + (run.series.get('loss') ?? run.series.get('reward') ?? []).length, 0));
  setShown(plotHead, mine().length > 0 && wanted.length > 0);
}

// Settings, data and provenance in which the chosen runs differ; what is alike is not repeated.
function drawDiffers() {
  const known = [...chosen.values()].filter((run) => cards.has(run.id)).sort((a, b) => a.number - b.number);
  setShown(differs, known.length > 1);
  if (known.length < 2) return;
  const flat = (card) => ({ ...card.options, ...card.provenance, ...card.inputs });
  const all = known.map((run) => flat(cards.get(run.id)));
  if (unchanged(differs, [all, known.map((run) => [run.id, run.number, run.colour, lineOfRun(run.id)?.title])])) return;
  const keys = [...new Set(all.flatMap(Object.keys))].filter((key) => new Set(all.map((one) => JSON.stringify(one[key] ?? null))).size > 1 && key !== 'name');
  differs.replaceChildren(node('h3', { text: keys.length ? 'What differs between them' : 'Their settings and data are the same' }), keys.length ? node('div', { class: 'scroll' }, [node('table', {}, [node('thead', {}, [node('tr', {}, [node('th', { scope: 'col', text: '' }), ...known.map((run) => node('th', { scope: 'col' }, [node('i', { class: `mark r${run.colour}`, text: String(run.number) }), ` ${lineOfRun(run.id)?.title ?? ''}`]))])]),
    node('tbody', {}, keys.map((key) => node('tr', {}, [node('th', { scope: 'row', text: spoken(key) }), ...all.map((one) => node('td', { text: brief(one[key]), title: String(one[key] ?? '') }))])))])]) : '');
}
const brief = (value) => { if (value === null || value === undefined || value === '') return '–'; const text = typeof value === 'object' ? JSON.stringify(value) : String(value); return /^[0-9a-f]{40,}$/.test(text) ? `${text.slice(0, 12)}…` : text.length > 60 ? `${text.slice(0, 58)}…` : text; };

function drawAll() { drawEmpty(); drawAlarms(); drawList(); drawPlots(true); drawDiffers(); }

window.addEventListener('cw-train-kind', (event) => {
  if (event.detail.names) names = event.detail.names;
  if (event.detail.kind === kind && heard) { drawAll(); return; }
  kind = event.detail.kind; all = false; refuse(''); chosen.clear(); dropped.clear(); stamp = '';
  if (!lineOfRun(opened) || lineOfRun(opened).kind !== kind) { opened = heard ? mine()[0]?.id ?? '' : opened; detail.reset(); }
  chooseSome(); address(); drawAll(); tick();
});
window.addEventListener('cw-train-begin', (event) => trigger('begin', { name: event.detail }));
window.addEventListener('cw-train-started', (event) => { opened = event.detail; detail.reset(); stamp = ''; dropped.clear(); tick(); });
window.addEventListener('cw-run-done', () => { stamp = ''; tick(); });
