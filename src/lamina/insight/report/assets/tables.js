// Tables that are sorted by a click on a heading.
"use strict";

function sortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => row.cells[column].dataset.by ?? row.cells[column].textContent.trim();
  const compare = (a, b) => a.localeCompare(b, "en", { numeric: true });
  headings.forEach((heading, column) => {
    const button = element("button", "", heading.textContent);
    button.type = "button";
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const each of headings) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(valueOf(a, column), valueOf(b, column)) * (down ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}
