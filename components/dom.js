// Helpers in front of every component's script. Text only ever enters the page through
// textContent: Gradio 6.31 evaluates what {{ }} printed as a JavaScript template literal, so
// model text holding ${…} would run. Our html templates are therefore constant.
const node = (tag, attributes = {}, children = []) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === 'text') made.textContent = value;
    else if (name === 'on') for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter(Boolean));
  return made;
};
const setText = (target, text) => { if (target.textContent !== text) target.textContent = text; };
const setShown = (target, shown) => { if (target.hidden === shown) target.hidden = !shown; };
// New children in place of the old ones. What had the focus has it again, found by its `data-hold`:
// whoever works with the keyboard goes on from there, though the element is a new one.
const refill = (target, children) => {
  const held = target.contains(document.activeElement) ? document.activeElement.dataset.hold : undefined;
  target.replaceChildren(...children);
  if (held !== undefined) [...target.querySelectorAll('[data-hold]')].find((one) => one.dataset.hold === held)?.focus({ preventScroll: true });
};
// True where a part shows this already; else it is about to. What is not drawn anew loses no focus
// and is not read out again.
const drawnAs = new WeakMap();
const unchanged = (part, shown) => {
  const key = JSON.stringify(shown);
  if (drawnAs.get(part) === key) return true;
  drawnAs.set(part, key);
  return false;
};
// A drawing between press and release would take the click away, so it waits for the release.
const calmly = (draw) => {
  let pressed = false, due = false;
  root.addEventListener('pointerdown', (event) => { pressed = event.button === 0; });
  for (const name of ['pointerup', 'pointercancel']) window.addEventListener(name, () => { pressed = false; if (due) setTimeout(() => { if (due && !pressed) { due = false; draw(); } }); });
  return () => { due = pressed; if (!pressed) draw(); };
};
// The address as far as it is this tab's; of another tab's form nothing but the look and the open run.
const addressOf = (tab) => {
  const old = new URLSearchParams(window.location.search);
  return old.get('tab') === tab ? old : new URLSearchParams([...old].filter(([name]) => ['__theme', 'run'].includes(name)));
};
// A link to what a tab's last run was asked (link.js tells of it), as by the time it is copied the
// address may be another tab's.
const linkOf = (tab) => {
  let kept = '';
  window.addEventListener('cw-link', (event) => { if (event.detail.tab === tab) kept = event.detail.href; });
  return () => kept || window.location.href;
};
const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
const copyText = async (text, button) => {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = node('textarea', { class: 'cw-hidden', text });
    document.body.append(area); area.select(); document.execCommand('copy'); area.remove();
  }
  button.dataset.label ??= button.textContent; // a second press finds the first one's word there
  button.textContent = 'copied ✓';
  setTimeout(() => { button.textContent = button.dataset.label; }, 1400);
};
const saveJson = (value, name) => {
  const url = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)], { type: 'application/json' }));
  const link = node('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};
const caret = () => node('i', { class: 'caret', 'aria-hidden': 'true' });
const root = element.querySelector('.cw');
const start = (render) => { render(props.value); watch('value', () => render(props.value)); };
const reveal = () => { if (root.getBoundingClientRect().top > window.innerHeight - 120) root.scrollIntoView({ behavior: 'smooth', block: 'start' }); };
// Loads what ships for the first minute; everybody who shows rows then looks again.
const demoButton = (done, look = 'btn') => {
  const made = node('button', { type: 'button', class: look, text: 'Load the demo data', title: 'A thousand pairs of pocket’s answers with AI labels, marked as from demo', on: { click: async () => {
    made.disabled = true; made.textContent = 'Loading…';
    const said = await server.load_demo({}).catch((error) => ({ error: error.message }));
    made.disabled = false; made.textContent = said.error ? `${said.error} Try again` : `${said.value.added.toLocaleString('en')} rows loaded`;
    if (said.error) return;
    window.dispatchEvent(new CustomEvent('cw-run-done'));
    done?.();
  } } });
  return made;
};
