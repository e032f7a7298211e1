"""HTML pages in headless Chromium: what a reader does with keys and pointer, and what a page must not do."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (on Debian: apt-get install chromium)")

BROKEN = "https://broken.invalid/"  # what a page asks for that is there to see whether that is noticed

# Stands in each page; reports to the page around it.
DRIVER = r"""
const report = { errors: [] };
window.addEventListener("error", (e) => report.errors.push(e.message));
document.addEventListener("securitypolicyviolation", (e) => report.errors.push("policy: " + e.violatedDirective));
window.addEventListener("load", () => {
  const all = (s) => [...document.querySelectorAll(s)];
  const key = (k, on = document.body) => on.dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true }));
  const heading = () => document.querySelector("#panel h3")?.textContent;
  const items = all("article.item[id]");
  const current = () => all(".node.current, .node.current-adjoint").length;
  report.items = items.length;
  const walked = [heading()];
  const drawn = [current()];
  for (let k = 1; k < items.length; k++) { key("ArrowRight"); walked.push(heading()); drawn.push(current()); }
  const titles = items.map((item) => item.querySelector("h3").textContent);
  report.walks = JSON.stringify(walked) === JSON.stringify(titles);
  report.undrawn = titles.filter((_, k) => !drawn[k]);
  report.total = document.querySelector("[data-total=reuse]").textContent;
  key("ArrowRight"); report.stays = heading() === titles.at(-1);
  key("ArrowLeft"); report.back = heading() === titles.at(-2);
  key("Home"); report.home = heading() === titles[0];
  report.silent = [];
  for (const node of all(".node")) {
    node.focus(); key("Enter", node);
    if (!document.querySelector("#panel").textContent.trim()) report.silent.push(node.dataset.node);
  }
  const link = document.querySelector("#panel a");
  if (link) link.click();
  report.follows = !link || heading() === document.querySelector(link.hash).querySelector("h3").textContent;
  key("Home"); key("Escape"); report.escape = heading() === titles[0];
  const q = all("#steps .q").find((e) => e.dataset.q.startsWith("d_"));
  q.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
  report.lit = all(".q.lit").length;
  report.uses = all(".q").filter((e) => e.dataset.q === q.dataset.q).length;
  report.unlit = all(".node.lit").length === 0;
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const before = paper();
  document.getElementById("theme").click();
  report.themed = paper() !== before;
  report.flat = all("math").filter((m) => m.closest("#panel, section") && !m.closest("details:not([open])")
    && m.getBoundingClientRect().width === 0).length;
  report.wide = document.documentElement.scrollWidth - innerWidth;
  report.unnamed = all("button, [role=button], input").filter((e) => !(e.textContent.trim() || e.ariaLabel)).length;
  report.requests = performance.getEntriesByType("resource").map((r) => r.name);
  parent.postMessage({ name: window.name, report: JSON.stringify(report) }, "*");
});
"""
COLLECTOR = """
const found = {};
addEventListener("message", (e) => { found[e.data.name] = JSON.parse(e.data.report);
  document.getElementById("report").textContent = JSON.stringify(found); });
"""


def visit(pages: Mapping[str, str], folder: Path) -> dict[str, dict[str, Any]]:
    """What the driver finds on each page. All are opened at once, in frames of one page."""
    hashed = base64.b64encode(hashlib.sha256(DRIVER.encode()).digest()).decode()
    frames = ""
    for name, page in pages.items():
        driven = page.replace("script-src '", f"script-src 'sha256-{hashed}' '", 1)
        driven = driven.replace("</title>", f"</title><script>{DRIVER}</script>", 1)
        name, driven = html.escape(name), html.escape(driven)
        frames += f'<iframe name="{name}" width="1200" height="900" srcdoc="{driven}"></iframe>'
    (folder / "all.html").write_text(
        f'<!doctype html><meta charset="utf-8"><pre id="report"></pre><script>{COLLECTOR}</script>{frames}', "utf-8"
    )
    command = [
        str(CHROMIUM), "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder / 'profile'}",
        "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", (folder / "all.html").as_uri(),
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    said = [line for line in ran.stderr.splitlines() if "CONSOLE" in line and BROKEN not in line]
    assert not said, said[:3]
    found = re.search(r'<pre id="report">(.*?)</pre>', ran.stdout, re.DOTALL)
    assert found and found[1], "the pages reported nothing"
    return json.loads(html.unescape(found[1]))
