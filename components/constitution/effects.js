// What a measurement found: a sentence with n and its interval, a plot, and the pairs to read.
const head = node('div', { class: 'headline' });
const progress = node('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Comparisons judged', 'aria-valuemin': 0 }, [node('u')]);
const progressText = node('p', { class: 'meta', 'aria-live': 'off' });
const note = node('div', { class: 'note', role: 'status', hidden: true });
const hazards = node('div', { class: 'note warn', role: 'note', hidden: true });
const detail = node('div', { class: 'detail' });
const opposites = node('div', { class: 'opposites', hidden: true });
const foot = node('div', { class: 'foot' });
const live = node('div', { class: 'cw-hidden', 'aria-live': 'polite' });
root.append(opposites, hazards, note, progress, progressText, head, detail, foot, live);
let view = null;
let picked = null;
let onlyFlips = false;
const opened = new Set();
let most = 25;
const button = (text, act, hold) => node('button', { type: 'button', class: 'link', text, 'data-hold': hold, on: { click: act } });
const cell = (children, look = '') => node('td', { class: look }, children);
const table = (heads, rows) => node('table', {}, [node('thead', {}, [node('tr', {}, heads.map(([text, look, title]) => node('th', { scope: 'col', class: look ?? '', title, text })))]), node('tbody', {}, rows)]);
const EMPTY = {
  effect: ['What do your edits change?', 'Edit the cards, then press Measure: the same comparisons are judged under both versions, in both orders, and the labels that change sides are listed with their texts.'],
  ablate: ['Which principles carry the labels?', 'Every principle, and every tag that several share, is left out in turn. What moves nothing can go.'],
  invert: ['Does the judge read its principles?', 'Clear labels are asked again with the opposite question. A judge that reads turns P(A) to about 1 − P(A); one that does not flip is not reading.'],
  conflicts: ['Where do principles disagree?', 'For every two principles: how often they choose different sides of the same comparison, measured, with the comparisons to read.'],
};

// The opposite questions, to be read and mended before they are used.
let chosen = 'effect';
const written = new Map();
const cardsNow = () => JSON.parse(document.querySelector('#constitution-editor .cw').current()).document;
// What was written against a question that has changed since, or is gone, is no opposite of it.
root.negations = () => {
  const questions = new Map((cardsNow()?.preference ?? []).map((one) => [one.id, one.question.trim()]));
  return Object.fromEntries([...written].filter(([id, one]) => one.use && one.text.trim() && questions.get(id) === one.question.trim()).map(([id, one]) => [id, one.text.trim()]));
};
root.looked = () => { if (chosen === 'invert') propose(); };
root.choose = async (kind) => {
  chosen = kind;
  setShown(opposites, kind === 'invert');
  if (kind === 'invert') await propose();
  if (!view || view.state === 'empty' || view.kind !== kind) drawEmpty();
};
async function propose() {
  const cards = cardsNow();
  if (!cards) return;
  const said = await server.oppose({ document: cards }).catch(() => ({ error: 'No connection. Try again in a moment.' }));
  if (said.error) { opposites.replaceChildren(node('p', { class: 'note bad', text: said.error })); return; }
  const proposals = said.value;
  const byHand = proposals.filter((one) => one.by_hand).length;
  const own = proposals.filter((one) => !one.by_hand);
  for (const id of written.keys()) if (!own.some((one) => one.id === id && one.question === written.get(id).question)) written.delete(id);
  for (const one of own) if (!written.has(one.id)) written.set(one.id, { question: one.question, text: one.negated ?? '', use: false });
  opposites.replaceChildren(node('p', { class: 'meta', text: `${plural(byHand, 'question')} of these ${byHand === 1 ? 'has' : 'have'} a negation written by hand${own.length ? `; ${own.length} of your own ${own.length === 1 ? 'has' : 'have'} a proposed one. Read it, mend it, and tick it to use it.` : '.'}` }),
    ...own.map((one) => {
      const mine = written.get(one.id);
      return node('div', { class: 'opposite' }, [
        node('label', {}, [node('input', { type: 'checkbox', checked: mine.use, 'aria-label': `Use the negation of ${one.id}`, on: { change: (event) => { mine.use = event.currentTarget.checked; } } }), node('b', { text: one.id })]),
        node('p', { text: one.question }),
        node('input', { value: mine.text, 'aria-label': `Negation of ${one.id}`, placeholder: 'Write the opposite question', on: { input: (event) => { mine.text = event.currentTarget.value; mine.use = Boolean(mine.text.trim()); event.currentTarget.closest('.opposite').querySelector('[type=checkbox]').checked = mine.use; } } })]);
    }));
}

const sides = (row) => node('div', { class: 'sides' }, ['a', 'b'].map((name) => node('div', { class: name }, [node('b', { text: name.toUpperCase() }), node('p', { text: row[name] })])));
function pairRow(row, before, after, lead = null) {
  const key = `${row.principle ?? ''}${row.comparison}`;
  const texts = node('tr', { class: 'texts', hidden: !opened.has(key) }, [node('td', { colspan: 5 }, [sides(row)])]);
  const toggle = node('button', { type: 'button', class: 'read', 'data-hold': `pair ${key}`, 'aria-expanded': String(opened.has(key)), text: row.prompt, on: { click: () => { texts.hidden = !texts.hidden; toggle.setAttribute('aria-expanded', String(!texts.hidden)); if (texts.hidden) opened.delete(key); else opened.add(key); } } });
  return [node('tr', {}, [cell([toggle, lead && node('span', { class: 'meta', text: ` ${lead}` })]), cell([slope(before, after)]), cell([two(before)], 'n'), cell([two(after)], 'n'), cell([row.flipped ? node('span', { class: 'tag flip', text: 'flips' }) : ''], 'n')]), texts];
}
const pairTable = (rows, columns) => table([['Comparison'], [`chance that A is better: ○ ${columns[0]}, ● ${columns[1]}`], [columns[0], 'n'], [columns[1], 'n'], ['', 'n']], rows);
const figure = (value, text, more) => node('div', { class: 'figure' }, [node('b', { text: value }), node('span', { text }), node('span', { class: 'meta', text: more })]);
const points = (result, x, y) => result.points ?? result.rows.map((row) => [row[x], row[y]]);

function drawEffect(result) {
  const shown = onlyFlips ? result.rows.filter((row) => row.flipped) : result.rows;
  head.replaceChildren(
    figure(`${result.flips} of ${result.n}`, result.flips === 1 ? 'label flips' : 'labels flip', `${percent(result.flip_rate.value)}, ${interval(result.flip_rate)}`),
    figure(three(result.shift.value), 'is how far P(A) moves on average', interval(result.shift, three)),
    figure(three(result.toward_a.value), 'of it towards the response given as A', interval(result.toward_a, three)));
  const filter = node('label', { class: 'check' }, [node('input', { type: 'checkbox', checked: onlyFlips, 'data-hold': 'flips', on: { change: (event) => { onlyFlips = event.currentTarget.checked; draw(); } } }), 'only labels that flip']);
  refill(detail, [node('div', { class: 'plotrow' }, [scatter(points(result, 'p_old', 'p_new'), { across: 'P(A) before', up: 'P(A) now' }),
    node('p', { class: 'meta', text: 'A dot is a comparison. On the line nothing changed; in the tinted corners the label changed sides.' })]),
  node('div', { class: 'row' }, [node('h3', { text: 'The comparisons, those that moved most first' }), filter]),
  pairTable(shown.slice(0, most).flatMap((row) => pairRow(row, row.p_old, row.p_new)), ['before', 'now']),
  ...(shown.length > most ? [button(`show ${Math.min(100, shown.length - most)} more of ${shown.length}`, () => { most += 100; draw(); }, 'more')] : [])]);
}
function drawAblate(result) {
  const widest = Math.max(0.01, ...result.principles.map((one) => one.shift.ci?.[1] ?? one.shift.value ?? 0));
  const strongest = result.principles.find((one) => !one.tag && one.shift.value !== null);
  head.replaceChildren(figure(String(result.n), 'comparisons', `${result.principles.filter((one) => !one.tag).length} principles, each left out in turn`), ...(strongest ? [figure(strongest.ids[0], 'moves the labels most', `${three(strongest.shift.value)} on average, ${interval(strongest.shift, three)}`)] : []));
  const rows = result.principles.flatMap((one) => {
    const key = one.tag ? `tag ${one.tag}` : one.ids[0];
    const open = picked === key;
    const name = node('button', { type: 'button', class: 'read', 'data-hold': key, 'aria-expanded': String(open), on: { click: () => { picked = open ? null : key; draw(); } } }, [node('b', { text: one.tag ? `all tagged ${one.tag}` : one.ids[0] }), node('span', { class: 'meta', text: one.tag ? ` ${one.ids.length} principles` : ` ${one.question}` })]);
    const main = one.alone ? node('tr', {}, [cell([name]), node('td', { colspan: 3, class: 'meta', text: 'nothing would be left without it' })])
      : node('tr', {}, [cell([name]), cell([whisker(one.shift, widest)]), cell([three(one.shift.value)], 'n'), cell([`${one.flips} · ${percent(one.flip_rate.value)}`], 'n')]);
    return open && one.examples.length ? [main, node('tr', { class: 'texts' }, [node('td', { colspan: 4 }, [pairTable(one.examples.flatMap((row) => pairRow(row, row.p_old, row.p_new)), ['with', 'without'])])])] : [main];
  });
  refill(detail, [table([['Left out'], ['how far P(A) moves without it (line: 95 %)'], ['mean', 'n'], ['flips', 'n']], rows)]);
}
function drawInvert(result) {
  const [low, high] = result.flip_rate.ci ?? [0, 1];
  const verdict = !result.n ? ['nothing clear', `no label is further than ${result.clear} from even`]
    : low >= 0.7 ? ['it reads', 'this judge follows its questions']
      : high < 0.7 ? ['it does not read', 'this judge answers something else than its questions'] : ['not settled', 'the interval holds the bar; measure more comparisons'];
  head.replaceChildren(
    figure(percent(result.flip_rate.value), `of ${result.n} clear labels turn round`, interval(result.flip_rate)),
    figure(three(result.error.value), 'is the mean distance from 1 − P(A)', interval(result.error, three)),
    figure(...verdict, 'turning round 70 % is the bar'));
  const by = result.principles.map((one) => node('tr', {}, [cell([node('b', { text: one.id }), node('div', { class: 'meta', text: one.question }), node('div', { text: one.negated })]), cell([whisker(one.flip_rate, 1)]), cell([`${one.flips} of ${one.n}`], 'n'), cell([percent(one.flip_rate.value)], 'n')]));
  refill(detail, [node('div', { class: 'plotrow' }, [scatter(points(result, 'p', 'p_inverted'), { across: 'P(A)', up: 'P(A), asked for the opposite', turned: true }),
    node('p', { class: 'meta', text: 'A dot is a clear label. A judge that reads lies on the falling line, in the tinted corners.' })]),
  table([['Question and its opposite'], ['share that turns round (line: 95 %)'], ['labels', 'n'], ['', 'n']], by),
  node('h3', { text: 'Labels furthest from turning round' }),
  pairTable(result.rows.slice(0, 30).flatMap((row) => pairRow(row, row.p, row.p_inverted, row.principle)), ['asked', 'opposite'])]);
}
function drawConflicts(result) {
  const by = new Map(result.pairs.map((one) => [`${one.first}|${one.second}`, one]));
  const of = (a, b) => by.get(`${a}|${b}`) ?? by.get(`${b}|${a}`);
  const ranked = [...result.pairs].filter((one) => one.disagree.value !== null).sort((a, b) => b.sure.value - a.sure.value || b.disagree.value - a.disagree.value);
  const top = ranked[0];
  head.replaceChildren(figure(String(result.n), 'comparisons', `${result.ids.length} principles`), ...(top ? [figure(percent(top.disagree.value), `${top.first} against ${top.second}`, `${interval(top.disagree)}; both sure of it: ${percent(top.sure.value)}`)] : []));
  const cells = result.ids.map((a, i) => node('tr', {}, [node('th', { scope: 'row', text: a }), ...result.ids.map((b, j) => {
    if (i === j) return node('td', { class: 'same' });
    const one = of(a, b);
    const value = one.disagree.value;
    return node('td', {}, [node('button', { type: 'button', 'data-hold': `${a}|${b}`, 'aria-pressed': String(picked === `${one.first}|${one.second}`), 'aria-label': `${a} and ${b} disagree on ${percent(value)}`, title: `${a} · ${b}: ${percent(value)}, ${interval(one.disagree)}`, style: `--heat:${Math.round(100 * Math.min(1, (value ?? 0) * 1.6))}%`, text: value === null ? '·' : String(Math.round(100 * value)), on: { click: () => { picked = `${one.first}|${one.second}`; draw(); } } })]);
  })]));
  const matrix = node('div', { class: 'matrix' }, [node('table', {}, [node('thead', {}, [node('tr', {}, [node('td'), ...result.ids.map((id) => node('th', { scope: 'col' }, [node('span', { text: id })]))])]), node('tbody', {}, cells)])]);
  const shown = by.get(picked) ?? top;
  const question = (id) => result.questions[result.ids.indexOf(id)];
  const { scrollLeft } = detail.querySelector('.matrix') ?? {};
  refill(detail, [matrix, node('p', { class: 'meta', text: 'Per cent of comparisons on which two principles choose different sides. Choose a cell to read some.' }),
    ...(shown ? [node('h3', { text: `${shown.first} and ${shown.second}: different sides on ${percent(shown.disagree.value)} (${interval(shown.disagree)}), both sure on ${percent(shown.sure.value)}` }),
      node('p', { text: `${shown.first}: ${question(shown.first)}` }), node('p', { text: `${shown.second}: ${question(shown.second)}` }),
      shown.examples.length ? pairTable(shown.examples.flatMap((row) => pairRow(row, row.p_old, row.p_new)), ['first', 'second']) : node('p', { class: 'meta', text: 'They never disagree here.' })] : [])]);
  matrix.scrollLeft = scrollLeft ?? 0;
}

function drawEmpty() {
  const [title, text] = EMPTY[chosen];
  for (const one of [progress, progressText, note, hazards]) one.hidden = true;
  head.replaceChildren(); foot.replaceChildren();
  detail.replaceChildren(node('div', { class: 'empty' }, [node('h3', { text: title }), node('p', { text })]));
}
function draw() {
  root.dataset.state = view?.state ?? 'empty';
  if (!view || view.state === 'empty') { drawEmpty(); return; }
  const { result } = view;
  setShown(hazards, Boolean(view.about.hazards));
  hazards.replaceChildren(node('b', { text: '⚠ A lesson about dangers: ' }), `${view.about.hazards} asks for worse answers on purpose.`);
  setShown(note, Boolean(view.message));
  note.className = `note ${view.state === 'failed' ? 'bad' : ''}`;
  setText(note, view.message);
  const done = result?.progress;
  setShown(progress, Boolean(done) && view.state !== 'done'); setShown(progressText, Boolean(done));
  if (done) {
    progress.setAttribute('aria-valuemax', done.total); progress.setAttribute('aria-valuenow', done.done);
    progress.firstChild.style.width = `${(100 * done.done) / done.total}%`;
    const left = Object.keys(result.unscored).length;
    const sides = view.kind === 'effect' ? `${view.about.old} ${view.about.old_hash.slice(0, 6)} → ${view.about.new} ${view.about.new_hash.slice(0, 6)}` : `${view.about.new} ${view.about.new_hash.slice(0, 6)}`;
    setText(progressText, `${done.done} of ${plural(done.total, 'comparison')} · ${sides} · judge ${view.about.model} · ${done.asked ? `${plural(done.asked, 'question')} asked, each in both orders` : 'every score known from before'}${left ? ` · ${left} unscored: ${Object.values(result.unscored)[0]}` : ''}`);
  }
  if (!result) { head.replaceChildren(); detail.replaceChildren(); foot.replaceChildren(); return; }
  ({ effect: drawEffect, ablate: drawAblate, invert: drawInvert, conflicts: drawConflicts })[view.kind](result);
  foot.replaceChildren(...(view.state === 'running' ? [] : [button('copy JSON', (event) => copyText(JSON.stringify(view, null, 2), event.currentTarget)), button('download JSON', () => saveJson(view, `${view.kind}.json`))]));
  if (view.state === 'done') setText(live, [...head.querySelectorAll('.figure')].map((one) => one.textContent).join('; '));
}
const grown = calmly(draw); // four times a second while it measures
start((value) => {
  if (value?.state === 'waiting' && view?.state !== 'waiting') { picked = null; most = 25; opened.clear(); }
  view = value;
  grown();
});
