// Curves of several runs, laid over one another. Lines carry their run's number at the end, so
// that colour never stands alone; nodes of the plot are redrawn, the pointer's reading is not lost.
const SVG = 'http://www.w3.org/2000/svg';
const shape = (tag, attributes = {}, children = []) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(name, value);
  made.append(...children.filter(Boolean));
  return made;
};
const words = (x, y, text, more = {}) => { const made = shape('text', { x, y, ...more }); made.textContent = text; return made; };
const few = (x) => {
  if (x === null || x === undefined || !Number.isFinite(x)) return '·';
  const size = Math.abs(x);
  if (size >= 10000) return Math.round(x).toLocaleString('en');
  if (size >= 100) return x.toFixed(size % 1 ? 1 : 0);
  return size && size < 0.001 ? x.toExponential(1) : String(Number(x.toPrecision(3)));
};

// What belongs on one plot: measures by name, the first drawn whole, the next dashed, then dotted.
// `target` is a line to read against.
const PLOTS = [
  { title: 'Loss above the targets’ entropy', kinds: ['preference'], of: ['loss', 'ai_loss', 'helpful_loss', 'checked_loss'], low: 0 },
  { title: 'Accuracy', kinds: ['preference'], of: ['accuracy', 'ai_accuracy', 'helpful_accuracy', 'checked_accuracy'] },
  { title: 'The other half’s model: loss', match: /^test_.*loss$/, low: 0 },
  { title: 'The other half’s model: accuracy', match: /^test_.*accuracy$/ },
  { title: 'Loss', of: ['loss', 'held_out_loss'] },
  { title: 'Reward', of: ['reward', 'pm'] },
  { title: 'Preference model on fixed prompts', of: ['held_out_pm', 'test_pm'] },
  { title: 'KL to the start policy, nats a response', of: ['kl', 'rollout_kl'], low: 0 },
  { title: 'Score against √KL', across: 'kl', up: 'held_out_pm', root: true },
  { title: 'λ·KL as a share of the reward’s spread', of: ['kl_share'], low: 0 },
  { title: 'Length, tokens', of: ['length', 'rollout_length'], low: 0 },
  { title: 'Evasive, boilerplate, truncated', of: ['evasive', 'boilerplate', 'truncated'], low: 0 },
  { title: 'Harm by the reference rule, 0-4', of: ['harm'], low: 0 },
  { title: 'Helpfulness by the reference rule, 0-100', of: ['helpfulness'] },
  { title: 'DPO: reward margin', kinds: ['dpo'], of: ['margin', 'held_out_margin'] },
  { title: 'DPO: accuracy', kinds: ['dpo'], of: ['accuracy', 'held_out_accuracy'] },
  { title: 'Learning rate', of: ['lr'], low: 0, minor: true },
];
const QUIET = new Set(['epoch', 'tokens', 'grad_norm', 'entropy', 'sqrt_kl', 'spread', 'unscored', 'rejected', 'too_long']);
const spoken = (name) => name.replaceAll('_', ' ').replace(/^held out/, 'held-out');

// Which plots there are for these runs: a known one for what it names, one of its own for the rest.
function plotsOf(runs, kind) {
  const all = new Set(runs.flatMap((run) => [...run.series.keys()])), names = new Set(all);
  const found = [];
  for (const plot of PLOTS) {
    if (plot.kinds && !plot.kinds.includes(kind)) continue;
    if (plot.across) { if (all.has(plot.across) && all.has(plot.up)) found.push({ ...plot, names: [plot.up] }); continue; }
    const mine = plot.match ? [...names].filter((name) => plot.match.test(name)) : plot.of.filter((name) => names.has(name));
    mine.forEach((name) => names.delete(`${name}`));
    if (mine.length) found.push({ ...plot, names: mine });
  }
  const drawn = new Set(found.flatMap((plot) => [...plot.names, plot.across ?? '']));
  for (const name of names) if (!drawn.has(name)) found.push({ title: spoken(name), names: [name], minor: true, quiet: QUIET.has(name) });
  return found;
}

function ticks(low, high, most) {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((one) => one >= rough);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, n) => (first + n) * step);
}

// A moving mean that starts at the first value; gaps stay gaps.
function smoothed(points, weight) {
  let mean = null;
  return points.map(([x, y]) => { if (y !== null) mean = mean === null ? y : weight * mean + (1 - weight) * y; return [x, y === null ? null : mean]; });
}

function lineOf(points, at, high) {
  let path = '', pen = false;
  for (const [x, y] of points) {
    if (y === null) { pen = false; continue; }
    path += `${pen ? 'L' : 'M'}${at(x).toFixed(1)} ${high(y).toFixed(1)}`;
    pen = true;
  }
  return path;
}

// The score at every step for which both are known, across √KL; a policy that has not moved is at 0.
function crossed(run, plot) {
  const across = new Map(run.series.get(plot.across) ?? []);
  return (run.series.get(plot.up) ?? []).filter(([step]) => Number.isFinite(across.get(step)))
    .map(([step, y]) => [plot.root ? Math.sqrt(Math.max(0, across.get(step))) : across.get(step), y, step])
    .sort((a, b) => a[0] - b[0]);
}

// A piece of the line that a legend explains.
const swatch = (n) => shape('svg', { viewBox: '0 0 26 8', width: 26, height: 8, 'aria-hidden': 'true' }, [shape('path', { d: 'M1 4H25', class: `line d${Math.min(3, n)}` })]);

function chart(plot) {
  const it = { plot, smooth: 0, runs: [] };
  const figure = node('figure', { class: 'plot' });
  const legend = node('span', { class: 'meta kinds' });
  const reading = node('span', { class: 'meta reading' });
  const svg = shape('svg', { class: 'curves', role: 'img' });
  const pane = shape('g'), pointer = shape('g', { class: 'pointer' });
  svg.append(pane, pointer);
  figure.append(node('figcaption', {}, [node('b', { text: plot.title }), legend, reading]), svg);
  const height = 190, left = 46, right = 26, top = 10, bottom = 24;
  let width = 0, scale = null;

  it.element = figure;
  it.draw = (runs, smooth) => {
    it.runs = runs; it.smooth = smooth;
    width = svg.clientWidth || figure.clientWidth;
    if (!width) return;
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const lines = runs.flatMap((run) => it.plot.names.map((name, n) => ({ run, name, n, points: it.plot.across ? crossed(run, it.plot) : run.series.get(name) ?? [] }))).filter((line) => line.points.some(([, y]) => y !== null));
    const xs = lines.flatMap((line) => line.points.map(([x]) => x)), ys = lines.flatMap((line) => line.points.map(([, y]) => y).filter((y) => y !== null));
    if (!ys.length) { pane.replaceChildren(words(width / 2, height / 2, 'no numbers yet', { 'text-anchor': 'middle' })); scale = null; return; }
    const extent = (all, floor) => { let low = Infinity, high = -Infinity; for (const one of all) { if (one < low) low = one; if (one > high) high = one; } if (floor === 0) low = Math.min(0, low); if (low === high) { const pad = Math.abs(low) / 2 || 1; return floor === 0 ? [low, high + pad] : [low - pad, high + pad]; } return [low, high]; };
    const [x0, x1] = extent(xs, 0), [y0, y1] = extent(ys, it.plot.low ?? undefined);
    const at = (x) => left + (x - x0) / (x1 - x0) * (width - left - right);
    const up = (y) => top + (1 - (y - y0) / (y1 - y0)) * (height - top - bottom);
    scale = { at, up, x0, x1, lines };
    const nets = ticks(y0, y1, 5).flatMap((y) => [shape('line', { x1: left, x2: width - right, y1: up(y), y2: up(y), class: 'net' }), words(left - 7, up(y) + 4, few(y), { 'text-anchor': 'end' })]);
    const marks = ticks(x0, x1, Math.min(6, width / 90)).map((x) => words(at(x), height - 6, few(x), { 'text-anchor': 'middle' }));
    const ends = new Map();
    const drawn = lines.flatMap((line) => {
      const look = `line r${line.run.colour} d${it.plot.across ? 0 : Math.min(3, line.n)}`;
      const raw = line.points.map(([x, y]) => [x, y]);
      const main = smooth && !it.plot.across && raw.length > 8 ? smoothed(raw, smooth) : raw;
      const last = main.findLast(([, y]) => y !== null);
      if (line.n === 0) ends.set(line.run, last);
      const many = raw.length <= 24 ? raw.filter(([, y]) => y !== null).map(([x, y]) => shape('circle', { cx: at(x), cy: up(y), r: 2.2, class: `dot r${line.run.colour}` })) : [];
      return [main === raw ? null : shape('path', { d: lineOf(raw, at, up), class: `${look} faint` }), shape('path', { d: lineOf(main, at, up), class: look }), ...(main === raw ? many : [])];
    });
    // Numbers at the ends keep clear of one another.
    let above = -Infinity;
    const tags = [...ends].map(([run, [x, y]]) => ({ run, x: at(x) + 6, y: up(y) + 4 })).sort((a, b) => a.y - b.y).map((one) => { const y = Math.max(one.y, above + 12); above = y; return words(one.x, y, String(one.run.number), { class: `end r${one.run.colour}` }); });
    pane.replaceChildren(...nets, shape('line', { x1: left, x2: width - right, y1: height - bottom, y2: height - bottom, class: 'base' }), ...marks, ...drawn.filter(Boolean), ...tags);
    legend.replaceChildren(...(it.plot.across ? ['across: √KL'] : it.plot.names.length > 1 ? it.plot.names.map((name, n) => node('span', { class: 'entry' }, [swatch(n), spoken(name)])) : []));
    svg.setAttribute('aria-label', `${it.plot.title}: ${lines.map((line) => `run ${line.run.number} ${spoken(line.name)} ${few(line.points.findLast(([, y]) => y !== null)?.[1])}`).join(', ')}`);
  };
  svg.addEventListener('pointermove', (event) => {
    if (!scale) return;
    const box = svg.getBoundingClientRect(), x = scale.x0 + ((event.clientX - box.left) / box.width * width - left) / (width - left - right) * (scale.x1 - scale.x0);
    const near = scale.lines.map((line) => ({ line, point: line.points.reduce((best, one) => (one[1] !== null && (!best || Math.abs(one[0] - x) < Math.abs(best[0] - x)) ? one : best), null) })).filter((one) => one.point);
    if (!near.length) return;
    const place = near.reduce((best, one) => (Math.abs(one.point[0] - x) < Math.abs(best.point[0] - x) ? one : best)).point[0];
    pointer.replaceChildren(shape('line', { x1: scale.at(place), x2: scale.at(place), y1: top, y2: height - bottom }), ...near.map(({ line, point }) => shape('circle', { cx: scale.at(point[0]), cy: scale.up(point[1]), r: 3.4, class: `dot r${line.run.colour}` })));
    setText(reading, `${it.plot.across ? '√KL' : 'step'} ${few(place)}: ${near.map(({ line, point }) => `${line.run.number} ${few(point[1])}`).join(' · ')}`);
    setShown(legend, false);
  });
  svg.addEventListener('pointerleave', () => { pointer.replaceChildren(); setText(reading, ''); setShown(legend, true); });
  new ResizeObserver(() => { if (svg.clientWidth && svg.clientWidth !== width) it.draw(it.runs, it.smooth); }).observe(svg);
  return it;
}
