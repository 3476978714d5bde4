// What a run would do and need, and the very command. Asks for itself when it is first seen.
let started = '';
const work = node('p');
const needs = node('p', { class: 'meta' });
const text = node('pre', { tabindex: 0, 'aria-label': 'The command' });
const copy = node('button', { type: 'button', class: 'link', text: 'copy', on: { click: (event) => copyText(text.textContent, event.currentTarget) } });
const line = node('div', {}, [node('div', { class: 'head' }, [node('span', { class: 'meta', text: 'The same in a terminal' }), copy]), text]);
const note = node('p', { class: 'note bad', role: 'status' });
root.append(work, needs, note, line);

start((value) => {
  root.dataset.state = value?.state ?? 'empty';
  if (!value || value.state === 'empty') { root.hidden = true; return; }
  root.hidden = false;
  const ready = value.state === 'ready';
  setText(work, value.work); setText(needs, value.needs); setText(note, value.message); setText(text, value.command);
  needs.classList.toggle('short', !value.fits);
  for (const one of [work, needs, line]) setShown(one, ready);
  setShown(note, !ready);
  if (!value.started || value.started === started) return;
  started = value.started;
  window.dispatchEvent(new CustomEvent('cw-run', { detail: started }));
  trigger('shown', {}); // back to what the form says
});
trigger('shown', {});
