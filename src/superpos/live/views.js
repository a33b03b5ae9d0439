/**
 * Three more views of toy models, beside the instrument, whose parts they use: the zones of features
 * that are drawn by hand, the phase diagram as a map, and the ladder of polytopes.
 */

import { mount as mountIn, path, POLYTOPES, set, still, STYLE, svg, html, toy, upper } from "./instrument.js";

const two = (value) => value.toFixed(2);

/** A slider with its label; `tell` puts its value in words. */
function slider(label, attributes, tell, changed) {
  const value = html("i"), input = html("input", { type: "range", ...attributes });
  const show = () => {
    value.textContent = tell(Number(input.value));
    set(input, { "aria-valuetext": value.textContent });
  };
  input.addEventListener("input", () => {
    show();
    changed(Number(input.value));
  });
  return {
    element: html("label", { class: "slider" }, html("span", {}, label, " ", value), input),
    put(to) {
      input.value = to;
      show();
    },
  };
}

/** The frame that views share: a picture, what it shows in words, and what can be done. */
function frame(el, picture, ...below) {
  const name = html("b"), told = html("span"), heard = html("p", { role: "status", class: "heard" });
  const root = html("div", { class: "superpos-live view" }, html("style", { text: STYLE + MORE_STYLE }),
    html("div", { class: "stage" }, html("div", { class: "plane" }, picture),
      html("p", { class: "found" }, name, " ", told), html("div", { class: "charts" }, ...below)), heard);
  el.append(root);
  let waiting;
  return {
    root,
    /** Show a name and what belongs to it; it is read out once it stays. */
    tell(title, text) {
      name.textContent = upper(title);
      told.textContent = text;
      set(picture, { "aria-label": `${upper(title)}: ${text}` });
      clearTimeout(waiting);
      waiting = setTimeout(() => (heard.textContent = `${upper(title)}: ${text}`), 400);
    },
    remove() {
      clearTimeout(waiting);
      root.remove();
    },
  };
}

// ---- zones: one example of each feature, as in superpos.learning.onehot

const FEATURES = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "var(--ink)", "#B8A800"];

/** The regular polygon without loss: neighbours at the edge of each other's zones. */
export function regular(n) {
  const square = 1 / (1 - Math.cos((2 * Math.PI) / n)), size = Math.sqrt(square);
  const turn = (i) => (2 * Math.PI * i) / n + Math.PI / 2;
  return {
    W: Array.from({ length: n }, (_, i) => [size * Math.cos(turn(i)), size * Math.sin(turn(i))]),
    b: new Array(n).fill(1 - square),
  };
}

/** The symmetric failure: the others as a regular polygon, and one at 0. */
export function failure(n) {
  const { W, b } = regular(n - 1);
  return { W: [...W, [0, 0]], b: [...b, 1 / n] };
}

/** The mean squared error over examples and outputs, and its slopes. */
export function onehot({ W, b }) {
  const n = W.length, by = { W: W.map(() => [0, 0]), b: b.map(() => 0) };
  let loss = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const z = W[i][0] * W[j][0] + W[i][1] * W[j][1] + b[i], off = Math.max(z, 0) - (i === j ? 1 : 0);
      loss += (off * off) / (n * n);
      if (z <= 0) continue;
      const slope = (2 * off) / (n * n);
      by.b[i] += slope;
      for (const a of [0, 1]) {
        by.W[i][a] += slope * W[j][a];
        by.W[j][a] += slope * W[i][a];
      }
    }
  }
  return { loss, by };
}

/** Features in the plane with their zones: both can be moved, and let descend. */
export function zones({ model, el }) {
  const SCALE = 72, REACH = 142;
  let n = Math.min(8, Math.max(3, model.get("settings").n ?? 7)), at = failure(n), going = 0, gone = false;
  const clip = `superpos-clip-${Math.random().toString(36).slice(2)}`;
  const areas = svg("g", { "clip-path": `url(#${clip})` }), handles = svg("g");
  const picture = svg("svg", { viewBox: "-150 -150 300 300", role: "group" },
    svg("clipPath", { id: clip }, svg("circle", { r: REACH })), svg("circle", { r: REACH, class: "grid" }), areas, handles);
  const run = html("button", { type: "button", class: "main", onclick: () => (going ? stop() : descend()) });
  const put = (make) => () => {
    stop();
    at = make(n);
    build();
  };
  const size = slider("Features n", { min: 3, max: 8, step: 1 }, String, (value) => {
    n = value;
    put(failure)();
  });
  const view = frame(el, picture, html("p", { class: "facts", text: "One example of each feature. Drag a feature, "
    + "or the square on the edge of its zone: beyond that edge its output is above 0. With the keyboard: arrows." }),
    size.element, html("div", { class: "buttons" }, run,
      html("button", { type: "button", text: "One left out", onclick: put(failure) }),
      html("button", { type: "button", text: "All stored", onclick: put(regular) })));
  let parts = [];

  function build() {
    areas.replaceChildren();
    handles.replaceChildren();
    parts = at.W.map((_, i) => {
      const fill = FEATURES[i], area = svg("path", { fill, class: "zone" });
      const line = svg("line", { stroke: fill, x1: 0, y1: 0 });
      const edge = svg("rect", { width: 11, height: 11, fill, class: "handle", tabindex: 0, role: "slider",
        "aria-label": `Bias of feature ${i + 1}`, "aria-valuemin": -3, "aria-valuemax": 1 });
      const dot = svg("circle", { r: 8, fill, class: "handle", tabindex: 0, role: "button" });
      const label = svg("text", { class: "small label", text: i + 1 });
      areas.append(area);
      handles.append(line, edge, dot, label);
      drag(dot, ([x, y]) => (at.W[i] = [x, y]));
      drag(edge, ([x, y]) => (at.b[i] = Math.max(-3, Math.min(1, -(x * at.W[i][0] + y * at.W[i][1])))));
      dot.addEventListener("keydown", (event) => arrows(event, (across, up) => {
        const [x, y] = at.W[i], angle = Math.atan2(y, x) - across * 0.035, long = Math.max(0, Math.hypot(x, y) + up * 0.02);
        at.W[i] = [long * Math.cos(angle), long * Math.sin(angle)];
      }));
      edge.addEventListener("keydown", (event) => arrows(event, (across, up) => {
        at.b[i] = Math.max(-3, Math.min(1, at.b[i] + (across + up) * 0.02));
      }));
      return { area, line, edge, dot, label };
    });
    size.put(n);
    paint();
  }

  function arrows(event, move) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    stop();
    move(...way);
    paint();
  }

  function drag(handle, move) {
    let held = false;
    handle.addEventListener("pointerdown", (event) => {
      held = true;
      stop();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (!held) return;
      const box = picture.getBoundingClientRect(), unit = (300 / box.width) / SCALE;
      move([(event.clientX - box.x - box.width / 2) * unit, -(event.clientY - box.y - box.height / 2) * unit]);
      paint();
    });
    for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => (held = false));
  }

  function paint() {
    parts.forEach(({ area, line, edge, dot, label }, i) => {
      const [x, y] = at.W[i], long = Math.hypot(x, y), [u, v] = long > 1e-9 ? [x / long, y / long] : [0, 1];
      const far = long > 1e-9 ? -at.b[i] / long : at.b[i] > 0 ? -9 : 9; // of the edge from 0
      const corner = (along, aside) => [(u * along - v * aside) * SCALE, -(v * along + u * aside) * SCALE];
      set(area, { d: `${path([corner(far, 9), corner(far, -9), corner(9, -9), corner(9, 9)])}Z` });
      set(line, { x2: x * SCALE, y2: -y * SCALE });
      set(dot, { cx: x * SCALE, cy: -y * SCALE,
        "aria-label": `Feature ${i + 1}, length ${two(long)}, ${Math.round((Math.atan2(y, x) * 180) / Math.PI)} degrees` });
      const reach = Math.max(-1.9, Math.min(1.9, far));
      set(edge, { x: u * reach * SCALE - 5.5, y: -v * reach * SCALE - 5.5, "aria-valuenow": two(at.b[i]) });
      set(label, { x: x * SCALE + u * 17, y: -y * SCALE - v * 17 });
    });
    const { loss } = onehot(at), z = (i, j) => at.W[i][0] * at.W[j][0] + at.W[i][1] * at.W[j][1] + at.b[i];
    const all = [...at.W.keys()], lost = all.filter((i) => z(i, i) < 0.5).map((i) => i + 1);
    const into = all.filter((j) => all.some((i) => i !== j && z(i, j) > 0.02 && !lost.includes(i + 1)));
    const title = lost.length ? `feature ${lost.join(", ")} lost` : loss < 1e-6 ? `all ${toy.WORDS[n]}, without loss` : `all ${toy.WORDS[n]} stored`;
    view.tell(title, `loss ${loss < 1e-4 ? loss.toExponential(1) : loss.toPrecision(3)}`
      + `${into.length ? `, ${toy.WORDS[into.length]} inside another's zone` : ""}`);
    run.textContent = going ? "Stop" : "Descend";
  }

  /** Adam at 0.01, sixteen steps a frame, until the loss no longer changes. */
  function descend() {
    const state = { mean: new Float64Array(3 * n), square: new Float64Array(3 * n), step: 0 };
    going = requestAnimationFrame(function forward() {
      const before = onehot(at).loss;
      for (let k = 0; k < (still() ? 4000 : 16); k++) adam(state);
      going = state.step >= 20000 || Math.abs(before - onehot(at).loss) < 1e-13 ? 0 : requestAnimationFrame(forward);
      if (still()) stop();
      if (!gone) paint();
    });
    paint();
  }

  function adam(state) {
    const { by } = onehot(at), slopes = [...by.W.flat(), ...by.b];
    state.step++;
    slopes.forEach((slope, k) => {
      state.mean[k] += 0.1 * (slope - state.mean[k]);
      state.square[k] += 0.001 * (slope * slope - state.square[k]);
      const move = (0.01 * state.mean[k]) / (1 - 0.9 ** state.step)
        / (Math.sqrt(state.square[k] / (1 - 0.999 ** state.step)) + 1e-8);
      if (k < 2 * n) at.W[k >> 1][k & 1] -= move;
      else at.b[k - 2 * n] -= move;
    });
  }

  function stop() {
    cancelAnimationFrame(going);
    going = 0;
    run.textContent = "Descend";
  }

  build();
  return () => {
    gone = true;
    stop();
    view.remove();
  };
}

// ---- phases: two features in one dimension, as in superpos.optima.phases

const PHASES = [["extra left out", [0x9a, 0xa4, 0xad]], ["other left out", [0x56, 0xb4, 0xe9]],
  ["antipodal pair", [0x00, 0x9e, 0x73]]];

/** What the candidates cost: a feature that is left out its variance, a pair the smaller value. */
export function candidateLosses(p, r) {
  const variance = p / 3 - (p * p) / 4;
  return [r * variance, variance, ((1 + r) * p * p) / 6];
}

/** The best model of two features in one dimension, from all candidates: W, loss and its kind. */
export function bestPair(p, r) {
  const settings = { ...toy.DEFAULTS, n: 2, m: 1, S: 1 - p, decay: r };
  const ends = [[1, 0], [0, 1], [1, -1]].map((W) => toy.descend(settings, [W[0], W[1] + 0.01, 0, 0]));
  const { place, loss } = ends.reduce((one, other) => (other.loss < one.loss ? other : one));
  const [one, extra] = [place[0] ** 2, place[1] ** 2];
  const kind = one >= 0.5 && extra <= 0.1 ? 0 : one <= 0.1 && extra >= 0.5 ? 1
    : one > 0.1 && extra > 0.1 && place[0] * place[1] < 0 ? 2 : 3;
  return { W: [place[0], place[1]], loss, kind, name: PHASES[kind]?.[0] ?? "none of these" };
}

/** The map of p, sparser to the right as in the figures, and r: which candidate costs least;
 * where it is pressed, the best model. */
export function phases({ model, el }) {
  const [left, top, side] = [44, 8, 240], cells = 120;
  let log = [model.get("settings").p ?? -0.4, model.get("settings").r ?? -0.3];
  const P = (x) => 10 ** ((-2 * x) / side), R = (y) => 10 ** (1 - (2 * y) / side);
  const areas = svg("g", { "shape-rendering": "crispEdges" }), cross = svg("path", { class: "cross" });
  const area = svg("rect", { x: left, y: top, width: side, height: side, fill: "transparent", class: "map" });
  const words = (x, y, text, anchor = "middle") => svg("text", { x, y, class: "small", "text-anchor": anchor, text });
  const picture = svg("svg", { viewBox: "0 0 300 290", role: "img" }, areas, cross, area,
    ...[[0, "1"], [0.5, "0.1"], [1, "0.01"]].flatMap(([share, text], k) => [
      words(left + side * share, top + side + 14, text),
      words(left - 6, top + side * (1 - share) + 4, ["0.1", "1", "10"][k], "end")]),
    words(left + side / 2, top + side + 32, "p, probability that a feature is active"),
    svg("g", { transform: `translate(11 ${top + side / 2}) rotate(-90)` }, words(0, 0, "r, importance of the extra feature")));
  const runs = PHASES.map(() => ""), step = side / cells;
  for (let row = 0; row < cells; row++) { // of one phase, as one rectangle
    for (let column = 0, from = 0; column < cells; column++) {
      const phase = (at) => {
        const each = candidateLosses(P((at + 0.5) * step), R((row + 0.5) * step));
        return each.indexOf(Math.min(...each));
      };
      const now = phase(column);
      if (column + 1 < cells && phase(column + 1) === now) continue;
      runs[now] += `M${left + from * step} ${top + row * step}H${left + (column + 1) * step}v${step}H${left + from * step}Z`;
      from = column + 1;
    }
  }
  runs.forEach((d, k) => areas.append(svg("path", { d, fill: `rgb(${PHASES[k][1]})`, opacity: [0.35, 0.75, 0.75][k] })));
  [[0.03, 0.88], [0.03, 0.12], [0.65, 0.5]].forEach(([across, down], k) => areas.append(svg("text", { class: "small place",
    x: left + across * side, y: top + down * side, "text-anchor": k < 2 ? "start" : "middle", text: PHASES[k][0] })));
  const line = svg("svg", { viewBox: "-150 -30 300 60", role: "img" });
  const costs = html("ul", { class: "costs" });
  const sliders = [
    slider("Density p", { min: -2, max: 0, step: 0.01 }, (value) => (10 ** value).toPrecision(2), (value) => go([value, log[1]])),
    slider("Importance r of the extra feature", { min: -1, max: 1, step: 0.01 }, (value) => (10 ** value).toPrecision(2), (value) => go([log[0], value])),
  ];
  const view = frame(el, picture, ...sliders.map(({ element }) => element), line, costs);

  function go(to) {
    log = to;
    sliders.forEach(({ put }, k) => put(log[k]));
    const [p, r] = log.map((value) => 10 ** value), best = bestPair(p, r), each = candidateLosses(p, r);
    const x = left - (log[0] / 2) * side, y = top + ((1 - log[1]) / 2) * side;
    set(cross, { d: `M${x - 9} ${y}h18M${x} ${y - 9}v18` });
    line.replaceChildren(svg("path", { class: "grid", d: "M-145 0H145M0 -8V8" }));
    best.W.forEach((value, k) => line.append(
      svg("circle", { cx: value * 100, r: k ? 6 : 8, fill: `rgb(${PHASES[best.kind === 2 ? 2 : 1][1]})` }),
      svg("text", { x: value * 100, y: k ? 22 : -14, class: "small label", text: k ? "extra" : "other" })));
    set(line, { "aria-label": `Weights: ${two(best.W[0])}, and ${two(best.W[1])} of the extra feature.` });
    costs.replaceChildren(...PHASES.map(([name], k) => html("li", {}, html("span", { text: upper(name) }),
      html("span", { text: each[k].toPrecision(3) }))), html("li", {}, html("b", { text: "Best found" }), html("b", { text: best.loss.toPrecision(3) })));
    view.tell(best.name, `weights ${two(best.W[0])} and ${two(best.W[1])} at p = ${p.toPrecision(2)}, r = ${r.toPrecision(2)}`);
  }

  const press = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = area.getBoundingClientRect(), at = (value) => Math.min(1, Math.max(0, value));
    go([-2 * at((event.clientX - box.x) / box.width), 1 - 2 * at((event.clientY - box.y) / box.height)]);
  };
  area.addEventListener("pointerdown", press);
  area.addEventListener("pointermove", press);
  go(log);
  return view.remove;
}

// ---- the ladder: what a polytope saves by the dimension, as in superpos.optima.ladder

const circle = (n) => Array.from({ length: n }, (_, i) => [Math.cos((2 * Math.PI * i) / n), Math.sin((2 * Math.PI * i) / n)]);
const CORNERS = {
  alone: [[1]], digon: [[1], [-1]], triangle: circle(3), pentagon: circle(5),
  tetrahedron: [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]].map((v) => v.map((value) => value / Math.sqrt(3))),
  "square antiprism": Array.from({ length: 8 }, (_, i) => { // at the height where it saves most
    const up = i % 2 ? -0.555 : 0.555, wide = Math.sqrt(1 - up * up);
    return [wide * Math.cos((Math.PI * i) / 4), wide * Math.sin((Math.PI * i) / 4), up];
  }),
};

/** What the corners of a polytope save by the dimension, in units of p/3 − p²/4, and their length. */
export function saved(name, p) {
  const V = CORNERS[name], [n, m] = [V.length, V[0].length], I = Float64Array.from({ length: n }, (_, i) => (i ? 0 : 1));
  const chance = toy.chances({ ...toy.DEFAULTS, n, S: 1 - p });
  const place = new Float64Array(m * n + n);
  const loss = (a, beta) => { // of the first corner, at ‖W_i‖² = a and b = aβ
    V.forEach((v, i) => v.forEach((value, k) => (place[k * n + i] = value * Math.sqrt(a))));
    place.fill(a * beta, m * n);
    return toy.exactLoss(place, { n, m }, chance, I);
  };
  const gain = (beta) => { // loss = E x² − 2 a P + a² Q, and the best a is P/Q
    const none = p / 3, one = loss(1, beta), four = loss(2, beta);
    const Q = (four - 2 * one + none) / 2, P = (none + Q - one) / 2;
    return P > 0 && Q > 1e-12 ? { won: (P * P) / Q, a: P / Q } : { won: 0, a: 0 };
  };
  let best = -1;
  for (let beta = -1; beta < 50; beta += 0.05 * Math.max(1, 4 * beta)) { // dense inputs take large ones
    if (gain(beta).won > gain(best).won) best = beta;
  }
  for (let step = 0.05 * Math.max(1, 4 * best); step > 1e-6; step /= 2) {
    for (const beta of [best - step, best + step]) if (gain(beta).won > gain(best).won) best = beta;
  }
  const { won, a } = gain(best), variance = p / 3 - (p * p) / 4;
  return { saved: ((won - (p * p) / 4) * n) / m / variance, length: Math.sqrt(a) };
}

/** What each polytope saves over p, and which is the best at one p. */
export function ladder({ model, el }) {
  const [left, bottom, width, height] = [30, 190, 262, 176], most = 3;
  const x = (log) => left - (width * log) / 2.5, y = (value) => bottom - (height * value) / most;
  const lines = svg("g"), marks = svg("g"), rule = svg("path", { class: "grid" });
  const picture = svg("svg", { viewBox: "0 0 300 230", role: "img" },
    svg("path", { class: "grid", d: `M${left} 8V${bottom}H${left + width}` }), rule, lines, marks,
    ...[0, -1, -2].map((log) => svg("text", { x: x(log), y: bottom + 14, class: "small", "text-anchor": "middle", text: 10 ** log })),
    ...[1, 2, 3].map((value) => svg("text", { x: left - 6, y: y(value) + 3, class: "small", "text-anchor": "end", text: value })),
    svg("text", { x: left + width / 2, y: bottom + 32, class: "small", "text-anchor": "middle", text: "p, probability that a feature is active" }));
  const list = html("ul", { class: "costs" });
  const density = slider("Density p", { min: -2.5, max: -0.01, step: 0.01 }, (value) => (10 ** value).toPrecision(2), go);
  const view = frame(el, picture, density.element, html("p", { class: "facts",
    text: "Saved by each dimension, in units of a feature that has one to itself." }), list);

  function go(log) {
    const p = 10 ** log, each = POLYTOPES.map(([name, , rgb]) => ({ name, rgb, ...saved(name, p) }));
    each.sort((one, other) => other.saved - one.saved);
    set(rule, { d: `M${x(log)} 8V${bottom}` });
    marks.replaceChildren(...each.map(({ rgb, saved: value }, k) => svg("circle", { cx: x(log), cy: y(value), r: k ? 3 : 5.5, fill: `rgb(${rgb})` })));
    list.replaceChildren(...each.map(({ name, rgb, saved: value, length }) => html("li", {},
      html("span", { text: upper(name), style: `border-left: 0.7rem solid rgb(${rgb}); padding-left: 0.5rem` }), html("span", { text: `${two(value)}, at length ${two(length)}` }))));
    view.tell(each[0].name, `saves most of these ${each.length} at p = ${p.toPrecision(2)}: ${two(each[0].saved)} by the dimension`);
  }

  let at = 0;
  (function draw() { // one polytope at a time: nothing waits for them
    const [name, , rgb] = POLYTOPES[at++] ?? [];
    if (!name || !view.root.isConnected) return;
    const points = [];
    for (let log = -2.5; log < 0; log += 0.05) points.push([x(log), y(saved(name, 10 ** log).saved)]);
    lines.append(svg("path", { d: path(points), fill: "none", stroke: `rgb(${rgb})`, "stroke-width": 2 }));
    setTimeout(draw, 0);
  })();
  const log = model.get("settings").p ?? -1;
  density.put(log);
  go(log);
  return view.remove;
}

export const VIEWS = { zones, phases, ladder };

/** Put each view into the elements of a page that ask for it. */
export function mount() {
  for (const [name, draw] of Object.entries(VIEWS)) mountIn(`[data-superpos-view="${name}"]`, draw);
}

const MORE_STYLE = `
.superpos-live.view {
  .zone { opacity: 0.13; } line { stroke-width: 2.5; stroke-linecap: round; }
  .handle { cursor: grab; touch-action: none; stroke: var(--paper); stroke-width: 1.5; }
  .map { cursor: crosshair; touch-action: none; } .cross { fill: none; stroke: var(--ink); stroke-width: 2.5; }
  .place { fill: #fff; font-weight: 600; paint-order: stroke; stroke: #0006; stroke-width: 2px; }
  .charts { display: grid; gap: 0.6rem; align-content: start; }
  @container (min-width: 600px) { .stage { grid-template: "plane found" auto "plane charts" 1fr / minmax(0, 1fr) minmax(0, 1fr); } .charts { grid-area: charts; } }
  .costs { list-style: none; margin: 0; padding: 0; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
  .costs li { display: flex; justify-content: space-between; gap: 1rem; padding: 0.15rem 0; border-bottom: 1px solid var(--hair); }
}
`;
