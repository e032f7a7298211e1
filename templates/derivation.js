"use strict";
// Walks through the items of the page, chooses nodes of the graph, lights the places where a quantity is used.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const items = all("article.item");
  const nodes = all(".node");
  const edges = all(".edge");
  const folded = JSON.parse(byId("folded").textContent);
  const known = new Set(nodes.flatMap((n) => [n.dataset.node, n.dataset.adjoint]));
  // What is drawn for a quantity: itself, its counterpart in the first of equal blocks, or the tensor that it is an entry of.
  const drawn = (name) => known.has(name) ? name : folded[name] || name.replace(/(_\d+)+$/, "");
  const namesOf = (item) => item.dataset.names.split(" ");
  const now = byId("now");
  const panel = byId("panel");
  const adjointOf = new Map(nodes.filter((n) => n.dataset.adjoint).map((n) => [n.dataset.node, n.dataset.adjoint]));
  let at = 0;

  function put(copies) {
    panel.replaceChildren(...copies.map((item) => {
      const copy = item.cloneNode(true);
      copy.removeAttribute("id");
      return copy;
    }));
  }

  // What has been computed up to the item in question, and what it computes.
  function paint(chosen) {
    const done = new Set(items.slice(0, at + 1).flatMap(namesOf).map(drawn));
    const current = new Set(chosen.map(drawn));
    for (const n of nodes) {
      const given = !items.some((item) => namesOf(item).includes(n.dataset.node));
      n.classList.toggle("done-forward", given || done.has(n.dataset.node));
      n.classList.toggle("done-backward", done.has(n.dataset.adjoint));
      n.classList.toggle("current", current.has(n.dataset.node));
      n.classList.toggle("current-adjoint", current.has(n.dataset.adjoint));
    }
    for (const e of edges) {
      const back = adjointOf.get(e.dataset.source);
      e.classList.toggle("done-forward", done.has(e.dataset.target));
      e.classList.toggle("done-backward", done.has(back));
      e.classList.toggle("current", current.has(e.dataset.target));
      e.classList.toggle("current-adjoint", current.has(back));
    }
  }

  function reveal() {
    const box = document.querySelector(".scroll");
    const node = document.querySelector(".node.current, .node.current-adjoint");
    if (!node) return;
    const a = node.getBoundingClientRect();
    const b = box.getBoundingClientRect();
    if (a.top < b.top || a.bottom > b.bottom) box.scrollTop += a.top - b.top - b.height / 2;
    if (a.left < b.left || a.right > b.right) box.scrollLeft += a.left - b.left - b.width / 2;
  }

  function show(k) {
    at = Math.max(0, Math.min(items.length - 1, k));
    const item = items[at];
    byId("graph").classList.add("walking");
    put([item]);
    paint(namesOf(item));
    reveal();
    now.className = "screen " + item.dataset.stage;
    byId("stage-name").textContent = byId("stage-name").dataset[item.dataset.stage];
    byId("position").textContent = byId("position").dataset.text.replace("{0}", at + 1).replace("{1}", items.length);
    byId("slider").value = at;
    panel.addEventListener("click", (event) => {
    const to = items.findIndex((item) => event.target.closest("a")?.hash === "#" + item.id);
    if (to < 0) return;
    show(to);
    event.preventDefault();
  });
  byId("previous").disabled = at === 0;
    byId("next").disabled = at === items.length - 1;
    for (const cell of all("[data-total]")) cell.textContent = item.dataset[cell.dataset.total];
    try { history.replaceState(null, "", "#at-" + item.id); } catch { /* a page inside of another one has no address */ }
  }

  // A node: the equation that computes it, the step that finds its adjoint; of what is given, its row of the table.
  function choose(node) {
    const { node: name, adjoint } = node.dataset;
    const found = [name, adjoint].flatMap((n) => items.filter((item) => n && namesOf(item).includes(n))).slice(0, 2);
    const rows = all("tr[data-row]").filter((row) => row.dataset.row === name || name.startsWith(row.dataset.row + "_"));
    byId("graph").classList.remove("walking");
    put(found);
    if (!found.some((item) => item.dataset.stage === "forward") && rows.length) {
      const table = document.createElement("table");
      table.className = "data";
      table.append(rows[0].cloneNode(true));
      panel.prepend(table);
    }
    paint([name, adjoint].filter(Boolean));
    byId("stage-name").textContent = byId("stage-name").dataset.chosen;
  }

  function light(name) {
    for (const e of all(".lit")) e.classList.remove("lit");
    if (!name) return;
    for (const e of all(".q, .mark")) if ((e.dataset.q || e.dataset.name) === name) e.classList.add("lit");
    for (const n of nodes) if ([n.dataset.node, n.dataset.adjoint].includes(drawn(name))) n.classList.add("lit");
    for (const e of edges) {  // a value is used where edges lead from it, an adjoint where they lead to it
      const used = e.dataset.source === drawn(name) || adjointOf.get(e.dataset.target) === drawn(name);
      if (used) e.classList.add("lit");
    }
  }

  const keys = { ArrowRight: () => show(at + 1), ArrowLeft: () => show(at - 1), Home: () => show(0),
    End: () => show(items.length - 1), Escape: () => show(at) };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const node = event.target.closest(".node");
    if (node && (event.key === "Enter" || event.key === " ")) choose(node);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });
  document.addEventListener("mouseover", (event) => {
    const q = event.target.closest("[data-q], .mark");
    const node = event.target.closest(".node");
    light(q ? q.dataset.q || q.dataset.name : node ? node.dataset.node : "");
  });
  for (const n of nodes) n.addEventListener("click", () => choose(n));
  for (const n of nodes) n.addEventListener("focus", () => light(n.dataset.node));
  byId("previous").addEventListener("click", () => show(at - 1));
  byId("next").addEventListener("click", () => show(at + 1));
  byId("slider").addEventListener("input", (event) => show(Number(event.target.value)));

  // The same colours where values are computed once.
  for (const mark of all(".mark"))
    for (const q of all(".reuse .q")) if (q.dataset.q === mark.dataset.name) q.classList.add(mark.dataset.mark);

  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("symbp-theme"); } catch { return null; } };
  if (stored()) root.dataset.theme = stored();
  byId("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("symbp-theme", root.dataset.theme); } catch { /* a page without storage forgets it */ }
  });
  show(Math.max(0, items.findIndex((item) => "#at-" + item.id === location.hash)));
})();
