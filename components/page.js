() => {
  // Keys of the page: Ctrl+Enter runs the open tab, Esc stops it. They press the very buttons,
  // so what the buttons refuse, the keys refuse too.
  const shown = (id) => [...document.querySelectorAll(`#${id}`)].find((one) => one.offsetParent && !one.disabled);
  const press = (...ids) => { const found = ids.map(shown).find(Boolean); found?.click(); return Boolean(found); };
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      if (press('critique-run', 'judge-run')) event.preventDefault();
    } else if (event.key === 'Escape' && !document.querySelector(':popover-open')) {
      press('critique-stop', 'judge-stop');
    }
  }, true);
}
