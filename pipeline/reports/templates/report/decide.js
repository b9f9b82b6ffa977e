"use strict";
/* Moves one threshold through the pictures, the table of rows, the sentence and the YAML. */
{
  const { rows, positives, choices } = JSON.parse(document.getElementById("decide-data").textContent);
  const get = (id) => document.getElementById(id);
  const negatives = rows - positives;
  const count = (value) => value.toLocaleString("en");
  const hundred = (share) => {
    const text = (100 * share).toFixed(0);
    return text === "0" && share > 0 ? "under 1" : text === "100" && share < 1 ? "over 99" : text;
  };
  const at = (threshold) => choices.findLast(([known]) => known >= threshold - 1e-9) ?? choices[0];
  const costs = () => [Number(get("cost-miss").value) || 0, Number(get("cost-alarm").value) || 0];
  const cost = ([, hits, alarms]) => (positives - hits) * costs()[0] + alarms * costs()[1];
  const marks = [...document.querySelectorAll(".decide-pictures .at")];
  const show = () => {
    const threshold = Number(get("decide-at").value);
    const [, hits, alarms] = at(threshold);
    const flagged = hits + alarms;
    const text = String(Number(threshold.toFixed(4)));
    get("decide-value").textContent = text;
    get("decide-yaml").textContent = `decision: {threshold: ${text}}`;
    get("decide-hits").textContent = count(hits);
    get("decide-misses").textContent = count(positives - hits);
    get("decide-alarms").textContent = count(alarms);
    get("decide-rest").textContent = count(negatives - alarms);
    get("decide-sentence").textContent = flagged
      ? `From a probability of ${text} on, the model flags ${hundred(flagged / rows)} of 100 rows; ${hundred(hits / flagged)} of 100 flagged are positive; finds ${hundred(hits / positives)} of 100 positives.`
      : `From a probability of ${text} on, the model flags none of 100 rows.`;
    get("decide-cost").textContent = `These ${count(rows)} rows cost ${count(Math.round(100 * cost(at(threshold))) / 100)}.`;
    [alarms / negatives, hits / positives, threshold, threshold].forEach((share, place) => {
      marks[place].setAttribute("x1", 100 * share);
      marks[place].setAttribute("x2", 100 * share);
      marks[place].setAttribute("visibility", "visible");
    });
  };
  get("decide-tools").hidden = get("decide-cost").hidden = false;
  for (const id of ["decide-at", "cost-miss", "cost-alarm"]) get(id).addEventListener("input", show);
  get("decide-cheapest").addEventListener("click", () => {
    const best = choices.reduce((one, other) => (cost(other) < cost(one) ? other : one));
    get("decide-at").step = "any";
    get("decide-at").value = best[0];
    show();
  });
  show();
}
