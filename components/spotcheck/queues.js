// The list of queues: who rates how far, links made, shown once and taken back.
const RULES = { uniform: 'uniform', confidence: 'by AI confidence', principle: 'by principle', disagreement: 'by disagreement' };
const percent = (p) => `${Number((100 * p).toPrecision(3))} %`;
const number = (n) => n.toLocaleString('en');
const day = (text) => new Date(text).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
let view = null;
let link = null;
let fresh = '';

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

async function invite(queue, name) {
  const found = await ask('invite', { queue: queue.id, rater: name });
  if (!found) return;
  link = { ...found.link, queue: queue.id, url: `${window.location.origin}${found.link.path}` };
  draw(found);
  root.querySelector('.once input')?.select();
}
async function revoke(queue, name) {
  const found = await ask('revoke', { queue: queue.id, rater: name });
  if (found) { if (link?.rater === name && link.queue === queue.id) link = null; draw(found); }
}

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
  const facts = [`${number(queue.drawn)} drawn of ${number(queue.pool)}`, span, RULES[queue.rule] ?? queue.rule, queue.source && `from ${queue.source}`, `labels of ${queue.ai}`,
    queue.overlap && `${percent(queue.overlap)} seen by all`, queue.reveal === 'item' ? 'AI answers on request' : 'AI answers at the end'];
  return node('article', { class: `queue ${queue.id === fresh ? 'fresh' : ''}`, 'data-queue': queue.id, 'aria-label': queue.name }, [
    node('header', {}, [node('h3', { text: queue.name }), node('span', { class: 'tools' }, [
      node('button', { type: 'button', class: 'btn', text: 'Rate here', title: `As ${view.me}, blinded by this page only`, on: { click: () => window.dispatchEvent(new CustomEvent('cw-rate', { detail: queue.id })) } })])]),
    node('p', { class: 'meta', text: facts.filter(Boolean).join(' · ') }),
    queue.raters.length > 0 && node('div', { class: 'scroll' }, [node('table', {}, [node('thead', { class: 'cw-hidden' }, [node('tr', {}, ['rater', 'progress', 'skipped', 'median time', 'repeats', 'link', ''].map((text) => node('th', { scope: 'col', text })))]),
      node('tbody', {}, queue.raters.map((one) => person(queue, one)))])]),
    once(queue), inviting(queue)].filter(Boolean));
}

const EMPTY = {
  unlabelled: ['No AI has labelled anything yet', 'A spot-check is drawn from pairs that an AI has judged. Take those that ship, or label some of your own first, on the Data tab or by: python -m cai_app label --pairs pairs --limit 200. Then draw here.'],
  visitor: ['Spot-checks are kept on your own machine', 'This demo keeps nothing. Run your own copy to draw a sample, invite raters and rate.'],
  ready: ['No queue yet', 'Choose whose labels to check and press Draw: pairs are drawn by chance, each with a chance that is known and kept.'],
};

function draw(found) {
  view = found;
  root.dataset.ready = 'true';
  const typing = root.contains(document.activeElement) && document.activeElement.matches('input:not([readonly])');
  if (typing && document.activeElement.value && !link) return;
  if (!view.queues.length) {
    const [heading, text] = EMPTY[view.state] ?? EMPTY.ready;
    list.replaceChildren(node('div', { class: 'empty' }, [node('h3', { text: heading }), node('p', { text }), ...(view.state === 'unlabelled' ? [demoButton(() => trigger('shown', {}))] : [])]));
    return;
  }
  list.replaceChildren(...view.queues.map(card), ...(view.invites ? [] : [node('div', { class: 'note' }, [
    node('b', { text: 'Raters are invited to a page with a login. ' }), 'Without one they could open this page and look up what the AI said. Start it so: ',
    node('code', { text: 'python app.py --auth user:password' }), '. You can rate here yourself; those labels say that only the page kept the AI\'s answers from you.'])]));
}

start((value) => { if (value?.drawn) { fresh = value.drawn; link = null; } refresh(); });
trigger('shown', {});
window.addEventListener('cw-rated', refresh);
// While somebody looks, others may be rating.
setInterval(() => { if (root.offsetParent && !document.hidden && !document.querySelector('dialog[open]')) refresh(); }, 5000);
