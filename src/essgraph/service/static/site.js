// Enhances pages that are complete without it: suggestions, and marks that light their evidence.
const language = document.documentElement.lang;

for (const input of document.querySelectorAll("[data-suggest], [data-entity]")) suggest(input);
for (const mark of document.querySelectorAll("a.mark")) {
  const piece = document.getElementById(mark.hash.slice(1));
  const light = (on) => piece?.classList.toggle("lit", on);
  mark.addEventListener("mouseenter", () => light(true));
  mark.addEventListener("mouseleave", () => light(false));
  mark.addEventListener("focus", () => light(true));
  mark.addEventListener("blur", () => light(false));
}

// A combobox with a listbox popup (ARIA Authoring Practices Guide).
function suggest(input) {
  const id = "suggest-" + Math.random().toString(36).slice(2);
  const list = document.createElement("ul");
  list.className = "suggest";
  list.id = id;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  input.after(list);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", id);
  input.setAttribute("aria-expanded", "false");
  let found = [];
  let at = -1;
  let last = 0;

  const show = (open) => {
    list.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) input.removeAttribute("aria-activedescendant");
  };
  const select = (index) => {
    at = index;
    [...list.children].forEach((item, n) => item.setAttribute("aria-selected", String(n === at)));
    if (at >= 0) input.setAttribute("aria-activedescendant", list.children[at].id);
    else input.removeAttribute("aria-activedescendant");
  };
  const close = () => {
    last++; // what is on its way comes too late
    show(false);
  };
  // Where an entity is asked for, its name is put into the field; elsewhere its page is shown.
  const go = (index) => {
    if ("entity" in input.dataset) {
      input.value = found[index].prefixed;
      return close();
    }
    const named = new URLSearchParams(location.search).has("lang");
    location.assign(found[index].url.replace(/^\/id\//, "/page/") + (named ? `?lang=${language}` : ""));
  };
  const fill = (results) => {
    const chosen = found[at]?.url; // while these were on their way
    found = results;
    list.replaceChildren(
      ...results.map((result, n) => {
        const item = document.createElement("li");
        item.id = `${id}-${n}`;
        item.setAttribute("role", "option");
        const kind = document.createElement("small");
        kind.textContent = result.kindLabel;
        const label = document.createElement("bdi"); // whatever its direction
        label.textContent = result.label;
        item.append(label, kind);
        item.addEventListener("mousedown", (event) => {
          event.preventDefault();
          go(n);
        });
        return item;
      }),
    );
    select(results.findIndex((result) => result.url === chosen));
    show(results.length > 0);
  };
  input.addEventListener("input", async () => {
    const text = input.value.trim().replace(/^[a-z-]+:(?=\S)/, ""); // a prefix is no part of a name
    const turn = ++last;
    select(-1);
    if (text.length < 2) return show(false);
    const address = `/suggest?${new URLSearchParams({ q: text, lang: language, limit: 8 })}`;
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const { results } = await answer.json();
    if (turn !== last) return;
    fill("entity" in input.dataset ? results.filter((one) => !one.prefixed.includes("/")) : results);
  });
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      select((at + step + found.length + (at < 0 && step < 0 ? 1 : 0)) % found.length);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      go(at);
    } else if (event.key === "Escape") {
      event.preventDefault(); // a search field would be emptied
      close();
    }
  });
  input.addEventListener("blur", close);
}

// The network: filters at once, and the links of the thing under the pointer.
const filter = document.querySelector("[data-filter]");
if (filter) {
  filter.querySelector("button").hidden = true;
  const apply = () => {
    const on = new Set([...filter.querySelectorAll("input:checked")].map((input) => input.value));
    for (const node of document.querySelectorAll("[data-family]"))
      node.classList.toggle("off", !on.has(node.dataset.family));
    for (const edge of document.querySelectorAll("[data-ends]"))
      edge.classList.toggle("off", !edge.dataset.ends.split(" ").every((end) => on.has(end)));
  };
  // What the server left out is not here to be shown: then it is asked again.
  const whole = [...filter.querySelectorAll("[name=show]")].every((input) => input.checked);
  filter.addEventListener("change", () => (whole ? apply() : filter.requestSubmit()));
  for (const node of document.querySelectorAll("[data-node]")) {
    const light = (on) => {
      for (const edge of document.querySelectorAll(`[data-a="${node.dataset.node}"], [data-b="${node.dataset.node}"]`))
        edge.classList.toggle("lit", on);
    };
    for (const event of ["mouseenter", "focus"]) node.addEventListener(event, () => light(true));
    for (const event of ["mouseleave", "blur"]) node.addEventListener(event, () => light(false));
  }
}
