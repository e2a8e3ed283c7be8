// The folder that is looked at: its trail, its list, the file chosen in it, and the legend of colours.
"use strict";

const view = (() => {
  const MOST = 300; // rows of the list
  const state = { folder: 0, file: -1, layer: 0, withGone: false };
  const trail = document.getElementById("trail");
  const rows = document.querySelector("#list tbody");
  const chosen = document.getElementById("chosen");

  function show() {
    showTrail();
    showList();
    showChosen();
    map.draw(state);
  }

  function showTrail() {
    const parts = [];
    for (let at = state.folder; at >= 0; at = report.data.parents[at]) {
      const name = at ? report.data.folders[at] : report.data.name;
      const part = at === state.folder ? element("strong", "", name) : link(name, () => go(at));
      if (at === state.folder) part.setAttribute("aria-current", "location");
      parts.unshift(part, document.createTextNode(" / "));
    }
    const size = report.size(report.sizeOf(state.folder, state.withGone));
    trail.replaceChildren(...parts.slice(0, -1), document.createTextNode(`  ${size}`));
  }

  function link(text, act, className = "link") {
    const made = element("button", className, text);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  function showList() {
    const items = report.children(state.folder, state.withGone);
    const place = items.findIndex((item) => item.kind === "file" && item.at === state.file);
    const from = place < MOST ? 0 : place - MOST / 2;
    const shown = items.slice(from, from + MOST).map(row);
    if (state.folder) shown.unshift(upwards());
    if (items.length > shown.length) shown.push(more(items.length - MOST));
    rows.replaceChildren(...shown);
    const current = rows.querySelector(".at");
    const box = rows.closest(".list-box");
    box.scrollTop = current ? current.offsetTop - box.clientHeight / 2 : 0;
  }

  function upwards() {
    const made = element("tr");
    const cell = element("td");
    cell.colSpan = 3;
    cell.append(link("..", up));
    made.append(cell);
    return made;
  }

  function more(count) {
    const made = element("tr");
    const cell = element("td", "note", `and ${count.toLocaleString("en")} more`);
    cell.colSpan = 3;
    made.append(cell);
    return made;
  }

  function row(item) {
    const made = element("tr", item.kind === "file" && item.at === state.file ? "at" : "");
    const name = element("td");
    const label = item.kind === "folder" ? `${item.name}/` : item.name;
    if (item.kind === "rest") name.append(element("span", item.gone ? "lost" : "", label));
    else name.append(link(label, () => open(item), item.gone ? "link lost" : "link"));
    const layer = element("td");
    if (item.kind !== "folder") layer.append(markOf(item.layer));
    made.append(name, element("td", "n", report.size(item.size)), layer);
    return made;
  }

  function showChosen() {
    chosen.hidden = state.file < 0;
    if (state.file < 0) return;
    const item = report.file(state.file);
    const [path, ...rest] = map.lines(item);
    const lead = element("p");
    lead.append(element("code", "", path));
    chosen.replaceChildren(lead, ...rest.map((line) => element("p", "", line)));
  }

  function open(item) {
    if (item.kind === "folder") go(item.folder);
    else go(item.folder, item.kind === "file" ? item.at : -1);
  }

  // A click in the map: into the folder whose title it is, else a step towards what is there.
  function approach(item, isTitle) {
    if (isTitle) go(item.folder);
    else go(report.towards(item.folder, state.folder), item.kind === "file" ? item.at : -1);
  }

  function up() {
    if (state.folder) go(report.data.parents[state.folder]);
  }

  // Goes to a folder, and to a file in it; the browser's own "back" leads back.
  function go(folder, file = -1) {
    const target = `#folder-${folder}${file >= 0 ? `-${file}` : ""}`;
    if (location.hash === target) return follow();
    location.hash = target;
    return undefined;
  }

  function follow() {
    const found = /^#folder-(\d+)(?:-(\d+))?$/.exec(location.hash);
    if (!found) return false;
    const folder = Math.min(Number(found[1]), report.folders - 1);
    const file = found[2] === undefined ? -1 : Number(found[2]);
    const isIn = file >= 0 && file < report.data.names.length && report.towards(report.file(file).folder, folder) >= 0;
    state.folder = folder;
    state.file = isIn ? file : -1;
    if (isIn && report.file(file).gone) setGone(true);
    show();
    return true;
  }

  function setGone(on) {
    state.withGone = on;
    document.getElementById("gone").checked = on;
  }

  // Chooses a layer (0: none): the map shows what it brought, the others fade.
  function pick(layer) {
    state.layer = state.layer === layer ? 0 : layer; // a second click takes it back
    for (const each of document.querySelectorAll("tr[data-layer]")) {
      const is = Number(each.dataset.layer) === state.layer;
      each.classList.toggle("picked", is);
      each.querySelector(".pick").setAttribute("aria-pressed", is);
    }
    for (const each of document.querySelectorAll("#legend button")) {
      each.setAttribute("aria-pressed", Number(each.dataset.layer) === state.layer);
    }
    map.draw(state);
    showFilter();
  }

  function showFilter() {
    const filter = document.getElementById("filter");
    const words = state.layer ? `The map shows ${report.layerName(state.layer)}` : "The map shows all layers";
    filter.hidden = !state.layer;
    filter.replaceChildren(element("span", "", words), link("Show all layers", () => pick(0)));
    document.getElementById("told").textContent = words;
  }

  function legend() {
    const shown = report.data.layers.map((layer, at) => [at + 1, layer]).filter(([, layer]) => layer[3]);
    const buttons = shown.map(([layer, [words]]) => {
      const made = link("", () => pick(layer), "");
      made.dataset.layer = layer;
      made.setAttribute("aria-pressed", "false");
      made.title = words;
      made.append(markOf(layer), ` ${words.length > 28 ? words.slice(0, 27) + "…" : words}`);
      return made;
    });
    if (shown.length < report.data.layers.length) {
      const others = element("span");
      others.append(element("span", "mark c0", "…"), " the other layers");
      buttons.push(others);
    }
    document.getElementById("legend").replaceChildren(...buttons);
  }

  return { state, show, go, follow, open, approach, up, pick, setGone, legend };
})();
