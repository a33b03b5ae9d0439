/* What the search shows of a page: its text without what leads elsewhere, formulas as one types them. */
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return; // pages other than that of the search

  const LEFT_OUT = ".headerlink, .eqno, details.hide > summary, script, style, nav, button, .cell_input, .output.stream, .output.text_plain";
  const APART = "p, li, dt, dd, td, th, h1, h2, h3, h4, summary, figcaption, div, a.superpos-verdict";
  const SIGNS = {
    alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", varepsilon: "ε", theta: "θ", lambda: "λ", mu: "μ",
    pi: "π", sigma: "σ", phi: "φ", ell: "ℓ", sum: "Σ", cdot: "·", cdots: "…", dots: "…", ldots: "…", times: "×", pm: "±",
    le: "≤", ge: "≥", ne: "≠", approx: "≈", equiv: "≡", sim: "~", ll: "≪", gg: "≫", in: "∈", infty: "∞", to: "→", mid: "|",
    sqrt: "√", int: "∫", top: "ᵀ", qquad: " ", quad: " ", left: "", right: "", big: "", Big: "", bigl: "", bigr: "",
    hat: "", tfrac: "", frac: "", mathrm: "", mathbb: "", text: "", operatorname: "", displaystyle: "", nonumber: "",
  };
  const RULES = [ // from the innermost braces outwards
    [/\\[td]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\w))/g, (_, a, b, c, d) => `${group(a ?? b)}/${group(c ?? d)}`],
    [/\\sqrt\s*\{([^{}]*)\}/g, (_, a) => `√${group(a)}`],
    [/\\hat\s*(?:\{(\w)\}|(\w))/g, (_, a, b) => `${a ?? b}\u0302`],
    [/\\(?:mathrm|mathbb|mathcal|text|operatorname|mathbf)\s*\{([^{}]*)\}/g, (_, a) => a],
    [/([_^])\{([^{}]*)\}/g, (_, mark, a) => mark + group(a)],
  ];
  const group = (text) => (/^[\w√ᵀ\\]*$/.test(text.trim()) ? text.trim() : `(${text.trim()})`);

  function typed(formula) {
    let text = formula.replace(/\\[()[\]]/g, "");
    for (let before; before !== text; ) {
      before = text;
      for (const [pattern, made] of RULES) text = text.replace(pattern, made);
    }
    return text
      .replace(/\\\|/g, "‖")
      .replace(/\\([A-Za-z]+)/g, (_, name) => SIGNS[name] ?? name)
      .replace(/\^ᵀ/g, "ᵀ").replace(/\^2(?!\d)/g, "²").replace(/\^3(?!\d)/g, "³")
      .replace(/\\[\\,;:! ]/g, " ").replace(/[\\{}&]/g, "");
  }

  Search.htmlToText = (source, anchor) => {
    const page = new DOMParser().parseFromString(source, "text/html");
    const article = page.querySelector("article.bd-article") ?? page.querySelector("main") ?? page.body;
    const found = (anchor && article.querySelector(anchor)) || article;
    found.querySelectorAll(LEFT_OUT).forEach((each) => each.remove());
    found.querySelectorAll(".math").forEach((each) => { each.textContent = typed(each.textContent); });
    found.querySelectorAll(APART).forEach((each) => each.append(" "));
    return found.textContent.replace(/\s+/g, " ").trim();
  };
});
