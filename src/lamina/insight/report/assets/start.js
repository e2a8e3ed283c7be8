// Joins the pieces of the page.
"use strict";

(() => {
  const root = document.documentElement;
  const button = document.getElementById("scheme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const KEY = "lamina-report-scheme";

  // Pages that lie in a folder may have no storage: then a choice lasts as long as the page.
  function stored(value) {
    try {
      if (value !== undefined) localStorage.setItem(KEY, value);
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function scheme(chosen) {
    if (chosen === "light" || chosen === "dark") root.dataset.scheme = chosen;
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Show in ${isDark() ? "light" : "dark"} colours`);
  }

  const isDark = () => (root.dataset.scheme ? root.dataset.scheme === "dark" : dark.matches);

  root.classList.add("scripted");
  scheme(stored());
  button.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    stored(chosen);
    scheme(chosen);
  });
  dark.addEventListener("change", () => scheme(null));

  view.legend();
  map.listen(view.approach, view.up);
  search.listen();
  document.querySelectorAll("table.sorted").forEach(sortable);
  document.getElementById("gone").addEventListener("change", (event) => {
    view.setGone(event.target.checked);
    view.show();
  });
  for (const row of document.querySelectorAll("tr[data-layer]")) {
    row.querySelector(".pick").addEventListener("click", () => view.pick(Number(row.dataset.layer)));
  }
  document.getElementById("biggest").addEventListener("click", (event) => {
    const target = event.target.closest("button[data-folder]");
    if (!target) return;
    const folder = Number(target.dataset.folder);
    const at = Number(target.dataset.at);
    view.go(folder, at);
    document.getElementById("files").scrollIntoView();
  });
  addEventListener("hashchange", () => {
    if (!view.follow() && !location.hash) view.go(0);
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    requestAnimationFrame(view.show);
  });
  if (!view.follow()) view.show();
})();
