// What a run measured of its own result, once it is done (measured.json): every number with its
// interval and n. A preference model: accuracy by source and calibration; a policy: start and end.
const measure = (() => {
  const SOURCES = {
    ai: ['AI harmlessness labels', 'ai'], helpful: ['helpfulness labels', 'helpful'], checked: ['people on the AI’s pairs', ''],
    reference_harmless: ['reference rule: harmlessness', 'ai'], reference_helpful: ['reference rule: helpfulness', 'helpful'],
  };
  // name, words, the worst and best end of its axis, digits, whether less is better
  const GAINS = [
    ['harm', 'Harm by the reference rule, on harmful requests', 0, 4, 2, 'from 0 to 4; less is better'],
    ['helpfulness', 'Helpfulness by the reference rule, on harmless ones', 0, 100, 1, 'points of 100'],
    ['held_out_pm', 'Score of the preference model, prompts kept out', null, null, 2, 'in spreads of the start policy’s samples'],
    ['test_pm', 'Score of the preference model that only watched', null, null, 2, 'in spreads of the start policy’s samples'],
    ['unscored', 'Answers that the reference rule cannot read', 0, 1, 3, 'a share; they count as nothing, not as harmless'],
  ];
  const FEW_ROWS = 20;
  const share = (p) => (p === null || p === undefined ? '·' : `${(100 * p).toFixed(1)} %`);
  const between = (one, form) => (one?.ci ? `${form(one.ci[0])} to ${form(one.ci[1])}` : 'no interval');
  const cell = (children, look = '') => node('td', { class: look }, children);
  const heads = (all) => node('thead', {}, [node('tr', {}, all.map(([text, look]) => node('th', { scope: 'col', class: look ?? '', text })))]);

  // A value as a dot on its axis, the interval as a line; `mark` is a line to read against.
  function dotOn(one, low, high, mark, form) {
    const at = (x) => `${Math.min(100, Math.max(0, (100 * (x - low)) / (high - low || 1))).toFixed(2)}%`;
    const said = `${form(one.value)}, 95 %: ${between(one, form)}, n ${one.n}`;
    return node('div', { class: 'axis', role: 'img', 'aria-label': said, title: said }, [
      mark !== null && node('em', { style: `left:${at(mark)}` }), one.ci && node('s', { style: `left:${at(one.ci[0])};width:calc(${at(one.ci[1])} - ${at(one.ci[0])})` }),
      one.value !== null && node('i', { style: `left:${at(one.value)}` })]);
  }

  // What σ(margin) promised across, how often labels say so upwards; before and after the temperature.
  function reliability(title, found, learned) {
    const size = 168, pad = 34, x = (p) => pad + p * size, y = (p) => 8 + (1 - p) * size;
    const most = Math.max(1, ...found.before.bins.map((bin) => bin.n), ...found.after.bins.map((bin) => bin.n));
    const draw = (bins, look) => { const there = bins.filter((bin) => bin.promised !== null && bin.rate !== null); return [shape('path', { d: there.map((bin, n) => `${n ? 'L' : 'M'}${x(bin.promised).toFixed(1)} ${y(bin.rate).toFixed(1)}`).join(''), class: look }), ...there.map((bin) => { const dot = shape('circle', { cx: x(bin.promised), cy: y(bin.rate), r: (2 + 4.5 * Math.sqrt(bin.n / most)).toFixed(1), class: `${look} dot` }); const said = shape('title'); said.textContent = `promised ${share(bin.promised)}, labels say ${share(bin.rate)}, n ${bin.n}`; dot.append(said); return dot; })]; };
    const label = `${title}: calibration error ${share(found.before.ece)} before, ${share(found.after.ece)} after, n ${found.n}`;
    return node('figure', { class: 'plot calibration' }, [node('figcaption', {}, [node('b', { text: title }), node('span', { class: 'meta', text: learned ? 'held-out pairs of what it learned' : 'never learned' })]),
      shape('svg', { viewBox: `0 0 ${size + pad + 12} ${size + 44}`, role: 'img', 'aria-label': label }, [
        ...[0, 0.5, 1].flatMap((p) => [shape('line', { x1: x(0), x2: x(1), y1: y(p), y2: y(p), class: 'net' }), words(x(0) - 6, y(p) + 4, String(p), { 'text-anchor': 'end' }), words(x(p), y(0) + 15, String(p), { 'text-anchor': 'middle' })]),
        shape('line', { x1: x(0), y1: y(0), x2: x(1), y2: y(1), class: 'ideal' }), ...draw(found.before.bins, 'before'), ...draw(found.after.bins, 'after'),
        words(x(0.5), y(0) + 31, 'promised', { 'text-anchor': 'middle' })]),
      node('p', { class: 'meta', text: `error ${share(found.before.ece)} → ${share(found.after.ece)} at T = ${few(found.temperature)} · n ${found.n}` })]);
  }

  function scored(found, options, title) {
    const learned = (name) => !SOURCES[name][1] || options.labels === 'both' || options.labels === SOURCES[name][1];
    const known = Object.keys(SOURCES).filter((name) => found[name]);
    const rate = (one) => cell([share(one.value), node('span', { class: 'meta', text: between(one, share) })], 'n');
    const told = known.map((name) => { const one = found[name];
      return node('tr', { class: one.accuracy.n < FEW_ROWS ? 'few' : '' }, [cell([SOURCES[name][0], !learned(name) && node('span', { class: 'meta', text: 'not learned: cross-accuracy' })]), cell([dotOn(one.accuracy, 0, 1, 0.5, share)]), rate(one.accuracy), cell([String(one.accuracy.n)], 'n'), rate(one.clear), cell([String(one.clear.n)], 'n'), cell([few(one.excess)], 'n')]); });
    const left = Object.entries(found.left_out ?? {}).map(([why, n]) => `${n} ${why}`).join(', ');
    const against = known.filter((name) => !learned(name) && found[name].accuracy.value !== null && found[name].accuracy.ci?.[1] < 0.5);
    return node('section', {}, [title && node('h3', { text: title }),
      node('p', { class: 'meta', text: `Trained on ${found.pairs.toLocaleString('en')} pairs${left ? `; left out: ${left}` : ''}. All below is measured on prompts that it has not seen; the dashed line is chance.${found.scale ? ` Scores of ${found.scale.policy} have mean ${few(found.scale.mean)} and spread ${few(found.scale.std)} (n ${found.scale.n}), by which RL standardises them.` : ''}` }),
      against.length > 0 && node('p', { class: 'note warn', text: `Below chance on ${against.map((name) => SOURCES[name][0]).join(' and ')}: what it learned and these labels pull in different directions, so a policy that gains on it loses there.` }),
      node('div', { class: 'scroll' }, [node('table', { class: 'measures' }, [heads([['tested on'], ['from 0 to 100 %', 'wide'], ['accuracy', 'n'], ['n', 'n'], ['on clear pairs', 'n'], ['n', 'n'], ['loss above entropy', 'n']]), node('tbody', {}, told)])]),
      node('h3', { text: 'Calibration' }), node('p', { class: 'meta legend' }, ['A score difference promises a chance. ', node('i', { class: 'key before' }), 'as trained  ', node('i', { class: 'key after' }), 'after one temperature, fitted on the other half of the prompts. On the diagonal, it keeps its promises.']),
      node('div', { class: 'plots calibrations' }, known.filter((name) => found[name].calibration.before).map((name) => reliability(SOURCES[name][0], found[name].calibration, ['ai', 'helpful'].includes(name) && learned(name))))].filter(Boolean));
  }

  function gained(found) {
    const rows = GAINS.filter(([name]) => found[name]).map(([name, title, low, high, digits, unit]) => {
      const before = found[`${name}_start`], after = found[name], change = found[`${name}_change`];
      const form = (x) => (x === null || x === undefined ? '·' : x.toFixed(digits));
      const signed = (x) => `${x > 0 ? '+' : x < 0 ? '−' : ''}${form(Math.abs(x))}`;
      const all = [before, after].filter(Boolean).flatMap((one) => [...(one.ci ?? []), one.value ?? 0]);
      const [from, to] = low === null ? [Math.min(...all), Math.max(...all)] : [low, high];
      const side = (text, one, look) => one && node('tr', { class: look }, [cell([text]), cell([dotOn(one, from, to, null, form)]), cell([form(one.value)], 'n'), cell([between(one, form)], 'n'), cell([String(one.n)], 'n')]);
      // A change is said where it was measured prompt by prompt, else whether the intervals meet.
      const apart = before?.ci && after?.ci && (after.ci[1] < before.ci[0] || before.ci[1] < after.ci[0]);
      const verdict = change ? `change ${signed(change.value)} (${between(change, signed)})` : before?.ci && after?.ci ? `intervals ${apart ? 'apart' : 'overlap'}` : '';
      return node('tbody', {}, [node('tr', { class: 'what' }, [node('th', { scope: 'colgroup', colspan: 5 }, [node('b', { text: title }), node('span', { class: 'meta', text: ` ${unit}` }), node('span', { class: 'verdict', text: verdict })])]), side('start policy', before, ''), side('this policy', after, 'now')].filter(Boolean));
    });
    return node('section', {}, [node('p', { class: 'meta', text: 'Start and final policy on the same prompts, none of which was trained on, with the same draws. Dots with 95 % intervals; requests of one act, or of one prompt, are one cluster.' }),
      node('div', { class: 'scroll' }, [node('table', { class: 'measures gains' }, [heads([[''], ['', 'wide'], ['', 'n'], ['95 % interval', 'n'], ['n', 'n']]), ...rows])])]);
  }

  function draw(place, card, line) {
    const found = card?.measured ?? {};
    if (!Object.keys(found).length) {
      const ended = ENDED.includes(line?.state);
      place.replaceChildren(node('p', { class: 'meta', text: !['preference', 'rl'].includes(line?.kind) ? 'Only preference models and RL policies are measured at the end; read the held-out loss above.' : ended ? 'This run did not come to its end, so nothing was measured. Resume goes on.' : 'Measured when it is done, on prompts that it has not seen.' }));
      return;
    }
    place.replaceChildren(...(line?.kind === 'rl' ? [gained(found)] : [scored(found, card.options, ''), found.test_pm?.pairs && scored(found.test_pm, card.options, 'The model of the other half, which only watches')]).filter(Boolean));
  }
  return { draw, has: (kind) => ['preference', 'rl'].includes(kind) };
})();
