"use strict";
/* Orders the rows of a table by the column whose heading is pressed: numbers falling first, names rising first. */
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const byName = new Intl.Collator("en", { numeric: true });
  headings.forEach((heading, place) => {
    const isNumber = heading.classList.contains("n");
    const hasValues = [...body.rows].some((row) => row.cells[place].dataset.v !== undefined);
    if (heading.ariaHidden === "true" || (isNumber && !hasValues)) return;
    const button = document.createElement("button");
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    const key = (row) => {
      const cell = row.cells[place];
      if (!isNumber) return cell.textContent;
      return cell.dataset.v ? Number(cell.dataset.v) : NaN;
    };
    button.addEventListener("click", () => {
      const rises = heading.ariaSort ? heading.ariaSort === "descending" : !isNumber;
      for (const other of headings) other.ariaSort = null;
      heading.ariaSort = rises ? "ascending" : "descending";
      const sign = rises ? 1 : -1;
      const rows = [...body.rows].map((row) => [key(row), row]);
      rows.sort(([a], [b]) => {
        if (!isNumber) return sign * byName.compare(a, b);
        /* What has no value comes last either way. */
        if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
        return sign * (a - b);
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
