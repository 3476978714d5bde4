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
const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
const copyText = async (text, button) => {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = node('textarea', { class: 'cw-hidden', text });
    document.body.append(area); area.select(); document.execCommand('copy'); area.remove();
  }
  const before = button.textContent;
  button.textContent = 'copied ✓';
  setTimeout(() => { button.textContent = before; }, 1400);
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
  const made = node('button', { type: 'button', class: look, text: 'Load the demo data', title: 'A thousand pairs of pocket’s answers with AI labels, marked as from demo; the same as: python -m cai_app import demo', on: { click: async () => {
    made.disabled = true; made.textContent = 'Loading…';
    const said = await server.load_demo({}).catch((error) => ({ error: error.message }));
    made.disabled = false; made.textContent = said.error ? `${said.error} Try again` : `${said.value.added.toLocaleString('en')} rows loaded`;
    if (said.error) return;
    window.dispatchEvent(new CustomEvent('cw-run-done'));
    done?.();
  } } });
  return made;
};
