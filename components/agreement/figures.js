// Drawings of an audit: a rate as a bar with its interval, over the band of people's own agreement;
// promise against rate.
const span = (ci) => (ci ? `${percent(ci[0])} to ${percent(ci[1])}` : 'no interval');
const numberSpan = (ci) => (ci ? `${ci[0].toFixed(3)} to ${ci[1].toFixed(3)}` : '');

function bar(one, { band = null, lines = [] } = {}) {
  const at = (p) => `${(100 * Math.min(1, Math.max(0, p))).toFixed(2)}%`;
  const wide = (ci) => `left:${at(ci[0])};width:calc(${at(ci[1])} - ${at(ci[0])})`;
  return node('div', { class: 'rate', role: 'img', 'aria-label': `${percent(one.agreement)}, 95 %: ${span(one.ci)}, n ${one.n}`, title: `${percent(one.agreement)} · 95 %: ${span(one.ci)} · n ${one.n}` }, [
    band && node('b', { style: wide(band) }), node('u', { style: `width:${at(one.agreement ?? 0)}` }),
    node('em'), ...lines.map((line) => node('i', { style: `left:${at(line.value)}` })),
    one.ci && node('s', { style: wide(one.ci) })]);
}

// Confidence across from a half, agreement upwards; a dot's area is its share of the weight.
function reliability(bins) {
  const [size, pad] = [240, 52];
  const x = (p) => pad + (p - 0.5) * 2 * size;
  const y = (p) => 12 + (1 - p) * size;
  const dots = bins.filter((one) => one.agreement !== null && one.confidence !== null);
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((p) => [shape('line', { x1: x(0.5), x2: x(1), y1: y(p), y2: y(p), class: 'even' }), words(x(0.5) - 7, y(p) + 4, String(p), { 'text-anchor': 'end' })]);
  return shape('svg', { viewBox: `0 0 ${size + 2 * pad} ${size + 56}`, class: 'scatter reliability', role: 'img', 'aria-label': `Reliability: ${dots.map((one) => `sure to ${percent(one.confidence)}, right ${percent(one.agreement)} of ${one.n}`).join('; ')}` }, [
    shape('rect', { x: x(0.5), y: y(1), width: size, height: size, class: 'frame' }), ...grid,
    shape('line', { x1: x(0.5), y1: y(0.5), x2: x(1), y2: y(1), class: 'ideal' }),
    ...dots.flatMap((one) => [one.ci && shape('line', { x1: x(one.confidence), x2: x(one.confidence), y1: y(one.ci[0]), y2: y(one.ci[1]), class: 'span' }),
      shape('circle', { cx: x(one.confidence), cy: y(one.agreement), r: 3.5 + 10 * Math.sqrt(one.share), class: one.n < 20 ? 'dot few' : 'dot' })]),
    ...[0.5, 0.75, 1].map((p) => words(x(p), y(0) + 16, String(p), { 'text-anchor': 'middle' })),
    words(x(0.75), y(0) + 34, 'how sure the AI was', { 'text-anchor': 'middle', class: 'axis' }),
    words(0, 0, 'how often people agreed', { 'text-anchor': 'middle', class: 'axis', transform: `translate(11 ${y(0.5)}) rotate(-90)` })].filter(Boolean));
}
