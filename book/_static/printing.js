/* What is folded is open on paper, and as it was afterwards. */
(() => {
  const FOLDED = "details.sd-dropdown:not([open]), .tag_hide-cell > details:not([open])";
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(FOLDED)];
    for (const fold of opened) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of opened) fold.open = false;
    opened = [];
  });
})();
