// The slim header: which model, which adapter, which constitution, and whether they are ready.
const WORDS = { ready: 'ready', loading: 'loading weights…', failed: 'failed', available: 'not loaded' };
const small = (n) => n >= 1e9 ? `${(n / 1e9).toFixed(1)} B` : n >= 1e5 ? `${(n / 1e6).toFixed(1)} M` : String(n);
const label = (text) => ({ nf4: 'NF4', cpu: 'CPU', cuda: 'CUDA' }[String(text).toLowerCase()] ?? text);

const dot = node('i', { class: 'dot' });
const modelText = node('span');
const modelChip = node('button', { type: 'button', class: 'chip', popovertarget: 'cw-models', title: 'Models' }, [dot, modelText]);
const adapterChip = node('span', { class: 'chip' });
const teachingChip = node('span', { class: 'chip teaching', text: 'small teaching model', title: 'pocket knows a toy world of several hundred acts and about three thousand words. It shows how the method works, not what a large model would say.' });
const constitutionChip = node('button', { type: 'button', class: 'chip', popovertarget: 'cw-constitution', title: 'Constitution' });
const models = node('div', { id: 'cw-models', class: 'sheet', popover: 'auto' });
const constitution = node('div', { id: 'cw-constitution', class: 'sheet', popover: 'auto' });
const theme = node('button', { type: 'button', class: 'chip theme', 'aria-label': 'Light or dark', title: 'Light or dark', text: '◐', on: { click: () => {
  const dark = document.body.classList.toggle('dark');
  const address = new URL(window.location.href);
  address.searchParams.set('__theme', dark ? 'dark' : 'light');
  window.history.replaceState(null, '', address);
} } });
const runsDot = node('i', { class: 'dot' });
const runsText = node('span');
const runsChip = node('button', { type: 'button', class: 'chip runs-chip', popovertarget: 'cw-runs', title: 'Runs: long work, its progress and its log' }, [runsDot, runsText]);
const noteChip = node('span', { class: 'chip aside' });
root.append(node('h1', { class: 'brand', text: 'Constitutional AI Workbench' }), modelChip, adapterChip, teachingChip, runsChip, noteChip,
  node('span', { class: 'right' }, [constitutionChip, theme]), models, constitution);
let drawn = '';
let doneRuns = null;

function drawRuns(runs) {
  const left = (s) => `${Math.floor(s / 60)}:${String(Math.round(s) % 60).padStart(2, '0')} left`;
  const first = runs.first;
  const parts = [runs.live && plural(runs.live, 'run'), runs.waiting && `${runs.waiting} waiting`,
    first && (first.share === null ? first.kind : `${first.kind} ${Math.floor(100 * first.share)} %`),
    first && first.eta_s !== null && left(first.eta_s), runs.trouble && `last run ${runs.trouble}`];
  const said = parts.filter(Boolean);
  setText(runsText, said.length ? said.join(' · ') : 'runs');
  runsDot.className = `dot ${runs.live ? 'loading' : runs.trouble ? 'failed' : ''}`;
  // Whoever shows rows may look again: a finished run brings new ones.
  if (doneRuns !== null && doneRuns !== runs.done) { window.dispatchEvent(new CustomEvent('cw-run-done')); trigger('grown', {}); }
  doneRuns = runs.done;
}

function drawModels(value) {
  models.replaceChildren(node('h3', { text: 'Models' }), node('table', {}, [node('tbody', {}, value.models.map((one) =>
    node('tr', {}, [
      node('td', {}, [node('i', { class: `dot ${one.state}` }), one.spec]),
      node('td', { text: one.parameters ? small(one.parameters) : '' }),
      node('td', { text: [one.quantization, one.device].filter(Boolean).map(label).join(' · ') }),
      node('td', { text: WORDS[one.state] ?? one.state }),
      node('td', { text: one.adapters.length ? `adapters: ${one.adapters.join(', ')}` : '' })])))]),
  ...(value.model?.note ? [node('p', { text: value.model.note })] : []));
}

function drawConstitution(chosen) {
  setText(constitutionChip, chosen ? `${chosen.hazard ? '⚠ ' : ''}${chosen.name} · ${chosen.hash.slice(0, 6)}` : 'no constitution');
  constitutionChip.classList.toggle('hazard', Boolean(chosen?.hazard));
  constitution.replaceChildren(...(chosen ? [
    node('h3', { text: chosen.title }), node('p', { text: chosen.description }),
    node('p', { class: 'soft', text: `${plural(chosen.supervised, 'principle')} for critiques, ${chosen.preference} for judging · ${chosen.hash}` })] : []));
}

start((value) => {
  if (!value || JSON.stringify(value) === drawn) return;
  drawn = JSON.stringify(value);
  const model = value.model ?? { state: 'failed', spec: value.spec };
  dot.className = `dot ${model.state}`;
  const parts = [model.spec.split('@')[0], model.parameters && small(model.parameters), model.quantization && label(model.quantization), model.device && label(model.device)];
  if (model.state !== 'ready') parts.push(WORDS[model.state]);
  setText(modelText, parts.filter(Boolean).join(' · '));
  // Of a typed model that was not opened yet, nothing is known but its name.
  setShown(adapterChip, model.state !== 'available' || Boolean(model.parameters));
  setText(adapterChip, `adapter: ${model.adapter ?? 'none'}`);
  setShown(teachingChip, value.teaching);
  setShown(noteChip, Boolean(model.note));
  setText(noteChip, model.note ?? '');
  noteChip.title = model.note ?? '';
  drawModels(value); drawConstitution(value.constitution); drawRuns(value.runs);
});
