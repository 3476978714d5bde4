// The chain of cards. Its value is a ChainView; nodes are kept and only changed, so an open
// prompt, a half-typed edit and the keyboard focus survive every streamed token.
const TITLES = { draft: 'Draft', critique: 'Critique', revision: 'Revision' };
const FLAGS = {
  unchanged: ['unchanged', 'The revision repeats the response word for word.'],
  refusal: ['refusal', 'The response declines the request.'],
  evasive: ['evasive', 'The response avoids the question without giving a reason.'],
  tag_leak: ['tag leak', 'Words of the template appear in the text.'],
  repetition: ['repeats itself', 'The same words come again and again.'],
  unknown_words: ['unknown words', 'What it was asked holds words this model has never seen.'],
};
const link = linkOf('critique');
const cards = [];
const editing = new Set();
let view = null;
let announced = '';

const titleOf = (step) => TITLES[step.kind] + (step.kind === 'draft' ? '' : ` ${step.round}`);
const steps = () => view?.transcript?.steps ?? [];
const busy = () => view.state === 'running' || view.state === 'waiting';
const button = (text, act, title) => node('button', { type: 'button', class: 'link', text, title, on: { click: act } });

const list = node('div', { class: 'list' });
const notes = node('div', { class: 'notes' });
const foot = node('div', { class: 'foot' });
const live = node('div', { class: 'cw-hidden', 'aria-live': 'polite' });
root.append(notes, list, foot, live);

function card(index) {
  const it = { index, showDiff: true };
  it.title = node('h3');
  it.meta = node('span', { class: 'meta' });
  it.flags = node('span', { class: 'flags' });
  it.promptButton = button('prompt', () => toggle(it), 'The exact text the model was given');
  it.diffButton = button('hide changes', () => { it.showDiff = !it.showDiff; draw(it); });
  it.editButton = button('edit', () => { editing.add(index); draw(it); it.area.focus(); }, 'Change this text and go on from here');
  it.replayButton = button('replay', () => trigger('again', { index }), 'Write this step again with the same seed and compare');
  it.judgeButton = button('send to Judge', () => trigger('compare', { a: 0, b: index }), 'Compare the draft with this revision');
  it.request = node('p', { class: 'request' });
  it.body = node('div', { class: 'body' });
  it.replay = node('p', { class: 'replay' });
  it.area = node('textarea', { rows: 4, 'aria-label': 'Your text for this step' });
  it.edit = node('div', { class: 'edit' }, [it.area, node('div', { class: 'row' }, [
    node('button', { type: 'button', class: 'btn go', text: 'Go on from here', on: { click: () => commit(it) } }),
    node('button', { type: 'button', class: 'btn cancel', text: 'Cancel', on: { click: () => { editing.delete(index); draw(it); it.editButton.focus(); } } }),
    node('span', { class: 'meta', text: 'The steps after this one are written anew.' }),
  ])]);
  it.promptMeta = node('span', { class: 'meta' });
  it.promptText = node('pre', { tabindex: 0 });
  it.promptCopy = button('copy', (event) => copyText(it.promptText.textContent, event.currentTarget));
  it.prompt = node('div', { class: 'prompt', hidden: true }, [node('div', { class: 'row' }, [it.promptMeta, it.promptCopy]), it.promptText]);
  it.element = node('article', {}, [
    node('header', {}, [it.title, it.meta, it.flags, node('span', { class: 'tools' },
      [it.promptButton, it.diffButton, it.editButton, it.replayButton, it.judgeButton])]),
    it.request, it.body, it.edit, it.replay, it.prompt]);
  return it;
}

function toggle(it) {
  it.prompt.hidden = !it.prompt.hidden;
  it.promptButton.setAttribute('aria-expanded', String(!it.prompt.hidden));
}

function commit(it) {
  editing.delete(it.index);
  trigger('rewrite', { index: it.index, text: it.area.value });
}

function drawBody(it, step, diff, streaming) {
  const key = JSON.stringify([step.text, diff, it.showDiff, streaming]);
  if (it.key === key) return;
  it.key = key;
  if (diff && it.showDiff && !streaming) {
    const tags = { '=': 'span', '+': 'ins', '-': 'del' };
    it.body.replaceChildren(...diff.map(([op, text]) => node(tags[op], { text })));
  } else if (streaming && it.body.lastChild?.className === 'caret') {
    setText(it.body.firstChild, step.text.trimStart());
  } else {
    it.body.replaceChildren(node('span', { text: step.text.trim() }), ...(streaming ? [caret()] : []));
  }
}

function drawReplay(it, replay) {
  setShown(it.replay, Boolean(replay));
  if (!replay) return;
  const words = { running: 'replaying…', identical: '✓ replay identical, word for word', different: '✗ replay differs' };
  const tone = { running: '', identical: 'good', different: 'bad' }[replay.state];
  it.replay.replaceChildren(node('span', { class: `tag ${tone}`, text: words[replay.state] }),
    node('span', { class: 'again', text: replay.state === 'identical' ? '' : replay.text }));
}

function drawHead(it, step, streaming) {
  const tokens = step.tokens ? plural(step.tokens, 'token') : '';
  const ended = step.finish === 'cancelled' ? 'stopped' : step.finish === 'length' ? 'cut at the token limit' : '';
  const parts = [step.principle && `principle: ${step.principle}`, step.edited ? 'edited by you' : tokens, ended];
  setText(it.title, titleOf(step));
  setText(it.meta, streaming ? [parts[0], 'writing…'].filter(Boolean).join(' · ') : parts.filter(Boolean).join(' · '));
  it.flags.replaceChildren(...step.flags.map((flag) => node('span', { class: 'tag', text: FLAGS[flag][0], title: FLAGS[flag][1] })));
}

function draw(it) {
  const step = steps()[it.index];
  const streaming = busy() && view.live === it.index;
  const editable = !busy() && !editing.has(it.index);
  const diff = view.diffs[it.index];
  it.element.className = `step ${step.kind}${streaming ? ' live' : ''}`;
  it.element.setAttribute('aria-label', titleOf(step));
  drawHead(it, step, streaming);
  setShown(it.request, Boolean(step.request));
  setText(it.request, step.request ?? '');
  drawBody(it, step, diff, streaming);
  drawReplay(it, view.replays[it.index]);
  if (editing.has(it.index) && it.edit.hidden) it.area.value = step.text.trim();
  setShown(it.edit, editing.has(it.index));
  setShown(it.body, !editing.has(it.index));
  setText(it.promptText, step.prompt);
  const size = step.prompt_tokens ? `${plural(step.prompt_tokens, 'token')} in, ` : '';
  setText(it.promptMeta, step.edited ? 'written by you' : `${size}${step.tokens} out · seed ${step.seed}`);
  setShown(it.diffButton, !streaming && (diff ?? []).some(([op]) => op !== '='));
  setText(it.diffButton, it.showDiff ? 'hide changes' : 'show changes');
  setShown(it.judgeButton, step.kind === 'revision');
  setShown(it.replayButton, !step.edited && step.finish !== 'cancelled'); // cut short, it would differ
  for (const one of [it.editButton, it.replayButton, it.judgeButton]) one.disabled = !editable;
}

function drawNotes() {
  const shown = [];
  if (view.hazard) shown.push(node('div', { class: 'note warn', role: 'note' }, [
    node('b', { text: '⚠ A lesson about dangers: ' }), 'made under ', node('i', { text: view.hazard }), ', which asks for worse answers on purpose.']));
  if (view.stale) shown.push(node('div', { class: 'note stale', role: 'note' }, [node('span', { class: 'tag', text: 'stale' }), ` ${view.stale}`]));
  if (view.unknown) shown.push(unknownNote(view.unknown));
  if (view.message && view.state !== 'stopped') shown.push(node('div', { class: `note ${view.state === 'failed' ? 'bad' : ''}`, role: 'status' }, [view.message]));
  notes.replaceChildren(...shown);
}

function unknownNote(unknown) {
  const words = unknown.words.map((word) => `“${word}”`).join(', ');
  return node('div', { class: 'note warn unknown' }, [
    node('p', {}, [node('b', { text: 'Words this model has never seen: ' }), words, '. It will guess. Try one it knows:']),
    node('p', { class: 'row' }, unknown.examples.map((text) =>
      node('button', { type: 'button', class: 'btn', text, on: { click: () => trigger('pick', { text }) } }))),
  ]);
}

function drawFoot() {
  const done = steps().length > 0 && !busy();
  setShown(foot, done);
  if (!done) return;
  const answers = steps().map((step, index) => [step, index]).filter(([step]) => step.kind !== 'critique' && step.text.trim());
  const choice = (chosen, label) => node('select', { 'aria-label': label }, answers.map(([step, index]) =>
    node('option', { value: index, text: titleOf(step), selected: index === chosen })));
  const a = choice(answers[0]?.[1], 'Send as A');
  const b = choice(answers.at(-1)?.[1], 'Send as B');
  const send = () => trigger('compare', { a: Number(a.value), b: Number(b.value) });
  const replies = answers.length > 1 ? [node('span', { class: 'row' }, [a, 'against', b,
    node('button', { type: 'button', class: 'btn', text: 'Send to Judge', on: { click: send } })])] : [];
  const resume = view.state === 'stopped' || view.state === 'failed';
  foot.replaceChildren(...[
    view.state === 'stopped' && view.message && node('span', { role: 'status', text: view.message }),
    resume && node('button', { type: 'button', class: 'btn', text: 'Go on', title: 'Write the unfinished step and the ones after it', on: { click: () => trigger('goon', {}) } }),
    ...replies,
    node('span', { class: 'tools' }, [
      button('copy JSON', (event) => copyText(JSON.stringify(view.transcript, null, 2), event.currentTarget)),
      button('download JSON', () => saveJson(view.transcript, 'chain.json')),
      button('copy link', (event) => copyText(link(), event.currentTarget), 'A link that fills in the same prompt and settings')])].filter(Boolean));
}

function announce() {
  const finished = steps().filter((step) => step.finish || step.edited).at(-1);
  const words = finished ? `${titleOf(finished)}: ${finished.text.trim()}` : '';
  if (words !== announced && !(busy() && view.live === steps().indexOf(finished))) setText(live, words);
  announced = words;
}

function emptyState() {
  const kinds = [['draft', 'Draft', 'The model answers as it is: helpful, and sometimes harmful.'],
    ['critique', 'Critique', 'The same model looks for what is wrong, under one principle.'],
    ['revision', 'Revision', 'It rewrites its answer. Every changed word is marked.']];
  return node('div', { class: 'empty' }, [
    node('h3', { text: 'Nothing has been asked yet' }),
    node('p', { text: 'Click an example, or type what a person might ask, and press Run.' }),
    node('div', { class: 'lesson' }, kinds.map(([kind, title, text]) =>
      node('div', { class: `step ${kind}` }, [node('h3', { text: title }), node('p', { text })])))]);
}

start((value) => {
  const before = view;
  view = value;
  root.dataset.state = view?.state ?? 'empty';
  root.dataset.serial = view?.serial ?? 0;
  if (!view || view.state === 'empty') {
    cards.length = 0; editing.clear();
    notes.replaceChildren(); foot.hidden = true; setText(live, '');
    list.replaceChildren(emptyState());
    return;
  }
  if (!before || before.state === 'empty') list.replaceChildren();
  if (!before || before.serial !== view.serial) editing.clear();
  while (cards.length > steps().length) cards.pop().element.remove();
  while (cards.length < steps().length) { const made = card(cards.length); cards.push(made); list.append(made.element); }
  cards.forEach(draw);
  drawNotes(); drawFoot(); announce();
  if (busy() && before?.state !== 'running' && before?.state !== 'waiting') reveal();
});
