// Beside the cards: the same document as YAML, its versions, and what changed between two of them.
const pane = node('section', { class: 'pane', 'aria-label': 'Beside the cards' });
const gutter = node('div', { class: 'gutter', 'aria-hidden': 'true' });
const yamlArea = node('textarea', { class: 'yaml', spellcheck: 'false', wrap: 'off', autocomplete: 'off', 'aria-label': 'The constitution as YAML' });
const yamlNote = node('div', { class: 'yamlnote', role: 'status' });
const yamlBox = node('div', { class: 'yamlbox' }, [yamlNote, node('div', { class: 'code' }, [gutter, yamlArea]),
  node('p', { class: 'meta', text: 'Remarks (#) are not kept; a note of a principle is.' })]);
const versionsBox = node('div', { class: 'versions' });
pane.append(yamlBox, versionsBox);
yamlArea.addEventListener('input', () => { E.yaml = yamlArea.value; drawGutter(); readCards.cancel(); E.asked += 1; readYaml(); });
yamlArea.addEventListener('scroll', () => { gutter.scrollTop = yamlArea.scrollTop; });
// Tab leaves the field for the keyboard; indenting is two spaces, as everywhere in YAML.

const setYaml = (text) => {
  E.yaml = text;
  if (yamlArea.value === text) return;
  const { scrollTop } = yamlArea;
  yamlArea.value = text;
  yamlArea.scrollTop = scrollTop;
  drawGutter();
};
let numbered = 0;
function drawGutter() {
  const lines = E.yaml.split('\n').length;
  const bad = E.yamlError?.line ?? 0;
  if (numbered !== lines) {
    gutter.replaceChildren(...Array.from({ length: lines }, (_, n) => node('span', { text: n + 1 })));
    numbered = lines;
  }
  gutter.querySelector('.bad')?.classList.remove('bad');
  if (bad) gutter.children[bad - 1]?.classList.add('bad');
  gutter.scrollTop = yamlArea.scrollTop;
}
function goToLine(line) {
  const lines = E.yaml.split('\n');
  const start = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
  yamlArea.focus();
  yamlArea.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  yamlArea.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(yamlArea).lineHeight));
}
function drawPane() {
  const wide = E.pane !== 'none';
  root.classList.toggle('with-pane', wide);
  setShown(pane, wide); setShown(yamlBox, E.pane === 'yaml'); setShown(versionsBox, E.pane === 'versions');
  const error = E.yamlError;
  // The text is of the cards as they were: typed into, it would write over those that it lacks.
  const behind = E.error && !error;
  yamlArea.readOnly = Boolean(behind);
  yamlNote.replaceChildren(...(behind ? [node('span', { text: `The cards cannot be written as YAML yet: ${E.error.problem}` })] : error ? [
    node('span', { text: `${error.line ? `Line ${error.line}: ` : ''}${error.problem}. The cards show the last good version.` }),
    node('span', { class: 'row' }, [error.line && button('go to line', () => goToLine(error.line), 'Go to the line'),
      button('throw the text away', () => { E.yamlError = null; drawAll(); changed(); readCards(); }, 'Go back to what the cards say')].filter(Boolean))] : []));
  setShown(yamlNote, Boolean(error || behind));
  drawGutter();
  if (E.pane === 'versions') drawVersions();
}

const ago = (time) => {
  const minutes = Math.round((Date.now() - new Date(time).getTime()) / 60000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${plural(minutes, 'minute')} ago`;
  return minutes < 1440 ? `${plural(Math.round(minutes / 60), 'hour')} ago` : new Date(time).toLocaleDateString();
};
const WORDS = { save: 'saved', restore: 'restored', fork: 'forked', import: 'imported' };
let shownDiff = null;
function drawVersions() {
  const rows = E.versions.map((one, n) => node('li', { class: n === 0 ? 'now' : '' }, [
    node('div', { class: 'row' }, [node('b', { class: 'hash', text: one.hash.slice(0, 8) }), n === 0 && node('span', { class: 'tag good', text: 'in force' }),
      node('span', { class: 'meta', text: `${WORDS[one.action]} ${ago(one.time)}${one.author ? ` by ${one.author}` : ''}`, title: one.time })].filter(Boolean)),
    one.message && node('p', { text: one.message }),
    one.origin && node('p', { class: 'meta', text: `from ${one.origin}` }),
    node('div', { class: 'row' }, [
      button('compare with the cards', () => showDiff({ old: `${E.spec}@${one.hash}`, document: plain(E.document) }, `${one.hash.slice(0, 8)} → the cards`), 'What changed from this version to the cards'),
      E.versions[n + 1] && button('what it changed', () => showDiff({ old: `${E.spec}@${E.versions[n + 1].hash}`, new: `${E.spec}@${one.hash}` }, `${E.versions[n + 1].hash.slice(0, 8)} → ${one.hash.slice(0, 8)}`), 'What this version changed'),
      n > 0 && !E.readOnly && button('restore', () => restore(one.hash), `Make version ${one.hash.slice(0, 8)} the one in force`)].filter(Boolean))]));
  const base = E.shipped ? [node('li', {}, [node('div', { class: 'row' }, [node('b', { class: 'hash', text: E.current.slice(0, 8) }), node('span', { class: 'tag', text: 'comes with the program' })]),
    node('p', { class: 'meta', text: 'It stays as it is. Your edits are saved as a constitution of your own.' }),
    node('div', { class: 'row' }, [button('compare with the cards', () => showDiff({ old: E.spec, document: plain(E.document) }, `${E.spec} → the cards`), 'What your edits change')])])] : [];
  versionsBox.replaceChildren(node('ol', {}, [...base, ...rows]), ...(shownDiff ? [shownDiff] : []));
}
const KINDS = { added: 'added', removed: 'taken out', changed: 'changed', renamed: 'renamed', moved: 'moved' };
function diffOf(found, title) {
  const tags = { '=': 'span', '+': 'ins', '-': 'del' };
  const rows = found.changes.map((one) => node('div', { class: `change ${one.kind}` }, [
    node('div', { class: 'row' }, [node('b', { text: one.old_id ? `${one.old_id} → ${one.id}` : one.id }), node('span', { class: 'tag', text: KINDS[one.kind] }), node('span', { class: 'meta', text: one.stage ?? 'the constitution' })]),
    ...one.fields.map((field) => node('p', {}, [node('span', { class: 'meta', text: `${(LABELS[field.field] ?? field.field).toLowerCase()}: ` }), ...field.words.map(([sign, text]) => node(tags[sign], { text }))]))]));
  return node('div', { class: 'diff', role: 'region', 'aria-label': title }, [node('h4', { text: title }), ...(rows.length ? rows : [node('p', { class: 'meta', text: 'No change.' })])]);
}
async function showDiff(payload, title) {
  try { shownDiff = diffOf(await ask('compare', payload), title); drawVersions(); shownDiff.scrollIntoView({ block: 'nearest' }); } catch (error) { say(error.message, 'bad'); }
}
async function restore(hash) {
  if (unsaved() && !window.confirm('There are edits that are not saved. Restore the old version and drop them?')) return;
  try {
    const found = await ask('restore', { name: E.spec, hash, parent: E.current });
    if (found.conflict) {
      // Edits were to go for the old version only; it is not in force, so they stay.
      await open(E.spec, unsaved() ? draftNow() : null);
      storeLocal();
      say(`Somebody saved version ${found.conflict.theirs.hash.slice(0, 8)} meanwhile, so nothing is restored. Look at it, and press restore again if you still want to.`, 'warn');
      return;
    }
    take(found); storeLocal(); keepDraft(); drawAll(); told(`Version ${hash.slice(0, 8)} is in force again.`);
    trigger('saved', { name: E.spec, hash: E.hash });
  } catch (error) { say(error.message, 'bad'); }
}
