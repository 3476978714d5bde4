// The audit: what to believe first, then what stands beside it, then where it comes from.
let view = null;
let by = '';
const note = node('div', { class: 'note bad', role: 'status', hidden: true });
const body = node('div', { class: 'body' });
const live = node('div', { class: 'cw-hidden', 'aria-live': 'polite' });
root.append(note, body, live);
const cell = (children, look = '') => node('td', { class: look }, children);
const table = (heads, rows, look = '') => node('table', { class: look }, [node('thead', {}, [node('tr', {}, heads.map(([text, cls]) => node('th', { scope: 'col', class: cls ?? '', text })))]), node('tbody', {}, rows)]);
const figure = (value, text, more, look = '') => node('div', { class: `figure ${look}` }, [node('b', { text: value }), node('span', { text }), node('span', { class: 'meta', text: more })]);
const FEW = 20;
const points = (width) => `${+(100 * width).toFixed(1)} points`;
const DIMENSIONS = { principle: 'principle', constitution: 'constitution version', source: 'source', confidence: 'how sure the AI was', length: 'length', question: 'question', model: 'models' };

function goTo(tab) {
  const found = [...document.querySelectorAll('.cw-tabs [role=tab]')].find((one) => one.textContent.trim().startsWith(tab));
  found?.click();
}

function empty() {
  body.replaceChildren(node('div', { class: 'empty' }, [
    node('h3', { text: 'Nothing to compare yet' }),
    node('p', { text: 'An audit needs the same comparisons labelled twice: by an AI, and by people who have not seen what it said.' }),
    node('ol', {}, view.steps.map((step) => node('li', { class: step.done ? 'done' : '' }, [
      node('div', {}, [node('b', { text: step.title }), node('span', { class: 'meta', text: step.done ? 'done' : '' })]), node('p', { text: step.text }),
      !step.done && node('p', { style: 'display:flex;flex-wrap:wrap;gap:10px' }, [node('button', { type: 'button', class: 'btn', text: step.button, on: { click: () => goTo(step.tab) } }), step === view.steps[0] && demoButton(() => trigger('shown', {}))])])))]));
}

function headline(report) {
  const best = report.corrected.agreement;
  const whom = report.against === 'reference' ? 'the reference rule' : view.people.length > 3 ? `${view.people.length} people` : view.people.join(', ');
  const noun = report.kind === 'refusal' ? 'response' : 'comparison';
  const sampled = `${report.n.toLocaleString('en')} answers of ${whom} about ${report.comparisons.toLocaleString('en')} of ${report.pool.toLocaleString('en')} ${noun}s; drawn ${report.sampling}.`;
  const { n: more, width, waiting } = report.needed;
  const left = report.pool - report.comparisons;
  const anew = waiting !== null && more > waiting; // what was drawn does not grow, and another draw begins anew
  const whole = `${more === left ? 'all' : 'about'} ${(report.comparisons + more).toLocaleString('en')}`;
  const missing = more === null ? '' : !left ? 'All of them are labelled.' : more === 0 ? `It is known to ± ${points(width)} already.` : anew ? `A new spot-check of ${whole} pairs would give ± ${points(width)}.` : `Label ${more === left ? `all ${more.toLocaleString('en')} that are left` : `${more.toLocaleString('en')} more`} for ± ${points(width)}.`;
  return [
    node('h3', { class: 'who', text: `${view.names[0]} against ${whom}` }),
    node('p', { class: 'meta', text: sampled }),
    !report.n && node('div', { class: 'note', text: 'They share nothing: no row of this pool has an answer of these people to the same question. Choose other people, another spot-check, or drop the condition.' }),
    report.n > 0 && report.n < FEW && node('div', { class: 'note warn', text: `${plural(report.n, 'answer')} say next to nothing yet; read the intervals, not the numbers.` }),
    report.n > 0 && node('div', { class: 'headline' }, [
      figure(best ? percent(best.estimate) : '·', `of the whole pool would get the same answer from people`, best ? `95 %: ${span(best.ci)} · corrected` : 'no estimate', 'main'),
      figure(percent(report.agreement), 'agreement in the sample, weighted', `95 %: ${span(report.ci)}`),
      figure(percent(report.unweighted), 'unweighted, you would have concluded', `95 %: ${span(report.unweighted_ci)}`, 'quiet')]),
    missing && report.n > 0 && node('p', { class: 'needed', text: missing }),
    report.skips?.skipped > 0 && node('p', { class: 'meta', text: `${report.skips.skipped} of ${report.skips.served} were skipped (${percent(report.skips.skip_rate)}). Were all of them disagreements, the agreement would be ${percent(report.skips.worst)}; were all agreements, ${percent(report.skips.best)}.` }),
    ...Object.entries(report.left_out).map(([why, count]) => node('p', { class: 'meta', text: `Left out: ${plural(count, 'answer')} ${why}.` }))];
}

function bars(report) {
  const people = { n: report.human_human_pairs, agreement: report.human_human, ci: report.intervals.human_human ?? null };
  const band = people.ci;
  const rows = [{ name: view.names[0], agreement: report.agreement, ci: report.ci, n: report.n, main: true },
    ...report.beside.map((one, i) => ({ ...one, name: view.names[i + 1] })), ...(people.n ? [{ ...people, name: 'people with each other', human: true }] : [])];
  return node('section', {}, [node('h3', { text: 'On the same rows, against the same people' }),
    table([['Who'], ['agreement, from 0 to 100 %; the line inside is the 95 % interval'], ['', 'n'], ['n', 'n']], rows.map((one) =>
      node('tr', { class: `${one.n < FEW ? 'few' : ''} ${one.main ? 'main' : ''} ${one.human ? 'human' : ''}` }, [cell([one.name]), cell([bar(one, { band: one.human ? null : band, lines: view.published })]), cell([percent(one.agreement)], 'n'), cell([one.n.toLocaleString('en')], 'n')])), 'bars'),
    node('p', { class: 'meta', text: `${band ? 'The band is how often people agree with each other. ' : report.against === 'human' && report.ai.kind !== 'human' ? 'Nobody has two people’s answers on the same row yet: let raters overlap to see how far people agree. ' : ''}The dashed line is chance.${view.published.length ? ` Dotted, from other tasks: ${view.published.map((line) => `${percent(line.value)} ${line.name}`).join('; ')}.` : ''}` })]);
}

const NUMBERS = [
  ['kappa_out', 'Cohen’s kappa, ties out', 'agreement beyond chance, sides in random order', (r) => r.kappa.ties_out],
  ['kappa_half', 'Cohen’s kappa, ties half', 'a tie counts half for either side', (r) => r.kappa.ties_half],
  ['alpha', 'Krippendorff’s alpha', 'the AI as one of the raters'],
  ['human_alpha', 'alpha of the people alone', 'the same without the AI'],
  ['ece', 'calibration error (ECE)', 'distance of promise and rate'],
  ['brier', 'Brier score', 'squared distance of P and answer; 0 is best'],
  ['order_gap', 'order gap', 'how far P(A) moves when the sides are swapped'],
  ['flip_rate', 'flip rate', 'how often a swap changes the choice'],
  ['longer_wins', 'longer wins, AI', 'how often it prefers the longer response'],
  ['human_longer_wins', 'longer wins, people', 'the people’s own, on the same rows'],
  ['always_a', 'always A', 'what a judge that always says A would get']];
function numbers(report) {
  const shown = NUMBERS.map(([key, name, what, of]) => [key, report.kind === 'refusal' && key === 'always_a' ? 'always “refusal”' : name, report.kind === 'refusal' && key === 'always_a' ? 'what a rater that always says so would get' : what, (of ?? ((r) => r[key]))(report)]).filter(([key, , , value]) => value !== null && !(report.ai.kind === 'human' && ['ece', 'brier'].includes(key)));
  return node('section', {}, [node('h3', { text: 'More numbers' }), table([['Number'], ['value', 'n'], ['95 %'], ['what it is']], shown.map(([key, name, what, value]) =>
    node('tr', {}, [cell([name]), cell([value.toFixed(3)], 'n'), cell([numberSpan(report.intervals[key])], 'ci'), cell([what], 'what')])), 'numbers')]);
}

function calibration(report) {
  const bins = report.calibration.filter((one) => one.n);
  if (!bins.length || report.ai.kind === 'human') return null;
  return node('section', {}, [node('h3', { text: 'Does it know when it is right?' }), node('div', { class: 'plotrow' }, [reliability(bins),
    node('div', {}, [table([['how sure'], ['n', 'n'], ['promised', 'n'], ['agreed', 'n'], ['95 %']], bins.map((one) => node('tr', { class: one.n < FEW ? 'few' : '' }, [cell([`${percent(one.low)} to ${percent(one.high)}`]), cell([one.n.toLocaleString('en')], 'n'), cell([percent(one.confidence)], 'n'), cell([percent(one.agreement)], 'n'), cell([span(one.ci)], 'ci')])), 'bins'),
      node('p', { class: 'meta', text: 'On the line, promise is kept; below it the AI is too sure of itself. Dots grow with their share; pale ones have under 20 answers.' })])])]);
}

function slices(report) {
  const dims = [...new Set(report.slices.map((one) => one.by))].filter((dim) => report.ai.kind !== 'human' || !['confidence', 'principle'].includes(dim));
  if (!dims.length) return null;
  if (!dims.includes(by)) by = dims.find((dim) => report.slices.filter((one) => one.by === dim).length > 1) ?? dims[0];
  const rows = report.slices.filter((one) => one.by === by);
  const pick = dims.map((dim) => node('button', { type: 'button', class: 'btn', 'aria-pressed': String(dim === by), text: DIMENSIONS[dim] ?? dim, on: { click: () => { by = dim; draw(); body.querySelector('.picks [aria-pressed="true"]')?.focus({ preventScroll: true }); } } }));
  return node('section', { class: 'slices' }, [node('h3', { text: 'Where does it agree less?' }), node('div', { class: 'picks', role: 'group', 'aria-label': 'Break down by' }, pick),
    table([[DIMENSIONS[by] ?? by], ['agreement'], ['', 'n'], ['n', 'n'], ['p', 'n']], rows.map((one) => node('tr', { class: one.few ? 'few' : '', title: one.few ? 'under 20 answers: nothing is to be read into it' : '' }, [cell([one.name]), cell([bar(one)]), cell([percent(one.agreement)], 'n'), cell([one.n.toLocaleString('en')], 'n'), cell([one.p_value === null ? '·' : one.p_value < 0.001 ? '< 0.001' : one.p_value.toFixed(3)], 'n')]))),
    node('p', { class: 'meta', text: 'Many slices at once are exploratory. p says how well chance explains the distance from the rest, Holm-adjusted for all slices of this table; grey ones have under 20 answers.' })]);
}

function corrected(report) {
  const one = report.corrected.preference;
  if (!one) return null;
  const of = report.corrected.preference_of;
  const text = report.kind === 'refusal' ? 'People would call this share of the pool a refusal' : of === 'stored side a' ? null : `People would prefer ${of} on this share of the pool`;
  return text && node('p', { class: 'needed', text: `${text}: ${percent(one.estimate)} (95 %: ${span(one.ci)}), corrected with the labels of ${view.names[0]}.` });
}

async function download(event) {
  const button = event.currentTarget;
  button.disabled = true;
  const said = await server.file({ asked: view.asked }).catch(() => ({ error: 'No connection. Try again in a moment.' }));
  button.disabled = false;
  if (said.error) { setText(note, said.error); setShown(note, true); return; }
  setShown(note, view.state === 'failed');
  const url = URL.createObjectURL(new Blob([said.value], { type: 'text/html' }));
  node('a', { href: url, download: `audit-${view.names[0].replace(/[^\w.-]+/g, '-').slice(0, 60)}.html` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function foot() {
  const pre = node('pre', { tabindex: 0, 'aria-label': 'The command', text: view.command });
  return node('section', { class: 'twin' }, [node('div', { class: 'row' }, [
    node('button', { type: 'button', class: 'btn', text: 'Download the report (HTML)', on: { click: download } }),
    node('button', { type: 'button', class: 'link', text: 'copy JSON', on: { click: (event) => copyText(JSON.stringify(view.report, null, 2), event.currentTarget) } }),
    node('button', { type: 'button', class: 'link', text: 'copy the command', on: { click: (event) => copyText(view.command, event.currentTarget) } })]),
    node('p', { class: 'meta', text: 'The same in a terminal' }), pre]);
}

function draw() {
  root.dataset.state = view.state;
  setShown(note, view.state === 'failed');
  setText(note, view.message);
  if (view.state === 'empty') { empty(); return; }
  if (view.state !== 'ready') { body.replaceChildren(); return; }
  const { report } = view;
  const parts = report.n ? [bars(report), corrected(report), calibration(report), node('section', {}, [node('h3', { text: 'Who says what' }), node('p', { class: 'meta', text: 'Answers, and their share of the weight. Open a cell to read them.' }), confusion(view), cellBox]), slices(report), numbers(report)] : [];
  body.replaceChildren(...[...headline(report), ...parts, foot()].filter(Boolean));
  setText(live, report.n ? `Agreement ${percent(report.agreement)}, ${span(report.ci)}, n ${report.n}` : 'Nothing in common');
}

start((value) => {
  if (!value || value.state === 'new') return;
  root.classList.toggle('asking', value.state === 'working');
  if (value.state === 'working') { if (!view) body.replaceChildren(node('p', { class: 'meta', role: 'status', text: 'Reading the labels…' })); return; }
  if (view?.serial !== value.serial) { chosenCell = ''; cellBox.replaceChildren(); }
  view = value;
  draw();
});
new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) trigger('shown', {}); }, { rootMargin: '9999px' }).observe(root);
