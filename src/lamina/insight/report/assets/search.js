// One search for paths, packages and instructions; all words must be in what is found, in any case.
"use strict";

const search = (() => {
  const MOST = 60; // of each kind
  const input = document.getElementById("search");
  const results = document.getElementById("results");

  const words = () => input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (text, wanted) => wanted.every((word) => text.includes(word));

  // The paths of folders in small letters, made when they are first needed.
  let folders = null;
  function paths() {
    if (!folders) {
      folders = [""];
      for (let at = 1; at < report.folders; at++) {
        folders.push(`${folders[report.data.parents[at]]}/${report.data.folders[at].toLowerCase()}`);
      }
    }
    return folders;
  }

  // What is called so comes first, then what begins so, then what has it in its name, then in its path.
  function rank(name, wanted) {
    if (wanted.includes(name)) return 0;
    if (wanted.some((word) => name.startsWith(word))) return 1;
    return fits(name, wanted) ? 2 : 3;
  }

  function files(wanted) {
    const found = [];
    const known = paths();
    for (let folder = 0; folder < report.folders; folder++) {
      if (folder && fits(known[folder], wanted) && !fits(known[report.data.parents[folder]], wanted)) {
        found.push({ kind: "folder", folder, size: report.sizeOf(folder, false), layer: 0, gone: 0 });
      }
      for (let at = report.firsts[folder]; at < report.firsts[folder + 1]; at++) {
        if (fits(`${known[folder]}/${report.data.names[at].toLowerCase()}`, wanted)) found.push(report.file(at, folder));
      }
    }
    return found
      .map((item) => [rank(report.pathOf(item).split("/").pop().toLowerCase(), wanted), item])
      .sort(([a, one], [b, other]) => a - b || other.size - one.size)
      .map(([, item]) => item);
  }

  function entry(text, aside, act) {
    const made = element("button");
    made.type = "button";
    made.append(element("span", "path", text), element("span", "note", aside));
    made.addEventListener("click", () => { close(); act(); });
    return made;
  }

  function group(title, found, make) {
    if (!found.length) return [];
    const count = found.length > MOST ? `, the first ${MOST} of ${found.length.toLocaleString("en")}` : "";
    return [element("h3", "", title + count), ...found.slice(0, MOST).map(make)];
  }

  function reveal(row) {
    row.scrollIntoView({ block: "center" });
    row.classList.add("picked");
    setTimeout(() => row.classList.remove("picked"), 2500);
  }

  function run() {
    const wanted = words();
    results.hidden = !wanted.length;
    if (!wanted.length) return;
    const packages = [...document.querySelectorAll("#package-table tbody tr")].filter((row) => fits(row.textContent.toLowerCase(), wanted));
    const layers = [...document.querySelectorAll("tr[data-layer]")].filter((row) => fits(row.querySelector(".what").textContent.toLowerCase(), wanted));
    const shown = [
      ...group("Files", files(wanted), (item) => entry(report.pathOf(item), aside(item), () => { view.open(item); document.getElementById("files").scrollIntoView(); })),
      ...group("Packages", packages, (row) => entry(row.cells[0].textContent, row.cells[1].textContent, () => reveal(row))),
      ...group("Instructions", layers, (row) => entry(row.querySelector(".text").textContent, `layer ${row.dataset.layer}`, () => {
        if (view.state.layer !== Number(row.dataset.layer)) view.pick(Number(row.dataset.layer));
        row.scrollIntoView({ block: "center" });
      })),
    ];
    results.replaceChildren(...(shown.length ? shown : [element("p", "", "Nothing is called so.")]));
    if (report.data.rests.length) results.append(element("p", "", "The smallest files have no names in this page: lamina find looks through all."));
  }

  const aside = (item) => `${report.size(item.size)}${item.gone ? ", gone" : ""}`;

  function close() {
    results.hidden = true;
  }

  // Up and down move through the results, Escape leaves them, "/" begins a search.
  function keys(event) {
    const isInside = results.contains(document.activeElement) || document.activeElement === input;
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      input.focus();
    } else if (isInside && event.key === "Escape") {
      close();
      input.focus();
    } else if (isInside && !results.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const all = [input, ...results.querySelectorAll("button")];
      const next = all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      if (all[next]) all[next].focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  function listen() {
    let waiting = 0;
    input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(run, 120); });
    input.addEventListener("focus", run);
    document.addEventListener("keydown", keys);
    document.addEventListener("pointerdown", (event) => { if (!event.target.closest(".find")) close(); });
  }

  return { listen };
})();
