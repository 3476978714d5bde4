// The confusion table, and the answers in one of its cells, read in place.
let chosenCell = '';
let cellRows = 20;
let cellValue = null;
const WORDS_OF = { preference: { tie: 'tie', agree: 'agree' }, refusal: { tie: 'partly', agree: 'agree' } };
const sideNames = (report) => ({ first: report.sides[0], tie: WORDS_OF[report.kind].tie, second: report.sides[1] });
// Two annotators may be held against each other: then nobody is an AI.
const audited = (report) => (report.ai.kind === 'human' ? report.ai.name : 'AI');
// What the person said last, of a dialogue.
const lastAsked = (prompt) => (prompt.replace(/\s*Assistant:\s*$/, '').split(/\n\nHuman:/).at(-1).trim().replace(/\s+/g, ' ').slice(0, 160) || 'no prompt');
const ORDER = ['first', 'tie', 'second'];
const cellBox = node('div', { class: 'cellrows' });

async function readCell(view, key, more = false) {
  cellRows = more ? cellRows + 20 : 20;
  chosenCell = key;
  const [ai, human] = key.split('|');
  const said = await server.rows({ asked: view.asked, ai, human, limit: cellRows }).catch(() => ({ error: 'No connection. Try again in a moment.' }));
  if (chosenCell !== key) return;
  cellValue = said.value ?? null;
  drawCell(view, said.error);
}

function confusion(view) {
  const { report } = view;
  const names = sideNames(report);
  const by = new Map(report.confusion.map((one) => [`${one.ai}|${one.human}`, one]));
  const used = (who) => ORDER.filter((side) => side !== 'tie' || report.confusion.some((one) => one[who] === 'tie'));
  const cells = (ai) => used('human').map((human) => {
    const one = by.get(`${ai}|${human}`);
    const look = ai === human ? 'same' : ai === 'tie' || human === 'tie' ? 'half' : 'apart';
    return node('td', { class: look }, [one ? node('button', { type: 'button', 'aria-pressed': String(chosenCell === `${ai}|${human}`), 'data-cell': `${ai}|${human}`, 'aria-label': `${audited(report)} says ${names[ai]}, people ${names[human]}: ${one.n} answers; read them`, style: `--heat:${Math.round(100 * Math.min(1, one.share * 1.6))}%`, on: { click: () => pressCell(view, `${ai}|${human}`) } },
      [node('b', { text: one.n.toLocaleString('en') }), node('span', { text: percent(one.share) })]) : node('span', { class: 'meta', text: '·' })]);
  });
  return node('table', { class: 'confusion' }, [
    node('thead', {}, [node('tr', {}, [node('td'), ...used('human').map((side) => node('th', { scope: 'col', text: `people: ${names[side]}` }))])]),
    node('tbody', {}, used('ai').map((ai) => node('tr', {}, [node('th', { scope: 'row', text: `${audited(report)}: ${names[ai]}` }), ...cells(ai)])))]);
}

function pressCell(view, key) {
  const again = chosenCell === key;
  chosenCell = again ? '' : key;
  cellValue = null;
  for (const one of root.querySelectorAll('.confusion button')) one.setAttribute('aria-pressed', String(one.dataset.cell === chosenCell));
  if (again) cellBox.replaceChildren(); else readCell(view, key);
}

function drawCell(view, error) {
  if (error) { cellBox.replaceChildren(node('p', { class: 'note bad', role: 'alert', text: error })); return; }
  const names = sideNames(view.report);
  const { examples, n, ai, human } = cellValue;
  const rest = n - examples.length;
  cellBox.replaceChildren(
    node('p', { class: 'meta', text: `${audited(view.report)} says ${names[ai]}, people say ${names[human]}: ${plural(n, 'answer')}${rest > 0 ? `, the first ${examples.length} of a random order` : ''}.` }),
    ...examples.map((one) => node('details', {}, [
      node('summary', {}, [node('span', { text: lastAsked(one.prompt) }),
        node('span', { class: 'meta', text: `${one.rater} ${one.human.toFixed(one.human % 1 ? 2 : 0)} · ${audited(view.report)} ${one.ai_p.toFixed(2)}` })]),
      node('blockquote', { text: one.prompt.trim() }),
      one.question && node('p', { class: 'meta', text: `Asked: ${one.question}` }),
      one.b === null ? node('p', { class: 'alone', text: one.a })
        : node('div', { class: 'sides' }, [['a', one.a, one.human > 0.5], ['b', one.b, one.human < 0.5]].map(([side, text, liked]) =>
          node('div', { class: side }, [node('b', { text: `${side === 'a' ? names.first : names.second}${liked ? ' · preferred by ' + one.rater : ''}` }), node('p', { text: text.trim() })])))])),
    ...(rest > 0 && examples.length < 200 ? [node('button', { type: 'button', class: 'btn', text: 'Show more', on: { click: () => readCell(view, `${ai}|${human}`, true) } })] : []));
}
