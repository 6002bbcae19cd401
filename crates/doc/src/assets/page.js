"use strict";
(() => {
  const root = document.documentElement;
  const up = root.dataset.up;
  const input = document.getElementById("search");
  const list = document.getElementById("results");
  const rows = window.cbuildIndex.map(([name, kind, module, href, about]) => ({
    name, kind, module, href, about, low: name.toLowerCase(),
    full: (module ? module + "." + name : name).toLowerCase(),
  }));
  const most = 40;
  let chosen = -1;

  // Where a file may not keep anything, the choice lasts as long as the page.
  const keep = {
    get() { try { return localStorage.getItem("cbuild-theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("cbuild-theme", value); } catch { /* not kept */ } },
  };
  if (keep.get()) root.dataset.theme = keep.get();
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    keep.set(root.dataset.theme);
  });

  // The lower the better; null if it does not match.
  function rank(row, words) {
    let sum = 0;
    for (const word of words) {
      if (row.low === word || row.full === word) sum += 0;
      else if (row.low.startsWith(word)) sum += 1 + row.low.length / 100;
      else if (row.full.endsWith("." + word)) sum += 1;
      else if (row.low.includes(word)) sum += 3 + row.low.length / 100;
      else if (row.full.includes(word)) sum += 4 + row.full.length / 100;
      else if (row.about.toLowerCase().includes(word)) sum += 8;
      else return null;
    }
    return sum;
  }

  function part(tag, className, text) {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  }

  function show() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.replaceChildren();
    chosen = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = words.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (list.hidden) return;
    const found = rows
      .map(row => [rank(row, words), row])
      .filter(([sum]) => sum !== null)
      .sort((a, b) => a[0] - b[0] || (a[1].full < b[1].full ? -1 : 1))
      .slice(0, most);
    found.forEach(([, row], at) => {
      const item = document.createElement("li");
      item.id = "result-" + at;
      item.setAttribute("role", "option");
      const link = document.createElement("a");
      link.href = up + row.href;
      const name = part("span", "name", "");
      if (row.module) name.append(part("span", "from", row.module + "."));
      name.append(row.name);
      link.append(name, part("span", "what", row.kind));
      if (row.about) link.append(part("span", "about", row.about));
      link.addEventListener("click", close);
      item.append(link);
      list.append(item);
    });
    if (found.length === 0) list.append(part("li", "none", "Nothing has this name or text."));
    else choose(0);
  }

  function choose(at) {
    const items = list.querySelectorAll("[role=option]");
    if (items.length === 0) return;
    items[chosen]?.setAttribute("aria-selected", "false");
    chosen = (at + items.length) % items.length;
    items[chosen].setAttribute("aria-selected", "true");
    items[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", items[chosen].id);
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  }

  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  input.addEventListener("keydown", event => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Enter") list.querySelectorAll("[role=option] a")[chosen]?.click();
    else if (event.key === "Escape") { input.value = ""; show(); input.blur(); }
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", event => {
    const typing = event.target.matches("input, textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" || event.key === "s") { input.focus(); input.select(); event.preventDefault(); }
  });
  document.addEventListener("click", event => {
    if (!event.target.closest(".find")) close();
  });

  // A page can be opened with a search, as index.html?search=map.
  const asked = new URLSearchParams(location.search).get("search");
  if (asked) { input.value = asked; show(); }
})();
