"use strict";
/* Looks into a window, a column or a slice: the fragment of the address names it, so that it can be sent to others. */
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const section = document.getElementById("look");
  const metric = data.metrics[0] ?? "";
  const made = (name, content = [], properties = {}) => {
    const one = Object.assign(document.createElement(name), properties);
    one.append(...[content].flat());
    return one;
  };
  const number = (value) => (value === null || value === undefined ? "–" : Math.abs(value) >= 1000 ? value.toLocaleString("en") : value.toFixed(4));
  const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
  const ends = (pair) => (pair && pair.length ? `${number(pair[0])} to ${number(pair[1])}` : "–");
  const name = (one) => `${one.name} ${one.version}`.trim();
  const link = (kind, text, shown = text) => made("a", shown, { href: `#${kind}=${encodeURIComponent(text)}` });

  /* A table that may be wider than the window; `rows` hold texts, elements, or {n: number's text}. */
  const table = (caption, heads, rows) => {
    const cell = (one) => (one && one.n !== undefined ? made("td", one.n, { className: "n" }) : made("td", one));
    const body = rows.map((row) => made("tr", row.map((one, place) => (place ? cell(one) : made("th", one, { scope: "row" })))));
    const head = made("tr", heads.map(([text, isNumber]) => made("th", text, { scope: "col", className: isNumber ? "n" : "" })));
    const whole = made("table", [made("caption", caption), made("thead", head), made("tbody", body)]);
    const around = made("div", whole, { className: "wide", tabIndex: 0, role: "group" });
    around.setAttribute("aria-label", caption);
    return around;
  };
  const facts = (pairs) => made("dl", pairs.flatMap(([what, text]) => [made("dt", what), made("dd", text)]));

  /* Bars over the windows that can be looked into. */
  const bars = (caption, values, told) => {
    const figure = made("figure", made("figcaption", caption), { className: "in-time" });
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    const known = values.filter((value) => value !== null);
    const most = Math.max(...known, 0);
    const least = Math.min(...known, most);
    const from = told === "shift" ? 0 : least - 0.1 * (most - least || 1);
    const width = 1000 / values.length;
    path.setAttribute("class", "bar");
    path.setAttribute("d", values.map((value, k) => (value === null ? "" : `M${(k * width).toFixed(1)} 100V${(100 - (95 * (value - from)) / (most - from || 1)).toFixed(1)}h${(0.9 * width).toFixed(2)}V100z`)).join(""));
    for (const [key, value] of Object.entries({ viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img" })) svg.setAttribute(key, value);
    svg.setAttribute("aria-label", `${caption}: ${number(known.length ? least : null)} to ${number(known.length ? most : null)} in ${known.length} windows`);
    svg.append(path);
    const box = made("div", [made("span", number(known.length ? most : null), { className: "top" }), made("span", number(known.length ? from : null), { className: "bottom" }), svg], { className: "over-runs" });
    figure.append(box);
    return figure;
  };

  const window_ = (text) => {
    const place = data.windows.findIndex((one) => name(one) === text);
    const one = data.windows[place];
    if (!one) return [`Window ${text}`, [made("p", `It is not among those that can be looked into here; ${data.of_all} has it.`)]];
    const [valid, harmful, few] = one.state;
    const parts = [
      facts([
        ["Version", one.version || "–"],
        ["Run", one.run || "–"],
        ["Rows", `${one.rows.toLocaleString("en")}; ${one.errors.toLocaleString("en")} more were not answered; ${share(one.labelled)} have labels`],
        ["Valid", few ? "too few rows to say" : valid ? "yes" : "no"],
        ["Harmful", harmful === null ? "not tested" : harmful ? "yes" : "no"],
        ["Mean answer", `${number(one.mean[0])}; before ${number(one.mean[1])}`],
        ...(one.notes ?? []).map((note) => ["Odd", note]),
      ]),
    ];
    if (one.findings) parts.push(table("What breaks the schema", [["Column"], ["Severity"], ["What"]], one.findings.map(([column, severity, sentence]) => [link("column", data.columns[column]), severity, sentence])));
    parts.push(
      table(
        "Metrics",
        [["Metric"], ["Promised", 1], ["By labels", 1], ["Interval", 1], ["Estimated", 1], ["Interval", 1]],
        data.metrics.map((metric, k) => [metric, { n: number(one.known[k][0]) }, { n: number(one.known[k][1]) }, { n: ends(one.known[k][2]) }, { n: number(one.known[k][3]) }, { n: ends(one.known[k][4]) }]),
      ),
    );
    if (one.harm) parts.push(table("Tests of harm: what is lost for certain, but for delta, and what may be", [["Loss"], ["By"], ["At least", 1], ["May be", 1], ["Harmful"]], one.harm.map(([loss, by, least, most, bad]) => [loss === "auc" ? "1 − auc" : loss, by, { n: number(least) }, { n: number(most) }, bad ? "yes" : "no"])));
    if (one.moved.length) parts.push(table(`${one.count} columns moved, against ${one.against}; ranked by importance times shift`, [["Column"], ["Shift", 1], ["Importance", 1], ["Empty before", 1], ["Empty now", 1]], one.moved.map(([column, shift, importance, before, after]) => [link("column", data.columns[column]), { n: number(shift) }, { n: number(importance) }, { n: share(before) }, { n: share(after) }])));
    if (one.slices) parts.push(table(`Slices with enough labels, the worst by ${metric} first`, [["Slice"], ["Rows", 1], [metric, 1], ["Interval", 1], ["Harmful"]], one.slices.map(([slice, rows, value, pair, bad]) => [link("slice", data.slices[slice]), { n: rows.toLocaleString("en") }, { n: number(value) }, { n: ends(pair) }, bad ? "yes" : "no"])));
    if (one.segments) parts.push(table("Segments that nobody declared, the worst first: what they lose for certain, but for delta, and what they may", [["Segment"], ["Loss"], ["Promised", 1], ["At least", 1], ["May be", 1], ["Harmful"]], one.segments.map(([segment, loss, promised, least, most, bad]) => [segment, loss, { n: number(promised) }, { n: number(least) }, { n: number(most) }, bad ? "yes" : "no"])));
    const beside = [data.windows[place - 1], data.windows[place + 1]].map((other, k) => other && link("window", name(other), `${k ? "next" : "before"}: ${other.name}`));
    parts.push(made("p", beside.filter(Boolean).flatMap((one) => [one, " "])));
    return [`Window ${one.name}`, parts];
  };
  const column = (text) => {
    const place = data.columns.indexOf(text);
    const values = data.windows.map((one) => one.moved.find((found) => found[0] === place)?.[1] ?? null);
    const rows = data.windows.flatMap((one) => {
      const moved = one.moved.find((found) => found[0] === place);
      const broken = (one.findings ?? []).filter((found) => found[0] === place).map((found) => found[2]);
      return moved || broken.length ? [[link("window", name(one), one.name), { n: number(moved?.[1]) }, { n: share(moved?.[3]) }, { n: share(moved?.[4]) }, broken.join("; ") || "–"]] : [];
    });
    return [`Column ${text}`, [bars("Shift (Jensen-Shannon divergence) in the windows in which it moved", values, "shift"), table("Windows in which it moved, or broke the schema; the newest first", [["Window"], ["Shift", 1], ["Empty before", 1], ["Empty then", 1], ["Schema"]], rows.reverse())]];
  };
  const slice = (text) => {
    const place = data.slices.indexOf(text);
    const found = data.windows.map((one) => (one.slices ?? []).find((some) => some[0] === place));
    const rows = data.windows.flatMap((one, k) => (found[k] ? [[link("window", name(one), one.name), { n: found[k][1].toLocaleString("en") }, { n: number(found[k][2]) }, { n: ends(found[k][3]) }]] : []));
    return [`Slice ${text}`, [bars(`${metric} by labels`, found.map((some) => some?.[2] ?? null), metric), table("Windows with enough labels; the newest first", [["Window"], ["Rows", 1], [metric, 1], ["Interval", 1]], rows.reverse())]];
  };

  const kinds = { window: window_, column, slice };
  const follow = (isAsked) => {
    const [, kind, text] = /^#(window|column|slice)=(.*)$/.exec(location.hash) ?? [];
    section.hidden = !kind;
    if (!kind) return;
    let asked = text;
    try {
      asked = decodeURIComponent(text);
    } catch {
      /* It stays as it is written. */
    }
    const [title, parts] = kinds[kind](asked);
    document.getElementById("look-title").textContent = title;
    document.getElementById("looked").replaceChildren(...parts);
    if (isAsked) section.focus({ preventScroll: true });
    section.scrollIntoView();
  };
  addEventListener("hashchange", () => follow(true));

  for (const kind of ["column", "slice"]) {
    const select = document.getElementById(`choose-${kind}`);
    if (!select) continue;
    const names = [...data[`${kind}s`]].filter(Boolean).sort();
    select.append(made("option", names.length ? "choose" : "none", { value: "" }), ...names.map((one) => made("option", one, { value: one })));
    select.addEventListener("change", () => select.value && (location.hash = `#${kind}=${encodeURIComponent(select.value)}`));
  }
  for (const one of document.querySelectorAll(".with-script")) one.hidden = false;
  for (const svg of document.querySelectorAll("#year svg")) {
    svg.parentElement.classList.add("pressable");
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      const at = (event.clientX - box.left) / box.width;
      const inside = data.windows.filter((one) => one.at[0] <= at && at <= one.at[1]);
      if (inside.length) location.hash = `#window=${encodeURIComponent(name(inside.at(-1)))}`;
    });
  }
  follow(false);
}
