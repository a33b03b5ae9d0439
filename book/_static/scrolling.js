// What scrolls sideways is reached by keyboard, and fades where there is more of it.
const SCROLLS = "main figure, main div.math, main .superpos-audit, main .cell_output .output";

function mark(element) {
  const more = element.scrollWidth - element.clientWidth;
  const scrolls = more > 1 && /auto|scroll/.test(getComputedStyle(element).overflowX);
  element.classList.toggle("superpos-more", scrolls && element.scrollLeft < more - 1);
  if (scrolls) element.tabIndex = 0;
  else element.removeAttribute("tabindex");
}

addEventListener("DOMContentLoaded", () => {
  const sizes = new ResizeObserver((changes) => changes.forEach((change) => mark(change.target)));
  for (const element of document.querySelectorAll(SCROLLS)) {
    sizes.observe(element);
    element.addEventListener("scroll", () => mark(element), { passive: true });
  }
  // Formulas are drawn later, and their letters come later still: then they are wide in a place
  // that is as it was, which no observer of sizes tells.
  const all = () => document.querySelectorAll(SCROLLS).forEach(mark);
  const drawn = new MutationObserver(all);
  for (const math of document.querySelectorAll("main div.math")) {
    drawn.observe(math, { childList: true, subtree: true });
  }
  document.fonts.addEventListener("loadingdone", all);
  addEventListener("load", all);
});
