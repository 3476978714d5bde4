// Small plots drawn as SVG: where labels were and where they went; a value with its interval.
const SVG = 'http://www.w3.org/2000/svg';
const shape = (tag, attributes = {}, children = []) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(name, value);
  made.append(...children.filter(Boolean));
  return made;
};
const words = (x, y, text, more = {}) => { const made = shape('text', { x, y, ...more }); made.textContent = text; return made; };
const two = (p) => (p === null || p === undefined ? '·' : p.toFixed(2));
const three = (p) => (p === null || p === undefined ? '·' : p.toFixed(3));
const percent = (p) => (p === null || p === undefined ? '·' : `${(100 * p).toFixed(p > 0 && p < 0.095 ? 1 : 0)} %`);
const interval = (one, form = percent) => (one?.ci ? `95 %: ${form(one.ci[0])} to ${form(one.ci[1])}` : 'no interval from one prompt');

// Each pair a dot: across where its label was, up where it is now. Dots in the tinted corners
// changed sides. `turned` draws the line of a judge that turns round, else that of no change.
function scatter(points, { across, up, turned = false }) {
  const size = 260;
  const pad = 34;
  const at = (p) => pad + p * size;
  const high = (p) => pad + (1 - p) * size;
  const flips = (x, y) => (x > 0.5) !== (y > 0.5);
  const corners = [[0, 1], [0.5, 0.5]].map(([x, y]) => shape('rect', { x: at(x), y: high(y), width: size / 2, height: size / 2, class: 'corner' }));
  const line = turned ? { x1: at(0), y1: high(1), x2: at(1), y2: high(0) } : { x1: at(0), y1: high(0), x2: at(1), y2: high(1) };
  const dots = points.map(([x, y]) => shape('circle', { cx: at(x), cy: high(y), r: 3.4, class: flips(x, y) ? 'flip' : 'stay' }));
  const changed = points.filter(([x, y]) => flips(x, y)).length;
  return shape('svg', { viewBox: `0 0 ${size + 2 * pad} ${size + 2 * pad}`, class: 'scatter', role: 'img', 'aria-label': `${points.length} labels, ${changed} of them changed sides. ${across} to the right, ${up} upwards.` }, [
    shape('rect', { x: at(0), y: high(1), width: size, height: size, class: 'frame' }), ...corners,
    shape('line', { ...line, class: 'ideal' }), shape('line', { x1: at(0.5), x2: at(0.5), y1: high(0), y2: high(1), class: 'even' }), shape('line', { x1: at(0), x2: at(1), y1: high(0.5), y2: high(0.5), class: 'even' }),
    ...dots,
    ...[0, 0.5, 1].flatMap((p) => [words(at(p), high(0) + 15, p === 0.5 ? '0.5' : String(p), { 'text-anchor': 'middle' }), words(at(0) - 6, high(p) + 4, p === 0.5 ? '0.5' : String(p), { 'text-anchor': 'end' })]),
    words(at(0.5), high(0) + 30, across, { 'text-anchor': 'middle', class: 'axis' }),
    words(0, 0, up, { 'text-anchor': 'middle', class: 'axis', transform: `translate(11 ${high(0.5)}) rotate(-90)` })]);
}

// A bar from 0 with the interval as a line across its end; `most` is the full width.
function whisker(one, most) {
  const scale = (p) => `${Math.min(100, Math.max(0, (100 * p) / (most || 1))).toFixed(2)}%`;
  return node('div', { class: 'whisker', role: 'img', 'aria-label': `${three(one.value)}, ${interval(one, three)}`, title: `${three(one.value)}, ${interval(one, three)}, n = ${one.n}` }, [
    node('u', { style: `width:${scale(one.value ?? 0)}` }),
    one.ci && node('s', { style: `left:${scale(one.ci[0])};width:calc(${scale(one.ci[1])} - ${scale(one.ci[0])})` })]);
}

// P(A) before and after on one line.
function slope(before, after) {
  const place = (p) => `left:${(100 * p).toFixed(2)}%`;
  const [low, high] = before < after ? [before, after] : [after, before];
  return node('div', { class: 'slope', role: 'img', 'aria-label': `from ${two(before)} to ${two(after)}` }, [
    node('em'), node('u', { style: `left:${(100 * low).toFixed(2)}%;width:${(100 * (high - low)).toFixed(2)}%` }),
    node('i', { class: 'before', style: place(before) }), node('i', { class: 'after', style: place(after) })]);
}
