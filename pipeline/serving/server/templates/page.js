"use strict";
const at = id => document.getElementById(id);
let token = "";
let models = [];
let model = null;
let example = 0;
let raw = ""; // the newest answer as it came
const seen = []; // figures of the last minute, the oldest first

function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children.map(child => child instanceof Node ? child : String(child)));
  return element;
}

async function asked(path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const options = body === undefined ? { headers } : { headers, method: "POST", body };
  const response = await fetch(path, options);
  const text = await response.text();
  let found;
  try { found = JSON.parse(text); } catch { found = { error: text }; }
  if (response.ok) raw = text;
  if (!response.ok) throw Object.assign(new Error(found.error || response.statusText), { status: response.status });
  return found;
}

function complain(error) {
  at("problem").hidden = !error;
  at("problem").textContent = error ? error.message : "";
}

async function load() {
  let told;
  try {
    told = await asked("page/models.json");
  } catch (error) {
    at("token").hidden = error.status !== 401;
    complain(error.status === 401 && !token ? null : error);
    return;
  }
  complain(null);
  at("token").hidden = true;
  models = told.models;
  at("server").textContent = `Longhaul ${told.version} serves`;
  const nav = document.querySelector("nav");
  nav.hidden = models.length < 2;
  nav.firstElementChild.replaceChildren(
    ...models.map(one => made("li", {}, made("a", { href: `#${encodeURIComponent(one.name)}` }, one.name))));
  choose();
}

function choose() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const before = model;
  model = models.find(one => one.name === wanted) || (before && models.find(one => one.name === before.name)) || models[0];
  if (!model) return complain(new Error("no model is named"));
  document.title = `${model.name}: Longhaul serves`;
  at("name").textContent = model.name;
  at("model").hidden = model.version === null;
  at("what").textContent = model.version === null ? "No version answers yet." : model.words;
  if (model.version === null) return;
  showCard();
  if (!before || before.name !== model.name || JSON.stringify(before.fields) !== JSON.stringify(model.fields)) showForm();
  if (!before || before.name !== model.name) seen.length = 0;
  tick();
}

function showCard() {
  document.querySelector("#card dl").replaceChildren(
    ...model.card.flatMap(([name, value]) => [made("dt", {}, name), made("dd", {}, value)]));
}

// The form

function showForm() {
  example = 0;
  at("answer").replaceChildren();
  at("find").hidden = model.fields.length < 30;
  at("filter").value = "";
  at("another").hidden = model.examples.length < 2;
  document.querySelector("button[value=explain]").hidden = !model.explains;
  document.querySelector(".fields").replaceChildren(...(model.fields.length ? model.fields.map(field) : [anyBody()]));
  fill();
}

function field(one, place) {
  const id = `field-${place}`;
  const about = { id, "data-name": one.name, "aria-describedby": `${id}-hint`, autocomplete: "off" };
  let input;
  let list = "";
  if (one.values && !one.other_values) {
    const options = one.values.map(value => made("option", { value }, value));
    input = made("select", about, ...(one.optional ? [made("option", { value: "" }, "(missing)")] : []), ...options);
  } else if (one.text) {
    input = made("input", { ...about, type: "text", list: one.values ? `${id}-list` : null });
    if (one.values) list = made("datalist", { id: `${id}-list` }, ...one.values.map(value => made("option", { value })));
  } else {
    input = made("input", { ...about, type: "text", inputmode: "decimal" });
  }
  return made("div", { class: "field" }, made("label", { for: id }, one.feature), input, list,
    made("small", { id: `${id}-hint` }, one.hint));
}

function anyBody() {
  return made("div", { class: "field" }, made("label", { for: "body" }, "Body of the request"),
    made("textarea", { id: "body", spellcheck: "false" }));
}

function inputs() { return [...document.querySelectorAll("[data-name]")]; }

function fill() {
  const row = model.examples[example] || {};
  for (const input of inputs()) {
    const value = row[input.dataset.name];
    input.value = value === null || value === undefined ? "" : exact(value);
  }
  if (at("body")) at("body").value = JSON.stringify({ instances: [] });
  showCurl();
}

function body() {
  if (at("body")) return at("body").value;
  const row = {};
  for (const input of inputs()) {
    const { text } = model.fields.find(one => one.name === input.dataset.name);
    const typed = input.value.trim();
    const isNumber = !text && typed !== "" && Number.isFinite(Number(typed));
    const asTyped = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(typed) ? typed : JSON.stringify(Number(typed));
    row[input.dataset.name] = input.value === "" ? "null" : isNumber ? asTyped : JSON.stringify(input.value);
  }
  return `{"instances":[{${Object.entries(row).map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}]}`;
}

function path(method) { return `v1/models/${encodeURIComponent(model.name)}:${method}`; }

function quoted(text) { return `'${text.replaceAll("'", "'\\''")}'`; }

function showCurl() {
  const said = token || !at("token").hidden ? " -H 'Authorization: Bearer TOKEN'" : "";
  at("curl").textContent = `curl${said} ${quoted(String(new URL(path("predict"), document.baseURI)))} -d ${quoted(body())}`;
}

// The answer

async function answer(event) {
  event.preventDefault();
  const isExplained = event.submitter && event.submitter.value === "explain";
  const told = at("answer");
  told.className = "";
  try {
    const detail = model.fields.length ? "?detail=1" : "";
    const began = performance.now();
    const found = await asked(path("predict") + detail, body());
    const took = `answered in ${(performance.now() - began).toFixed(0)} ms`;
    const came = raw;
    const parts = isExplained ? await asked(path("explain"), body()) : null;
    told.replaceChildren(...shown(found, took, came), ...(parts ? explained(parts.explanations[0]) : []));
  } catch (error) {
    told.className = "bad";
    told.replaceChildren(made("p", { class: "said" }, "Not answered"), made("p", {}, error.message));
  }
}

// With all digits of 64 bits: from 2 ** 53 on, String writes zeros for the last ones.
function exact(value) { return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? String(BigInt(value)) : String(value); }

function share(value) { return `${(100 * value).toFixed(1)} %`; }

function number(value) { return Math.abs(value) >= 1000 ? BigInt(Math.round(value)).toLocaleString("en") : String(+value.toPrecision(4)); }

function predicted(value) {
  return Number.isInteger(value) || Math.abs(value) >= 1e7 ? number(value) : value.toLocaleString("en", { maximumSignificantDigits: 7 });
}

function shown(found, took, came) {
  const raw = made("details", {}, made("summary", {}, "The answer as it came"),
    made("pre", {}, made("code", {}, came)));
  const one = found.predictions && found.predictions[0];
  if (!one || !model.fields.length) return [made("p", { class: "note" }, took), raw];
  if (one.value !== undefined) {
    return [made("p", { class: "said" }, `${model.label}: ${predicted(one.value)}`), made("p", { class: "note" }, took), raw];
  }
  const at_least = one.threshold === undefined ? "" : ` It is ${model.classes[1]} from ${share(one.threshold)} on;`;
  const rows = Object.entries(one.probabilities).sort((a, b) => b[1] - a[1]).slice(0, 20).map(([name, value]) => {
    const bar = made("span");
    bar.style.width = `${100 * value}%`;
    return made("tr", {}, made("th", { scope: "row" }, name), made("td", { class: "n" }, share(value)), made("td", { class: "bar" }, bar));
  });
  return [made("p", { class: "said" }, `${model.label}: ${one.decision}`),
    made("p", { class: "note" }, `${at_least} ${took}`.trim()),
    made("table", {}, made("caption", { class: "unseen" }, "Probability of each class"), made("tbody", {}, ...rows)), raw];
}

function explained(one) {
  const most = Math.max(...one.parts.map(each => Math.abs(each.part)), 1e-12);
  const rows = one.parts.slice(0, 12).map(each => {
    const bar = made("span", { class: each.part < 0 ? "minus" : "plus" });
    const width = 48 * Math.abs(each.part) / most;
    bar.style.width = `${width}%`;
    bar.style.marginLeft = each.part < 0 ? `${48 - width}%` : "48%";
    const value = each.value === null ? "missing" : typeof each.value === "number" ? exact(each.value) : String(each.value);
    return made("tr", {}, made("th", { scope: "row" }, each.feature, made("span", { class: "kind" }, value)),
      made("td", { class: "n" }, (each.part < 0 ? "\u2212" : "+") + number(Math.abs(each.part))), made("td", { class: "bar both" }, bar));
  });
  const rest = one.parts.slice(12).reduce((sum, each) => sum + each.part, 0) + one.gap;
  const of = one.output === null ? "" : ` that it is ${one.output}`;
  const words = `A typical row gets ${number(one.typical)}${of}, this one ${number(one.prediction)}. What each column adds` +
    (one.parts.length > 12 ? ` (all others together: ${number(rest)}):` : ":");
  return [made("h3", {}, "Why"), made("p", {}, words),
    made("table", {}, made("caption", { class: "unseen" }, "What each column adds"), made("tbody", {}, ...rows))];
}

// Live figures

function quantile(counts, bounds, wanted) {
  const all = counts[counts.length - 1];
  if (!all) return null;
  const place = counts.findIndex(count => count >= wanted * all);
  if (bounds[place] === null) return bounds[place - 1];
  const before = place ? counts[place - 1] : 0;
  const low = place ? bounds[place - 1] : bounds[0] / 2;
  return low * (bounds[place] / low) ** ((wanted * all - before) / (counts[place] - before || 1));
}

function time(us) { return us === null ? "\u2013" : us < 1000 ? `${Math.round(us)} \u00b5s` : us < 1e6 ? `${+(us / 1000).toPrecision(3)} ms` : `${+(us / 1e6).toPrecision(3)} s`; }

async function tick() {
  let all;
  try {
    all = await asked("page/figures.json");
    complain(null);
  } catch (error) {
    return complain(error);
  }
  const now = all.models[model.name];
  if (!now) return;
  if (now.version !== model.version) return load();
  const age = performance.now();
  seen.push([age, now]);
  while (seen.length > 2 && age - seen[0][0] > 60000) seen.shift();
  const [since, then] = seen[0];
  const seconds = (age - since) / 1000;
  const counts = now.counts.map((count, place) => count - then.counts[place]);
  const rate = seconds ? (now.requests - then.requests) / seconds : 0;
  const figures = [
    ["requests a second", number(rate)],
    ...[0.5, 0.95, 0.99].map(wanted => [`${100 * wanted} % within`, time(quantile(counts, now.bounds, wanted))]),
    ["requests in all", now.requests.toLocaleString("en")],
    ["refused or failed", now.failed.toLocaleString("en")],
    ["rows in all", now.rows.toLocaleString("en")],
  ];
  document.querySelector(".figures").replaceChildren(
    ...figures.map(([name, value]) => made("div", {}, made("dt", {}, name), made("dd", {}, value))));
}

at("token").addEventListener("submit", event => { event.preventDefault(); token = at("bearer").value; load(); });
at("ask").addEventListener("submit", answer);
at("ask").addEventListener("input", showCurl);
at("another").addEventListener("click", () => { example = (example + 1) % model.examples.length; fill(); });
at("filter").addEventListener("input", () => {
  const wanted = at("filter").value.toLowerCase();
  for (const one of document.querySelectorAll(".field")) one.hidden = !one.textContent.toLowerCase().includes(wanted);
});
at("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(at("curl").textContent);
    at("copied").textContent = "copied";
  } catch {
    getSelection().selectAllChildren(at("curl"));
    at("copied").textContent = "selected: copy it with the keyboard";
  }
});
addEventListener("hashchange", choose);
setInterval(() => { if (model && !document.hidden) tick(); }, 2000);
load();
