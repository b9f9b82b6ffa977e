"use strict";
/* Finds runs, and compares those that are ticked: metrics with intervals of the difference, and settings. */
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = [...document.querySelectorAll(".runs tbody tr")];
  const find = document.getElementById("find");
  const chosen = new Set();
  const text = rows.map((row) => row.textContent.toLowerCase().replace(/\s+/g, " "));
  let outcome = "";

  const element = (name, content, properties = {}) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(content);
    return made;
  };
  const number = (value) => (value === null || value === undefined ? "–" : Math.abs(value) >= 1000 ? value.toLocaleString("en") : value.toFixed(4));
  const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "") + number(Math.abs(value));

  /* auc>0.7 asks for a metric; anything else is looked for in the row's text. */
  const matches = (words) => (place) =>
    words.every((word) => {
      const asked = /^(\w+)([<>]=?)(-?[\d.]+)$/.exec(word);
      const value = asked && data.runs[place].metrics[asked[1]];
      if (!asked || !data.runs.some((run) => asked[1] in run.metrics)) return text[place].includes(word);
      if (value === undefined || value === null) return false;
      const bound = Number(asked[3]);
      return asked[2] === ">" ? value > bound : asked[2] === "<" ? value < bound : asked[2] === ">=" ? value >= bound : value <= bound;
    });
  const show = () => {
    const fits = matches(find.value.toLowerCase().split(/\s+/).filter(Boolean));
    let count = 0;
    rows.forEach((row, place) => {
      row.hidden = !(fits(place) && (!outcome || row.dataset.o === outcome));
      count += !row.hidden;
    });
    document.getElementById("said").textContent = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} ${rows.length === 1 ? "run" : "runs"}`;
  };

  const half = (ends) => (ends ? (ends[1] - ends[0]) / 2 : NaN);
  /* The interval of what a run has more than the first: on record where that one was its champion. */
  const difference = (first, run, metric, notes) => {
    const more = run.metrics[metric] - first.metrics[metric];
    const recorded =
      run.champion === first.id ? run.differences[metric] : first.champion === run.id ? first.differences[metric]?.map((end) => -end).reverse() : null;
    if (recorded) {
      if (first.rows === run.rows) return [more, recorded];
      notes.add("Where one run was the other's champion, the difference is that of both models on the rows of the run that was compared, not that of the two figures.");
      return [(recorded[0] + recorded[1]) / 2, recorded];
    }
    const reach = Math.hypot(half(first.intervals[metric]), half(run.intervals[metric]));
    if (Number.isNaN(reach)) return [more, null];
    notes.add(
      first.rows === run.rows
        ? "Where no comparison of two models is on record, the interval takes them for independent: on the same rows it is wider than need be."
        : "Runs that were judged by other rows differ for that reason too; their intervals take the models for independent.",
    );
    return [more, [more - reach, more + reach]];
  };
  const compare = () => {
    const section = document.getElementById("compare");
    const table = document.getElementById("compared");
    const places = [...chosen].sort((a, b) => b - a);
    section.hidden = places.length < 2;
    document.getElementById("clear").disabled = !places.length;
    table.replaceChildren();
    if (section.hidden) return;
    const notes = new Set();
    const runs = places.map((place) => data.runs[place]);
    const [first] = runs;
    table.append(element("caption", "The oldest run first; the others less it, with the interval of the difference"));
    const head = table.createTHead().insertRow();
    head.append(element("th", "", { scope: "col" }));
    for (const run of runs) head.append(element("th", run.id, { scope: "col", className: "n" }));
    const body = table.createTBody();
    for (const metric of data.metrics.filter((name) => runs.some((run) => name in run.metrics))) {
      const row = body.insertRow();
      row.append(element("th", metric, { scope: "row" }));
      for (const run of runs) {
        const cell = row.insertCell();
        cell.className = "n";
        cell.dataset.label = run.id;
        cell.append(number(run.metrics[metric]));
        const both = typeof run.metrics[metric] === "number" && typeof first.metrics[metric] === "number";
        if (run === first || !both) {
          if (run.intervals[metric]) cell.append(element("span", run.intervals[metric].map(number).join(" to "), { className: "kind" }));
          continue;
        }
        const [more, ends] = difference(first, run, metric, notes);
        const sure = ends && (ends[0] > 0 || ends[1] < 0);
        cell.append(element("span", signed(more) + (ends ? ` (${signed(ends[0])} to ${signed(ends[1])})` : ""), { className: "kind" }));
        if (ends) cell.append(element("span", sure ? "beyond chance" : "chance may have made it", { className: "kind" }));
      }
    }
    for (const [name, setting] of Object.entries(data.settings)) {
      const of = places.map((place) => setting.of[place]);
      if (of.every((value) => value === of[0])) continue;
      const row = body.insertRow();
      row.append(element("th", name, { scope: "row" }));
      of.forEach((value, place) => {
        const cell = element("td", value < 0 ? "–" : setting.values[value], { className: "n" });
        cell.dataset.label = runs[place].id;
        row.append(cell);
      });
    }
    document.getElementById("compare-note").textContent = [...notes].join(" ");
  };

  if (rows.length) {
    document.getElementById("tools").hidden = false;
    for (const cell of document.querySelectorAll(".pick")) cell.hidden = false;
    rows.forEach((row, place) => {
      const box = element("input", "", { type: "checkbox", ariaLabel: `Compare run ${data.runs[place].id}` });
      box.addEventListener("change", () => {
        if (box.checked) chosen.add(place);
        else chosen.delete(place);
        compare();
      });
      row.cells[0].append(box);
    });
    const outcomes = [...new Set(rows.map((row) => row.dataset.o))].sort();
    if (outcomes.length > 1) {
      for (const name of outcomes) {
        const button = element("button", name, { type: "button", ariaPressed: "false" });
        button.addEventListener("click", () => {
          outcome = outcome === name ? "" : name;
          for (const other of button.parentElement.children) other.ariaPressed = String(other.textContent === outcome);
          show();
        });
        document.getElementById("outcomes").append(button);
      }
    }
    document.getElementById("clear").addEventListener("click", () => {
      chosen.clear();
      for (const box of document.querySelectorAll(".pick input")) box.checked = false;
      compare();
    });
    find.addEventListener("input", show);
    show();
  }
}
