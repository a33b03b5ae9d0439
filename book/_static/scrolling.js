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
  const sizes = new ResizeObserver((changes) =>
    changes.forEach((change) => mark(change.target.closest(SCROLLS))));
  for (const element of document.querySelectorAll(SCROLLS)) {
    sizes.observe(element);
    element.addEventListener("scroll", () => mark(element), { passive: true });
  }
  // Formulas are drawn later, and get their widths, by styles and letters, later still: then they
  // are wide in a place that is as it was. So their own sizes are watched, too.
  const watch = (node) => node.querySelectorAll?.("mjx-math").forEach((math) => sizes.observe(math));
  const drawn = new MutationObserver((changes) =>
    changes.forEach((change) => change.addedNodes.forEach(watch)));
  for (const math of document.querySelectorAll("main div.math")) {
    watch(math);
    drawn.observe(math, { childList: true, subtree: true });
  }
  addEventListener("load", () => document.querySelectorAll(SCROLLS).forEach(mark));
});
