() => {
  // Keys of the page: Ctrl+Enter runs the open tab, Esc stops it; a long run needs a click. They
  // press the very buttons, so what the buttons refuse, the keys refuse too.
  const shown = (id) => [...document.querySelectorAll(`#${id}`)].find((one) => one.offsetParent && !one.disabled);
  const press = (...ids) => { const found = ids.map(shown).find(Boolean); found?.click(); return Boolean(found); };
  // Gradio gives every radio a name of its own, so arrows do not move between them by themselves.
  const step = (event) => {
    const way = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const group = way && event.target.type === 'radio' && event.target.closest('.cw-segments');
    if (!group) return;
    const radios = [...group.querySelectorAll('input[type=radio]')];
    const next = radios[(radios.indexOf(event.target) + way + radios.length) % radios.length];
    event.preventDefault();
    next.focus();
    next.click();
  };
  document.addEventListener('keydown', (event) => {
    step(event);
    const edit = event.target.closest?.('.edit');
    const leave = edit && { Enter: (event.ctrlKey || event.metaKey) && '.go', Escape: '.cancel' }[event.key];
    if (leave) {
      event.preventDefault();
      edit.querySelector(leave).click();
    } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      if (press('critique-run', 'judge-run', 'constitution-run')) event.preventDefault();
    } else if (event.key === 'Escape' && !document.querySelector(':popover-open, dialog[open]')) {
      press('critique-stop', 'judge-stop', 'constitution-stop');
    }
  }, true);
  // What is typed or chosen while the page is still fetching what was kept wins over it (memory.py).
  const chosen = new Map();
  document.addEventListener('input', (event) => {
    const field = event.target;
    if (field.matches?.('input[type=radio]')) {
      chosen.set(field.closest('fieldset') ?? field, () => { if (!field.checked) field.click(); });
    } else if (field.matches?.('input[type=checkbox]')) {
      const { checked } = field;
      chosen.set(field, () => { if (field.checked !== checked) field.click(); });
    } else if (field.matches?.('textarea, input[type=text], input[type=number], input[type=range]')) {
      const { value } = field;
      chosen.set(field, () => {
        if (field.value === value) return;
        field.value = value;
        field.dispatchEvent(new Event('input', { bubbles: true }));
      });
    }
  }, true);
  window.cwRestored = () => [...chosen.values()].forEach((putBack) => putBack());
}
