// Puts what a person chose into the lines of the file, and hands that out.
(() => {
  const lines = JSON.parse(document.getElementById("lines").textContent);
  const place = name => lines[0].indexOf(name);
  const reviewer = document.getElementById("reviewer"), told = document.getElementById("told");
  const rows = [...document.querySelectorAll("tr[data-line]")];
  const quoted = text => /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  document.querySelectorAll(".with-script").forEach(one => { one.hidden = false; });
  document.getElementById("save").addEventListener("click", () => {
    const made = lines.map(line => [...line]);
    let decided = 0, lacking = null;
    for (const row of rows) {
      const decision = row.querySelector(".decision").value, reason = row.querySelector(".because");
      const label = row.querySelector(".label").value, line = made[Number(row.dataset.line)];
      if (!decision) continue;
      decided += 1;
      if (!reason.value.trim()) lacking = lacking || reason;
      line[place("decision")] = decision;
      line[place("suggested")] = label;
      line[place("reviewer")] = reviewer.value.trim();
      line[place("reason")] = reason.value.trim();
    }
    if (decided && !reviewer.value.trim()) lacking = reviewer;
    if (lacking) {
      told.textContent = lacking === reviewer ? "Say who decides." : "Give a reason for each decision.";
      lacking.focus();
      return;
    }
    const text = made.map(line => line.map(quoted).join(",")).join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = "label_decisions.csv";
    link.click();
    told.textContent = `${decided} of ${rows.length} rows are decided; the file is among your downloads.`;
  });
})();
