"use strict";
// Airflow shows this page in a sandboxed frame that may neither leave itself nor open a tab: its own page does it. Other
// parts of this page, and its next pages, open in the frame.
function follow(event) {
  const link = event.target.closest("a[href]");
  if (!link || window.parent === window || /^[#?]/.test(link.getAttribute("href"))) return;
  if (event.type === "auxclick" && event.button !== 1) return;
  event.preventDefault();
  const outer = window.parent.document.createElement("a");
  outer.href = link.href;
  if (link.target || event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey) {
    outer.target = "_blank";
    outer.rel = "noopener noreferrer";
  }
  outer.click();
}
addEventListener("click", follow);
addEventListener("auxclick", follow);
// Light or dark as Airflow is, which need not be as the browser is.
if (window.parent !== window) {
  const outer = window.parent.document.documentElement;
  const adopt = () => {
    const theme = ["dark", "light"].find((name) => outer.classList.contains(name));
    document.documentElement.style.colorScheme = theme || "";
  };
  adopt();
  new MutationObserver(adopt).observe(outer, { attributeFilter: ["class"] });
}
