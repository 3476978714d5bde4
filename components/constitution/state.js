// The document being edited, and everything that keeps it: undo, drafts, the server's reading of it.
// One object holds all of it; the other scripts draw it and call `changed`.
const STAGES = ['supervised', 'preference'];
const FIELDS = { supervised: ['critique_request', 'revision_request'], preference: ['question'] };
const LABELS = { critique_request: 'Critique request', revision_request: 'Revision request', question: 'Comparison question' };
const TAB = (() => {
  let tab = null;
  try { tab = sessionStorage.getItem('cai-tab'); } catch { /* no storage: this page only */ }
  if (!/^[a-z0-9]{16}$/.test(tab ?? '')) tab = Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => 'abcdefghijklmnopqrstuvwxyz0123456789'[n % 36]).join('');
  try { sessionStorage.setItem('cai-tab', tab); } catch { /* as above */ }
  return tab;
})();
const LOCAL = `cai-constitution-${TAB}`;
let uids = 0;
const E = {
  spec: '', shipped: true, parent: null, current: null, hash: '', versions: [], known: [], forms: {}, readOnly: false,
  document: null, saved: '', yaml: '', yamlError: null, error: null, findings: [],
  stage: 'preference', pane: 'yaml', view: 'write', past: [], future: [], asked: 0,
};

const ask = async (name, payload = {}) => {
  let said = null;
  try { said = await server[name](payload); } catch { throw new Error('The server does not answer. Your edits are kept in this browser.'); }
  if (!said || said.error) throw new Error(said?.error ?? 'The server gave no answer. Your edits are kept in this browser.');
  return said.value;
};
const plain = (document) => {
  const bare = ({ uid, ...rest }) => rest;
  return { ...document, ...Object.fromEntries(STAGES.map((stage) => [stage, (document[stage] ?? []).map(bare)])) };
};
const textOf = (document) => JSON.stringify(plain(document));
const dirty = () => Boolean(E.document) && textOf(E.document) !== E.saved;
// A text that cannot be read yet is work as well: the cards do not know of it.
const unsaved = () => dirty() || Boolean(E.yamlError);
// Cards keep their nodes over a new reading of the document: by id, else by place.
const withUids = (document, before) => {
  const made = { ...document };
  for (const stage of STAGES) {
    const old = before?.[stage] ?? [];
    const taken = new Set();
    made[stage] = (document[stage] ?? []).map((one, n) => {
      const known = old.find((other) => other.id === one.id && !taken.has(other.uid)) ?? (old[n] && !taken.has(old[n].uid) && !document[stage].some((other) => other.id === old[n].id) ? old[n] : null);
      if (known) taken.add(known.uid);
      return { ...one, uid: known?.uid ?? `u${uids += 1}` };
    });
  }
  return made;
};
const later = (wait, act) => { let timer = 0; const soon = () => { clearTimeout(timer); timer = setTimeout(act, wait); }; soon.cancel = () => clearTimeout(timer); return soon; };

// Undo: whole documents, one step a structural change or a burst of typing in one field.
let burst = null;
const remember = (key = null) => {
  if (key && key === burst) return;
  burst = key;
  forgetUndo();
  E.past.push(JSON.stringify(E.document));
  if (E.past.length > 200) E.past.shift();
  E.future.length = 0;
};
const stepThrough = (from, to) => {
  if (!from.length || E.yamlError) return; // the text being mended would be written over
  forgetUndo();
  to.push(JSON.stringify(E.document));
  E.document = JSON.parse(from.pop());
  burst = null;
  drawAll(); changed();
};
const undo = () => stepThrough(E.past, E.future);
const redo = () => stepThrough(E.future, E.past);

// Drafts: at once in this browser, soon after on the server.
const draftNow = () => ({ spec: E.spec, parent: E.parent, document: plain(E.document), yaml: E.yamlError ? E.yaml : null });
const storeLocal = () => {
  if (!E.document) return; // left before anything was open: what is kept stays
  try {
    if (unsaved()) localStorage.setItem(LOCAL, JSON.stringify({ ...draftNow(), time: new Date().toISOString() }));
    else localStorage.removeItem(LOCAL);
  } catch { /* full or forbidden: the server's draft is left */ }
};
const readLocal = () => { try { return JSON.parse(localStorage.getItem(LOCAL)); } catch { return null; } };
const holdDraft = async () => {
  if (unsaved()) await ask('keep_draft', { tab: TAB, ...draftNow() });
  else await ask('drop_draft', { tab: TAB });
  root.dataset.kept = textOf(E.document).length;
};
const keepDraft = later(900, async () => {
  if (E.readOnly || !E.document) return;
  try { await holdDraft(); } catch (error) { say(error.message, 'bad'); }
});

// The server reads the cards and writes them as YAML; an answer that came too late is left.
const readCards = later(280, async () => {
  const mine = E.asked += 1;
  const sent = textOf(E.document);
  try {
    const found = await ask('check', { document: JSON.parse(sent) });
    if (mine !== E.asked || sent !== textOf(E.document)) return;
    E.error = found.error ?? null;
    E.findings = found.findings;
    if (!found.error) { E.hash = found.hash; if (!E.yamlError) setYaml(found.yaml); }
    root.dataset.checked = E.hash;
    drawFindings(); drawBar(); drawPane();
  } catch (error) { say(error.message, 'bad'); }
});
const readYaml = later(280, async () => {
  const mine = E.asked += 1;
  try {
    const found = await ask('check', { yaml: E.yaml });
    if (mine !== E.asked) return;
    E.yamlError = found.error ?? null;
    if (found.error) forgetUndo(); // nothing can be undone under it
    else {
      const before = textOf(E.document);
      if (JSON.stringify(found.document) !== before) { remember('yaml'); E.document = withUids(found.document, E.document); }
      E.error = null; E.findings = found.findings; E.hash = found.hash;
    }
    root.dataset.checked = found.error ? 'error' : E.hash;
    storeLocal(); keepDraft(); drawAll({ yaml: false });
  } catch (error) { say(error.message, 'bad'); }
});
const changed = () => { hush(); storeLocal(); keepDraft(); drawBar(); readCards(); };

function take(found) {
  E.document = withUids(found.document, null);
  E.saved = textOf(E.document);
  Object.assign(E, { spec: found.document.name, shipped: found.shipped, parent: found.shipped ? null : found.current, current: found.current, hash: found.hash, versions: found.versions, findings: found.findings, yamlError: null, error: null, past: [], future: [] });
  if (found.known) E.known = found.known;
  burst = null;
  setYaml(found.yaml);
  root.dataset.checked = E.hash;
}

async function open(spec, draft = null) {
  const found = await ask('open_constitution', { spec });
  take(found);
  if (draft) applyDraft(draft);
  drawAll();
  if (draft) { keepDraft(); if (E.yamlError) readYaml(); else readCards(); }
}
function applyDraft(draft) {
  E.document = withUids({ ...plain(E.document), ...draft.document }, E.document);
  if (!E.shipped) E.parent = draft.parent ?? null;
  if (draft.yaml) { E.yaml = draft.yaml; E.yamlError = { problem: 'reading…', line: null, place: [] }; }
}
