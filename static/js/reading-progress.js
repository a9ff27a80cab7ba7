// The page of a document that is being read: asks how far it is, and shows the result when it is there.
(() => {
  const says = document.querySelector("[data-reading-says]");
  if (!says) return;
  const ask = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "application/json" } });
      const state = answer.ok ? await answer.json() : { under_way: false };
      if (!state.under_way) {
        location.reload();
        return;
      }
      says.textContent = state.says;
    } catch {
      // The site may be restarting: ask again.
    }
    setTimeout(ask, 1000);
  };
  setTimeout(ask, 1000);
})();
