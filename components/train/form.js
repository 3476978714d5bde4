// The form that starts a training. Its fields come from the options' own descriptions, so that
// page, command line and YAML say the same. What was typed is kept for each kind, over reloads too.
const KEPT = 'cai-train-form';
const query = new URLSearchParams(window.location.search);
const btn = (text, act, look = '') => node('button', { type: 'button', class: look, text, on: { click: act } });
const link = (text, act, title) => node('button', { type: 'button', class: 'link', text, title, on: { click: act } });
const clock = (s) => s >= 5400 ? `${(s / 3600).toFixed(1)} hours` : s >= 90 ? `${Math.round(s / 60)} minutes` : `${Math.max(1, Math.round(s))} seconds`;
const spoken = (name) => ({ lr: 'learning rate', pm: 'preference model', max_steps: 'most steps', kl_weight: 'λ, the price of KL', mix: 'share of AI labels', helpful: 'helpful data' }[name] ?? name.replaceAll('_', ' '));
let kept = {};
try { kept = JSON.parse(window.localStorage.getItem(KEPT) ?? '{}') ?? {}; } catch { kept = {}; }
let kinds = [], kind = query.get('kind') || kept.kind || 'helpful', form = null, planned = null;
let preset = kept.preset === 'paper' ? 'paper' : 'notes';
let asking = 0, timer = 0;
const values = () => { kept[kind] ??= {}; return kept[kind]; };
const keep = () => { kept.kind = kind; kept.preset = preset; try { window.localStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* a private window keeps nothing */ } };
const ask = async (name, payload) => { const said = await server[name](payload); if (said.error) throw new Error(said.error); return said.value; };

const kindButtons = node('div', { class: 'segments', role: 'group', 'aria-label': 'What to train' });
const about = node('p', { class: 'about' });
const presetButtons = node('div', { class: 'segments', role: 'group', 'aria-label': 'Preset' }, [['notes', 'the notes'], ['paper', 'the paper']].map(([value, text]) => btn(text, () => { preset = value; changed(); draw(); }, '')));
const presetAbout = node('span', { class: 'meta' });
const earlier = node('select', { 'aria-label': 'Fill from an earlier run', on: { change: () => { if (earlier.value) fill(earlier.value); earlier.value = ''; } } });
const main = node('div', { class: 'full' }), rest = node('div'), folded = node('details', {}, [node('summary', { text: 'More settings' }), rest]);
main.style.display = 'contents';
const go = node('button', { type: 'button', class: 'btn go', id: 'train-start', text: 'Start', on: { click: begin } });
const back = link('back to the preset', () => { kept[kind] = {}; changed(); draw(); }, 'Forget what was changed here');
const note = node('div', { class: 'note bad', role: 'alert', hidden: true });
const rows = node('p', { class: 'rows' }), needs = node('p', { class: 'meta' }), time = node('p', { class: 'meta' }), notes = node('div', { class: 'meta' });
const command = node('pre', { tabindex: 0, 'aria-label': 'The command' }), yaml = node('pre', { tabindex: 0, 'aria-label': 'The YAML' });
const exact = node('details', {}, [node('summary', { text: 'Command and YAML' }), node('div', {}, [node('div', {}, [node('div', { class: 'row', style: 'justify-content:space-between' }, [node('span', { class: 'meta', text: 'The same in a terminal' }), link('copy', (event) => copyText(command.textContent, event.currentTarget))]), command,
  node('div', { class: 'row', style: 'justify-content:space-between' }, [node('span', { class: 'meta', text: 'The same as a file, for --config' }), link('copy', (event) => copyText(yaml.textContent, event.currentTarget))]), yaml])])]);
exact.lastChild.style.display = 'block';
const estimate = node('div', { class: 'estimate' }, [rows, needs, time, notes, exact]);
root.append(node('div', { class: 'field full' }, [node('span', { class: 'label', text: 'What to train' }), kindButtons, about]), node('div', { class: 'field full' }, [node('span', { class: 'label', text: 'Preset' }), presetButtons, presetAbout]),
  node('div', { class: 'field full' }, [earlier]), main, folded, node('div', { class: 'start' }, [go, back]), note, estimate);

const PRESETS = { notes: 'As the method’s notes have it: SL-CAI goes on from helpful.', paper: 'As the paper has it: from the pretrained base, its epochs and batches, scaled.' };
const standard = (option) => option.values[preset];
const given = (option) => (option.name in values() ? values()[option.name] : standard(option));

function field(option) {
  const id = `train-option-${option.name}`;
  const choices = form.choices[option.name] ?? (option.choices.length ? option.choices.map((value) => ({ value, label: value })) : null);
  const now = given(option), told = now === null || now === undefined ? '' : String(now);
  const read = (text) => text === '' ? (option.type === 'text' ? '' : null) : option.type === 'integer' || option.type === 'number' ? Number(text) : option.type === 'switch' ? text === 'true' : text;
  const set = (text) => { const value = read(text); if (value === standard(option) || (value === null && (standard(option) ?? '') === '')) delete values()[option.name]; else values()[option.name] = value; box.classList.toggle('changed', option.name in values()); changed(); };
  let input;
  if (choices) {
    const listed = choices.some((one) => one.value === told) ? choices : [...choices, { value: told, label: told || '–' }];
    input = node('select', { id, on: { change: () => set(input.value) } }, listed.map((one) => node('option', { value: one.value, text: one.label, selected: one.value === told })));
  } else if (option.type === 'switch') {
    input = node('select', { id, on: { change: () => set(input.value) } }, [['true', 'yes'], ['false', 'no']].map(([value, text]) => node('option', { value, text, selected: value === told })));
  } else {
    const number = option.type === 'integer' || option.type === 'number';
    input = node('input', { id, type: number ? 'number' : 'text', step: option.type === 'integer' ? 1 : 'any', value: told, placeholder: option.name === 'name' ? 'my-adapter' : number ? 'all' : '', on: { input: () => set(input.value) } });
    input.value = told;
  }
  const box = node('div', { class: `field ${option.name in values() ? 'changed' : ''}`, 'data-option': option.name }, [node('label', { for: id, text: option.name === 'name' ? 'name of the resulting adapter' : spoken(option.name) }), input, node('span', { class: 'meta', text: option.description })]);
  return box;
}

function draw() {
  refill(kindButtons, kinds.map((one) => node('button', { type: 'button', text: one.title, 'data-hold': one.id, 'aria-pressed': String(one.id === kind), 'data-kind': one.id, on: { click: () => choose(one.id) } })));
  [...presetButtons.children].forEach((one, n) => one.setAttribute('aria-pressed', String(['notes', 'paper'][n] === preset)));
  setText(presetAbout, PRESETS[preset]);
  if (!form) return;
  setText(about, form.about);
  const runs = form.earlier ?? [];
  earlier.replaceChildren(node('option', { value: '', text: runs.length ? 'Fill from an earlier run…' : 'No earlier run to fill from' }), ...runs.map((one) => node('option', { value: one.id, text: `${one.title} · ${one.id}` })));
  earlier.disabled = !runs.length;
  const shown = form.options.filter((option) => option.name !== 'preset' && !form.fixed.includes(option.name));
  const first = form.main.map((name) => shown.find((option) => option.name === name)).filter(Boolean);
  main.replaceChildren(...first.map(field));
  rest.replaceChildren(...shown.filter((option) => !first.includes(option)).map(field));
  drawPlan();
}

function drawPlan() {
  const wrong = planned?.message ?? '';
  // That there is no data yet is no mistake: what to do about it is a click away.
  const todo = { chains: 'Generate chains', labels: 'Label pairs' }[planned?.todo];
  note.className = todo ? 'note' : 'note bad';
  note.replaceChildren(node('p', { text: wrong }), ...(todo ? [btn(todo, () => window.dispatchEvent(new CustomEvent('cw-train-begin', { detail: planned.todo })), 'btn')] : []));
  setShown(note, Boolean(wrong));
  for (const one of root.querySelectorAll('.field.wrong')) one.classList.remove('wrong');
  if (wrong && planned?.field) root.querySelector(`[data-option="${CSS.escape(planned.field)}"]`)?.classList.add('wrong');
  go.disabled = !form?.may_write || !planned || Boolean(wrong);
  setShown(back, Object.keys(values()).length > 0);
  setShown(estimate, Boolean(planned) && !wrong);
  if (!planned || wrong) return;
  const counts = Object.entries(planned.counts).map(([key, n]) => `${n.toLocaleString('en')} ${key.replaceAll('_', ' ')}`).join(', ');
  const alone = counts.startsWith(`${planned.rows.toLocaleString('en')} `); // one sort of row alone
  setText(rows, `${alone ? counts : `${planned.rows.toLocaleString('en')} rows${counts ? ` (${counts})` : ''}`}${planned.steps ? `, ${plural(planned.steps, 'step')}` : ''}`);
  setText(needs, planned.needs); needs.classList.toggle('short', !planned.fits);
  setText(time, planned.seconds ? `About ${clock(planned.seconds)}${planned.seconds_from ? `, by ${planned.seconds_from}` : ''}.` : planned.seconds_from ? `How long is not known: ${planned.seconds_from}.` : '');
  notes.replaceChildren(...planned.notes.map((text) => node('p', { text })));
  setText(command, planned.command); setText(yaml, planned.yaml);
}

function changed() { keep(); clearTimeout(timer); estimate.classList.add('asking'); timer = setTimeout(estimateNow, 350); }
async function estimateNow() {
  if (!form) return;
  const mine = ++asking;
  let found;
  try { found = await ask('plan', { kind, preset, values: values() }); } catch (error) { found = { message: error.message }; }
  if (mine !== asking) return;
  planned = found; estimate.classList.remove('asking'); drawPlan();
}
async function load() {
  const wanted = kind;
  let found;
  try { found = await ask('form', { kind }); } catch (error) { setText(note, error.message); setShown(note, true); return; }
  if (wanted !== kind) return;
  kinds = found.kinds; kind = found.kind; form = found;
  window.dispatchEvent(new CustomEvent('cw-train-kind', { detail: { kind, names: Object.fromEntries(kinds.map((one) => [one.id, one.title])) } }));
  // An adapter that was chosen and is gone, or options of an older version, would stop the form.
  const known = new Set(form.options.map((option) => option.name));
  for (const name of Object.keys(values())) if (!known.has(name)) delete values()[name];
  draw(); changed();
}
function choose(next) { if (next === kind && form) return; kind = next; form = null; planned = null; asking += 1; keep(); draw(); drawPlan(); load(); } // what is on its way for the kind before is not shown under this one
async function fill(run) {
  let found;
  try { found = await ask('from_run', { run }); } catch (error) { setText(note, error.message); setShown(note, true); return; }
  kind = found.kind; preset = found.preset; kept[kind] = found.values; form = null; planned = null; keep();
  await load();
  root.scrollIntoView({ behavior: 'smooth', block: 'start' });
}
async function begin() {
  go.disabled = true;
  try {
    const run = await ask('start', { kind, preset, values: values() });
    if ('name' in values()) { delete values().name; keep(); draw(); }
    window.dispatchEvent(new CustomEvent('cw-train-started', { detail: run.id }));
    load();
  } catch (error) { planned = { message: error.message }; drawPlan(); }
}
window.addEventListener('cw-train-fill', (event) => fill(event.detail));
window.addEventListener('cw-train-show', (event) => choose(event.detail));
// What can be chosen grows as runs end; typed values stay.
window.addEventListener('cw-run-done', () => { if (form && !root.contains(document.activeElement)) load(); });
// Counting rows opens the store, so it waits until somebody looks.
new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting) && !form) load(); }).observe(root);
start(() => {});
