"use strict";

// The switch between light and dark. Without a choice the page follows the system.
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    button.textContent = isDark() ? "Light page" : "Dark page";
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);
  tell();
})();

// A table that is wider than its place says so.
(() => {
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) target.parentElement.classList.toggle("overflows", target.scrollWidth > target.clientWidth + 1);
  });
  document.querySelectorAll("figure.table > .scroll").forEach((table) => watch.observe(table));
})();

// A link to the definitions opens them.
(() => {
  const open = () => {
    const folded = document.querySelector("#definitions > details");
    if (folded && window.location.hash === "#definitions") folded.open = true;
  };
  window.addEventListener("hashchange", open);
  open();
})();

// Downloads. Browsers refuse to open long data: links, so a click hands the same bytes over as a file.
(() => {
  const toBlob = (link) => {
    const [head, packed] = link.getAttribute("href").split(",");
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new Blob([bytes], { type: head.slice("data:".length).split(";")[0] });
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[download][href^='data:']");
    if (!link) return;
    event.preventDefault();
    const file = document.createElement("a");
    file.href = URL.createObjectURL(toBlob(link));
    file.download = link.download;
    file.click();
    setTimeout(() => URL.revokeObjectURL(file.href), 60000);
  });
})();
