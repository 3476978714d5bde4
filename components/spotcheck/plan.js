// What drawing would do: the chances in a sentence, and the same as a command.
const words = node('p', { role: 'status' });
const copy = node('button', { type: 'button', class: 'link', text: 'copy', on: { click: (event) => copyText(code.textContent, event.currentTarget) } });
const code = node('pre', { tabindex: 0 });
const box = node('div', {}, [node('div', { class: 'head' }, [node('span', { class: 'meta', text: 'The same on the command line' }), copy]), code]);
root.append(words, box);
start((value) => {
  root.dataset.state = value?.state ?? 'empty';
  setText(words, value?.message ?? '');
  words.classList.toggle('short', value?.state === 'failed');
  setText(code, value?.command ?? '');
  setShown(box, Boolean(value?.command));
});
