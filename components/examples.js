// Four examples to click; "others" brings the next four.
const COUNT = 4;
let first = 0;
const items = node('ul');
const more = node('button', { type: 'button', class: 'link', text: 'others', on: { click: () => { first += COUNT; draw(); } } });
root.append(node('div', { class: 'head' }, [node('span', { text: 'Or try' }), more]), items);
function draw() {
  const all = props.value ?? [];
  setShown(more, all.length > COUNT);
  const shown = all.slice(0, COUNT).map((_, i) => (first + i) % all.length);
  items.replaceChildren(...shown.map((index) => node('li', {}, [
    node('button', { type: 'button', text: all[index], on: { click: () => trigger('pick', { text: all[index], index }) } })])));
}
start(draw);
