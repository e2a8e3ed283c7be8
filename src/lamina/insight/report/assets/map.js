// The map: one folder as a treemap in SVG, coloured by layer; a folder in it shows what it holds.
"use strict";

const map = (() => {
  const svg = document.getElementById("map");
  const SVG = "http://www.w3.org/2000/svg";
  const MOST = 2500; // rectangles; the biggest folders are opened first
  const HEAD = 16; // the height of a folder's title
  let items = []; // by data-at of their rectangle
  let tiles = []; // what lies directly in the folder: {item, x, y, width, height}
  let ring = null;
  let focused = -1;

  function shape(name, className, values) {
    const made = document.createElementNS(SVG, name);
    made.setAttribute("class", className);
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, Math.round(value * 10) / 10);
    return made;
  }

  function text(words, x, y, room, className) {
    const most = Math.floor(room / (className === "title" ? 7.2 : 6.2));
    if (most < 3) return;
    const made = shape("text", className, { x, y });
    made.textContent = words.length > most ? words.slice(0, most - 1) + "…" : words;
    svg.append(made);
  }

  function draw(state) {
    const width = Math.max(svg.parentElement.clientWidth, 200);
    const height = Math.min(560, Math.max(320, width * 0.62));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren();
    document.getElementById("tip").hidden = true;
    items = [];
    tiles = [];
    ring = null;
    const holders = state.layer ? report.holders(state.layer, state.withGone) : null;
    const waiting = [[report.children(state.folder, state.withGone), 0, 0, width, height, 0]];
    while (waiting.length) {
      const [inner, left, top, wide, high, depth] = waiting.shift();
      squarify(inner, left, top, wide, high, (item, x, y, w, h) => {
        if (w * h < 9 || items.length >= MOST) return;
        if (depth === 0) tiles.push({ item, x, y, width: w, height: h });
        const dim = holders && !(item.kind === "folder" ? holders[item.folder] : item.layer === state.layer);
        const opened = item.kind === "folder" && w > 26 && h > 22 && depth < 8;
        drawTile(item, x, y, w, h, { dim, opened, withGone: state.withGone, chosen: state.file });
        if (!opened) return;
        const head = h > 40 && w > 44 ? HEAD : 2;
        waiting.push([report.children(item.folder, state.withGone), x + 2, y + head, w - 4, h - head - 2, depth + 1]);
      });
    }
    if (!items.length) text("Nothing here has any bytes.", 12, 24, 400, "title");
    if (ring) svg.append(ring); // above all tiles
    focused = ring ? tiles.findIndex((tile) => tile.item.kind === "file" && tile.item.at === state.file) : -1;
  }

  function circle(x, y, w, h) {
    if (ring) ring.remove();
    ring = shape("rect", "ring", { x: x + 1.5, y: y + 1.5, width: Math.max(1, w - 3), height: Math.max(1, h - 3) });
  }

  function drawTile(item, x, y, w, h, how) {
    const colour = item.kind === "folder" ? report.mainColour(item.folder, how.withGone) : report.colourOf(item.layer);
    const classes = [how.opened ? "folder" : `f${colour}`];
    if (item.kind === "folder") classes.push("opens");
    if (item.gone) classes.push("lost");
    if (how.dim && !how.opened) classes.push("dim");
    const rect = shape("rect", classes.join(" "), { x, y, width: w, height: h });
    rect.dataset.at = items.length;
    if (item.kind === "file" && item.at === how.chosen) circle(x, y, w, h);
    items.push(item);
    svg.append(rect);
    if (how.dim && !how.opened) return;
    if (how.opened && h > 40 && w > 44) text(item.name, x + 5, y + 12, w - 8, "title");
    else if (!how.opened && h > 16 && w > 34) text(item.name, x + 4, y + 13, w - 6, "name");
  }

  // Puts the ring around a tile, and says what it is.
  function focus(place) {
    focused = place;
    const tile = tiles[place];
    circle(tile.x, tile.y, tile.width, tile.height);
    svg.append(ring);
    document.getElementById("told").textContent = describe(tile.item);
  }

  // The next tile in a direction: the nearest by its middle, what lies aside counting double.
  function neighbour(dx, dy) {
    if (focused < 0) return tiles.length ? 0 : -1;
    const middle = (tile) => [tile.x + tile.width / 2, tile.y + tile.height / 2];
    const [x, y] = middle(tiles[focused]);
    let best = -1;
    let least = Infinity;
    tiles.forEach((tile, place) => {
      const [a, b] = middle(tile);
      const along = (a - x) * dx + (b - y) * dy;
      const aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      if (along > 0.5 && along + 2 * aside < least) { least = along + 2 * aside; best = place; }
    });
    return best;
  }

  const at = (target) => {
    const rect = target.closest ? target.closest("rect[data-at]") : null;
    return rect ? items[Number(rect.dataset.at)] : null;
  };

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function listen(open, up) {
    svg.addEventListener("click", (event) => { const item = at(event.target); if (item) open(item, event.target.classList.contains("folder")); });
    svg.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (ARROWS[event.key]) {
        const next = neighbour(...ARROWS[event.key]);
        if (next >= 0) focus(next);
      } else if (event.key === "Enter" || event.key === " ") {
        if (focused >= 0) open(tiles[focused].item, false);
      } else if (event.key === "Backspace") {
        up();
      } else {
        return;
      }
      event.preventDefault();
    });
    const tip = document.getElementById("tip");
    svg.addEventListener("pointermove", (event) => {
      const item = at(event.target);
      tip.hidden = !item;
      if (!item) return;
      tip.replaceChildren(...lines(item).map((line) => element("p", "", line)));
      tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
    });
    svg.addEventListener("pointerleave", () => { tip.hidden = true; });
  }

  // What is known of a folder or file, in a few lines.
  function lines(item) {
    const found = [report.pathOf(item), report.size(item.size)];
    if (item.kind !== "folder") found.push(report.layerName(item.layer));
    if (item.gone) found.push(item.kind === "file" ? `gone with ${report.layerName(item.gone)}` : "gone");
    return found;
  }

  const describe = (item) => `${item.name}, ${item.kind === "folder" ? "folder, " : ""}${lines(item).slice(1).join(", ")}`;

  return { draw, listen, lines };
})();
