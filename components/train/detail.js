// The open training, whole: what can be done to it, what its model answers by step, its log, the
// very command, the card with hashes and versions, and where it comes from.
const detail = (() => {
  const PANES = [['measured', 'Measured'], ['samples', 'Answers by step'], ['log', 'Log'], ['command', 'Command and settings'], ['card', 'Card'], ['lineage', 'Lineage']];
  const MOST_LOG = 200000;
  let pane = 'samples', shownFor = '', asking = '', logTo = null, samplesPlace = { offset: 0, mark: '' };
  let steps = [], step = null, follow = true, rowsByStep = new Map(), grams = new Map();
  const name = node('h3'), state = node('span', { class: 'tag' }), figures = node('p', { class: 'meta figures' }), why = node('p', { class: 'why', role: 'status' });
  const sure = node('span', { class: 'sure', role: 'alert' });
  const buttons = {
    stop: btn('Stop', () => act('stop', opened), 'Save what is there and end'),
    resume: btn('Resume', () => act('resume', opened), 'Go on from the last checkpoint'),
    use: btn('Try it in Critique', () => trigger('use', { spec: lineOfRun(opened).spec }), 'Choose this adapter as the model of the Critique tab'),
    up: btn('Earlier', () => act('up', opened), 'One place up in the queue'),
    down: btn('Later', () => act('down', opened), 'One place down in the queue'),
    fill: link('fill the form from it', () => window.dispatchEvent(new CustomEvent('cw-train-fill', { detail: opened })), 'The same settings, to be changed and started again'),
    download: link('download adapter', () => trigger('download', { run: opened }), 'adapter/ as a zip: weights, configuration, card'),
    kill: link('kill…', () => sureOf('kill'), 'End the process at once'),
    remove: link('delete…', () => sureOf('delete'), 'Remove the folder of this run'),
  };
  const tabs = node('div', { class: 'panes', role: 'group', 'aria-label': 'What to read of this run' }, PANES.map(([key, text]) => node('button', { type: 'button', text, 'data-pane': key, on: { click: () => show(key) } })));
  const slider = node('input', { type: 'range', min: 0, max: 0, value: 0, 'aria-label': 'Step', on: { input: () => { step = steps[Number(slider.value)]; follow = Number(slider.value) === steps.length - 1; drawSamples(); } } });
  const stepText = node('output');
  const answers = node('div', { class: 'answers' });
  const samplesPane = node('div', {}, [node('div', { class: 'row slide' }, [node('span', { class: 'meta', text: 'Step' }), slider, stepText]), answers]);
  const log = node('pre', { tabindex: 0, class: 'log', 'aria-label': 'Log' });
  const logPane = node('div', {}, [node('div', { class: 'row spread' }, [node('span', { class: 'meta', text: 'The end of log.txt, as it grows' }), link('copy', (event) => copyText(log.textContent, event.currentTarget))]), log]);
  const command = node('pre', { tabindex: 0, 'aria-label': 'The command' }), config = node('pre', { tabindex: 0, 'aria-label': 'config.yaml' }), folder = node('span', { class: 'meta' });
  const commandPane = node('div', {}, [node('div', { class: 'row spread' }, [node('span', { class: 'meta', text: 'The very command; anybody may type it' }), link('copy', (event) => copyText(command.textContent, event.currentTarget))]), command,
    node('div', { class: 'row spread' }, [node('span', { class: 'meta', text: 'config.yaml' }), folder, link('copy', (event) => copyText(config.textContent, event.currentTarget))]), config]);
  const measuredPane = node('div', { class: 'measured' });
  const cardPane = node('dl', { class: 'facts' });
  const lineagePane = node('div', { class: 'lineage' });
  const parts = { measured: measuredPane, samples: samplesPane, log: logPane, command: commandPane, card: cardPane, lineage: lineagePane };
  detailPlace.append(node('header', { class: 'row' }, [name, state, node('span', { class: 'tools row' }, [buttons.fill, buttons.download, buttons.kill, buttons.remove])]), figures, why,
    node('div', { class: 'row' }, [buttons.stop, buttons.resume, buttons.use, buttons.up, buttons.down, sure]), tabs, ...Object.values(parts));

  function sureOf(what) { asking = asking === what ? '' : what; drawSure(); sure.querySelector('button')?.focus(); }
  function drawSure() {
    const said = { kill: 'What it did since its last checkpoint is done again by Resume.', delete: 'Its folder goes, adapter, log and checkpoints with it; a named copy of the adapter stays.' };
    sure.replaceChildren(...(asking ? [node('span', { text: said[asking] }), btn(asking === 'kill' ? 'Kill it now' : 'Delete it', () => { const what = asking; asking = ''; drawSure(); act(what, opened); }), link('leave it', () => { asking = ''; drawSure(); })] : []));
  }
  function show(key) {
    pane = key;
    for (const one of tabs.children) one.setAttribute('aria-pressed', String(one.dataset.pane === key));
    for (const [one, element] of Object.entries(parts)) setShown(element, one === key);
    if (key === 'command' || key === 'card') drawCard();
    if (key === 'measured') drawMeasured();
    if (key === 'lineage') graph.open(lineagePane, opened);
    if (key === 'log') log.scrollTop = log.scrollHeight;
  }
  // The pane that says most of a kind opens first: what a preference model scores, what others answer.
  const usual = (line) => (line?.kind === 'preference' || (line?.kind === 'rl' && line.state === 'done') ? 'measured' : 'samples');
  async function drawMeasured() {
    const id = opened, line = lineOfRun(id);
    const known = () => Object.keys(cards.get(id)?.measured ?? {}).length > 0;
    if (line?.state === 'done' && !known()) try { cards.set(id, await ask('read_card', { run: id })); } catch (error) { measuredPane.replaceChildren(node('p', { text: error.message })); return; }
    if (id === opened) measure.draw(measuredPane, cards.get(id), lineOfRun(id));
  }
  async function drawCard() {
    const id = opened;
    if (!cards.get(id)?.facts?.created || pane === 'command') try { cards.set(id, await ask('read_card', { run: id })); } catch (error) { cardPane.replaceChildren(node('p', { text: error.message })); return; }
    if (id !== opened) return;
    const card = cards.get(id);
    setText(command, card.command); setText(config, card.config); setText(folder, card.folder);
    const { options, provenance, data, command: _, versions, results, ...facts } = card.facts;
    const told = [['run', card.id], ...Object.entries(facts), ...Object.entries(results ?? {}).map(([key, value]) => [`result: ${key}`, few(value)]), ...Object.entries(card.options).map(([key, value]) => [key, value]), ...Object.entries(card.provenance).map(([key, value]) => [`from: ${key}`, value]), ...Object.entries(card.inputs).map(([key, value]) => [`sha256 of ${key}`, value]), ...Object.entries(versions ?? {}).map(([key, value]) => [`version of ${key}`, value]), ['command', card.command]];
    const seen = new Set();
    cardPane.replaceChildren(...told.filter(([key, value]) => value !== '' && value !== null && !seen.has(key) && seen.add(key)).map(([key, value]) => node('div', {}, [node('dt', { text: spoken(key) }), node('dd', { text: typeof value === 'object' ? JSON.stringify(value) : String(value) })])),
      ...(card.facts.created ? [] : [node('p', { class: 'meta', text: 'Hashes of the weights and versions of the libraries are added when it is done.' })]));
  }

  function drawSamples() {
    setText(stepText, step === null ? '' : step === 0 ? 'start' : String(step));
    slider.max = Math.max(0, steps.length - 1); slider.value = Math.max(0, steps.indexOf(step)); slider.disabled = steps.length < 2;
    if (step === null) { answers.replaceChildren(node('p', { class: 'meta', text: ENDED.includes(lineOfRun(opened)?.state) ? 'This run has written no sample answers.' : 'Sample answers come with the first look at the model.' })); return; }
    const first = new Map((rowsByStep.get(steps[0]) ?? []).map((row) => [row.prompt, row]));
    const numbers = (row) => Object.entries(row?.numbers ?? {}).slice(0, 4).map(([key, value]) => `${spoken(key)} ${few(value)}`).join(' · ');
    const side = (title, row, look) => node('div', { class: `side ${look}` }, [node('header', {}, [node('b', { text: title }), node('span', { class: 'meta', text: numbers(row) }), ...(row?.flags ?? []).map((flag) => node('span', { class: 'tag', text: flag.replaceAll('_', ' ') }))]), node('p', { text: row ? row.text.trim() || '(nothing)' : 'not asked then' })]);
    const repeated = grams.get(step) ?? [];
    answers.replaceChildren(...(repeated.length ? [node('p', { class: 'meta' }, ['Said again and again, share of all answers: ', ...repeated.map(([gram, part], n) => node('span', {}, [`${n ? ' · ' : ''}“${gram}” ${Math.round(100 * part)} %`]))])] : []), ...(rowsByStep.get(step) ?? []).map((row) => node('article', {}, [node('p', { class: 'asked', text: row.prompt }),
      node('div', { class: 'pair' }, [side(steps[0] === 0 ? 'Start policy' : `Step ${steps[0]}`, first.get(row.prompt), 'before'), ...(step === steps[0] ? [] : [side(`Step ${step}`, row, 'after')])])])));
  }
  function drawLog(part) {
    if (logTo !== null && part.start !== logTo && part.start !== 0) { logTo = null; return; } // a part was missed: the next tick brings the end anew
    const low = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
    if (logTo === part.start) { if (part.text) log.append(part.text); } else log.textContent = part.text;
    if (log.textContent.length > MOST_LOG) log.textContent = log.textContent.slice(-MOST_LOG / 2);
    logTo = part.to;
    log.classList.toggle('none', !log.textContent);
    if (low) log.scrollTop = log.scrollHeight;
  }
  function drawHead() {
    const line = lineOfRun(opened);
    setShown(detailPlace, Boolean(line));
    if (!line) return;
    detailPlace.dataset.run = line.id; detailPlace.dataset.state = line.state;
    setText(name, line.title); setText(state, STATES[line.state] ?? line.state); state.className = `tag ${TONES[line.state] ?? ''}`;
    const took = line.started ? (line.ended ?? Date.now() / 1000) - line.started : null;
    setText(figures, [line.id, line.total ? `${line.done.toLocaleString('en')} of ${line.total.toLocaleString('en')} ${line.unit}` : '', line.rate && LIVE.includes(line.state) ? `${few(line.rate)} ${line.unit} a second` : '', line.state === 'running' && line.eta_s !== null ? `${clock(line.eta_s)} left` : '', took !== null ? `${line.ended ? 'took' : 'for'} ${clock(took)}` : `created ${when(line.created)}`, line.spec ? `model ${line.spec}` : ''].filter(Boolean).join(' · '));
    setText(why, line.error || line.note || ''); setShown(why, Boolean(why.textContent)); why.classList.toggle('bad', Boolean(line.error));
    setShown(tabs.querySelector('[data-pane=measured]'), measure.has(line.kind));
    if (shownFor !== `${line.id} ${line.state}`) { shownFor = `${line.id} ${line.state}`; if (['measured', 'samples'].includes(pane)) show(usual(line)); }
    const ended = ENDED.includes(line.state), live = LIVE.includes(line.state);
    const shown = { stop: mayWrite && !ended, resume: mayWrite && ended && line.state !== 'done', use: Boolean(line.spec) && line.kind !== 'preference', up: mayWrite && line.place > 1, down: mayWrite && line.place > 0 && lines.some((one) => one.place > line.place), fill: mayWrite, download: Boolean(line.spec), kill: mayWrite && live, remove: mayWrite && ended };
    for (const [key, yes] of Object.entries(shown)) setShown(buttons[key], yes);
    buttons.stop.disabled = line.state === 'stopping';
    if (asking && buttons[asking === 'delete' ? 'remove' : 'kill'].hidden) { asking = ''; drawSure(); }
  }
  show(pane);
  return {
    reset() { logTo = null; samplesPlace = { offset: 0, mark: '' }; steps = []; step = null; follow = true; rowsByStep = new Map(); grams = new Map(); asking = ''; shownFor = ''; log.textContent = ''; drawSure(); drawSamples(); drawHead(); show(pane); },
    place: () => ({ samples: samplesPlace, log: logTo }),
    take(said) {
      drawHead();
      if (said.log) drawLog(said.log);
      if (!said.samples) return;
      if (said.samples.anew) { if (!said.samples.rows.length && !steps.length) { samplesPlace = said.samples.place; return; } rowsByStep = new Map(); }
      for (const row of said.samples.rows) { const known = rowsByStep.get(row.step) ?? []; rowsByStep.set(row.step, [...known.filter((one) => one.prompt !== row.prompt), row]); }
      for (const [at, found] of Object.entries(said.samples.grams ?? {})) grams.set(Number(at), found);
      samplesPlace = said.samples.place;
      if (!said.samples.rows.length && !said.samples.anew) return;
      steps = [...rowsByStep.keys()].sort((a, b) => a - b);
      if (follow || !steps.includes(step)) step = steps.at(-1) ?? null;
      drawSamples();
    },
  };
})();

setInterval(tick, 1000);
start(() => { drawAll(); tick(); });
