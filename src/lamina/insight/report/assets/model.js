// The data of the page: folders and files as columns, with the sums of each folder.
"use strict";

const report = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const folders = data.folders.length;
  const firsts = new Uint32Array(folders + 1); // where the files of a folder begin
  for (let at = 0; at < folders; at++) firsts[at + 1] = firsts[at] + data.counts[at];
  const gone = new Map();
  for (let at = 0; at < data.gone.length; at += 2) gone.set(data.gone[at], data.gone[at + 1]);

  const inside = Array.from({ length: folders }, () => []);
  for (let at = 1; at < folders; at++) inside[data.parents[at]].push(at);
  const rests = new Map();
  for (const [folder, layer, seen, files, size] of data.rests) {
    if (!rests.has(folder)) rests.set(folder, []);
    rests.get(folder).push({ kind: "rest", folder, layer, gone: !seen, files, size });
  }
  const colourOf = (layer) => (layer ? data.layers[layer - 1][3] : 0);

  // For each folder the bytes of each colour, twice: what is to be seen, and with what is gone.
  const COLOURS = 9;
  function summed() {
    const seen = new Float64Array(folders * COLOURS);
    const all = new Float64Array(folders * COLOURS);
    const count = (folder, layer, size, isGone) => {
      const at = folder * COLOURS + colourOf(layer);
      all[at] += size;
      if (!isGone) seen[at] += size;
    };
    for (let folder = 0; folder < folders; folder++) {
      for (let at = firsts[folder]; at < firsts[folder + 1]; at++) {
        count(folder, data.owners[at], data.sizes[at], gone.has(at));
      }
      for (const rest of rests.get(folder) || []) count(folder, rest.layer, rest.size, rest.gone);
    }
    for (let folder = folders - 1; folder > 0; folder--) { // a folder comes after the one it is in
      for (let colour = 0; colour < COLOURS; colour++) {
        const from = folder * COLOURS + colour;
        const to = data.parents[folder] * COLOURS + colour;
        seen[to] += seen[from];
        all[to] += all[from];
      }
    }
    return { seen, all };
  }
  const sums = summed();

  function sizeOf(folder, withGone) {
    const row = (withGone ? sums.all : sums.seen).subarray(folder * COLOURS, (folder + 1) * COLOURS);
    return row.reduce((sum, size) => sum + size, 0);
  }

  function mainColour(folder, withGone) {
    const row = (withGone ? sums.all : sums.seen).subarray(folder * COLOURS, (folder + 1) * COLOURS);
    let best = 0;
    for (let colour = 1; colour < COLOURS; colour++) if (row[colour] > row[best]) best = colour;
    return best;
  }

  // The folder of a file, by halves.
  function folderOf(file) {
    let low = 0;
    let high = folders - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (firsts[middle] <= file) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // The folder in `above`, or `above` itself, that `folder` lies in; -1 when it is elsewhere.
  function towards(folder, above) {
    let step = folder;
    for (let at = folder; at >= 0; at = data.parents[at]) {
      if (at === above) return step;
      step = at;
    }
    return -1;
  }

  function file(at, folder = folderOf(at)) {
    return { kind: "file", at, folder, name: data.names[at], layer: data.owners[at], size: data.sizes[at], gone: gone.get(at) || 0 };
  }

  // What lies in a folder, the biggest first.
  function children(folder, withGone) {
    const found = [];
    for (const at of inside[folder]) {
      const size = sizeOf(at, withGone);
      if (size || sizeOf(at, true) === 0) found.push({ kind: "folder", folder: at, name: data.folders[at], size, layer: 0, gone: 0 });
    }
    for (let at = firsts[folder]; at < firsts[folder + 1]; at++) {
      if (withGone || !gone.has(at)) found.push(file(at, folder));
    }
    for (const rest of rests.get(folder) || []) {
      if (withGone || !rest.gone) found.push({ ...rest, name: `${rest.files.toLocaleString("en")} smaller files` });
    }
    return found.sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1));
  }

  function path(folder) {
    const names = [];
    for (let at = folder; at > 0; at = data.parents[at]) names.push(data.folders[at]);
    return "/" + names.reverse().join("/");
  }

  const pathOf = (item) =>
    item.kind === "folder" ? path(item.folder) : path(item.folder).replace(/\/$/, "") + "/" + item.name;

  // Whether a layer has anything in each folder.
  function holders(layer, withGone) {
    const has = new Uint8Array(folders);
    for (let folder = 0; folder < folders; folder++) {
      for (let at = firsts[folder]; at < firsts[folder + 1] && !has[folder]; at++) {
        if (data.owners[at] === layer && (withGone || !gone.has(at))) has[folder] = 1;
      }
      if ((rests.get(folder) || []).some((rest) => rest.layer === layer && (withGone || !rest.gone))) has[folder] = 1;
    }
    for (let folder = folders - 1; folder > 0; folder--) if (has[folder]) has[data.parents[folder]] = 1;
    return has;
  }

  function size(bytes) {
    const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let unit = 0;
    while (bytes >= 999.5 && unit < units.length - 1) { bytes /= 1000; unit++; }
    return `${Number(bytes.toPrecision(3))}${units[unit]}`;
  }

  const layerName = (layer) => (layer ? `layer ${layer}: ${data.layers[layer - 1][0]}` : "several layers");
  return { data, folders, firsts, children, sizeOf, mainColour, colourOf, path, pathOf, file, towards, holders, size, layerName };
})();

// An element with a class and a text; the only way in which texts of the image come into the page.
function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function markOf(layer) {
  return element("span", `mark c${report.colourOf(layer)}`, layer ? String(layer) : "–");
}
