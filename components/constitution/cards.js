// Principles as cards. Nodes are kept and moved, never made anew while somebody types.
const nodes = new Map();
const list = node('ol', { class: 'list' });
const button = (text, act, title, more = {}) => node('button', { type: 'button', class: 'link', text, title, 'aria-label': title, on: { click: act }, ...more });
const find = (uid) => {
  for (const stage of STAGES) {
    const index = E.document[stage].findIndex((one) => one.uid === uid);
    if (index >= 0) return { stage, index, one: E.document[stage][index] };
  }
  return null;
};
const edit = (uid, field, value) => {
  const at = find(uid);
  if (!at || at.one[field] === value) return;
  remember(`${uid}.${field}`);
  at.one[field] = value;
  changed();
};

// A text that grows with what is in it: a mirror of the text gives the height, and carries the
// marks of lint under the words.
function growing(label, uid, field) {
  const mirror = node('div', { class: 'mirror', 'aria-hidden': 'true' });
  const area = node('textarea', { rows: 1, spellcheck: 'true', 'aria-label': label });
  const it = { area, mirror, element: node('label', { class: 'grow' }, [node('span', { class: 'label', text: label }), node('span', { class: 'stack' }, [mirror, area])]) };
  it.mark = (spans = []) => {
    const text = area.value;
    const parts = [];
    let at = 0;
    for (const [start, end] of spans) {
      if (start < at || end > text.length) continue;
      parts.push(document.createTextNode(text.slice(at, start)), node('mark', { text: text.slice(start, end) }));
      at = end;
    }
    mirror.replaceChildren(...parts, document.createTextNode(`${text.slice(at)}\u200b`));
  };
  it.set = (text) => { if (area.value !== text) { area.value = text; it.mark(); } };
  area.addEventListener('input', () => { it.mark(); edit(uid, field, area.value.replace(/\s*\n\s*/g, ' ')); });
  it.mark();
  return it;
}

function card(stage, uid) {
  const it = { uid, stage, texts: {} };
  const field = (name, attributes) => node('input', { autocomplete: 'off', ...attributes, on: { input: (event) => edit(uid, name, read[name](event.currentTarget)) } });
  const read = {
    id: (input) => input.value.trim(),
    tags: (input) => input.value.split(',').map((tag) => tag.trim()).filter(Boolean),
    weight: (input) => { const n = Number(input.value); return input.value.trim() === '' || !Number.isFinite(n) || n < 0 ? 1 : n; },
  };
  it.id = field('id', { class: 'id', 'aria-label': 'Id', placeholder: 'id', spellcheck: 'false' });
  it.tags = field('tags', { class: 'tags', 'aria-label': 'Tags, with commas between', placeholder: 'tags' });
  it.weight = field('weight', { class: 'weight', type: 'number', min: 0, step: 'any', 'aria-label': 'Weight in the draw' });
  it.on = node('input', { type: 'checkbox', role: 'switch', 'aria-label': 'On: may be drawn', on: { change: (event) => { edit(uid, 'enabled', event.currentTarget.checked); drawCard(uid); } } });
  for (const name of FIELDS[stage]) it.texts[name] = growing(LABELS[name], uid, name);
  it.note = growing('Note', uid, 'note');
  it.noteButton = button('note', () => { it.noting = true; drawCard(uid); it.note.area.focus(); }, 'Write a note about this principle');
  it.findings = node('ul', { class: 'findings' });
  it.up = button('↑', () => move(uid, -1), 'Move up (Alt+↑)');
  it.down = button('↓', () => move(uid, 1), 'Move down (Alt+↓)');
  it.element = node('li', { class: `card ${stage}`, on: { keydown: (event) => {
    const way = event.altKey && { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (way) { event.preventDefault(); move(uid, way); }
  } } }, [
    node('div', { class: 'head' }, [it.id, it.tags,
      node('label', { class: 'times', title: 'How often it is drawn, beside the others' }, [node('span', { text: '×' }), it.weight]),
      node('label', { class: 'switch' }, [it.on, node('span', { text: 'on' })]),
      node('span', { class: 'tools' }, [it.noteButton, it.up, it.down, button('duplicate', () => duplicate(uid), 'Duplicate this principle'), button('delete', () => remove(uid), 'Delete this principle')])]),
    ...FIELDS[stage].map((name) => it.texts[name].element), it.note.element, it.findings]);
  return it;
}

function drawCard(uid) {
  const at = find(uid);
  const it = nodes.get(uid);
  if (!at || !it) return;
  const { one, index, stage } = at;
  const put = (input, value) => { if (document.activeElement !== input && input.value !== value) input.value = value; };
  put(it.id, one.id); put(it.tags, one.tags.join(', ')); put(it.weight, String(one.weight));
  it.on.checked = one.enabled;
  it.element.classList.toggle('off', !one.enabled || one.weight === 0);
  it.element.setAttribute('aria-label', `Principle ${one.id || 'without id'}${one.enabled ? '' : ', off'}`);
  for (const name of FIELDS[stage]) it.texts[name].set(one[name]);
  it.note.set(one.note);
  setShown(it.note.element, Boolean(one.note) || Boolean(it.noting));
  setShown(it.noteButton, !one.note && !it.noting);
  it.up.disabled = index === 0;
  it.down.disabled = index === E.document[stage].length - 1;
}

function drawCards() {
  const wanted = E.document[E.stage];
  const shown = new Set(wanted.map((one) => one.uid));
  for (const [uid, it] of nodes) if (!shown.has(uid)) { it.element.remove(); nodes.delete(uid); }
  wanted.forEach((one, n) => {
    if (!nodes.has(one.uid) || nodes.get(one.uid).stage !== E.stage) nodes.set(one.uid, card(E.stage, one.uid));
    const { element } = nodes.get(one.uid);
    if (list.children[n] !== element) list.insertBefore(element, list.children[n] ?? null);
    drawCard(one.uid);
  });
  list.inert = Boolean(E.yamlError);
  drawFindings();
}

function drawFindings() {
  for (const [uid, it] of nodes) {
    const at = find(uid);
    if (!at) continue;
    const own = E.findings.filter((one) => one.stage === at.stage && one.index === at.index);
    for (const name of FIELDS[at.stage]) it.texts[name].mark(own.filter((one) => one.field === name).flatMap((one) => one.spans));
    it.id.classList.toggle('bad', own.some((one) => one.field === 'id'));
    it.findings.replaceChildren(...own.map((one) => node('li', { class: one.severity }, [
      node('b', { text: one.rule.replaceAll('-', ' ') }), ` ${one.words.length && one.rule !== 'near-duplicate' ? `“${one.words.join('” … “')}” ` : ''}`, one.message])));
  }
}

const focusCard = (uid, what = 'first') => { const it = nodes.get(uid); (what === 'first' ? it?.texts[FIELDS[it.stage][0]].area : it?.element.querySelector(what))?.focus(); };
const freeId = (stage, wanted) => {
  const taken = new Set(E.document[stage].map((one) => one.id));
  for (let n = 1; ; n += 1) { const id = n === 1 ? wanted : `${wanted}-${n}`; if (!taken.has(id)) return id; }
};
function insert(stage, index, one) {
  remember();
  E.document[stage].splice(index, 0, { ...one, uid: `u${uids += 1}` });
  drawCards(); drawBar(); changed();
  const { uid } = E.document[stage][index];
  focusCard(uid);
  nodes.get(uid)?.element.scrollIntoView({ block: 'nearest' });
}
const blank = (stage) => ({ id: freeId(stage, 'new'), tags: [], weight: 1, enabled: true, note: '', ...Object.fromEntries(FIELDS[stage].map((name) => [name, ''])) });
const add = () => insert(E.stage, E.document[E.stage].length, blank(E.stage));
function duplicate(uid) {
  const { stage, index, one } = find(uid);
  insert(stage, index + 1, { ...structuredClone(one), id: freeId(stage, `${one.id}-copy`) });
}
function move(uid, way) {
  const { stage, index } = find(uid);
  const to = index + way;
  if (to < 0 || to >= E.document[stage].length) return;
  const held = document.activeElement;
  remember();
  const all = E.document[stage];
  [all[index], all[to]] = [all[to], all[index]];
  drawCards(); changed();
  if (nodes.get(uid).element.contains(held) && !held.disabled) held.focus();
  else focusCard(uid);
  nodes.get(uid).element.scrollIntoView({ block: 'nearest' });
  tell(`${all[to].id} is now number ${to + 1} of ${all.length}`);
}
function remove(uid) {
  const { stage, index, one } = find(uid);
  remember();
  E.document[stage].splice(index, 1);
  drawCards(); drawBar(); changed();
  say(`Deleted ${one.id || 'a principle'}.`, '', [['Undo', undo]]);
  const next = E.document[stage][Math.min(index, E.document[stage].length - 1)];
  if (next) focusCard(next.uid, '.id');
}
