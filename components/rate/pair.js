// The rating screen: one pair at a time, by keys. An answer is kept in this browser until the
// server has it, so a lost connection or a reload loses nothing that was answered or typed.
const LINKED = props.value.mode === 'link';
const KEYS = [['1', 'a', 'First is better'], ['2', 'b', 'Second is better'], ['3', 'tie', 'Tie'], ['4', 'both_bad', 'Both bad'], ['0', 'skip', 'Skip']];
const SHORT = { a: 'First', b: 'Second', tie: 'Tie', both_bad: 'Both bad', skip: 'Skipped' };
const S = { who: null, turn: null, since: 0, away: 0, hidden: 0, last: null, sending: false, sure: false, state: 'idle' };

// What waits to be sent, and notes that are half typed.
const store = () => `cai-rate-${String(S.who?.token ?? S.who?.queue ?? '').slice(0, 12)}`;
let kept = { outbox: [], notes: {} };
const load = () => { try { kept = { outbox: [], notes: {}, ...JSON.parse(localStorage.getItem(store())) }; } catch { kept = { outbox: [], notes: {} }; } root.dataset.sent = !kept.outbox.length; };
const save = () => { root.dataset.sent = !kept.outbox.length; try { localStorage.setItem(store(), JSON.stringify(kept)); } catch { /* full or forbidden: the server's copy is left */ } };

class Told extends Error {}
async function ask(name, payload = {}) {
  const said = await server[name]({ ...S.who, ...payload });
  if (said?.error) throw new Told(said.error);
  if (!said || said.value === undefined) throw new Error('no answer');
  return said.value;
}

const progress = node('progress', { max: 1, value: 0, 'aria-label': 'Progress' });
const count = node('span', { class: 'count' });
const rater = node('span', { class: 'meta who' });
const tag = node('span', { class: 'tag' });
const icon = (text, label, act) => node('button', { type: 'button', class: 'chip', text, title: label, 'aria-label': label, on: { click: act } });
const theme = icon('◐', 'Light or dark', () => {
  const address = new URL(window.location.href);
  address.searchParams.set('__theme', document.body.classList.toggle('dark') ? 'dark' : 'light');
  window.history.replaceState(null, '', address);
});
const top_ = node('header', { class: 'top' }, [node('h1', { text: 'Which is better?' }), count, progress, rater, tag,
  node('span', { class: 'right' }, [LINKED ? theme : icon('✕', 'Close (Esc)', () => sheet.close())])]);

const note_ = node('div', { class: 'note', role: 'alert', hidden: true });
const question = node('h2', { class: 'question', tabindex: -1 });
const prompt = node('div', { class: 'prompt' });
const side = (title, key) => {
  const body = node('div', { class: 'body' });
  return { body, card: node('article', { class: 'side', 'aria-label': title }, [node('h3', {}, [node('kbd', { text: key }), title]), body]) };
};
const first = side('First response', '1');
const second = side('Second response', '2');
const peeked = node('div', { class: 'note peeked', role: 'status', hidden: true });
const work = node('section', { class: 'work' }, [peeked, question, prompt, node('div', { class: 'pair' }, [first.card, second.card])]);
const end = node('section', { class: 'end', hidden: true });

const area = node('textarea', { rows: 2, maxlength: 4000, 'aria-label': 'Note on this pair', placeholder: 'A note on this pair; Esc goes back to the keys' });
const noteBox = node('div', { class: 'notebox', hidden: true }, [area]);
const button = (key, text, act, kind = '') => node('button', { type: 'button', class: `key ${kind}`, 'data-key': key, on: { click: act } }, [node('kbd', { text: key }), node('span', { text })]);
const answers = KEYS.map(([key, value, text]) => button(key, text, () => give(value), value));
const undoKey = button('u', 'Undo', undo, 'small');
const noteKey = button('n', 'Note', openNote, 'small');
const peekKey = button('r', 'AI\'s answer', peek, 'small');
const helpKey = button('?', 'Help', () => help.showModal(), 'small');
const saved = node('span', { class: 'meta saved', role: 'status' });
const legend = node('div', { class: 'legend' }, [noteBox, node('div', { class: 'answers' }, answers),
  node('div', { class: 'rest' }, [undoKey, noteKey, helpKey, peekKey, saved])]);
const live = node('div', { class: 'cw-hidden', 'aria-live': 'polite' });

const helpLine = (key, text) => [node('dt', {}, [node('kbd', { text: key })]), node('dd', { text })];
// Only where a queue lets raters ask pair by pair.
const helpPeek = helpLine('r', 'See what the AI said of the last pair; your later answers then no longer count as blind');
const help = node('dialog', { class: 'help', 'aria-label': 'Help' }, [
  node('h3', { text: 'Rating by keys' }),
  node('dl', {}, [...[...KEYS.map(([key, , text]) => [key, text]), ['u', 'Undo: the last pair comes back'], ['n', 'Write a note; Esc goes back to the keys']]
    .flatMap(([key, text]) => helpLine(key, text)), ...helpPeek, ...helpLine('?', 'This help')]),
  node('p', { text: 'Answer the question above the pair, and only that one. Which response stands first is drawn at random. Tie: equally good. Both bad: you would give neither. Skip what you cannot judge: it counts as not answered, not as a tie.' }),
  node('p', { text: 'Some pairs may look familiar: answer as if they were new. You can stop at any time and come back by the same link; every answer is kept as soon as you give it.' }),
  node('button', { type: 'button', class: 'btn', text: 'Close', on: { click: () => help.close() } })]);

const screen = node('div', { class: 'screen' }, [top_, node('div', { class: 'middle' }, [note_, work, end]), legend, live, help]);
const sheet = LINKED ? null : node('dialog', { class: 'rating-sheet', 'aria-label': 'Rate' }, [screen]);
root.append(sheet ?? screen);

function say(text, bad = false) { setText(note_, text); note_.classList.toggle('bad', bad); setShown(note_, Boolean(text)); }

// A dialogue as its turns; anything else as it is.
function drawPrompt(text) {
  const parts = text.split(/(?:^|\n\n)(Human|Assistant):/);
  if (parts.length < 3) { prompt.replaceChildren(node('span', { class: 'meta', text: 'A person asks' }), node('blockquote', { text })); return; }
  const turns = [];
  for (let i = 1; i < parts.length; i += 2) if (parts[i + 1].trim()) turns.push([parts[i], parts[i + 1].trim()]);
  prompt.replaceChildren(node('span', { class: 'meta', text: 'The conversation so far' }), ...turns.map(([who, said]) =>
    node('div', { class: `turn ${who.toLowerCase()}` }, [node('span', { class: 'meta', text: who === 'Human' ? 'Person' : 'Assistant' }), node('blockquote', { text: said })])));
}

function drawTop() {
  const { done, left } = S.turn;
  const all = done + left;
  progress.max = Math.max(1, all); progress.value = done;
  setText(count, S.turn.now ? `${Math.min(done + 1, all)} of ${all}` : `${done} of ${all}`);
  setText(rater, S.turn.rater);
  const words = S.turn.unblinded ? 'no longer blind' : S.turn.blind === 'page' ? 'blinded by the page only' : '';
  setText(tag, words); setShown(tag, Boolean(words));
  tag.title = S.turn.unblinded ? 'What the AI said has been shown: answers from now on are kept, and stay out of the headline figures.'
    : LINKED ? 'You are logged in on the main page in this browser, where the AI\'s answers can be looked up. Your labels are marked so.'
      : 'On the main page the AI\'s answers can be looked up elsewhere. Your labels are marked so.';
}

function draw() {
  const { now } = S.turn;
  drawTop();
  root.dataset.state = S.state = now ? 'rating' : 'end';
  root.dataset.item = now?.item ?? '';
  root.dataset.done = S.turn.done;
  setShown(work, Boolean(now)); setShown(end, !now);
  for (const one of answers) one.disabled = !now;
  noteKey.disabled = !now;
  undoKey.disabled = !S.turn.may_undo && !kept.outbox.length;
  setShown(peekKey, S.turn.peeks && Boolean(S.last));
  for (const one of helpPeek) setShown(one, S.turn.peeks);
  if (!now) { drawEnd(); return; }
  setText(question, now.question ?? 'Which response is better?');
  drawPrompt(now.prompt);
  setText(first.body, now.first); setText(second.body, now.second);
  area.value = kept.notes[now.item] ?? S.turn.note ?? '';
  setShown(noteBox, Boolean(area.value));
  screen.querySelector('.middle').scrollTop = 0; window.scrollTo(0, 0);
  S.since = performance.now(); S.away = 0; S.hidden = document.hidden ? performance.now() : 0;
  setText(live, `Pair ${S.turn.done + 1}. ${question.textContent}`);
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) S.hidden = performance.now();
  else if (S.hidden) { S.away += performance.now() - S.hidden; S.hidden = 0; }
});

function take(turn) {
  const same = S.turn?.now?.item === turn.now?.item && S.state !== 'idle' && !turn.note;
  S.turn = turn;
  if (turn.told) say(turn.told); else if (!note_.classList.contains('bad')) say('');
  if (same) { drawTop(); root.dataset.done = turn.done; undoKey.disabled = !turn.may_undo; if (!turn.now) draw(); return; }
  draw();
}

function give(answer) {
  const now = S.turn?.now;
  if (!now || S.state !== 'rating') return;
  const lead_ms = Math.max(0, Math.round(performance.now() - S.since - S.away));
  kept.outbox.push({ item: now.item, answer, note: area.value, lead_ms });
  delete kept.notes[now.item];
  save();
  S.last = { item: now.item, answer }; S.sure = false;
  setShown(peeked, false);
  area.blur();
  setText(saved, `${SHORT[answer]}…`);
  const ahead = S.turn.then;
  if (ahead) { S.turn = { ...S.turn, now: ahead, then: null, note: '', done: S.turn.done + 1, left: Math.max(0, S.turn.left - 1) }; draw(); } else { S.state = 'waiting'; root.dataset.state = 'waiting'; for (const one of answers) one.disabled = true; }
  pump();
}

// Answers go out one by one, in order; each is crossed off only once the server has it.
async function pump() {
  if (S.sending) return;
  S.sending = true;
  let pause = 1000;
  while (kept.outbox.length) {
    const sent = kept.outbox[0];
    const { who } = S;
    try {
      const turn = await ask('answer', sent);
      // Another queue was opened meanwhile: this one's answers are sent again when it is.
      if (S.who !== who) continue;
      crossOff();
      setText(saved, `✓ ${SHORT[sent.answer]}`);
      say('');
      pause = 1000;
      if (!kept.outbox.length) take(turn);
    } catch (error) {
      if (S.who !== who) continue;
      if (error instanceof Told) {
        say(`Not kept: ${error.message}`, true);
        // A pair that is no longer there cannot be answered; anything else may yet be put right.
        if (error.message.includes('not of this queue')) { crossOff(); continue; }
        S.sending = false;
        return;
      }
      say('No connection: your answers are safe in this browser and will be sent as soon as it is back.', true);
      await new Promise((done) => { setTimeout(done, pause); });
      pause = Math.min(8000, pause * 2);
    }
  }
  S.sending = false;
}
const crossOff = () => { kept.outbox.shift(); save(); };

async function undo() {
  if (undoKey.disabled || S.sending) return;
  if (kept.outbox.length) { pump(); return; }
  try {
    const turn = await ask('undo');
    S.last = null; S.sure = false; S.state = 'idle';
    setShown(peeked, false);
    setText(saved, 'taken back');
    if (turn.now && turn.note) kept.notes[turn.now.item] ??= turn.note;
    take(turn);
  } catch (error) { told(error); }
}

function told(error) { say(error instanceof Told ? error.message : 'No connection. Try again in a moment.', true); }

function openNote() {
  if (noteKey.disabled) return;
  setShown(noteBox, true); area.focus();
}
area.addEventListener('input', () => {
  const item = S.turn?.now?.item;
  if (!item) return;
  if (area.value) kept.notes[item] = area.value; else delete kept.notes[item];
  save();
});

const percent = (p) => `${Math.round(100 * p)} %`;
async function peek() {
  if (peekKey.hidden || !S.last || S.sending) return;
  if (!S.sure && !S.turn.unblinded) {
    S.sure = true;
    setText(peeked, 'From the moment you see one of the AI\'s answers, your later answers are no longer blind and stay out of the headline figures. Press r again to see it.');
    setShown(peeked, true);
    return;
  }
  try {
    const line = await ask('peek', { item: S.last.item });
    peeked.replaceChildren('Your last answer: ', node('b', { text: SHORT[line.answer] }), '. The AI: ', node('b', { text: favoured(line.ai) }), `, with ${percent(line.ai)} for the first.`);
    setShown(peeked, true);
    S.turn.unblinded = true;
    drawTop();
  } catch (error) { told(error); }
}

const favoured = (ai) => (ai > 0.5 ? SHORT.a : ai < 0.5 ? SHORT.b : SHORT.tie);

function drawEnd() {
  const { done, skipped } = S.turn;
  const nothing = !done;
  end.replaceChildren(...[
    node('h2', { text: nothing ? 'There is nothing here for you to rate' : 'That was the last pair. Thank you!', tabindex: -1 }),
    node('p', { text: nothing ? 'Other raters have these pairs, you have seen what the AI says of them elsewhere, or the spot-check is closed.'
      : `${plural(done - skipped, 'pair')} answered, ${skipped} skipped. All of it is kept.` }),
    !nothing && node('div', { class: 'row' }, [
      node('button', { type: 'button', class: 'btn go', 'data-act': 'ending', text: 'Show what the AI said', on: { click: showEnding } }),
      node('span', { class: 'meta', text: 'Enter. After that your answers stay as they are; to change the last one first, press u.' })]),
    !nothing && toAgreement()].filter(Boolean));
  (end.querySelector('.go') ?? end.querySelector('h2')).focus({ preventScroll: true });
}

async function showEnding() {
  try {
    const found = await ask('ending');
    S.turn.may_undo = false; undoKey.disabled = true; S.turn.unblinded = true;
    root.dataset.state = S.state = 'revealed';
    drawTop();
    const differ = found.lines.filter((one) => one.agrees === false);
    const others = found.lines.filter((one) => one.agrees !== false);
    const facts = [
      found.compared ? `You and the AI chose the same in ${found.agreed} of ${plural(found.compared, 'pair')} (${percent(found.agreed / found.compared)}); ties and skips are left out of that.` : 'There is no pair on which you and the AI both chose a side.',
      found.repeats ? `Of ${plural(found.repeats, 'pair')} shown to you twice, sides exchanged, ${Math.round(found.same * found.repeats)} got the same answer.` : '',
      found.median_lead_ms !== null ? `Half of your answers took under ${(found.median_lead_ms / 1000).toFixed(1)} s.` : ''];
    end.replaceChildren(node('h2', { text: 'What the AI said', tabindex: -1 }), node('p', { text: facts.filter(Boolean).join(' ') }), ...[toAgreement()].filter(Boolean),
      ...(differ.length ? [node('h3', { text: `Where you differ: ${differ.length}` }), ...differ.map(line)] : []),
      ...(others.length ? [node('h3', { text: `The others: ${others.length}` }), ...others.map(line)] : []));
    end.querySelector('h2').focus();
  } catch (error) { told(error); }
}

function line(one) {
  const mark = one.agrees === null ? 'not counted' : one.agrees ? 'same' : 'different';
  return node('details', { class: 'line' }, [
    node('summary', {}, [node('span', { class: 'about', text: one.prompt.replace(/\s*(Human|Assistant):\s*/g, ' ').trim() }),
      node('span', { class: 'said' }, ['you ', node('b', { text: SHORT[one.answer] })]),
      node('span', { class: 'said' }, ['AI ', node('b', { text: favoured(one.ai) }), ` ${percent(Math.max(one.ai, 1 - one.ai))}`]),
      node('span', { class: `tag ${one.agrees === null ? '' : one.agrees ? 'good' : 'bad'}`, text: mark })]),
    one.question && node('p', { class: 'meta', text: one.question }),
    one.note && node('p', { class: 'meta', text: `Your note: ${one.note}` }),
    node('div', { class: 'pair' }, [['First response', one.first], ['Second response', one.second]].map(([title, text]) =>
      node('article', { class: 'side' }, [node('h3', { text: title }), node('div', { class: 'body', text })])))].filter(Boolean));
}

// On the main page, to what all answers of the queue say.
const toAgreement = () => !LINKED && node('div', { class: 'row onward' }, [node('button', { type: 'button', class: 'btn', 'data-act': 'agree', text: 'Open Agreement', on: { click: () => { sheet.close(); window.dispatchEvent(new CustomEvent('cw-agree', { detail: S.who.queue })); } } }),
  node('span', { class: 'meta', text: 'what all answers of this spot-check say of the AI' })]);

const active = () => (LINKED ? root.isConnected : sheet.open);
document.addEventListener('keydown', (event) => {
  if (!active() || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === area) {
    if (event.key === 'Escape') { event.preventDefault(); event.stopPropagation(); area.blur(); if (!area.value) setShown(noteBox, false); }
    return;
  }
  // A key held down is one answer, not fifty.
  if (event.repeat) return;
  const act = { u: undo, n: openNote, r: peek, '?': () => help.showModal() }[event.key];
  const chosen = KEYS.find(([key]) => key === event.key);
  if (chosen) { event.preventDefault(); if (S.state === 'rating') give(chosen[1]); } else if (act) { event.preventDefault(); act(); }
}, true);

async function begin(who) {
  S.who = who; S.turn = null; S.last = null; S.sure = false; S.state = 'idle';
  say(''); setShown(peeked, false); setText(saved, '');
  load();
  root.dataset.state = 'loading';
  try {
    // What was answered before a reload goes first, so that its pair does not come again.
    if (kept.outbox.length) await pump();
    if (kept.outbox.length) { root.dataset.state = 'failed'; return; }
    const turn = await ask('begin');
    // Meanwhile the sheet may have been opened on another queue, which is not this one's answer.
    if (S.who !== who) return;
    take(turn);
  } catch (error) {
    if (S.who !== who) return;
    root.dataset.state = 'failed';
    setShown(work, false); setShown(legend, false);
    if (error instanceof Told) { say(error.message, true); return; }
    say('No connection. Trying again…', true);
    setTimeout(() => { if (S.who === who && active()) begin(who); }, 2000);
    return;
  }
  setShown(legend, true);
  if (note_.classList.contains('bad') && !kept.outbox.length) say('');
}

if (LINKED) begin({ token: new URLSearchParams(window.location.search).get('token') ?? '' });
else {
  sheet.addEventListener('close', () => window.dispatchEvent(new CustomEvent('cw-rated')));
  window.addEventListener('cw-rate', (event) => { if (!root.isConnected) return; sheet.showModal(); begin({ queue: event.detail }); });
}
