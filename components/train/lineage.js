// Where an artefact comes from and what came of it: from left to right, each further right than
// all it was made from. A click reads its card; the graph can be centred on it.
const graph = (() => {
  const WORDS = { constitution: 'constitution', model: 'model', data: 'data', labels: 'labels', audit: 'audit', training: 'training', evaluation: 'evaluation' };
  const WIDE = 176, HIGH = 62, GAP = 64, ROW = 16, STEP = 44; // every other column stands lower, so that a line past it is seen
  let place = null, centre = '', picked = '', serial = 0;
  const svgOf = (tag, attributes) => { const made = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value); return made; };

  async function open(where, id) {
    place = where; centre = id;
    const mine = ++serial;
    if (!id) { place.replaceChildren(); return; }
    let found;
    try { found = await ask('read_lineage', { id }); } catch (error) { if (mine === serial) place.replaceChildren(node('p', { class: 'note bad', text: error.message })); return; }
    if (mine !== serial) return;
    picked = found.id;
    draw(found);
  }
  function draw(found) {
    const columns = new Map();
    for (const one of found.nodes) columns.set(one.column, [...(columns.get(one.column) ?? []), one]);
    const tallest = Math.max(...[...columns.values()].map((all) => all.length));
    const height = tallest * (HIGH + ROW) + ROW + STEP, width = columns.size * (WIDE + GAP) - GAP + 8;
    const at = new Map();
    for (const [column, all] of columns) all.forEach((one, n) => at.set(one.id, { x: 4 + column * (WIDE + GAP), y: ROW / 2 + (height - STEP - all.length * (HIGH + ROW)) / 2 + n * (HIGH + ROW) + (column % 2) * STEP }));
    const lines = svgOf('svg', { width, height, class: 'links', 'aria-hidden': 'true' });
    for (const link of found.links) {
      const from = at.get(link.parent), to = at.get(link.child);
      const x0 = from.x + WIDE, y0 = from.y + HIGH / 2, x1 = to.x, y1 = to.y + HIGH / 2, bend = Math.max(24, (x1 - x0) / 2);
      const path = svgOf('path', { d: `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}` });
      path.dataset.ends = `${link.parent} ${link.child}`;
      const title = svgOf('title', {}); title.textContent = `${link.child} ${link.relation} ${link.parent}`;
      path.append(title); lines.append(path);
    }
    const boxes = found.nodes.map((one) => {
      const spot = at.get(one.id);
      const into = found.links.filter((link) => link.child === one.id).map((link) => `${link.relation} ${link.parent}`).join(', ');
      return node('button', { type: 'button', class: `box ${one.stage} ${one.id === found.id ? 'here' : ''}`, style: `left:${spot.x}px;top:${spot.y}px`, 'data-id': one.id, 'aria-label': `${WORDS[one.stage]} ${one.title}${into ? `, ${into}` : ''}`, on: { click: () => pick(one, found) } }, [
        node('span', { class: 'meta', text: `${WORDS[one.stage]}${one.stale ? ' · stale' : ''}${one.state && one.state !== 'done' ? ` · ${one.state}` : ''}` }), node('b', { text: one.title }), node('span', { class: 'meta', text: one.detail })]);
    });
    const sheet = node('div', { class: 'picked' });
    place.replaceChildren(node('div', { class: 'scroll' }, [node('div', { class: 'web', style: `width:${width}px;height:${height}px` }, [lines, ...boxes])]), sheet);
    const here = found.nodes.find((one) => one.id === picked);
    if (here) pick(here, found);
  }
  async function pick(one, found) {
    picked = one.id;
    for (const box of place.querySelectorAll('.box')) box.setAttribute('aria-pressed', String(box.dataset.id === one.id));
    for (const path of place.querySelectorAll('path')) path.classList.toggle('near', path.dataset.ends.split(' ').includes(one.id));
    const sheet = place.querySelector('.picked');
    const near = (links, end) => links.map((link) => `${link.relation} ${link[end]}`).join(' · ');
    const made = near(found.links.filter((link) => link.child === one.id), 'parent'), became = found.links.filter((link) => link.parent === one.id).map((link) => `${link.child} (${link.relation})`).join(' · ');
    const isRun = /^\d{8}-\d{6}-/.test(one.id);
    const facts = [['id', one.id], ['made from', made], ['became', became], ['stale', one.stale ? 'its constitution says something else by now' : '']];
    const buttons = [one.id !== found.id && btn('Centre on it', () => open(place, one.id)), one.stage === 'training' && one.id !== opened && btn('Open this training', () => openOther(one.id)),
      isRun && one.stage !== 'training' && btn('Open in Runs', () => window.dispatchEvent(new CustomEvent('cw-run', { detail: one.id })))].filter(Boolean);
    const list = node('dl', { class: 'facts' });
    const fill = (all) => list.replaceChildren(...all.filter(([, value]) => value !== '' && value !== null && value !== undefined).map(([key, value]) => node('div', {}, [node('dt', { text: key }), node('dd', { text: typeof value === 'object' ? JSON.stringify(value) : String(value) })])));
    fill(facts);
    sheet.replaceChildren(node('div', { class: 'row spread' }, [node('b', { text: `${WORDS[one.stage]}: ${one.title}` }), node('span', { class: 'row' }, buttons)]), list);
    if (!isRun) return;
    let card;
    try { card = await ask('read_card', { run: one.id }); } catch { return; }
    if (picked !== one.id || !sheet.isConnected) return;
    const { versions, base_hash, start_hash, adapter_hash, seed } = card.facts;
    fill([...facts, ['command', card.command], ['seed', seed ?? card.options.seed], ...Object.entries(card.inputs).map(([key, value]) => [`sha256 of ${key}`, value]), ['adapter', adapter_hash], ['base', base_hash], ['start', start_hash],
      ...Object.entries(card.provenance).map(([key, value]) => [spoken(key), value]), ['versions', versions ? Object.entries(versions).map(([key, value]) => `${key} ${value}`).join(', ') : '']].filter(([key], n, all) => all.findIndex(([other]) => other === key) === n));
  }
  // The form changes the kind and says so once it has; until then the board would take the newest
  // of the kind before for the one that is open.
  function openOther(id) {
    const line = lineOfRun(id);
    if (!line || line.kind === kind) { openRun(id); return; }
    const then = (event) => { if (event.detail.kind !== line.kind) return; window.removeEventListener('cw-train-kind', then); openRun(id); };
    window.addEventListener('cw-train-kind', then);
    setTimeout(() => window.removeEventListener('cw-train-kind', then), 10000); // the form may never say so
    window.dispatchEvent(new CustomEvent('cw-train-show', { detail: line.kind }));
  }
  const openRun = (id) => { opened = id; detail.reset(); address(); drawList(); tick(); };
  return { open };
})();
