// Squarified treemaps (Bruls, Huizing, van Wijk 2000): rectangles by size, none much longer than wide.
"use strict";

// Calls place(item, x, y, width, height) for each item; `items` are sorted by size, the biggest first.
function squarify(items, x, y, width, height, place) {
  let total = 0;
  for (const item of items) total += item.size;
  if (!total || width <= 0 || height <= 0) return;
  const scale = (width * height) / total;
  let at = 0;
  while (at < items.length && items[at].size > 0) {
    const side = Math.min(width, height);
    let end = at;
    let sum = 0;
    let worst = Infinity;
    while (end < items.length && items[end].size > 0) {
      const more = sum + items[end].size * scale;
      const ratio = worstOf(items[at].size * scale, items[end].size * scale, more, side);
      if (ratio > worst) break;
      worst = ratio;
      sum = more;
      end++;
    }
    const thick = sum / side;
    let along = 0;
    for (; at < end; at++) {
      const long = (items[at].size * scale) / thick;
      if (width >= height) place(items[at], x, y + along, thick, long);
      else place(items[at], x + along, y, long, thick);
      along += long;
    }
    if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
  }
}

// The worst ratio of sides in a row whose biggest and smallest areas and whole area are these.
function worstOf(biggest, smallest, area, side) {
  const square = side * side;
  return Math.max((square * biggest) / (area * area), (area * area) / (square * smallest));
}
