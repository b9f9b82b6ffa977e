"use strict";
/* Draws what pipeline/reports/lineage/page.py laid out. Text reaches the page through textContent and the canvas only:
   nothing of what people wrote is ever read as HTML. */
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const [panel, find, found, list, stage] = ["panel", "find", "found", "list", "stage"].map(byId);
  const make = (tag, text = "", set = {}) => Object.assign(document.createElement(tag), { textContent: text }, set);
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const FONT = style.getPropertyValue("--font");
  const CELL = [140, 82];
  /* On a phone layers go downwards, so that names can be read: a box is wider than it is high. */
  const upright = matchMedia("(max-width: 50rem)");
  const UPRIGHT = [1.85, 0.75];
  const LEAST_SCALE = 0.85;
  const placed = ([x, y]) => (upright.matches ? [y * UPRIGHT[0], x * UPRIGHT[1]] : [x, y]);
  const runsView = data.views.find((view) => view.runs);
  const viewOf = new Map(data.views.filter((view) => view.run).map((view) => [view.run, view]));
  const firstView = new Map();
  for (const view of data.views) for (const id of Object.keys(view.at ?? {})) if (!firstView.has(id)) firstView.set(id, view);

  let network, view, nodes, edges, selected;
  const opened = new Set();

  /* How a node looks. Steps are boxes in the color of their state, artifacts are round in that of their type. */
  const drawn = (id, at, chosen) => {
    const node = data.nodes[id];
    const isStep = node.kind === "step" || node.kind === "run";
    const fill = node.gone ? color("gone") : color(isStep ? `step-${node.look}` : node.look);
    const ink = node.gone ? color("muted") : isStep ? color(`step-${node.look}-ink`) : color("on");
    const edge = id === chosen ? color("ink") : node.served ? color("served") : node.look === "cached" || node.look === "skipped" || node.gone ? color("edge") : fill;
    return {
      id,
      label: node.label,
      x: at[0],
      y: at[1],
      shape: "box",
      margin: isStep ? 9 : 7,
      borderWidth: id === chosen || node.served ? 3 : 1.5,
      color: { background: fill, border: edge },
      font: { color: ink, size: isStep ? 15 : 13, face: FONT, multi: false },
      shapeProperties: { borderRadius: isStep ? 4 : 16, borderDashes: node.gone ? [4, 4] : false },
      widthConstraint: node.kind === "run" ? { minimum: 104, maximum: 104 } : false,
    };
  };

  /* Which links, and so which pieces of lines, lead to or from a node. */
  const linksOf = (id) => (view.links ?? []).filter(([from, to]) => from === id || to === id);

  const drawGraph = () => {
    nodes = new vis.DataSet(Object.entries(view.at).map(([id, at]) => drawn(id, placed(at), selected)));
    nodes.add(view.bends.map(placed).map(([x, y], index) => ({ id: `b${index}`, x, y, shape: "dot", size: 0.1, chosen: false, color: "transparent", borderWidth: 0 })));
    const strong = new Set(linksOf(selected).flatMap(([, , , path]) => path));
    const aside = new Set(view.links.filter((link) => link[4]).flatMap(([, , , path]) => path));
    for (const [, , , path, isAside] of view.links) if (!isAside) for (const line of path) aside.delete(line);
    edges = new vis.DataSet(
      view.lines.map(([from, to], id) => ({
        id,
        from: typeof from === "number" ? `b${from}` : from,
        to: typeof to === "number" ? `b${to}` : to,
        arrows: typeof to === "number" ? "" : { to: { enabled: true, scaleFactor: 0.5 } },
        color: color(strong.has(id) ? "accent" : "edge"),
        width: strong.has(id) ? 3 : 1.3,
        dashes: aside.has(id) ? [5, 5] : false,
      })),
    );
  };

  /* All runs: in rows like lines of a text; those that only repeated the one before stand as one until they are opened. */
  const drawRuns = () => {
    const cells = [];
    for (const run of view.runs) {
      const last = cells.at(-1);
      if (data.nodes[run].repeats && last?.length && data.nodes[last[0]].repeats === data.nodes[run].repeats) last.push(run);
      else cells.push([run]);
    }
    const shown = cells.flatMap((cell) => (cell.length < 3 || opened.has(cell[0]) ? cell.map((run) => [run]) : [cell]));
    const box = byId("graph").getBoundingClientRect();
    const columns = Math.max(1, Math.round(Math.sqrt((shown.length * (box.width / CELL[0])) / (box.height / CELL[1]))));
    const place = new Map();
    nodes = new vis.DataSet();
    edges = new vis.DataSet();
    shown.forEach((cell, index) => {
      const at = [(index % columns) * CELL[0], Math.floor(index / columns) * CELL[1]];
      for (const run of cell) place.set(run, [cell[0], at]);
      const node = drawn(cell[0], at, cell.includes(selected) ? cell[0] : selected);
      if (cell.length > 1) Object.assign(node, { label: `${cell.length} runs\n${data.nodes[cell[0]].repeats}`, group: "many" });
      nodes.add(node);
    });
    const count = new Map();
    for (const [artifact, origin, users] of view.shared) {
      const [home, at] = place.get(origin);
      const nth = count.get(home) ?? 0;
      count.set(home, nth + 1);
      const [x, y] = [at[0] - 46 + nth * 18, at[1] + 36];
      nodes.add({ ...drawn(artifact, [x, y], selected), label: undefined, shape: "dot", size: 6 });
      const targets = new Set(users.map((run) => place.get(run)[0]));
      targets.delete(home);
      const isStrong = selected === artifact;
      for (const target of targets) {
        const touches = isStrong || target === selected || origin === selected;
        edges.add({
          from: artifact,
          to: target,
          hidden: !touches && targets.size > 3,
          color: { color: color(touches ? "accent" : "edge"), opacity: touches ? 1 : 0.45 },
          width: touches ? 2.5 : 1,
          arrows: touches ? { to: { enabled: true, scaleFactor: 0.5 } } : "",
        });
      }
    }
  };

  const options = {
    physics: false,
    layout: { improvedLayout: false },
    interaction: { dragNodes: false, hover: false, tooltipDelay: 1e9, keyboard: { enabled: true, bindToWindow: false }, multiselect: false, selectConnectedEdges: false, navigationButtons: false },
    edges: { smooth: { enabled: true, type: "cubicBezier", forceDirection: "horizontal", roundness: 0.45 }, chosen: false },
    nodes: { chosen: false },
  };

  const draw = () => {
    view.runs ? drawRuns() : drawGraph();
    options.edges.smooth.enabled = !view.runs;
    options.edges.smooth.forceDirection = upright.matches ? "vertical" : "horizontal";
    if (network) {
      network.setOptions({ edges: options.edges });
      network.setData({ nodes, edges });
    } else {
      network = new vis.Network(byId("graph"), { nodes, edges }, options);
      network.once("afterDrawing", () => document.documentElement.setAttribute("data-drawn", Math.round(performance.now())));
      network.on("click", ({ nodes: [id] }) => select(id && data.nodes[id] ? id : undefined));
      network.on("doubleClick", ({ nodes: [id] }) => id && open(id));
    }
  };

  /* Draws anew without moving what is seen. */
  const redraw = () => {
    const [position, scale] = [network.getViewPosition(), network.getScale()];
    draw();
    network.moveTo({ position, scale, animation: false });
  };

  const fit = () => {
    network.fit({ animation: false, maxZoomLevel: 1.3 });
    if (!upright.matches || !view.at || network.getScale() >= LEAST_SCALE) return;
    const top = Math.min(...Object.values(view.at).map((at) => placed(at)[1]));
    const half = byId("graph").clientHeight / 2 / LEAST_SCALE;
    network.moveTo({ position: { x: network.getViewPosition().x, y: top - 30 + half }, scale: LEAST_SCALE, animation: false });
  };

  const show = (next, id) => {
    view = next;
    selected = id;
    byId("back").hidden = !runsView || view === runsView;
    byId("where").textContent = view === data.views[0] ? "" : view.title;
    byId("steps").hidden = Boolean(view.runs);
    byId("runs").hidden = !view.runs;
    drawTimeline(view.run); // first: it takes room from the graph
    draw();
    network.setSize("100%", "100%");
    fit();
    describe(id);
  };

  const open = (id) => {
    const node = data.nodes[id];
    if (!node || !runsView) return;
    if (view === runsView && nodes.get(id)?.group === "many") {
      opened.add(id);
      redraw();
    } else if (node.kind === "run" && viewOf.has(id)) show(viewOf.get(id));
    else if (view === runsView && firstView.has(id)) show(viewOf.get(node.run) ?? firstView.get(id), id);
  };

  const go = (id) => {
    if (!(view.at && id in view.at) && !(view.runs && nodes.get(id))) {
      if (data.nodes[id].kind === "run" && runsView) show(runsView);
      else if (firstView.has(id)) show(firstView.get(id));
    }
    select(id);
    if (nodes.get(id)) network.moveTo({ position: network.getPosition(id), scale: Math.max(network.getScale(), 0.9), animation: { duration: 250 } });
  };

  /* The panel: everything about a node. */
  const select = (id) => {
    selected = id;
    redraw();
    describe(id);
  };

  const describe = (id) => {
    panel.replaceChildren();
    for (const button of byId("bars").querySelectorAll("button")) button.ariaPressed = String(button.dataset.node === id);
    if (!id) return;
    const node = data.nodes[id];
    panel.scrollTop = 0;
    panel.append(make("button", "×", { className: "close", ariaLabel: "Close", onclick: () => select() }), make("h2", node.name ?? node.label), make("p", node.type, { className: "type" }));
    if (runsView && view === runsView && nodes.get(id)?.group === "many") panel.append(make("button", "Show each of these runs", { onclick: () => open(id) }));
    if (node.kind === "run" && viewOf.has(id) && view !== viewOf.get(id)) panel.append(make("button", "Open this run", { onclick: () => show(viewOf.get(id)) }));
    if (node.run && viewOf.has(node.run) && view !== viewOf.get(node.run)) panel.append(make("button", "Open its run", { onclick: () => show(viewOf.get(node.run), id) }));
    const before = linksOf(id).filter(([, to]) => to === id).map(([from, , role]) => [from, role]);
    const after = linksOf(id).filter(([from]) => from === id).map(([, to, role]) => [to, role]);
    const users = view.shared?.find(([artifact]) => artifact === id);
    if (users) after.push(...users[2].map((run) => [run, ""]));
    const isStep = node.kind === "step";
    neighbours(isStep ? "Read" : "Made by", before);
    neighbours(isStep ? "Made" : node.kind === "files" ? "Read by" : "Used by", after);
    const facts = make("dl");
    for (const [key, value] of node.facts) facts.append(make("dt", key), make("dd", value));
    panel.append(facts);
  };

  const neighbours = (title, links) => {
    if (!links.length) return;
    const items = make("ul");
    for (const [id, role] of links) {
      const item = make("li");
      const node = data.nodes[id];
      item.append(make("button", (node.name ?? node.label).replaceAll("\n", " "), { onclick: () => go(id) }));
      if (role.startsWith("baseline_")) item.append(make("small", " compared with"));
      items.append(item);
    }
    panel.append(make("h3", title), items);
  };

  const drawTimeline = (run) => {
    const steps = data.timelines[run] ?? [];
    byId("time").hidden = !steps.length;
    byId("bars").replaceChildren();
    if (!steps.length) return;
    const end = Math.max(...steps.map(([, , , began, seconds]) => began + seconds)) || 1;
    byId("when").textContent = `Timeline of ${data.nodes[run].name}: ${end.toFixed(1)} s`;
    for (const [id, name, state, began, seconds, memory, words] of steps) {
      const track = make("div", "", { className: "track" });
      const bar = make("i");
      bar.dataset.look = state;
      bar.style.left = `${(100 * began) / end}%`;
      bar.style.width = `${(100 * seconds) / end}%`;
      track.append(bar);
      const button = make("button", name, { onclick: () => data.nodes[id] && go(id) });
      button.dataset.node = id;
      byId("bars").append(button, track, make("span", `${seconds.toFixed(1)} s${state === "done" ? "" : `, ${words}`}`), make("span", memory));
    }
  };

  /* Search: type, choose with the arrows, go with Enter. */
  let names; // made when they are first needed: a page of many runs has thousands
  const named = ([id, node]) => {
    const uri = node.facts.find(([key]) => key === "uri")?.[1] ?? "";
    const files = node.kind === "files" ? node.facts.map(([key]) => key).join(" ") : "";
    return [id, `${node.name ?? node.label} ${node.type} ${uri} ${files} ${node.run ? data.nodes[node.run].name : ""}`.toLowerCase()];
  };
  let at = 0;
  const mark = () => {
    [...found.children].forEach((item, index) => (item.ariaSelected = String(index === at)));
    find.setAttribute("aria-activedescendant", found.children[at]?.id ?? "");
    found.children[at]?.scrollIntoView({ block: "nearest" });
  };
  const close = () => {
    found.hidden = true;
    find.ariaExpanded = "false";
  };
  const search = () => {
    names ??= Object.entries(data.nodes).map(named);
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const here = (id) => (view.at && id in view.at) || (view.runs && nodes.get(id));
    const hits = words.length ? names.filter(([, text]) => words.every((word) => text.includes(word))).map(([id]) => id) : [];
    const typed = words.join(" ");
    const begins = (id) => `${data.nodes[id].name ?? data.nodes[id].label}`.replaceAll("\n", " ").toLowerCase().startsWith(typed);
    hits.sort((a, b) => begins(b) - begins(a) || Boolean(here(b)) - Boolean(here(a)));
    found.replaceChildren(
      ...hits.slice(0, 30).map((id, index) => {
        const node = data.nodes[id];
        const item = make("li", (node.name ?? node.label).replaceAll("\n", " "), { id: `hit${index}`, role: "option", onmousedown: () => choose(id) });
        if (node.run) item.append(make("small", ` ${data.nodes[node.run].name}`));
        item.dataset.node = id;
        return item;
      }),
    );
    if (words.length && !hits.length) found.append(make("li", "nothing by that name"));
    at = 0;
    found.hidden = !words.length;
    find.ariaExpanded = String(!found.hidden);
    mark();
  };
  const choose = (id) => {
    find.blur();
    if (id) go(id);
  };
  find.addEventListener("input", search);
  find.addEventListener("focus", search);
  find.addEventListener("blur", close);
  find.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      at = (at + step + found.children.length) % Math.max(1, found.children.length);
      mark();
      event.preventDefault();
    } else if (event.key === "Enter") choose(found.children[at]?.dataset.node);
    else if (event.key === "Escape") close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== find) {
      event.preventDefault();
      find.focus();
      find.select();
    }
  });

  const zoom = (by) => network.moveTo({ scale: network.getScale() * by, animation: { duration: 150 } });
  byId("nearer").onclick = () => zoom(1.3);
  byId("farther").onclick = () => zoom(1 / 1.3);
  byId("fit").onclick = fit;
  byId("back").onclick = () => show(runsView, view.run);
  byId("listed").onclick = (event) => {
    const isList = (stage.hidden = !stage.hidden);
    list.hidden = !isList;
    event.target.ariaPressed = String(isList);
    if (!isList) fit();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  upright.addEventListener("change", () => show(view, selected));

  byId("tools").hidden = stage.hidden = false;
  list.hidden = true;
  list.classList.remove("early");
  show(data.views[0]);
}
