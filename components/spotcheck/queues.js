// The list of queues: who rates how far, links made, shown once and taken back.
const RULES = { uniform: 'uniform', confidence: 'by AI confidence', principle: 'by principle', disagreement: 'by disagreement' };
const percent = (p) => `${Number((100 * p).toPrecision(3))} %`;
const number = (n) => n.toLocaleString('en');
const day = (text) => new Date(text).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
let view = null;
let link = null;
let fresh = '';
let asking = ''; // the queue that is about to be closed
let drawn = ''; // what the server had said, as JSON

const note = node('div', { class: 'note bad', role: 'alert', hidden: true });
const list = node('div', { class: 'list' });
root.append(note, list);

async function ask(name, payload = {}) {
  try {
    const said = await server[name](payload);
    if (said?.error) throw new Error(said.error);
    setShown(note, false);
    return said.value;
  } catch (error) {
    setText(note, error.message || 'No connection. Try again in a moment.');
    setShown(note, true);
    return null;
  }
}
async function refresh() {
  const found = await ask('overview');
  if (found) draw(found);
}
// By the clock: nothing is taken from whoever types a name, and no error that is being read goes.
async function follow() {
  const said = await Promise.resolve(server.overview({})).catch(() => null);
  if (!said?.value || JSON.stringify(said.value) === drawn) return;
  if (![...list.querySelectorAll('input:not([readonly])')].some((one) => one.value)) draw(said.value);
}

async function invite(queue, name) {
  const said = await ask('invite', { queue: queue.id, rater: name });
  if (!said) return;
  const { link: made, ...found } = said;
  link = { ...made, queue: queue.id, url: `${window.location.origin}${made.path}` };
  draw(found);
  root.querySelector('.once input')?.select();
}
async function revoke(queue, name) {
  const found = await ask('revoke', { queue: queue.id, rater: name });
  if (found) { if (link?.rater === name && link.queue === queue.id) link = null; draw(found); }
}

async function close(queue) {
  asking = '';
  const found = await ask('close', { queue: queue.id });
  if (found) draw(found);
}
async function reopen(queue) {
  const found = await ask('reopen', { queue: queue.id });
  if (found) draw(found);
}
// What closing means, said before it is done.
function sure(queue) {
  if (asking !== queue.id) return null;
  const kept = hasAnswers(queue);
  const words = kept ? 'Raters get no more pairs of it. Every answer stays, in Agreement too, and it can be opened again.' : 'Nobody has answered in it, so it is deleted, with its links.';
  return node('div', { class: 'note row', role: 'alert' }, [node('span', { text: words }), node('button', { type: 'button', class: 'btn', text: kept ? 'Close it' : 'Delete it', on: { click: () => close(queue) } }),
    node('button', { type: 'button', class: 'link', text: 'leave it', on: { click: () => { asking = ''; draw(view); } } })]);
}
const hasAnswers = (queue) => queue.answered; // one taken back counts, as it does where it is closed
const answered = (queue) => queue.raters.reduce((sum, one) => sum + one.progress.answered, 0);

function person(queue, one) {
  const { answered, skipped, left, repeats, repeat_rate: rate, median_lead_ms: lead } = one.progress;
  const done = answered + skipped;
  const small = (text, act) => node('button', { type: 'button', class: 'link', text, 'aria-label': `${text}: ${one.name}`, on: { click: act } });
  const state = { open: `link works until ${day(one.expires)}`, expired: 'link has expired', revoked: 'link taken back' }[one.invite] ?? 'rates on this page';
  return node('tr', { 'data-rater': one.name }, [
    node('td', {}, [node('b', { text: one.name }), one.name === view.me && node('span', { class: 'meta', text: ' (you)' })].filter(Boolean)),
    node('td', {}, [node('div', { class: 'far' }, [node('progress', { max: Math.max(1, done + left), value: done, 'aria-label': `${done} of ${done + left}` }), node('span', { class: 'n', text: `${done} of ${done + left}` })])]),
    node('td', { class: 'n', text: skipped ? `${skipped} skipped` : '' }),
    node('td', { class: 'n', text: lead === null ? '' : `median ${(lead / 1000).toFixed(1)} s`, title: 'Half of the answers took less' }),
    node('td', { class: 'n', text: repeats ? `${Math.round(rate * repeats)} of ${repeats} the same` : '', title: 'Pairs shown twice, sides exchanged' }),
    node('td', {}, [node('span', { class: 'meta', text: state })]),
    node('td', { class: 'acts' }, [
      view.invites && one.invite && small('new link', () => invite(queue, one.name)),
      one.invite === 'open' && small('revoke', () => revoke(queue, one.name))].filter(Boolean))]);
}

function once(queue) {
  if (link?.queue !== queue.id) return null;
  const field = node('input', { type: 'text', readonly: true, value: link.url, 'aria-label': `Link for ${link.rater}` });
  return node('div', { class: 'note once' }, [node('p', {}, ['Link for ', node('b', { text: link.rater }), `, shown this once and good until ${day(link.expires)}. Whoever has it rates as ${link.rater}.`]),
    node('div', { class: 'row' }, [field, node('button', { type: 'button', class: 'btn go', text: 'Copy', on: { click: (event) => copyText(link.url, event.currentTarget) } })])]);
}

function inviting(queue) {
  if (!view.invites) return null;
  const name = node('input', { type: 'text', placeholder: 'Name of a rater', maxlength: 60, 'aria-label': `Name of a rater for ${queue.name}` });
  const form = node('form', { class: 'row', on: { submit: (event) => { event.preventDefault(); if (name.value.trim()) invite(queue, name.value); else name.focus(); } } }, [
    name, node('button', { type: 'submit', class: 'btn', text: 'Invite' })]);
  return form;
}

function card(queue) {
  const span = percent(queue.low) === percent(queue.high) ? `chance ${percent(queue.low)}` : `chances ${percent(queue.low)} to ${percent(queue.high)}`;
  const facts = [`${number(queue.drawn)} drawn of ${number(queue.pool)}`, span, RULES[queue.rule] ?? queue.rule, queue.source && `from ${queue.source}`, `labels of ${queue.ai}`, queue.pm && `against ${queue.pm}`,
    queue.overlap && `${percent(queue.overlap)} seen by all`, queue.reveal === 'item' ? 'AI answers on request' : 'AI answers at the end'];
  const tools = [
    queue.closed ? node('button', { type: 'button', class: 'link', text: 'open again', on: { click: () => reopen(queue) } })
      : node('button', { type: 'button', class: 'link', text: hasAnswers(queue) ? 'close…' : 'delete…', 'aria-label': `${hasAnswers(queue) ? 'Close' : 'Delete'} ${queue.name}`, on: { click: () => { asking = asking === queue.id ? '' : queue.id; draw(view); root.querySelector('.queue .note.row .btn')?.focus(); } } }),
    answered(queue) > 0 && node('button', { type: 'button', class: 'btn', text: 'Agreement', title: 'What these answers say of the AI', on: { click: () => trigger('agree', { queue: queue.id }) } }),
    !queue.closed && node('button', { type: 'button', class: 'btn', text: 'Rate here', title: `As ${view.me}, blinded by this page only`, on: { click: () => window.dispatchEvent(new CustomEvent('cw-rate', { detail: queue.id })) } })];
  return node('article', { class: `queue ${queue.id === fresh ? 'fresh' : ''} ${queue.closed ? 'closed' : ''}`, 'data-queue': queue.id, 'aria-label': queue.name }, [
    node('header', {}, [node('h3', { text: queue.name }), queue.closed && node('span', { class: 'tag', text: 'closed' }), node('span', { class: 'tools' }, tools.filter(Boolean))].filter(Boolean)),
    sure(queue),
    node('p', { class: 'meta', text: facts.filter(Boolean).join(' · ') }),
    queue.raters.length > 0 && node('div', { class: 'scroll' }, [node('table', {}, [node('thead', { class: 'cw-hidden' }, [node('tr', {}, ['rater', 'progress', 'skipped', 'median time', 'repeats', 'link', ''].map((text) => node('th', { scope: 'col', text })))]),
      node('tbody', {}, queue.raters.map((one) => person(queue, one)))])]),
    once(queue), !queue.closed && inviting(queue)].filter(Boolean));
}

const empties = ({ command }) => ({
  unlabelled: ['No AI has labelled anything yet', `A spot-check is drawn from pairs that an AI has judged. Take those that ship, or label some of your own first, on the Data tab or by: ${command} label --pairs pairs --limit 200. Then draw here.`],
  visitor: ['Spot-checks are kept on your own machine', 'This demo keeps nothing. Run your own copy to draw a sample, invite raters and rate.'],
  ready: ['No queue yet', 'Choose whose labels to check and press Draw: pairs are drawn by chance, each with a chance that is known and kept.'],
});

// What has the keyboard is drawn anew, so its successor takes it: the same words in the same queue.
const called = (one) => one.getAttribute('aria-label') ?? one.textContent;
function focused() {
  const one = list.contains(document.activeElement) ? document.activeElement : null;
  const queue = one?.closest('.queue')?.dataset.queue;
  return () => one && [...list.querySelectorAll(`.queue[data-queue="${queue}"] :is(button, input)`)].find((two) => called(two) === called(one))?.focus({ preventScroll: true });
}

function draw(found) {
  const refocus = focused();
  redraw(found);
  refocus();
}

function redraw(found) {
  view = found;
  drawn = JSON.stringify(found);
  root.dataset.ready = 'true';
  if (!view.queues.length) {
    const known = empties(view);
    const [heading, text] = known[view.state] ?? known.ready;
    list.replaceChildren(node('div', { class: 'empty' }, [node('h3', { text: heading }), node('p', { text }), ...(view.state === 'unlabelled' ? [demoButton(() => trigger('shown', {}))] : [])]));
    return;
  }
  const [open, closed] = [view.queues.filter((one) => !one.closed), view.queues.filter((one) => one.closed)];
  const shut = list.querySelector('details.shut')?.open ?? !open.length;
  list.replaceChildren(...open.map(card), ...(closed.length ? [node('details', { class: 'shut', open: shut }, [node('summary', { text: plural(closed.length, 'closed queue') }), node('div', { class: 'list' }, closed.map(card))])] : []), ...(view.invites ? [] : [node('div', { class: 'note' }, [
    node('b', { text: 'Raters are invited to a page with a login. ' }), 'Without one they could open this page and look up what the AI said. Start it so: ',
    node('code', { text: `${view.start} --auth user:password` }), '. You can rate here yourself; those labels say that only the page kept the AI\'s answers from you.'])]));
}

start((value) => { if (value?.drawn) { fresh = value.drawn; link = null; } refresh(); });
trigger('shown', {});
window.addEventListener('cw-rated', refresh);
window.addEventListener('cw-agree', (event) => trigger('agree', { queue: event.detail }));
// While somebody looks, others may be rating.
setInterval(() => { if (root.offsetParent && !document.hidden && !document.querySelector('dialog[open]')) follow(); }, 5000);
