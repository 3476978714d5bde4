// The bar above the cards: what is open, whether it is saved, saving it, other forms; and the start.
const chooser = node('select', { 'aria-label': 'Open a constitution', on: { change: (event) => openChosen(event.currentTarget.value) } });
const status = node('span', { class: 'meta status' });
const hazard = node('div', { class: 'note warn', role: 'note' });
const notices = node('div', { class: 'notices' });
const live = node('div', { class: 'cw-hidden', 'aria-live': 'polite' });
const titleBox = node('input', { class: 'doctitle', 'aria-label': 'Title', on: { input: (event) => own('title', event.currentTarget.value) } });
const description = node('textarea', { rows: 2, 'aria-label': 'Description', placeholder: 'What is it for?', on: { input: (event) => own('description', event.currentTarget.value.replace(/\s*\n\s*/g, ' ')) } });
const hazardous = node('input', { type: 'checkbox', on: { change: (event) => { own('hazard', event.currentTarget.checked); drawBar(); } } });
const plainButton = (text, act, title = '', look = 'btn') => node('button', { type: 'button', class: look, text, title, on: { click: act } });
const saveButton = plainButton('Save…', () => showSave(), 'Save these edits as a version', 'btn go');
const dropButton = plainButton('Drop edits', () => dropEdits(), 'Go back to the saved version');
const undoButton = plainButton('Undo', () => undo(), 'Undo (Ctrl+Z outside a text)');
const redoButton = plainButton('Redo', () => redo(), 'Redo');
const importFile = node('input', { type: 'file', class: 'cw-hidden', accept: '.yaml,.yml,.json', tabindex: -1, 'aria-label': 'File to import', on: { change: (event) => importChosen(event.currentTarget) } });
const exportSelect = node('select', { 'aria-label': 'Export as', on: { change: (event) => { exportAs(event.currentTarget.value); event.currentTarget.value = ''; } } });
const segments = (label, entries) => {
  const group = node('div', { class: 'segments', role: 'group', 'aria-label': label });
  group.append(...entries.map(([value, text, act]) => node('button', { type: 'button', 'data-value': value, text, on: { click: act } })));
  return { group, show: (value, texts = {}) => { for (const one of group.children) { one.setAttribute('aria-pressed', String(one.dataset.value === value)); if (texts[one.dataset.value]) setText(one, texts[one.dataset.value]); } } };
};
const views = segments('View', [['write', 'Write', () => view('write')], ['measure', 'What it changes', () => view('measure')]]);
const stages = segments('Set of principles', [['preference', '', () => stage('preference')], ['supervised', '', () => stage('supervised')]]);
const panes = segments('Beside the cards', [['yaml', 'YAML', () => side('yaml')], ['versions', 'Versions', () => side('versions')], ['none', 'Cards only', () => side('none')]]);
const addButton = plainButton('Add a principle', () => add(), '', 'btn add');
const lintCount = node('span', { class: 'meta' });
const setHint = node('p', { class: 'meta hint' });
const bar = node('div', { class: 'bar-top' }, [
  node('div', { class: 'row' }, [chooser, status, node('span', { class: 'right row' }, [undoButton, redoButton, dropButton, saveButton])]),
  notices]);
const about = node('div', { class: 'about' }, [titleBox, description, node('div', { class: 'row' }, [node('label', { class: 'check' }, [hazardous, 'a hazard: made to show what goes wrong']),
    node('span', { class: 'right row' }, [plainButton('Import a file', () => importFile.click(), 'Our YAML, the paper’s JSON files, or a recipe’s JSON', 'link'), importFile, exportSelect])]), hazard]);
const body = node('div', { class: 'body' }, [about,
  node('div', { class: 'row switches' }, [stages.group, lintCount, node('span', { class: 'right' }, [panes.group])]),
  node('div', { class: 'columns' }, [node('div', { class: 'cards' }, [setHint, list, addButton]), pane])]);
root.append(node('div', { class: 'row viewrow' }, [views.group]), bar, body, live);

const tell = (text) => setText(live, text);
function say(text, tone = '', actions = []) {
  const it = node('div', { class: `note ${tone}`, role: tone === 'bad' ? 'alert' : 'status' }, [node('span', { text }),
    ...actions.map(([word, act]) => plainButton(word, () => { it.remove(); act(); }, '', 'link')),
    node('button', { type: 'button', class: 'link close', 'aria-label': 'Close', text: '✕', on: { click: () => it.remove() } })]);
  it.dataset.kind = 'said';
  if (actions.length || tone) it.dataset.offers = 'true';
  if (actions.some(([, act]) => act === undo)) it.dataset.undoes = 'true';
  notices.querySelector('[data-kind=said]')?.remove();
  notices.append(it);
}
// What was said of an earlier step is gone with the next one, unless it offers to undo it.
const hush = () => { const it = notices.querySelector('[data-kind=said]'); if (it && !it.dataset.offers) it.remove(); };
// An Undo that was offered is of the step before it: with the next step it would take back that one.
const forgetUndo = () => notices.querySelector('[data-undoes]')?.remove();
const told = (text) => { say(text); tell(text); };
const own = (field, value) => { if (E.document[field] === value) return; remember(`own.${field}`); E.document[field] = value; changed(); };
const view = (name) => { E.view = name; root.closest('.cw-section')?.setAttribute('data-view', name); views.show(name); drawBar(); if (name === 'measure') document.querySelector('#constitution-effects .cw')?.looked?.(); };
const stage = (name) => { E.stage = name; drawAll({ yaml: false }); };
const side = (name) => { E.pane = name; panes.show(name); drawPane(); };

function drawBar() {
  if (!E.document) return;
  const groups = [['Shipped', E.known.filter((one) => one.shipped)], ['Yours', E.known.filter((one) => !one.shipped)]];
  const key = JSON.stringify([E.known, E.spec]);
  if (chooser.dataset.key !== key) {
    chooser.replaceChildren(...groups.filter(([, all]) => all.length).map(([label, all]) => node('optgroup', { label }, all.map((one) =>
      node('option', { value: one.name, text: `${one.hazard ? '⚠ ' : ''}${one.title} (${one.name})`, selected: one.name === E.spec })))));
    chooser.dataset.key = key;
  }
  chooser.value = E.spec;
  const edits = unsaved();
  // While the text is being mended, whatever writes into the cards would write over it.
  about.inert = Boolean(E.yamlError); addButton.disabled = Boolean(E.yamlError);
  const saved = E.shipped ? 'comes with the program' : E.versions[0] ? `saved ${ago(E.versions[0].time)}` : '';
  setText(status, `${E.hash ? `${E.hash.slice(0, 8)} · ` : ''}${edits ? 'edits not saved, kept as a draft' : saved}`);
  root.dataset.state = E.yamlError || E.error ? 'error' : edits ? 'edited' : 'saved';
  status.classList.toggle('edited', edits);
  saveButton.disabled = E.readOnly || !edits || Boolean(E.yamlError || E.error);
  saveButton.title = E.readOnly ? 'This page keeps nothing; run your own copy to save' : E.error?.problem ?? 'Save these edits as a version';
  dropButton.disabled = !edits;
  undoButton.disabled = !E.past.length || Boolean(E.yamlError); redoButton.disabled = !E.future.length || Boolean(E.yamlError);
  const put = (input, value) => { if (document.activeElement !== input && input.value !== value) input.value = value; };
  put(titleBox, E.document.title); put(description, E.document.description);
  hazardous.checked = E.document.hazard;
  setShown(hazard, E.document.hazard);
  hazard.replaceChildren(node('b', { text: '⚠ A lesson about dangers. ' }), 'Wherever it is used, the page says so; models are trained on it in the pocket family only.');
  const off = (name) => E.document[name].filter((one) => !one.enabled || one.weight === 0).length;
  const count = (name) => `${E.document[name].length}${off(name) ? ` (${off(name)} off)` : ''}`;
  stages.show(E.stage, { preference: `Compare · ${count('preference')}`, supervised: `Critique and revise · ${count('supervised')}` });
  setText(setHint, E.stage === 'preference' ? 'One of these questions is drawn for every comparison, in proportion to its weight.' : 'One of these is drawn for every round: first the critique is asked for, then the revision.');
  const here = E.findings.filter((one) => one.stage === E.stage || !one.stage);
  setText(lintCount, E.error && !E.error.place.length ? E.error.problem : here.length ? `${plural(here.length, 'remark')} on these` : '');
}
function drawAll(what = {}) {
  if (!E.document) return;
  if (what.yaml !== false && !E.yamlError) setYaml(E.yaml);
  if (E.yamlError && yamlArea.value !== E.yaml) yamlArea.value = E.yaml;
  drawBar(); drawCards(); panes.show(E.pane); drawPane(); views.show(E.view);
}

async function openChosen(spec) {
  if (unsaved() && !window.confirm('There are edits that are not saved. Open another constitution and drop them?')) { chooser.value = E.spec; return; }
  try { await ask('drop_draft', { tab: TAB }).catch(() => null); shownDiff = null; await open(spec); storeLocal(); linked(); } catch (error) { say(error.message, 'bad'); chooser.value = E.spec; }
}
const linked = () => { const at = addressOf('constitution'); at.set('tab', 'constitution'); at.set('constitution', E.spec); window.history.replaceState(null, '', `?${at}`); };
async function dropEdits() {
  remember();
  E.document = withUids(JSON.parse(E.saved), E.document);
  E.yamlError = null;
  if (!E.shipped) E.parent = E.current;
  drawAll(); changed();
  say('Your edits are dropped.', '', [['Undo', undo]]);
}

// Saving: a name (a new one for what comes with the program), a message, and on a conflict a choice.
const saveName = node('input', { 'aria-label': 'Name', spellcheck: 'false', autocomplete: 'off' });
const saveMessage = node('input', { 'aria-label': 'What changed, and why', placeholder: 'What changed, and why', autocomplete: 'off' });
const saveError = node('p', { class: 'wrong', role: 'alert' });
const saveBox = node('div', { class: 'note edit savebox', hidden: true }, [
  node('label', {}, ['Name', saveName]), node('label', { class: 'wide' }, ['Message', saveMessage]),
  node('div', { class: 'row' }, [plainButton('Save version', () => saveNow(), 'Ctrl+Enter', 'btn go'), plainButton('Cancel', () => hideSave(), 'Esc', 'btn cancel'), saveError])]);
const conflictBox = node('div', { class: 'note warn conflict', role: 'alertdialog', 'aria-label': 'Somebody saved first', hidden: true });
bar.append(saveBox, conflictBox);
function showSave(name = null) {
  saveBox.hidden = false;
  conflictBox.hidden = true;
  setText(saveError, '');
  const taken = new Set(E.known.map((one) => one.name));
  let free = `my-${E.spec}`;
  for (let n = 2; taken.has(free); n += 1) free = `my-${E.spec}-${n}`;
  saveName.value = name ?? (E.shipped ? free : E.document.name);
  (E.shipped || name ? saveName : saveMessage).focus();
}
const hideSave = () => { saveBox.hidden = true; saveButton.focus(); };
saveBox.addEventListener('keydown', (event) => { if (event.key === 'Enter' && !event.ctrlKey && !event.metaKey && event.target.tagName === 'INPUT') { event.preventDefault(); saveNow(); } });
async function saveNow(over = null) {
  const named = { ...plain(E.document), name: saveName.value.trim() };
  try {
    const base = named.name === E.spec ? over ?? E.parent : E.parent; // `over` is a version of the other name
    const found = await ask('save', { document: named, spec: E.spec, parent: E.shipped ? E.current : base, over, message: saveMessage.value.trim(), tab: TAB });
    if (found.conflict) { showConflict(found.conflict); return; }
    saveBox.hidden = true; conflictBox.hidden = true; saveMessage.value = '';
    take(found); storeLocal(); drawAll(); linked();
    told(`Saved as ${E.spec}, version ${E.hash.slice(0, 8)}.`);
    trigger('saved', { name: E.spec, hash: E.hash });
  } catch (error) { saveBox.hidden = false; setText(saveError, error.message); }
}
function showConflict(found) {
  const { theirs } = found;
  const name = saveName.value.trim() || E.spec;
  saveBox.hidden = true;
  conflictBox.hidden = false;
  conflictBox.replaceChildren(
    node('p', {}, [node('b', { text: `Somebody saved ${name} first: ` }), `version ${theirs.hash.slice(0, 8)}, ${ago(theirs.time)}${theirs.author ? ` by ${theirs.author}` : ''}${theirs.message ? `, “${theirs.message}”` : ''}. Nothing is overwritten. What yours would change about it:`]),
    diffOf(found, 'theirs → yours'),
    node('div', { class: 'row' }, [
      plainButton('Save mine on top of theirs', () => { saveName.value = name; saveNow(theirs.hash); }, 'Theirs stays in the versions'),
      plainButton('Save mine under another name', () => showSave(`${name}-mine`), 'Both go on side by side'),
      plainButton('Take theirs, drop mine', async () => { conflictBox.hidden = true; try { await ask('drop_draft', { tab: TAB }); await open(name); storeLocal(); } catch (error) { say(error.message, 'bad'); } }, 'Your edits are gone then')]));
  conflictBox.querySelector('button').focus();
}

// Other people's files.
async function importChosen(input) {
  const file = input.files[0];
  input.value = '';
  if (!file) return;
  if (file.size > 1000000) { say(`${file.name} is over 1 MB; split it or shorten it.`, 'bad'); return; }
  try {
    const found = await ask('read_file', { name: file.name, text: await file.text() });
    const kept = { ...found.document };
    remember();
    // The paper's two files fill one set each: the other set stays.
    for (const name of STAGES) if (!kept[name].length && found.form !== 'yaml') kept[name] = plain(E.document)[name];
    if (found.form !== 'yaml') Object.assign(kept, { title: E.document.title, description: E.document.description, hazard: E.document.hazard });
    E.document = withUids({ ...kept, name: E.document.name }, null);
    if (found.form === 'critiques' || found.form === 'recipe') E.stage = 'supervised';
    if (found.form === 'comparisons') E.stage = 'preference';
    drawAll(); changed();
    say(`${file.name} read as ${E.forms[found.form]}.${found.left_out.length ? ` Not kept: ${found.left_out.join('; ')}.` : ''} Nothing is saved yet.`, '', [['Undo', undo]]);
  } catch (error) { say(error.message, 'bad'); }
}
async function exportAs(form) {
  if (!form) return;
  try {
    const made = await ask('write_file', { document: plain(E.document), form });
    const url = URL.createObjectURL(new Blob([made.text], { type: 'text/plain' }));
    node('a', { href: url, download: `${E.document.name}${form === 'yaml' ? '.yaml' : `-${form}.json`}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
    say(made.left_out.length ? `Exported. This form cannot hold ${made.left_out.join('; ')}.` : 'Exported, all of it.');
  } catch (error) { say(error.message, 'bad'); }
}

root.addEventListener('keydown', (event) => {
  const typing = /INPUT|TEXTAREA|SELECT/.test(event.target.tagName) && event.target.type !== 'checkbox';
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 's') { event.preventDefault(); if (!saveButton.disabled) showSave(); }
  if (typing || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z') return;
  event.preventDefault();
  if (event.shiftKey) redo(); else undo();
});
// What the measuring part sends along with its own fields, and asks for.
root.current = () => JSON.stringify({ document: E.document ? plain(E.document) : null, spec: E.spec, hash: E.hash, error: E.yamlError?.problem ?? E.error?.problem ?? null });
window.addEventListener('beforeunload', storeLocal);

const offer = (other) => say(`Another tab, or an earlier session, holds edits of ${other.spec} that are not saved (${ago(other.time)}).`, '', [
  ['Take them up', () => takeUp(other)], ['Throw them away', () => ask('drop_draft', { tab: other.tab }).catch((error) => say(error.message, 'bad'))]]);
// The other draft goes only once this tab holds it, so that a server that ends in between loses nothing.
async function takeUp(other) {
  if (unsaved() && !window.confirm('There are edits here that are not saved. Take up the other ones and drop these?')) { offer(other); return; }
  try {
    shownDiff = null;
    await open(other.spec, other);
    storeLocal(); linked();
    await holdDraft();
    await ask('drop_draft', { tab: other.tab });
  } catch (error) { say(error.message, 'bad', [['Try again', () => takeUp(other)]]); }
}
async function begin() {
  try {
    const found = await ask('begin', { tab: TAB });
    Object.assign(E, { known: found.known, forms: found.forms, readOnly: found.read_only });
    exportSelect.replaceChildren(node('option', { value: '', text: 'Export as…' }), ...Object.entries(E.forms).map(([form, what]) => node('option', { value: form, text: what })));
    const query = new URLSearchParams(window.location.search);
    const linkedTo = query.get('tab') === 'constitution' ? query.get('constitution') : null;
    const local = readLocal();
    const mine = local && (!found.draft || local.time >= found.draft.time) ? local : found.draft;
    const names = new Set(E.known.map((one) => one.name));
    const wanted = mine && names.has(mine.spec) ? mine.spec : names.has(linkedTo) ? linkedTo : 'harmless';
    await open(wanted, mine && names.has(mine.spec) ? mine : null);
    if (mine && unsaved()) say('Your edits from before are back; they are not saved yet.', '', [['Drop them', dropEdits]]);
    else for (const other of found.others.slice(0, 1)) if (names.has(other.spec)) offer(other);
    root.dataset.ready = 'true';
  } catch (error) { say(error.message, 'bad', [['Try again', begin]]); }
}
begin();
