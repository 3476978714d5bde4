// The verdict: a sentence, and one row a principle with both orders marked on its bar.
const fixed = (p) => p === null || p === undefined ? '·' : p.toFixed(2);
const percent = (p) => `${(100 * p).toFixed(p > 0 && p < 0.01 ? 1 : 0)} %`;
const FIRST = { a: 'A shown first', b: 'B shown first' };
const link = linkOf('judge');
const open = new Map(); // principle id -> whether somebody opened or closed its reasoning
const kept = new Map(); // principle id -> its rows, made anew only where they say something else
let view = null;
let announced = '';

const notes = node('div', { class: 'notes' });
const summary = node('div', { class: 'summary' });
const table = node('table', {}, [node('thead', {}, [node('tr', {}, [
  node('th', { scope: 'col', text: 'Principle' }),
  node('th', { scope: 'col', text: 'chance that A is better (orders marked)', title: 'Filled to the mean of both orders; a line marks each order.' }),
  node('th', { scope: 'col', class: 'n', text: 'P(A)' }),
  node('th', { scope: 'col', class: 'n', text: 'gap', title: 'How far the two orders lie apart' }),
  node('th', { scope: 'col', class: 'n', text: 'lost mass', title: 'Probability that went to neither (A) nor (B)' })])])]);
const body = node('tbody');
const writing = node('div', { class: 'writing' });
const foot = node('div', { class: 'foot' });
const live = node('div', { class: 'cw-hidden', 'aria-live': 'polite' });
table.append(body);
root.append(notes, summary, table, writing, foot, live);

function bar(mean, orders, clamp) {
  const described = orders.map((one) => `${FIRST[one.first]}: ${fixed(one.p_a)}`).join(', ');
  const at = (p) => `left:${(100 * p).toFixed(2)}%`;
  return node('div', { class: 'bar', role: 'img', 'aria-label': `P(A) ${fixed(mean)}; ${described}`, title: described }, [
    clamp && node('span', { class: 'clamp', style: `${at(clamp[0])};width:${100 * (clamp[1] - clamp[0])}%` }),
    node('u', { style: `width:${(100 * mean).toFixed(2)}%` }),
    node('em'),
    ...orders.filter((one) => one.p_a !== null).map((one) => node('s', { class: one.first, style: at(one.p_a) }))]);
}

const gapOf = (orders) => {
  const ps = orders.map((one) => one.p_a).filter((p) => p !== null);
  return ps.length === 2 ? Math.abs(ps[0] - ps[1]) : null;
};
const lostOf = (orders) => {
  const all = orders.map((one) => one.lost_mass).filter((x) => x !== null);
  return all.length ? all.reduce((a, b) => a + b) / all.length : null;
};

function rationales(one) {
  const parts = one.orders.filter((order) => order.rationale).map((order) => node('div', {}, [
    node('span', { class: 'meta', text: `${FIRST[order.first]} · P(A) ${fixed(order.p_a)}${order.unscored_reason ? ` · unscored: ${order.unscored_reason}` : ''}` }),
    node('p', { text: order.rationale.trim() })]));
  if (!parts.length) return null;
  const details = node('details', {}, [
    node('summary', { text: 'reasoning', on: { click: () => open.set(one.id, !details.open) } }), node('div', { class: 'pair' }, parts)]);
  return node('tr', { class: 'why' }, [node('td', { colspan: 5 }, [details])]);
}

function row(one) {
  const scored = one.p_a !== null;
  const cells = [
    node('td', {}, [node('span', { class: 'question', text: one.question }), ' ', node('span', { class: 'meta id', text: one.id })]),
    node('td', {}, [scored ? bar(one.p_a, one.orders, view.clamp)
      : node('span', { class: 'tag bad', text: `unscored: ${one.unscored_reason ?? 'no reason given'}` })]),
    node('td', { class: 'n', text: fixed(one.p_a) }),
    node('td', { class: 'n', text: fixed(gapOf(one.orders)) }),
    node('td', { class: 'n', text: lostOf(one.orders) === null ? '·' : percent(lostOf(one.orders)) })];
  return [node('tr', {}, cells), rationales(one)].filter(Boolean);
}
// Text comes 25 times a second: rows of principles that are done stay as they are, so that a click
// on one meets what it was aimed at. The only one's reasoning is open, unless somebody closed it.
function drawRows() {
  const elements = view.principles.flatMap((one) => {
    const key = JSON.stringify([one, view.clamp]);
    if (kept.get(one.id)?.key !== key) kept.set(one.id, { key, rows: row(one) });
    const { rows } = kept.get(one.id);
    const details = rows[1]?.querySelector('details');
    if (details) details.open = open.get(one.id) ?? view.principles.length === 1;
    return rows;
  });
  elements.forEach((element, n) => { if (body.children[n] !== element) body.insertBefore(element, body.children[n] ?? null); });
  while (body.children.length > elements.length) body.lastChild.remove();
}

function sentence(p) {
  if (p >= 0.45 && p <= 0.55) return ['About even', ''];
  return p > 0.5 ? ['A is better', 'a'] : ['B is better', 'b'];
}

function drawSummary() {
  const verdict = view.verdict;
  setShown(summary, Boolean(verdict));
  if (!verdict) return;
  if (verdict.p_a === null) {
    summary.className = 'summary';
    summary.replaceChildren(node('h3', { text: 'Unscored' }), node('p', { text: verdict.unscored_reason ?? '' }));
    return;
  }
  const [words, side] = sentence(verdict.p_a);
  const scored = verdict.principles.filter((one) => one.p_a !== null).length;
  const left = verdict.principles.length - scored;
  const basis = `mean of ${plural(scored, 'principle')}, both orders${left ? ` · ${left} unscored` : ''}${view.clamp ? ` · clamped to ${view.clamp.map((p) => 100 * p).join('–')} %` : ''}`;
  summary.className = `summary ${side}`;
  summary.replaceChildren(
    node('div', { class: 'said' }, [node('h3', { text: words }), node('span', { class: 'big', text: `P(A) = ${fixed(verdict.p_a)}` }), node('span', { class: 'meta', text: basis })]),
    bar(verdict.p_a, verdict.orders, view.clamp),
    node('div', { class: 'ends', 'aria-hidden': 'true' }, [
      node('span', { class: 'a', text: `A ${percent(verdict.p_a)}` }), node('span', { text: 'even' }), node('span', { class: 'b', text: `B ${percent(1 - verdict.p_a)}` })]));
}

function drawNotes() {
  notes.replaceChildren(...[
    view.stale && node('div', { class: 'note stale', role: 'note' }, [node('span', { class: 'tag', text: 'stale' }), ` ${view.stale}`]),
    view.hazard && node('div', { class: 'note warn', role: 'note' }, [
      node('b', { text: '⚠ A lesson about dangers: ' }), 'judged under ', node('i', { text: view.hazard }), ', which prefers worse answers on purpose.']),
    view.message && node('div', { class: `note ${view.state === 'failed' ? 'bad' : ''}`, role: 'status', text: view.message })].filter(Boolean));
}

function drawWriting() {
  const on = view.live && view.state === 'running';
  setShown(writing, Boolean(on));
  if (on) writing.replaceChildren(
    node('span', { class: 'meta', text: `reasoning under ${view.live.principle} · ${FIRST[view.live.first]}` }),
    node('p', {}, [node('span', { text: view.live.text.trimStart() }), caret()]));
}

function drawFoot() {
  setShown(foot, Boolean(view.verdict));
  if (!view.verdict) return;
  const made = (text, act) => node('button', { type: 'button', class: 'link', text, on: { click: act } });
  foot.replaceChildren(node('span', { class: 'meta', text: `${view.verdict.backend} · ${view.verdict.constitution.name} · seed ${view.verdict.seed}` }),
    node('span', { class: 'tools' }, [
      made('copy JSON', (event) => copyText(JSON.stringify(view.verdict, null, 2), event.currentTarget)),
      made('download JSON', () => saveJson(view.verdict, 'verdict.json')),
      made('copy link', (event) => copyText(link(), event.currentTarget))]));
}

start((value) => {
  if (value?.state === 'waiting' && view?.state !== 'waiting') reveal();
  view = value;
  root.dataset.state = view?.state ?? 'empty';
  if (!view || view.state === 'empty') {
    for (const part of [summary, table, writing, foot]) part.hidden = true;
    notes.replaceChildren(node('div', { class: 'empty' }, [
      node('h3', { text: 'No verdict yet' }),
      node('p', { text: 'Write two responses above, sample two from the model, or send a draft and its revision over from Critique. Then press Judge: the model is asked in both orders.' })]));
    return;
  }
  drawNotes(); drawSummary(); drawWriting(); drawFoot();
  setShown(table, view.principles.length > 0);
  drawRows();
  const words = view.verdict ? summary.querySelector('h3').textContent + ', ' + fixed(view.verdict.p_a) : '';
  if (words !== announced) setText(live, announced = words);
});
