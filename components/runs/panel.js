// The Runs panel. Runs are kept by id, and nodes are only changed, so that a list that grows
// moves no selection, and a log that is being read stays where it is.
const LIVE = ['starting', 'running', 'stopping'];
const WORDS = { queued: 'waiting', starting: 'starting…', stopping: 'stopping…' };
const TONES = { done: 'good', failed: 'bad', dead: 'bad' };
const MOST_LOG = 200000; // characters kept in the page
const rows = new Map();
let view = null;
let chosen = new URLSearchParams(window.location.search).get('run') ?? '';
let asking = '';
let logTo = null;

const link = (text, act, title) => node('button', { type: 'button', class: 'link', text, title, on: { click: act } });
const btn = (text, act, title) => node('button', { type: 'button', class: 'btn', text, title, on: { click: act } });
const list = node('ul', { 'aria-label': 'Runs, the newest first' });
const older = node('p', { class: 'meta' });
const none = node('div', { class: 'empty' }, [node('h3', { text: 'No runs yet' }),
  node('p', { text: 'Long work is a run: it goes on when this page is closed. Start one on the Data tab.' })]);
const note = node('p', { class: 'note bad', role: 'status' });

const name = node('h3');
const state = node('span', { class: 'tag' });
const meter = node('progress', { max: 1, 'aria-label': 'progress' });
const figures = node('p', { class: 'figures' });
const why = node('p', { class: 'why', role: 'status' });
const numbers = node('dl');
const spread = node('div', { class: 'spreads' });
const retryButton = btn('Retry', () => act('retry'), 'A new run that asks only those again, in the same way');
const stopButton = btn('Stop', () => act('stop'), 'Save what is there and end');
const killLink = link('kill…', () => ask('kill'), 'End the process at once');
const resumeButton = btn('Resume', () => act('resume'), 'Go on from the last checkpoint');
const deleteLink = link('delete…', () => ask('delete'), 'Remove the folder of this run');
const sure = node('span', { class: 'sure', role: 'alert' });
const log = node('pre', { tabindex: 0, class: 'log', 'aria-label': 'Log' });
const command = node('pre', { tabindex: 0 });
const config = node('pre', { tabindex: 0 });
const folder = node('span', { class: 'meta' });
const more = node('details', {}, [node('summary', { text: 'command and settings' }),
  node('div', { class: 'row' }, [node('span', { class: 'meta', text: 'The very command; anybody may type it' }),
    link('copy', (event) => copyText(command.textContent, event.currentTarget))]),
  command, node('div', { class: 'row' }, [node('span', { class: 'meta', text: 'config.yaml' }), folder]), config]);
const detail = node('section', { 'aria-label': 'The chosen run' }, [
  node('header', {}, [name, state]), meter, figures, why,
  node('div', { class: 'row' }, [stopButton, resumeButton, retryButton, killLink, deleteLink, sure]),
  numbers, spread, node('div', { class: 'logs' }, [node('div', { class: 'row' }, [node('span', { class: 'meta', text: 'Log' }),
    link('copy', (event) => copyText(log.textContent, event.currentTarget))]), log]), more]);
const panel = node('div', { id: 'cw-runs', class: 'sheet', popover: 'auto', role: 'dialog', 'aria-label': 'Runs' }, [
  note, none, node('div', { class: 'both' }, [node('nav', {}, [list, older]), detail])]);
root.append(panel);

const clock = (seconds) => {
  const s = Math.max(0, Math.round(seconds)), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return h ? `${h}:${String(m).padStart(2, '0')}:${String(s % 60).padStart(2, '0')}` : `${m}:${String(s % 60).padStart(2, '0')}`;
};
const when = (seconds) => new Date(seconds * 1000).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
const few = (x) => x >= 100 ? Math.round(x).toLocaleString('en') : Number(x.toPrecision(3)).toString();
const share = (run) => run.total ? Math.min(1, run.done / run.total) : null;

function address() {
  const query = new URLSearchParams(window.location.search);
  if (panel.matches(':popover-open') && chosen) query.set('run', chosen); else query.delete('run');
  window.history.replaceState(null, '', `?${query}`);
}
function choose(id) {
  chosen = id; asking = '';
  drawAsk(); address();
  trigger('choose', { run: id });
}
// Of the run that is shown: the one chosen last may still be on its way.
function act(what) { asking = ''; trigger(what, { run: detail.dataset.run }); drawAsk(); }
function ask(what) { asking = asking === what ? '' : what; drawAsk(); sure.querySelector('button')?.focus(); }
function drawAsk() {
  const words = { kill: 'What it wrote since its last checkpoint is done again by Resume.', delete: 'Its folder goes: log, checkpoints and, of a training, its adapter. Rows in the store stay, and so does a named copy of an adapter.' };
  sure.replaceChildren(...(asking ? [node('span', { text: words[asking] }),
    btn(asking === 'kill' ? 'Kill it now' : 'Delete it', () => act(asking)), link('leave it', () => { asking = ''; drawAsk(); })] : []));
}

function row(run) {
  let it = rows.get(run.id);
  if (!it) {
    it = { kind: node('b'), state: node('span', { class: 'state' }), when: node('span', { class: 'meta' }), bar: node('i') };
    it.button = node('button', { type: 'button', on: { click: () => choose(run.id) } }, [it.kind, it.state, it.when, node('span', { class: 'thin' }, [it.bar])]);
    it.element = node('li', { 'data-run': run.id }, [it.button]);
    rows.set(run.id, it);
  }
  const part = share(run);
  setText(it.kind, run.kind);
  setText(it.state, LIVE.includes(run.state) && part !== null ? `${Math.floor(100 * part)} %` : WORDS[run.state] ?? run.state);
  it.state.className = `state ${TONES[run.state] ?? ''}`;
  setText(it.when, when(run.created));
  it.bar.style.width = `${100 * (part ?? 0)}%`;
  it.element.className = run.state;
  it.button.setAttribute('aria-current', String(run.id === chosen));
  return it.element;
}

function drawList() {
  const known = new Set(view.runs.map((run) => run.id));
  for (const [id, it] of rows) if (!known.has(id)) { it.element.remove(); rows.delete(id); }
  view.runs.forEach((run, index) => {
    const element = row(run);
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
  setText(older, view.older ? `and ${plural(view.older, 'older run')}, on the Data tab` : '');
}

function drawFigures(info) {
  const took = info.started ? (info.ended ?? Date.now() / 1000) - info.started : null;
  const parts = [info.total ? `${info.done.toLocaleString('en')} of ${info.total.toLocaleString('en')} ${info.unit}` : info.done ? `${info.done} ${info.unit}` : '',
    info.rate && LIVE.includes(info.state) ? `${few(info.rate)} ${info.unit} a second` : '',
    info.eta_s !== null && info.eta_s !== undefined ? `${clock(info.eta_s - (Date.now() / 1000 - info.updated))} left` : '',
    took !== null ? `${info.ended ? 'took' : 'for'} ${clock(took)}` : `created ${when(info.created)}`];
  setText(figures, parts.filter(Boolean).join(' · '));
  setShown(meter, Boolean(info.total));
  meter.value = share(info) ?? 0;
  setText(why, info.error || info.note || '');
  setShown(why, Boolean(why.textContent));
  why.className = `why ${info.error ? 'bad' : ''}`;
}

// What labels look like while they come, by tenths: `p0` to `p9` of P(A), `gap0` to `gap9` of the
// distance between the two orders.
const TENTHS = { p: 'P(A), from 0 to 1', gap: 'gap between the two orders, from 0 to 1' };
const TENTH = new RegExp(`^(${Object.keys(TENTHS).join('|')})\\d$`);
function drawNumbers(info) {
  const plain = Object.entries(info.metrics).filter(([key]) => !TENTH.test(key));
  numbers.replaceChildren(...plain.map(([key, value]) =>
    node('div', {}, [node('dt', { text: key.replaceAll('_', ' ') }), node('dd', { text: few(value) })])));
  spread.replaceChildren(...Object.entries(TENTHS).map(([key, words]) => tenths(info, key, words)).filter(Boolean));
}
function tenths(info, key, words) {
  const counts = Array.from({ length: 10 }, (_, n) => info.metrics[`${key}${n}`] ?? 0);
  const most = Math.max(...counts);
  if (!most) return null;
  return node('figure', { role: 'img', 'aria-label': `Labels by tenths of ${words}: ${counts.join(', ')}` }, [
    node('div', {}, counts.map((count, n) => node('i', { style: `height:${count ? Math.max(2, Math.round((46 * count) / most)) : 0}px`, title: `${(n / 10).toFixed(1)} to ${((n + 1) / 10).toFixed(1)}: ${count}` }))),
    node('figcaption', { text: words })]);
}

function drawButtons(info) {
  const ended = ['stopped', 'paused', 'failed', 'dead', 'done'].includes(info.state);
  setShown(stopButton, view.may_write && !ended);
  stopButton.disabled = info.state === 'stopping';
  setShown(killLink, view.may_write && LIVE.includes(info.state));
  setShown(resumeButton, view.may_write && ended && info.state !== 'done');
  // What is still unscored by now, not what this run had left: a retry may have scored it since.
  const open = view.chosen.unscored ?? 0;
  setShown(retryButton, view.may_write && open > 0);
  setText(retryButton, `Retry the ${plural(open, 'unscored label')}`);
  setShown(deleteLink, view.may_write && ended);
  if ((asking === 'kill' && killLink.hidden) || (asking === 'delete' && deleteLink.hidden)) { asking = ''; drawAsk(); }
}

function drawLog(part) {
  if (logTo !== null && part.start > logTo) trigger('choose', { run: chosen }); // a view was missed
  const low = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  if (logTo === part.start) log.append(part.text);
  else log.textContent = part.text;
  if (log.textContent.length > MOST_LOG) log.textContent = log.textContent.slice(-MOST_LOG / 2);
  logTo = part.to;
  log.classList.toggle('none', !log.textContent);
  if (low || log.scrollTop === 0) log.scrollTop = log.scrollHeight;
}

function drawChosen() {
  const { info } = view.chosen;
  if (info.id !== detail.dataset.run) { logTo = null; asking = ''; drawAsk(); more.open = false; }
  detail.dataset.run = info.id;
  detail.dataset.state = info.state;
  setText(name, info.id);
  setText(state, WORDS[info.state] ?? info.state);
  state.className = `tag ${TONES[info.state] ?? ''}`;
  drawFigures(info); drawNumbers(info); drawButtons(info); drawLog(view.chosen.log);
  setText(command, view.chosen.command);
  setText(config, view.chosen.config);
  setText(folder, info.path);
}

panel.addEventListener('beforetoggle', (event) => {
  if (event.newState !== 'open') return;
  const bar = document.querySelector('.cw.header');
  panel.style.top = `${(bar ? Math.max(0, bar.getBoundingClientRect().bottom) : 50) + 6}px`;
});
panel.addEventListener('toggle', (event) => {
  logTo = null;
  address();
  trigger(event.newState === 'open' ? 'opened' : 'closed', { run: chosen });
});
// Whoever starts a run, or shows one, asks for it by id.
window.addEventListener('cw-run', (event) => {
  chosen = event.detail;
  if (panel.matches(':popover-open')) choose(chosen); else panel.showPopover();
});

start((value) => {
  view = value;
  // A browser that is ahead of its server (which was started again) says which run is open.
  if (view?.chosen && chosen && view.chosen.info.id !== chosen && view.runs.some((run) => run.id === chosen)) {
    trigger('choose', { run: chosen });
    return;
  }
  if (!view) return;
  // Before the first answer, what the link asked for stays chosen.
  if (view.chosen || view.message) chosen = view.chosen?.info.id ?? '';
  setText(note, view.message);
  setShown(note, Boolean(view.message));
  setShown(none, !view.runs.length && !view.message);
  panel.classList.toggle('bare', !view.runs.length);
  drawList();
  setShown(detail, Boolean(view.chosen));
  if (view.chosen) drawChosen();
  if (panel.matches(':popover-open')) address();
});
// Time goes on between two views.
setInterval(() => { if (panel.matches(':popover-open') && LIVE.includes(view?.chosen?.info.state)) drawFigures(view.chosen.info); }, 1000);
// The script may run before its element is on the page.
const openLinked = () => (panel.isConnected ? panel.showPopover() : requestAnimationFrame(openLinked));
if (chosen) openLinked();
