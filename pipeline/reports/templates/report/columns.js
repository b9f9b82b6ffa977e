"use strict";
/* Finds and orders the columns, and turns the pages of a wide table. Rows come ready from the server: this script only
   moves them between the table and its template, where they cost the browser nothing. */
{
  const tools = document.getElementById("tools");
  const find = document.getElementById("find");
  const said = document.getElementById("said");
  const buttons = [...tools.querySelectorAll("button")];
  const size = Number(tools.dataset.size);
  const count = (n) => n.toLocaleString("en");

  const byName = new Intl.Collator("en", { numeric: true });
  const falling = (...keys) => (a, b) => {
    for (const key of keys) if (a[key] !== b[key]) return b[key] - a[key];
    return a.place - b.place;
  };
  const orders = {
    place: (a, b) => a.place - b.place,
    name: (a, b) => byName.compare(a.name, b.name),
    missing: falling("missing"),
    drift: falling("drift"),
    anomalies: falling("anomalies", "drift", "missing"),
  };

  const tables = [...document.querySelectorAll("#columns table")].map((table) => {
    const template = table.querySelector("template");
    const bodies = [...table.tBodies, ...(template ? template.content.children : [])];
    const columns = bodies.map((body) => ({
      body,
      name: body.querySelector(".name").textContent,
      ...Object.fromEntries(["place", "missing", "drift", "anomalies"].map((key) => [key, Number(body.dataset[key])])),
    }));
    const pager = document.getElementById(table.dataset.pager);
    const [back, forth] = pager.querySelectorAll("button");
    return { table, columns, pager, back, forth, chosen: columns, first: 0 };
  });

  const draw = (list) => {
    const last = Math.min(list.first + size, list.chosen.length);
    for (const body of [...list.table.tBodies]) body.remove();
    list.table.append(...list.chosen.slice(list.first, last).map((column) => column.body));
    list.table.parentElement.hidden = list.chosen.length === 0;
    list.pager.hidden = list.chosen.length <= size;
    list.pager.querySelector("span").textContent =
      `${count(list.first + 1)} to ${count(last)} of ${count(list.chosen.length)}`;
    list.back.disabled = list.first === 0;
    list.forth.disabled = last === list.chosen.length;
  };

  const choose = () => {
    const wanted = find.value.trim().toLowerCase();
    const order = orders[buttons.find((button) => button.ariaPressed === "true").value];
    let found = 0;
    for (const list of tables) {
      list.chosen = list.columns.filter((column) => column.name.toLowerCase().includes(wanted)).sort(order);
      list.first = 0;
      found += list.chosen.length;
      draw(list);
    }
    const all = tables.reduce((sum, list) => sum + list.columns.length, 0);
    said.textContent = wanted ? `${count(found)} of ${count(all)} columns` : `${count(all)} columns`;
  };

  find.addEventListener("input", choose);
  for (const pressed of buttons) {
    pressed.addEventListener("click", () => {
      for (const button of buttons) button.ariaPressed = String(button === pressed);
      choose();
    });
  }
  for (const list of tables) {
    const turn = (by) => () => {
      list.first += by;
      draw(list);
    };
    list.back.addEventListener("click", turn(-size));
    list.forth.addEventListener("click", turn(size));
  }
  /* The name of a column elsewhere in the page leads to its statistics. */
  for (const link of document.querySelectorAll("a[data-column]")) {
    link.addEventListener("click", () => {
      find.value = link.dataset.column;
      choose();
    });
  }
  tools.hidden = false;
  choose();
}
