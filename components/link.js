// Puts what is worth sharing into the address, and hands the values on unchanged.
// `NAMES` stands for the query names of the inputs, in order, and `TAB` for the tab.
(...values) => {
  const query = new URLSearchParams();
  const theme = new URLSearchParams(window.location.search).get('__theme');
  if (theme) query.set('__theme', theme);
  query.set('tab', TAB);
  NAMES.forEach((name, i) => {
    const value = values[i];
    if (name && value !== null && value !== undefined && value !== '') query.set(name, String(value));
  });
  const kept = new URLSearchParams([...query].filter(([name]) => ['__theme', 'tab'].includes(name)));
  const text = query.toString();
  window.history.replaceState(null, '', `?${text.length < 6000 ? text : kept}`);
  window.dispatchEvent(new CustomEvent('cw-link', { detail: { tab: TAB, href: window.location.href } }));
  return [];
}
