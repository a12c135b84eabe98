(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const form = document.getElementById("filters");
  const items = all("[data-status]");
  const count = document.getElementById("count");
  const groups = all("[data-group]");

  const filter = () => {
    const chosen = (name) => new Set(all(`input[name=${name}]:checked`, form).map((box) => box.value));
    const statuses = chosen("status");
    const levels = chosen("level");
    const family = form.elements.family.value;
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      const data = item.dataset;
      const text = data.search ?? (data.search = item.textContent.toLowerCase());
      const fits = statuses.has(data.status)
        && (!data.level || levels.has(data.level))
        && (!family || data.families.split(" ").includes(family))
        && words.every((word) => text.includes(word));
      item.hidden = !fits;
      shown += fits && item.dataset.level ? 1 : 0;
    }
    for (const group of groups) {
      group.hidden = all("[data-status]", group).every((item) => item.hidden);
    }
    count.textContent = `${shown} of ${items.filter((item) => item.dataset.level).length} requirements shown`;
  };

  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.hidden || target.closest("[hidden]")) {
      form.reset();
      filter();
    }
    for (let one = target; one; one = one.parentElement) {
      if (one.tagName === "DETAILS") one.open = true;
    }
    target.scrollIntoView();
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };

  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const done = await copy(document.getElementById(button.dataset.copy).textContent);
    button.textContent = done ? "copied" : "select and copy by hand";
    // A button that changes its name is not read out by itself.
    document.getElementById("said").textContent = button.textContent;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      form.elements.text.focus();
    }
  });
  for (const button of all("button[data-copy], button[data-all]")) button.hidden = false;
  for (const button of all("button[data-all]")) {
    button.addEventListener("click", () => {
      const open = button.dataset.all === "open";
      for (const one of all("details", document.getElementById(button.dataset.in))) one.open = open;
    });
  }
  // What failed or is open belongs on paper, requirement by requirement: there its scenarios are shown as well.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details.fail[data-level], details.open[data-level]").filter((one) => !one.open);
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
  addEventListener("hashchange", reveal);
  filter();
  reveal();
})();
