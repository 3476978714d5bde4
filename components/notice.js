// One warning paragraph, told to screen readers when it appears.
root.setAttribute('role', 'status');
start((text) => root.replaceChildren(...(text ? [node('div', { class: 'note warn' }, [text])] : [])));
