// One prompt at every stage of the method. A slider goes from pretrained to the last checkpoint;
// the stage before stands beside, with what changed marked. Scores are bars under their stage.
const link = (text, act, title) => node('button', { type: 'button', class: 'link', text, title, on: { click: act } });
const few = (x) => (x > 0 ? '+' : '') + x.toFixed(2);
let view = null, at = 0, waiting = false, run = '';
const go = node('button', { type: 'button', class: 'btn', id: 'critique-climb', text: 'Answer at every checkpoint', on: { click: () => climb() } });
const runs = node('select', { 'aria-label': 'RL run whose checkpoints are shown', on: { change: () => { run = runs.value; climb(); } } });
const said = node('span', { class: 'meta', role: 'status' });
const about = node('p', { class: 'meta', text: 'The prompt above, answered by pretrained → helpful → SL-CAI → RL at each saved step, in one batch, with the same seed.' });
const note = node('div', { class: 'note bad', role: 'alert', hidden: true });
const strip = node('div', { class: 'strip', role: 'group', 'aria-label': 'Stages' });
const slider = node('input', { type: 'range', min: 0, max: 0, value: 0, 'aria-label': 'Stage', on: { input: () => { at = Number(slider.value); draw(); } } });
const slide = node('div', { class: 'row slide', hidden: true }, [node('span', { class: 'meta', text: 'Stage' }), slider, node('output')]);
const pair = node('div', { class: 'pair' });
const missing = node('div', { class: 'row missing' });
const foot = node('p', { class: 'meta' });
root.append(node('div', { class: 'row' }, [node('h3', { text: 'Every checkpoint' }), go, runs, said]), about, note, strip, slide, pair, missing, foot);

function climb() { waiting = true; setText(said, 'writing…'); go.disabled = true; trigger('climb', { run }); }
const answers = () => view?.ladder?.answers ?? [];
// A Train tab that nobody has opened yet hears no event: its form reads the kind from the address.
function train(kind) {
  const query = new URLSearchParams(window.location.search);
  query.set('kind', kind);
  window.history.replaceState(null, '', `?${query}`);
  window.dispatchEvent(new CustomEvent('cw-train-show', { detail: kind }));
  trigger('train', { kind });
}

function card(n, look) {
  const one = answers()[n], diff = view.diffs[n];
  const shown = look === 'after' && diff ? diff.map(([op, text]) => node({ '=': 'span', '+': 'ins', '-': 'del' }[op], { text })) : [node('span', { text: one.text || '(nothing)' })];
  return node('article', { class: `rung ${look}`, 'aria-label': one.rung.title }, [node('header', {}, [node('h4', { text: one.rung.title }), node('span', { class: 'meta', text: [one.rung.adapter !== 'none' && one.rung.step === null ? one.rung.adapter : '', `${one.tokens} tokens`, one.finish === 'length' ? 'cut at the token limit' : '', one.score === null ? '' : `PM ${few(one.score)}`].filter(Boolean).join(' · ') }), ...one.flags.map((flag) => node('span', { class: 'tag', text: flag.replaceAll('_', ' ') }))]),
    node('p', {}, shown)]);
}
function draw() {
  const all = answers();
  at = Math.min(at, all.length - 1);
  slider.max = Math.max(0, all.length - 1); slider.value = at; setShown(slide, all.length > 1);
  setText(slide.querySelector('output'), all[at]?.rung.title ?? '');
  const scores = all.map((one) => one.score).filter((score) => score !== null);
  const low = Math.min(0, ...scores), high = Math.max(0, ...scores), place = (score) => 100 * (score - low) / (high - low || 1);
  refill(strip, all.map((one, n) => node('button', { type: 'button', 'data-hold': n, 'aria-pressed': String(n === at), title: one.text, on: { click: () => { at = n; draw(); } } }, [
    one.score !== null && node('span', { class: 'gauge' }, [node('i', { style: `bottom:${place(Math.min(0, one.score)).toFixed(1)}%;height:${Math.max(1.5, place(Math.max(0, one.score)) - place(Math.min(0, one.score))).toFixed(1)}%` })]),
    node('b', { text: one.rung.step === null ? one.rung.title : `RL ${one.rung.step}` }), node('span', { class: 'meta', text: one.score === null ? '' : few(one.score) })])));
  pair.replaceChildren(...(all.length ? [...(at > 0 ? [card(at - 1, 'before')] : []), card(at, 'after')] : []));
}

start((value) => {
  view = value;
  if (waiting && view?.state !== 'empty') { waiting = false; setText(said, ''); }
  go.disabled = waiting;
  root.dataset.state = view?.state ?? 'empty';
  setText(note, view?.message ?? ''); setShown(note, Boolean(view?.message));
  const known = view?.runs ?? [];
  setShown(runs, known.length > 1);
  runs.replaceChildren(node('option', { value: '', text: 'newest RL run' }), ...known.map(([id, text]) => node('option', { value: id, text, selected: id === view.run })));
  const gone = view?.ladder?.missing ?? [];
  missing.replaceChildren(...gone.map((one) => node('span', { class: 'gone' }, [`${one.title}: none yet `, link('train it', () => train(one.kind))])));
  setText(foot, !view?.ladder ? '' : [view.ladder.scorer ? `Scored by ${view.ladder.scorer}, in standard deviations of the start policy’s samples` : view.ladder.unscored_reason ? `Unscored: ${view.ladder.unscored_reason}` : '', `seed ${view.ladder.seed}, temperature ${view.ladder.temperature}`].filter(Boolean).join(' · '));
  if (view?.state === 'done') at = answers().length - 1;
  draw();
});
