/**
 * A toy model of superposition to play with: n features, m dimensions, one ReLU.
 *
 * One file without dependencies, which a notebook loads as an anywidget and a page by `mount`. The
 * loss of up to seven features is the exact one, by the closed form of `superpos.losses.ramps`; a
 * test compares loss and slopes with Python's. Nothing is fetched: the worker is made of the text
 * of `science`. A model is one array, its `place`: W row by row, then b, as in `superpos.optima`.
 */

/** All that is computed, without a page: a worker is made from this function's own text. */
function science() {
  const EXACT = 7; // the most features of which the loss is integrated; beyond, inputs are drawn
  const STEPS = 900; // of a descent
  const BATCH = 128; // inputs a step, where they are drawn
  const WARMUP = 50; // steps over which the rate rises; then it falls to 0 as half a cosine
  const [MEAN, SQUARE] = [0.9, 0.99]; // Adam's memories
  const KEPT = 0.5, LEFT_OUT = 0.1; // ‖W_i‖² of a feature with a place, and of one without
  const JOINED = 0.15, SAME = 0.95; // |cos| of features that share dimensions; cos of one direction

  // ---- settings

  const DEFAULTS = {
    n: 5, m: 2, S: 0.9, decay: 0.9, density: 1, sets: "independent", rate: 0.03, seed: 0,
  };
  const SETS = ["independent", "correlated", "anticorrelated"];
  // the ends of the sliders, and their steps
  const RANGES = {
    n: [2, 12, 1], m: [2, 3, 1], S: [0, 0.99, 0.01], decay: [0.5, 1, 0.01],
    density: [0.1, 10, 0.01], rate: [0.003, 0.1, 0.001], seed: [0, 9999, 1],
  };

  /** Settings in their ranges; what is missing or is no number is as by default. */
  function tidy(settings) {
    const found = { ...DEFAULTS };
    for (const [name, [low, high, step]] of Object.entries(RANGES)) {
      const given = settings?.[name];
      const value = given === "" || given == null ? NaN : Number(given);
      if (!Number.isFinite(value)) continue;
      const digits = Math.max(0, Math.round(-Math.log10(step)));
      found[name] = Math.min(high, Math.max(low, Number(value.toFixed(digits))));
    }
    if (SETS.includes(settings?.sets)) found.sets = settings.sets;
    return found;
  }

  /** Features that are active together or in turn, with the probability of each such set. */
  function blocks({ n, S, density, sets }) {
    const size = sets === "independent" ? 1 : 2;
    const found = [];
    for (let first = 0; first < n; first += size) {
      const members = first + 1 < n && size === 2 ? [first, first + 1] : [first];
      const p = Math.min(1, (1 - S) * (first === 0 ? density : 1));
      found.push({ members, p, oneOf: sets === "anticorrelated" && members.length === 2 });
    }
    return found;
  }

  /** The probability that exactly the features of a set are active, at Σ 2^j over the set. */
  function chances(settings) {
    let joint = Float64Array.of(1);
    for (const { members, p, oneOf } of blocks(settings)) {
      const own = new Float64Array(2 ** members.length);
      own[0] = 1 - p;
      if (oneOf) own[1] = own[2] = p / 2;
      else own[own.length - 1] = p;
      const next = new Float64Array(joint.length * own.length);
      own.forEach((chance, high) => joint.forEach((low, k) => {
        next[high * joint.length + k] = chance * low;
      }));
      joint = next;
    }
    return joint;
  }

  const importances = ({ n, decay }) => Float64Array.from({ length: n }, (_, i) => decay ** i);

  // ---- random numbers: the same for the same seed, everywhere

  /** Uniform numbers in [0, 1), by sfc32, with normal ones by Box and Muller. */
  function random(...key) {
    let a = 0x9e3779b9, b = 0x243f6a88, c = 0xb7e15162, d = 1;
    const next = () => {
      const t = (a + b + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = ((c << 21) | (c >>> 11)) + t | 0;
      return t >>> 0;
    };
    for (const part of key) {
      a ^= part;
      for (let k = 0; k < 12; k++) next();
    }
    const uniform = () => next() / 2 ** 32;
    const normal = () =>
      Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return { uniform, normal };
  }

  // ---- the exact loss: as superpos.losses.ramps, which explains it

  const tables = new Map();

  /**
   * The faces that the integrals need, those with fewer free coordinates first.
   *
   * Coordinate 0 is the steepest. A face has a set of free coordinates; those before the first of
   * them, its pivot, are at 0 or at 1, and the others that are not free are at 0. `lower` has the
   * pivot at 0, `upper` at 1; `others` have another free coordinate at 0.
   */
  function faces(n) {
    if (tables.has(n)) return tables.get(n);
    const masks = Array.from({ length: 2 ** n }, (_, mask) => mask);
    const count = (mask) => mask.toString(2).replaceAll("0", "").length;
    const pivotOf = (mask) => (mask ? 31 - Math.clz32(mask & -mask) : n);
    masks.sort((one, other) => count(one) - count(other) || one - other);
    const start = new Int32Array(2 ** n);
    let total = 0;
    for (const mask of masks) {
      start[mask] = total;
      total += 2 ** pivotOf(mask);
    }
    const table = {
      total, start, size: new Int8Array(total), pivot: new Int8Array(total),
      free: new Int32Array(total), ones: new Int32Array(total),
      lower: new Int32Array(total), upper: new Int32Array(total),
      others: new Int32Array(total * n), // n places for each
    };
    for (const mask of masks) {
      const pivot = pivotOf(mask), size = count(mask);
      for (let ones = 0; ones < 2 ** pivot; ones++) {
        const face = start[mask] + ones;
        table.size[face] = size;
        table.pivot[face] = pivot;
        table.free[face] = mask;
        table.ones[face] = ones;
        if (!size) continue;
        table.lower[face] = start[mask ^ (1 << pivot)] + ones;
        table.upper[face] = table.lower[face] + (1 << pivot);
        let place = face * n;
        for (let j = pivot + 1; j < n; j++) {
          if (mask & (1 << j)) table.others[place++] = start[mask ^ (1 << j)] + ones;
        }
      }
    }
    const lists = ["low", "high", "first", "second", "own", "back", "zero"];
    const adjoints = ["dFirst", "dSecond", "dOwn", "dMean", "dVariance"];
    for (const name of [...lists, ...adjoints]) table[name] = new Float64Array(total);
    table.top = new Float64Array(2 ** n);
    table.dTop = new Float64Array(2 ** n);
    tables.set(n, table);
    return table;
  }

  /**
   * The loss of the model at `place` (W row by row, then b), over all inputs; its slopes, if
   * `gradient` is given, are written there. They come by going through the sum backwards.
   */
  function exactLoss(place, { n, m }, chance, I, gradient) {
    const t = faces(n);
    const g = new Float64Array(n), dg = new Float64Array(n), slopes = new Float64Array(n);
    const { top, dTop, low, high, first, second, own, back, zero } = t;
    const { dFirst, dSecond, dOwn, lower, upper, others } = t;
    const sets = 2 ** n, sorted = new Int32Array(sets);
    gradient?.fill(0);
    let loss = 0;
    for (let i = 0; i < n; i++) {
      if (!I[i]) continue;
      for (let j = 0; j < n; j++) {
        g[j] = 0;
        for (let a = 0; a < m; a++) g[j] += place[a * n + i] * place[a * n + j];
      }
      const order = Array.from(g.keys()).sort((j, k) => Math.abs(g[k]) - Math.abs(g[j]));
      const at = order.indexOf(i), mine = 1 << at; // where the own coordinate went
      top[0] = place[m * n + i];
      for (let j = 0, bit = 1; j < n; j++, bit *= 2) {
        slopes[j] = g[order[j]];
        for (let k = 0; k < bit; k++) {
          top[bit + k] = top[k] + slopes[j];
          sorted[bit + k] = sorted[k] | (1 << order[j]);
        }
      }
      // forwards: from the corners to the cube
      for (let f = 0; f < sets; f++) {
        const z = top[f] > 0 ? top[f] : 0;
        low[f] = high[f] = top[f];
        first[f] = z;
        second[f] = z * z;
        own[f] = f & mine ? z : 0;
      }
      for (let f = sets; f < t.total; f++) {
        const lo = lower[f], up = upper[f], k = t.size[f];
        low[f] = Math.min(low[lo], low[up]);
        high[f] = Math.max(high[lo], high[up]);
        if (low[f] >= 0) { // z₊ is z: its mean, variance and covariance with the own input
          const { mean, variance } = moments(t, f, slopes);
          const mineFree = t.free[f] & mine;
          first[f] = mean;
          second[f] = mean * mean + variance;
          own[f] = mineFree ? mean / 2 + slopes[at] / 12 : t.ones[f] & mine ? mean : 0;
        } else if (high[f] < 0) {
          first[f] = second[f] = own[f] = 0;
        } else {
          const corner = t.free[f] | t.ones[f], slope = slopes[t.pivot[f]];
          const w = top[corner] / slope;
          back[f] = w;
          zero[f] = (corner & mine ? 1 : 0) - (t.pivot[f] === at ? w : 0);
          let one = (1 - w) * first[lo] + w * first[up];
          let two = (1 - w) * second[lo] + w * second[up];
          let ours = (1 - w) * own[lo] + w * own[up];
          for (let o = f * n, end = o + k - 1; o < end; o++) {
            const other = others[o];
            one += first[other];
            two += second[other];
            ours += own[other];
          }
          first[f] = one / (k + 1);
          second[f] = two / (k + 2);
          own[f] = (ours + zero[f] * first[f]) / (k + 2);
        }
      }
      let error = 0;
      for (let s = 0; s < sets; s++) {
        const f = t.start[s], p = chance[sorted[s]];
        error += p * ((s & mine ? 1 / 3 : 0) - 2 * own[f] + second[f]);
      }
      loss += I[i] * error;
      if (!gradient) continue;

      // backwards: from the cube to the corners and the slopes
      dFirst.fill(0);
      dSecond.fill(0);
      dOwn.fill(0);
      dTop.fill(0);
      dg.fill(0);
      for (let s = 0; s < sets; s++) {
        const f = t.start[s], p = I[i] * chance[sorted[s]];
        dSecond[f] = p;
        dOwn[f] = -2 * p;
      }
      let dc = 0;
      for (let f = t.total - 1; f >= sets; f--) {
        let one = dFirst[f], two = dSecond[f], ours = dOwn[f];
        if (high[f] < 0 || (one === 0 && two === 0 && ours === 0)) continue;
        const lo = lower[f], up = upper[f], k = t.size[f];
        if (low[f] >= 0) {
          const free = t.free[f], ones = t.ones[f];
          const share = free & mine ? 0.5 : ones & mine ? 1 : 0;
          const dMean = one + 2 * first[f] * two + share * ours;
          dc += dMean;
          for (let j = 0; j < n; j++) {
            if (free & (1 << j)) dg[j] += dMean / 2 + (two * slopes[j]) / 6;
            else if (ones & (1 << j)) dg[j] += dMean;
          }
          if (free & mine) dg[at] += ours / 12;
          continue;
        }
        const w = back[f], pivot = t.pivot[f];
        ours /= k + 2;
        one = (one + ours * zero[f]) / (k + 1);
        two /= k + 2;
        dFirst[lo] += (1 - w) * one;
        dSecond[lo] += (1 - w) * two;
        dOwn[lo] += (1 - w) * ours;
        dFirst[up] += w * one;
        dSecond[up] += w * two;
        dOwn[up] += w * ours;
        for (let o = f * n, end = o + k - 1; o < end; o++) {
          const other = others[o];
          dFirst[other] += one;
          dSecond[other] += two;
          dOwn[other] += ours;
        }
        let dw = one * (first[up] - first[lo]) + two * (second[up] - second[lo])
          + ours * (own[up] - own[lo]);
        if (pivot === at) dw -= ours * first[f];
        dTop[t.free[f] | t.ones[f]] += dw / slopes[pivot];
        dg[pivot] -= (dw * w) / slopes[pivot];
      }
      for (let f = 0; f < sets; f++) {
        if (top[f] >= 0) dTop[f] += dFirst[f] + 2 * top[f] * dSecond[f] + (f & mine ? dOwn[f] : 0);
        dc += dTop[f];
        for (let j = 0; j < n; j++) if (f & (1 << j)) dg[j] += dTop[f];
      }
      gradient[m * n + i] += dc;
      for (let j = 0; j < n; j++) {
        const k = order[j]; // W_i·W_k changes with W_i by W_k, and with W_k by W_i
        for (let a = 0; a < m; a++) {
          gradient[a * n + i] += dg[j] * place[a * n + k];
          gradient[a * n + k] += dg[j] * place[a * n + i];
        }
      }
    }
    return loss;
  }

  /** The mean and the variance of z on a face. */
  function moments(t, f, slopes) {
    const free = t.free[f], ones = t.ones[f];
    let mean = t.top[0], variance = 0;
    for (let j = 0; j < slopes.length; j++) {
      if (ones & (1 << j)) mean += slopes[j];
      else if (free & (1 << j)) {
        mean += slopes[j] / 2;
        variance += (slopes[j] * slopes[j]) / 12;
      }
    }
    return { mean, variance };
  }

  // ---- the sampled loss, for more features

  /** Draw inputs in which some feature is active, `(count, n)` row by row. */
  function draw(settings, count, { uniform }) {
    const { n } = settings, found = blocks(settings), x = new Float64Array(count * n);
    const silent = found.map(({ p }) => 1 - p).reduce((one, other) => one * other, 1);
    for (let row = 0; row < count && silent < 1; row++) {
      let u = uniform() * (1 - silent), first = 0; // the first block that is active
      while (first < found.length - 1 && u >= found[first].p) {
        u = (u - found[first].p) / (1 - found[first].p);
        first++;
      }
      found.forEach(({ members, p, oneOf }, k) => {
        if (k < first || (k > first && uniform() >= p)) return;
        const active = oneOf ? [members[uniform() < 0.5 ? 0 : 1]] : members;
        for (const i of active) x[row * n + i] = uniform();
      });
    }
    return { x, silent };
  }

  /** The mean loss of drawn inputs and, counted as it is probable, of silence. */
  function sampledLoss(place, { n, m }, { x, silent }, I, gradient) {
    const count = x.length / n, h = new Float64Array(m), back = new Float64Array(m);
    gradient?.fill(0);
    let loss = 0;
    for (let row = 0; row <= count; row++) { // the last is the silent one
      const at = row * n, weight = row === count ? silent : (1 - silent) / count;
      const input = (j) => (row === count ? 0 : x[at + j]);
      for (let a = 0; a < m; a++) {
        h[a] = back[a] = 0;
        for (let j = 0; j < n; j++) h[a] += place[a * n + j] * input(j);
      }
      for (let i = 0; i < n; i++) {
        let z = place[m * n + i];
        for (let a = 0; a < m; a++) z += h[a] * place[a * n + i];
        const off = (z > 0 ? z : 0) - input(i);
        loss += weight * I[i] * off * off;
        if (!gradient || z <= 0) continue;
        const by = 2 * weight * I[i] * off;
        gradient[m * n + i] += by;
        for (let a = 0; a < m; a++) {
          gradient[a * n + i] += by * h[a];
          back[a] += by * place[a * n + i];
        }
      }
      if (!gradient || row === count) continue;
      for (let a = 0; a < m; a++) {
        for (let j = 0; j < n; j++) gradient[a * n + j] += back[a] * input(j);
      }
    }
    return loss;
  }

  // ---- descent

  /** Where a descent starts: weights are normal with variance 2/(m(n + m)), biases are 0. */
  function start({ n, m, seed }) {
    const place = new Float64Array(m * n + n), { normal } = random(seed, 1);
    for (let k = 0; k < m * n; k++) place[k] = normal() * Math.sqrt(2 / (m * (n + m)));
    return place;
  }

  /**
   * Adam on the exact loss, or on that of drawn inputs, from `place` or from the seed's start:
   * where it ends, the loss there, and, if it is to `record`, all that was on the way.
   */
  function descend(settings, place, record = false) {
    const { n, m, seed } = settings, I = importances(settings), exact = n <= EXACT;
    const chance = exact ? chances(settings) : null, draws = random(seed, 2);
    const test = exact ? null : draw(settings, 8 * BATCH, random(seed, 3));
    const at = Float64Array.from(place ?? start(settings));
    const slope = new Float64Array(at.length), mean = slope.slice(), square = slope.slice();
    const now = () =>
      exact ? exactLoss(at, settings, chance, I) : sampledLoss(at, settings, test, I);
    const rate = (step) => settings.rate * (step < WARMUP ? (step + 1) / WARMUP
      : (1 + Math.cos((Math.PI * (step - WARMUP)) / (STEPS - WARMUP))) / 2);
    const losses = [], places = [];
    let loss = now();
    for (let step = 0; step < STEPS; step++) {
      if (exact) loss = exactLoss(at, settings, chance, I, slope);
      else sampledLoss(at, settings, draw(settings, BATCH, draws), I, slope);
      if (record) {
        if (exact || step % 8 === 0) losses.push(exact ? loss : now());
        else losses.push(NaN);
        places.push(Float64Array.from(at));
      }
      for (let k = 0; k < at.length; k++) {
        mean[k] += (1 - MEAN) * (slope[k] - mean[k]);
        square[k] += (1 - SQUARE) * (slope[k] * slope[k] - square[k]);
        const size = Math.sqrt(square[k] / (1 - SQUARE ** (step + 1))) + 1e-8;
        at[k] -= (rate(step) * mean[k]) / (1 - MEAN ** (step + 1)) / size;
      }
    }
    loss = now();
    if (record) {
      losses.push(loss);
      places.push(Float64Array.from(at));
    }
    losses.forEach((value, k) => { // what was left out, in between
      if (value === value) return;
      const next = Math.min(STEPS, k - (k % 8) + 8);
      losses[k] = losses[k - 1] + (losses[next] - losses[k - 1]) / (next - k + 1);
    });
    return { settings, place: at, loss, losses, places, exact };
  }

  // ---- what was found

  const dot = (one, other) => one.reduce((sum, value, a) => sum + value * other[a], 0);

  /** Feature i of a model. */
  const column = (place, { n, m }, i) => Array.from({ length: m }, (_, a) => place[a * n + i]);

  /** D_i = ‖W_i‖² / Σ_j (Ŵ_i·W_j)², 0 for a feature of length 0. */
  function dimensionalities(place, shape) {
    const W = Array.from({ length: shape.n }, (_, i) => column(place, shape, i));
    return W.map((one) => {
      const q = dot(one, one);
      return q < 1e-12 ? 0 : (q * q) / W.reduce((sum, other) => sum + dot(one, other) ** 2, 0);
    });
  }

  const WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve"];
  const POLYGONS = { 3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon", 7: "heptagon",
    8: "octagon" };
  const WHOLE = { // names of some direct sums
    "2 alone": "right angle", "3 alone": "three right angles", "2 digon": "cross",
    "3 digon": "octahedron", "1 digon + 1 triangle": "triangular bipyramid",
    "1 digon + 1 pentagon": "pentagonal bipyramid",
  };

  /** Angles from each to the next around a plane, in degrees. */
  function gaps(vectors) {
    const x = vectors[0];
    const beside = (v) => v.map((value, a) => value - dot(v, x) * x[a]);
    const y = vectors.map(beside).reduce((one, v) => (dot(v, v) > dot(one, one) ? v : one));
    const size = Math.sqrt(dot(y, y)) || 1;
    const angles = vectors.map((v) => (Math.atan2(dot(v, y) / size, dot(v, x)) * 180) / Math.PI);
    angles.sort((one, other) => one - other);
    return angles.map((angle, k) => (angles[k + 1] ?? angles[0] + 360) - angle);
  }

  /** Name unit vectors that share their dimensions. */
  function shape(unit) {
    const k = unit.length, cosines = [];
    unit.forEach((one, i) => unit.slice(i + 1).forEach((two) => cosines.push(dot(one, two))));
    const least = Math.min(...cosines), most = Math.max(...cosines);
    if (k === 1) return "alone";
    if (k === 2) {
      if (least < -0.9) return "digon";
      return `two at ${Math.round((Math.acos(least) * 180) / Math.PI)}°`;
    }
    const spread = unit[0].map((_, a) => unit[0].map((__, c) =>
      unit.reduce((sum, v) => sum + v[a] * v[c], 0)));
    if (unit[0].length === 2 || det(spread) < 0.02 * (k / 3) ** 3) {
      const around = gaps(unit), even = 360 / k, name = POLYGONS[k] ?? `${k}-gon`;
      if (around.every((gap) => gap > 0.75 * even && gap < 1.25 * even)) return name;
      return Math.max(...around) > 170 ? `fan of ${WORDS[k]}` : `uneven ${name}`;
    }
    if (k === 4 && most < -0.1) return "tetrahedron";
    if (k === 8 && det(spread) > 0.9 * (k / 3) ** 3 && most < 0.5) {
      return least < -0.97 ? "cube" : "square antiprism";
    }
    return `${WORDS[k]} in space`;
  }

  const det = ([[a, b, c], [d, e, f], [g, h, i]]) =>
    a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);

  /** What a model is, by its geometry: a name, a sentence, who is in it and who is not. */
  function recognise(place, settings) {
    const { n, m } = settings, W = Array.from({ length: n }, (_, i) => column(place, settings, i));
    const size = W.map((v) => Math.sqrt(dot(v, v)));
    const kept = [...size.keys()].filter((i) => size[i] ** 2 >= KEPT);
    const half = [...size.keys()].filter((i) => size[i] ** 2 < KEPT && size[i] ** 2 > LEFT_OUT);
    const unit = new Map(kept.map((i) => [i, W[i].map((value) => value / size[i])]));
    const along = []; // kept features by direction
    for (const i of kept) {
      const same = along.find(([j]) => dot(unit.get(i), unit.get(j)) > SAME);
      if (same) same.push(i);
      else along.push([i]);
    }
    const left = new Set(along.map(([i]) => i)), parts = [];
    while (left.size) { // features joined by others to the first that is left
      const part = [left.values().next().value];
      left.delete(part[0]);
      for (const i of part) {
        for (const j of [...left]) {
          if (Math.abs(dot(unit.get(i), unit.get(j))) < JOINED) continue;
          part.push(j);
          left.delete(j);
        }
      }
      parts.push({ members: part, name: shape(part.map((i) => unit.get(i))) });
    }
    const counts = {};
    for (const { name } of parts) counts[name] = (counts[name] ?? 0) + 1;
    const sum = Object.keys(counts).sort().map((name) => `${counts[name]} ${name}`).join(" + ");
    const plural = (name) => (/ at | in space/.test(name) ? name : name.replace(/( of |$)/, "s$1"));
    const tell = (name) => (name === "alone" ? `${WORDS[counts[name]]} alone`
      : counts[name] === 1 ? name : `${WORDS[counts[name]]} ${plural(name)}`);
    const order = Object.keys(counts).sort((one, other) =>
      (one === "alone") - (other === "alone") || (one < other ? -1 : 1));
    const listed = order.map(tell).join(" and ");
    const name = WHOLE[sum] ?? (listed || "nothing stored");
    const long = kept.map((i) => size[i]).sort((one, other) => one - other);
    const few = long[0]?.toFixed(2), many = long.at(-1)?.toFixed(2);
    const told = [];
    if (kept.length) {
      const who = kept.length === n ? (n === 2 ? "both" : `all ${WORDS[n]}`) : WORDS[kept.length];
      told.push(few === many ? `${who} at ${few}` : `${who} from ${few} to ${many}`);
    }
    const shared = along.filter(({ length }) => length > 1).length;
    if (shared) told.push(`${WORDS[shared]} direction${shared > 1 ? "s" : ""} shared`);
    if (half.length) told.push(`${WORDS[half.length]} on the way`);
    const gone = n - kept.length - half.length;
    if (gone) told.push(`${WORDS[gone]} left out`);
    return { name, sentence: `${name}, ${told.join(", ")}`, told: told.join(", "), kept, parts };
  }

  /** Wilson's 95 % interval of a rate. */
  function wilson(count, total) {
    const z = 1.959964, p = count / total, d = 1 + (z * z) / total;
    const half = z * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total));
    const low = (p + (z * z) / (2 * total) - half) / d, high = low + (2 * half) / d;
    return [Math.max(0, low), Math.min(1, high)];
  }

  return {
    EXACT, STEPS, KEPT, DEFAULTS, SETS, RANGES, WORDS, tidy, chances, importances, random, draw,
    exactLoss, sampledLoss, start, descend, column, dimensionalities, recognise, wilson,
  };
}

export const toy = science();

/** What a worker does: descents, one at a time, so that it can be told to stop between two. */
function work(port, toy) {
  let piling = null;
  const one = (task) => {
    if (piling !== task) return;
    const settings = { ...task.settings, seed: (task.settings.seed + task.done) % 10000 };
    const { place, loss } = toy.descend(settings);
    task.done++;
    port.postMessage({ id: task.id, seed: settings.seed, place, loss });
    if (task.done < task.count) setTimeout(one, 0, task);
  };
  port.onmessage = ({ data }) => {
    if (data.do === "descend") {
      const { settings, place, id } = data;
      port.postMessage({ id, ...toy.descend(settings, place, true) });
    } else {
      piling = data.do === "pile" ? { ...data, done: 0 } : null;
      if (piling) setTimeout(one, 0, piling);
    }
  };
}

/** A worker made of this module's own text: nothing is fetched. */
function hire(answer) {
  const text = `"use strict";\n${science}\n(${work})(self, science());`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.onmessage = ({ data }) => answer(data);
  return {
    post: (data) => worker.postMessage(data),
    end() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}

// ---- making elements

const SVG = "http://www.w3.org/2000/svg";

export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === false || value == null) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

export function html(name, attributes = {}, ...children) {
  const element = set(document.createElement(name), attributes);
  element.append(...children);
  return element;
}

export function svg(name, attributes = {}, ...children) {
  const element = set(document.createElementNS(SVG, name), attributes);
  element.append(...children);
  return element;
}

export const path = (points) =>
  points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
export const upper = (text) => text[0].toUpperCase() + text.slice(1);

// ---- colours: those of the book's figures (superpos.figures.palette)

export const POLYTOPES = [ // D_i and colour, as in the paper's figure on uniform superposition
  ["square antiprism", 3 / 8, [0xd5, 0x5e, 0x00]], ["pentagon", 2 / 5, [0xe6, 0x9f, 0x00]],
  ["digon", 1 / 2, [0x00, 0x9e, 0x73]], ["triangle", 2 / 3, [0x56, 0xb4, 0xe9]],
  ["tetrahedron", 3 / 4, [0x00, 0x72, 0xb2]], ["alone", 1, [0x6b, 0x76, 0x80]],
];
const FRACTIONS = { 0.375: "3/8", 0.4: "2/5", 0.5: "1/2", 0.75: "3/4", 1: "1" };

/** The colour of a feature by its share of a dimension: the polytopes', and between them mixed. */
export function colour(D) {
  const above = POLYTOPES.findIndex(([, line]) => line >= D - 1e-9);
  if (above <= 0) return `rgb(${POLYTOPES[above < 0 ? 5 : 0][2]})`;
  const [[, low, one], [, high, other]] = POLYTOPES.slice(above - 1, above + 1);
  const share = Math.min(1, (D - low) / (high - low));
  return `rgb(${one.map((value, k) => Math.round(value + share * (other[k] - value)))})`;
}

// ---- pictures

/** Features as points of the page: across, up, and how near they are, for one model. */
function project(place, settings, turn) {
  const { n, m } = settings;
  return Array.from({ length: n }, (_, i) => {
    const v = toy.column(place, settings, i);
    if (m === 2) {
      const [c, s] = [Math.cos(turn.around), Math.sin(turn.around)];
      return [c * v[0] - s * v[1], s * v[0] + c * v[1], 0];
    }
    const [c, s] = [Math.cos(turn.around), Math.sin(turn.around)];
    const [d, t] = [Math.cos(turn.up), Math.sin(turn.up)];
    const [across, towards] = [c * v[0] - s * v[1], s * v[0] + c * v[1]];
    return [across, d * v[2] - t * towards, d * towards + t * v[2]];
  });
}

/** Lines between neighbours: around the plane, or of features that are nearest in space. */
function edges(place, settings, kept, points) {
  if (kept.length < 3) return [];
  if (settings.m === 2) {
    const angle = (i) => Math.atan2(points[i][1], points[i][0]);
    const around = [...kept].sort((i, j) => angle(i) - angle(j));
    return around.map((i, k) => [i, around[(k + 1) % around.length]]);
  }
  const unit = kept.map((i) => {
    const v = toy.column(place, settings, i), size = Math.hypot(...v);
    return v.map((value) => value / size);
  });
  const cosine = (i, j) => unit[i].reduce((sum, value, a) => sum + value * unit[j][a], 0);
  const found = [];
  kept.forEach((i, k) => {
    const near = Math.max(...kept.map((_, l) => (l === k ? -1 : cosine(k, l))));
    kept.forEach((j, l) => {
      if (l !== k && cosine(k, l) > near - 0.2 && cosine(k, l) > -0.6) {
        if (!found.some(([a, b]) => a === j && b === i)) found.push([i, j]);
      }
    });
  });
  return found;
}

const UNIT = 100; // units of the picture that a length of 1 has

/** The features as vectors, with the way they came. */
function vectors() {
  const back = svg("g"), trails = svg("g", { class: "trails" }), hull = svg("path", { class: "hull" });
  const front = svg("g");
  const picture = svg("svg", { viewBox: "-142 -142 284 284", class: "vectors" },
    back, trails, hull, front);
  for (const r of [0.5, 1]) back.append(svg("circle", { r: r * UNIT, class: "grid" }));
  back.append(svg("path", { class: "grid", d: "M-128 0H128M0 -128V128" }));
  const of = [];
  return {
    picture,
    draw(place, settings, turn, found, D, past = []) {
      const { n } = settings, points = project(place, settings, turn);
      const way = past.map((at) => project(at, settings, turn));
      while (of.length < n) {
        const line = svg("line", { x1: 0, y1: 0 }), dot = svg("circle"), trail = svg("path");
        const label = svg("text", { text: of.length + 1, class: "small label" });
        const group = svg("g", {}, line, dot, label);
        front.append(group);
        trails.append(trail);
        of.push({ line, dot, label, trail, group });
      }
      of.forEach(({ line, dot, label, trail, group }, i) => {
        set(group, { display: i < n ? null : "none" });
        set(trail, { display: i < n ? null : "none" });
        if (i >= n) return;
        const [x, y, near] = points[i].map((value) => value * UNIT);
        const size = Math.hypot(x, y), there = Math.hypot(...points[i]);
        const ink = there < 0.316 ? "var(--faint)" : colour(D[i]);
        set(line, { x2: x.toFixed(2), y2: (-y).toFixed(2), stroke: ink });
        set(dot, { cx: x.toFixed(2), cy: (-y).toFixed(2), fill: ink,
          r: there < 0.1 ? 3 : 3 + 4 * Math.sqrt(settings.decay ** i) });
        set(label, { x: (size ? x * (1 + 15 / size) : 9).toFixed(1),
          y: (size ? -y * (1 + 15 / size) : -9).toFixed(1), opacity: there < 0.1 ? 0 : there < 0.316 ? 0.45 : 1 });
        set(group, { opacity: settings.m === 3 ? (0.75 + near / 420).toFixed(2) : null });
        set(trail, { d: path(way.map((at) => [at[i][0] * UNIT, -at[i][1] * UNIT])), stroke: ink });
      });
      if (settings.m === 3) { // the nearest is drawn last
        const order = [...points.keys()].sort((i, j) => points[i][2] - points[j][2]);
        if (order.some((i, k) => front.children[k] !== of[i].group)) {
          order.forEach((i) => front.append(of[i].group));
        }
      }
      set(hull, { d: edges(place, settings, found.kept, points)
        .map((pair) => path(pair.map((i) => [points[i][0] * UNIT, -points[i][1] * UNIT]))).join("") });
    },
  };
}

/** The loss over steps, both scales bent so that the beginning shows, and where we are. */
function lossChart() {
  const height = 104, left = 42;
  const all = svg("path", { class: "future" }), past = svg("path", { class: "past" });
  const dot = svg("circle", { r: 4.5, class: "now" }), frame = svg("path", { class: "grid" });
  const ends = [svg("text", { class: "small" }), svg("text", { class: "small" })];
  const ticks = [0, 100, 400, 900].map((step) => svg("text", { class: "small", "text-anchor": "middle",
    y: height - 1, text: step }));
  const picture = svg("svg", {}, frame, all, past, dot, ...ends, ...ticks);
  let points = [], shown = [], width = 0;
  const lay = () => {
    if (!shown.length || !width) return;
    const low = Math.min(...shown), high = Math.max(...shown), span = Math.log(high / low) || 1;
    const x = (step) => left + 6 + (width - left - 16) * Math.sqrt(step / (shown.length - 1));
    points = shown.map((loss, k) => [x(k), height - 24 - ((height - 36) * Math.log(loss / low)) / span]);
    set(all, { d: path(points) });
    set(frame, { d: `M${left} 4V${height - 15}H${width}` });
    ticks.forEach((tick) => set(tick, { x: x(Number(tick.textContent)) }));
    [[high, 16], [low, height - 20]].forEach(([loss, y], k) => set(ends[k],
      { x: left - 6, y, "text-anchor": "end", text: loss < 0.001 ? loss.toExponential(0) : loss.toPrecision(2) }));
  };
  return {
    picture,
    resize(to) {
      width = to;
      set(picture, { viewBox: `0 0 ${width} ${height}` });
      lay();
    },
    load(losses) {
      shown = losses;
      lay();
    },
    draw(step) {
      if (!points.length) return;
      const [x, y] = points[step];
      set(past, { d: path(points.slice(0, step + 1)) });
      set(dot, { cx: x, cy: y });
    },
  };
}

/** D_i of each feature against the polytopes' lines. */
function shareChart() {
  const height = 176, left = 30, y = (D) => height - 16 - (height - 26) * D;
  const picture = svg("svg", {}), floor = svg("path", { class: "grid" });
  const lines = POLYTOPES.map(([name, D, rgb]) => {
    const down = name === "square antiprism";
    const line = svg("path", { stroke: `rgb(${rgb})`, class: "line" });
    const label = svg("text", { y: y(D) + (down ? 10 : -3), class: "small", "text-anchor": "end", text: name });
    picture.append(line, label, svg("text", { x: left - 5, y: y(D) + (down ? 9 : 3), class: "small",
      "text-anchor": "end", text: FRACTIONS[D] ?? "2/3" }));
    return { line, label, D };
  });
  picture.append(floor);
  const dots = [];
  let width = 0;
  return {
    picture,
    resize(to) {
      width = to;
      set(picture, { viewBox: `0 0 ${width} ${height}` });
      lines.forEach(({ line, label, D }) => {
        set(line, { d: `M${left} ${y(D)}H${width}` });
        set(label, { x: width });
      });
      set(floor, { d: `M${left} ${y(0)}H${width}` });
    },
    draw(D, found) {
      while (dots.length < D.length) {
        dots.push([svg("circle", { r: 5 }), svg("text", { class: "small", "text-anchor": "middle",
          y: height - 2, text: dots.length + 1 })]);
        picture.append(...dots.at(-1));
      }
      dots.forEach(([dot, label], i) => {
        const x = left + ((i + 0.5) * Math.max(60, width - left - 95)) / D.length, there = i < D.length;
        set(dot, { display: there ? null : "none", cx: x, cy: y(D[i] ?? 0).toFixed(1),
          fill: found.kept.includes(i) ? colour(D[i]) : "var(--faint)" });
        set(label, { display: there && (D.length < 10 || i % 2 === 0) ? null : "none", x });
      });
    },
  };
}

/** WᵀW, and the biases beside it. */
function products() {
  const picture = svg("svg", {});
  let cells = [], shown = 0;
  return {
    picture,
    draw(place, { n, m }) {
      if (shown !== n) {
        picture.replaceChildren();
        set(picture, { viewBox: `0 0 ${n + 1.5} ${n}` });
        cells = [];
        for (let i = 0; i < n; i++) {
          for (let j = 0; j <= n; j++) {
            cells.push(svg("rect", { x: (j < n ? j : n + 0.5) + 0.03, y: i + 0.03, width: 0.94,
              height: 0.94, rx: 0.06 }));
          }
        }
        picture.append(...cells);
        shown = n;
      }
      for (let i = 0; i < n; i++) {
        for (let j = 0; j <= n; j++) {
          let value = j === n ? place[m * n + i] : 0;
          for (let a = 0; a < m && j < n; a++) value += place[a * n + i] * place[a * n + j];
          set(cells[i * (n + 1) + j], { class: value < 0 ? "minus" : "plus",
            "fill-opacity": Math.min(1, 0.04 + Math.abs(value) * 0.85).toFixed(3) });
        }
      }
    },
  };
}

// ---- how often

/** Piles of runs, one for each picture, with Wilson's intervals; `show` is called with a seed. */
function piles(show) {
  const list = html("ol", { class: "piles" });
  const [rows, pitch] = [4, 6.4];
  let found = new Map(), total = 0, asked = 0;
  return {
    list,
    clear(count) {
      list.replaceChildren();
      [found, total, asked] = [new Map(), 0, count];
    },
    add({ place, seed, settings }) {
      const { name, kept } = toy.recognise(place, settings), D = toy.dimensionalities(place, settings);
      total++;
      let pile = found.get(name);
      if (!pile) {
        const small = vectors();
        small.draw(place, settings, upright(place, settings), { kept }, D);
        set(small.picture, { "aria-hidden": true, role: null });
        const dots = svg("g"), interval = svg("path", { class: "interval" });
        const button = html("button", { type: "button", class: "glyph", "aria-label": `show: ${name}, seed ${seed}`,
          title: `Show it (seed ${seed})`, onclick: () => show(seed) }, small.picture);
        const text = html("span"), mean = kept.reduce((sum, i) => sum + D[i], 0) / (kept.length || 1);
        const row = html("li", {}, button,
          html("div", {}, html("b", { text: upper(name) }), " ", text),
          svg("svg", { viewBox: `0 0 ${(Math.ceil(asked / rows)) * pitch} 36`, "aria-hidden": true,
            fill: colour(mean) }, dots, interval));
        pile = { row, dots, interval, text, count: 0 };
        found.set(name, pile);
        list.append(row);
      }
      const at = pile.count++;
      pile.dots.append(svg("circle", { r: 2.4, cx: (Math.floor(at / rows) + 0.5) * pitch,
        cy: 28 - (at % rows + 0.5) * pitch }));
      const before = pile.row.previousElementSibling;
      for (const one of found.values()) {
        const [low, high] = toy.wilson(one.count, total);
        const x = (share) => ((share * total) / rows) * pitch;
        set(one.interval, { d: `M${x(low)} 32H${x(high)}M${x(low)} 30v4M${x(high)} 30v4` });
        const percent = (share) => Math.round(100 * share);
        one.text.textContent = `${one.count} of ${total}, ${percent(one.count / total)} % (`
          + `${percent(low)} to ${percent(high)} %)`;
        if (before === one.row && one.count < pile.count) before.before(pile.row);
      }
      return total === asked;
    },
    told: () => [...found].sort((one, other) => other[1].count - one[1].count)
      .map(([name, { count }]) => `${name} ${count}`).join(", "),
  };
}

/** How to turn a model so that its first feature is up, as the book's figures do. */
function upright(place, { n, m }) {
  if (m === 3) return { around: 0.6, up: 0.35 };
  const [x, y] = [place[0], place[n]];
  return { around: Math.hypot(x, y) > 0.1 ? Math.PI / 2 - Math.atan2(y, x) : 0, up: 0 };
}

const RUNS = 200;
const FRAMES = 150; // of a descent that is played: its beginning slowly
const atFrame = (frame) => Math.round(toy.STEPS * Math.min(1, frame / FRAMES) ** 2);
const frameOf = (step) => FRAMES * Math.sqrt(step / toy.STEPS) + 1e-9;

// ---- the instrument

const KEY = "#live?"; // before the state in a page's address

/** The settings in an address, or null. */
export function readHash(hash) {
  return hash.startsWith(KEY) ? toy.tidy(Object.fromEntries(new URLSearchParams(hash.slice(KEY.length)))) : null;
}

/** The address of settings: what is not as by default. */
export function writeHash(settings) {
  const told = Object.entries(settings).filter(([name, value]) => value !== toy.DEFAULTS[name]);
  return KEY + new URLSearchParams(told);
}

const LABELS = {
  n: "Features n", m: "Dimensions m", decay: "Importance, from one to the next ×",
  density: "Density of the first ×", rate: "Learning rate", seed: "Seed",
};

/** A slider of a setting, with its label and value. */
function slider(name, label, tell, changed) {
  const [low, high, step] = toy.RANGES[name], log = name === "density";
  const number = (value) => (log ? 10 ** value : Number(value));
  const output = html("i"); // an <output> would take the label from the slider
  const input = html("input", log ? { type: "range", min: Math.log10(low), max: Math.log10(high), step: 0.05 }
    : { type: "range", min: low, max: high, step });
  input.addEventListener("input", () => changed({ [name]: number(input.value) }));
  return {
    element: html("label", { class: `slider ${name}` }, html("span", {}, label, " ", output), input),
    show(value) {
      input.value = log ? Math.log10(value) : value;
      output.textContent = tell(value);
      set(input, { "aria-valuetext": tell(value) });
    },
  };
}

/**
 * Draw the instrument in `el`.
 *
 * `model` is an anywidget's: `get` and `set` of `settings`, `W`, `b` and `hash` (whether the page's
 * address holds the settings), `save_changes`, `on` and `off`. Returns what takes it away again.
 */
export function render({ model, el }) {
  let settings = toy.tidy({ ...model.get("settings"), ...(model.get("hash") && readHash(location.hash)) });
  let run = null; // the descent that is shown, whole
  let [step, playing, begun] = [0, false, false];
  let shown = null, turn = { around: 0, up: 0 }, telling = false, tasks = 0, waiting = null, next = null;
  let piled = null;

  const picture = vectors(), loss = lossChart(), shares = shareChart(), matrix = products();
  const name = html("b"), told = html("span");
  const heard = html("p", { role: "status", class: "heard" });
  const when = html("input", { type: "range", min: 0, max: FRAMES, step: 1, "aria-label": "Step of the descent" });
  const lossTold = html("span"), play = html("button", { type: "button", class: "main", text: "Play" });
  const button = (text, act) => html("button", { type: "button", text, onclick: act });
  const again = button("", () => (piled?.going ? stop() : pile()));
  const heap = piles((seed) => change({ seed }));
  const heapTold = html("p", { class: "facts" });
  const counts = html("section", { class: "counts", hidden: true, "aria-label": "How often each picture appears" },
    heapTold, heap.list);

  const two = (value) => value.toFixed(2);
  const sliders = {
    S: slider("S", "Sparsity S", (value) => `${two(value)}: a feature is active in ${Math.round((1 - value) * 100)} % of inputs`, dragged),
    n: slider("n", LABELS.n, String, dragged),
    m: slider("m", LABELS.m, String, dragged),
    decay: slider("decay", LABELS.decay, two, dragged),
    density: slider("density", LABELS.density, two, dragged),
    rate: slider("rate", LABELS.rate, (value) => value.toFixed(3), dragged),
    seed: slider("seed", LABELS.seed, String, dragged),
  };
  const sets = html("select", { onchange: () => dragged({ sets: sets.value }) },
    ...toy.SETS.map((kind) => html("option", { value: kind,
      text: kind === "independent" ? "independent" : `in ${kind} pairs` })));
  const summary = html("summary");
  const { S, ...others } = sliders;
  const part = (title, extra, image, kind) =>
    html("div", { class: kind }, html("div", { class: "caption" }, html("span", { text: title }), extra), image);
  const root = html("div", { class: "superpos-live" },
    html("style", { text: STYLE }),
    html("div", { class: "stage" },
      html("div", { class: "plane" }, picture.picture,
        html("div", { class: "caption", text: "Circles: length ½ and 1. Dots: importance." })),
      html("p", { class: "found" }, name, " ", told),
      html("div", { class: "drive" }, S.element,
        html("div", { class: "buttons" }, play, button("Step", forward), button("Restart", restart),
          button("New start", () => change({ seed: (settings.seed + 1) % 10000 })), again)),
      counts,
      html("div", { class: "course" }, part("Loss, by step", lossTold, loss.picture, "loss"), when),
      html("div", { class: "pair" },
        part("Share of a dimension, Dᵢ", "", shares.picture, "shares"),
        part("WᵀW, and b beside it", "", matrix.picture, "products"))),
    html("details", {}, summary, html("div", { class: "more" },
      ...Object.values(others).map(({ element }) => element),
      html("label", { class: "slider" }, html("span", { text: "Features are" }), sets))),
    heard);
  el.append(root);
  play.addEventListener("click", () => (playing ? pause() : go()));
  when.addEventListener("input", () => {
    playing = false;
    to(atFrame(Number(when.value)));
  });
  when.addEventListener("change", () => rest());
  turnable();

  // -- the worker: one descent is asked for at a time, and of later wishes the last

  const hired = hire((data) => {
    if (piled && data.id === piled.id) return dropped(data);
    if (data.id !== waiting?.id) return;
    const { then } = waiting;
    waiting = null;
    load(data, then);
    if (next) ask(...next);
  });

  function ask(place, then) {
    if (waiting) {
      next = [place, then];
      return;
    }
    next = null;
    waiting = { id: ++tasks, then };
    hired.post({ do: "descend", id: tasks, settings, place });
  }

  function load(found, then) {
    run = found;
    loss.load(run.losses);
    const upon = upright(run.places.at(-1), run.settings);
    if (run.settings.m === 2 || turn.m !== 3) turn = { ...upon, m: run.settings.m };
    if (shown && shown.length !== run.place.length) shown = null;
    if (then === "end" || (still() && then !== "wait")) {
      playing = false;
      to(toy.STEPS);
      rest();
    } else if (then === "wait") {
      playing = false;
      to(0);
      rest(true);
    } else {
      to(0);
      go();
    }
  }

  // -- settings

  /** Take other settings; `then`: whether to show the "end" of the descent, or to play it. */
  function change(some, then) {
    const before = settings;
    settings = toy.tidy({ ...settings, ...some });
    if (piled && Object.keys(before).some((key) => key !== "seed" && before[key] !== settings[key])) {
      stop();
      counts.hidden = true;
      piled = null;
    }
    tellSettings();
    ask(null, then);
  }

  function dragged(some) {
    change(some, "end");
  }

  function tellSettings() {
    for (const [key, { show }] of Object.entries(sliders)) show(settings[key]);
    sets.value = settings.sets;
    summary.textContent = `More: n = ${settings.n}, m = ${settings.m}, importance ${settings.decay === 1 ? "equal" : `${two(settings.decay)}ⁱ`}, `
      + `${settings.sets}, seed ${settings.seed}, ${settings.n <= toy.EXACT ? "the exact loss" : "loss of drawn inputs"}`;
    again.textContent = piled?.going ? "Stop" : `Again, ${RUNS} times`;
    if (model.get("hash")) {
      const at = writeHash(settings);
      if (at !== KEY || location.hash.startsWith(KEY)) history.replaceState(null, "", at);
    }
    hand({ settings });
  }

  function hand(values) {
    telling = true;
    for (const [key, value] of Object.entries(values)) model.set(key, value);
    model.save_changes();
    telling = false;
  }

  // -- playing

  function go() {
    if (still()) {
      to(toy.STEPS);
      return rest();
    }
    if (step >= toy.STEPS) step = 0;
    playing = true;
    wake();
  }

  function pause() {
    playing = false;
    wake();
    rest();
  }

  function forward() {
    playing = false;
    to(Math.min(toy.STEPS, step + (still() ? 50 : 1)));
    rest();
  }

  function restart() {
    step = 0;
    if (still()) {
      to(0);
      return rest();
    }
    go();
  }

  function to(at) {
    step = at;
    wake();
  }

  /** Say what there is, and hand it to the notebook: when nothing moves any more. */
  function rest(given = false) {
    const { n, m } = run.settings, place = run.places[step], found = toy.recognise(place, run.settings);
    heard.textContent = `At sparsity ${two(run.settings.S)}, step ${step} of ${toy.STEPS}: ${found.sentence}. Loss ${run.losses[step].toPrecision(3)}.`;
    const rows = Array.from({ length: m }, (_, a) => Array.from(place.slice(a * n, (a + 1) * n)));
    const weights = given ? {} : { W: rows, b: Array.from(place.slice(m * n)) };
    hand({ ...weights, found: found.sentence });
  }

  // -- frames

  let awake = false, visible = true;
  function wake() {
    if (awake || !visible) return;
    awake = true;
    requestAnimationFrame(frame);
  }

  function frame() {
    awake = false;
    if (!run || !root.isConnected) return;
    if (playing) {
      step = Math.min(toy.STEPS, Math.max(step + 1, atFrame(frameOf(step) + 1)));
      if (step === toy.STEPS) {
        playing = false;
        rest();
      }
    }
    const aim = run.places[step];
    let moving = false;
    if (!shown || playing || still()) shown = Float64Array.from(aim);
    else {
      for (let k = 0; k < aim.length; k++) {
        const off = aim[k] - shown[k];
        shown[k] = Math.abs(off) < 0.002 ? aim[k] : shown[k] + 0.3 * off;
        moving ||= shown[k] !== aim[k];
      }
    }
    if (run.settings.m === 3 && !still() && !held) {
      turn.around += 0.004;
      moving = true;
    }
    paint();
    if (playing || moving) wake();
  }

  function paint() {
    const { settings: its } = run, found = toy.recognise(shown, its), D = toy.dimensionalities(shown, its);
    const past = [];
    for (let k = 0; k < step; k += 2 + (k >> 4)) past.push(run.places[k]);
    past.push(shown);
    picture.draw(shown, its, turn, found, D, past);
    loss.draw(step);
    shares.draw(D, found);
    matrix.draw(shown, its);
    name.textContent = upper(found.name);
    told.textContent = found.told;
    lossTold.textContent = `${run.losses[step].toPrecision(3)} at step ${step}`;
    when.value = frameOf(step);
    set(when, { "aria-valuetext": `step ${step}` });
    play.textContent = playing ? "Pause" : still() ? "To the end" : step >= toy.STEPS ? "Play again" : "Play";
    set(picture.picture, { role: "img", "aria-label": `${upper(found.sentence)}: ${its.n} features in ${its.m} dimensions.` });
    set(loss.picture, { role: "img", "aria-label": `The loss falls from ${run.losses[0].toPrecision(3)} to ${run.losses.at(-1).toPrecision(3)}; at step ${step} it is ${run.losses[step].toPrecision(3)}.` });
    set(shares.picture, { role: "img", "aria-label": `Shares of a dimension: ${D.map((value, i) => `feature ${i + 1} ${two(value)}`).join(", ")}.` });
    set(matrix.picture, { role: "img", "aria-label": `Products of the features, ${its.n} by ${its.n}, red positive and blue negative; biases ${Array.from({ length: its.n }, (_, i) => two(shown[its.m * its.n + i])).join(", ")}.` });
  }

  // -- how often

  function pile() {
    piled = { id: ++tasks, going: true, settings };
    heap.clear(RUNS);
    counts.hidden = false;
    hired.post({ do: "pile", id: tasks, settings, count: RUNS });
    heapTold.textContent = `${RUNS} starts at S = ${two(settings.S)}`;
    tellSettings();
  }

  function stop() {
    hired.post({ do: "cancel" });
    if (piled) piled.going = false;
    tellSettings();
  }

  function dropped(data) {
    if (!piled.going) return;
    if (heap.add({ ...data, settings: piled.settings })) {
      piled.going = false;
      heard.textContent = `Of ${RUNS} starts at sparsity ${two(piled.settings.S)}: ${heap.told()}.`;
      hand({ counts: heap.told() });
      tellSettings();
    }
  }

  // -- turning the space with a pointer

  let held = null;
  function turnable() {
    const area = picture.picture;
    area.addEventListener("pointerdown", (event) => {
      if (settings.m !== 3) return;
      held = [event.clientX, event.clientY];
      area.setPointerCapture(event.pointerId);
    });
    area.addEventListener("pointermove", (event) => {
      if (!held) return;
      turn.around += (event.clientX - held[0]) / 120;
      turn.up = Math.min(1.5, Math.max(-1.5, turn.up + (event.clientY - held[1]) / 120));
      held = [event.clientX, event.clientY];
      wake();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      area.addEventListener(end, () => {
        held = null;
        wake();
      });
    }
  }

  // -- from outside

  const heeded = {
    "change:settings": () => telling || change(model.get("settings"), "end"),
    "change:W": () => telling || take(),
    "change:b": () => telling || take(),
  };

  /** Descend from the weights that were sent. */
  function take() {
    const W = model.get("W"), b = model.get("b");
    if (!W?.length) return;
    settings = toy.tidy({ ...settings, n: W[0].length, m: W.length });
    const place = [...W.flat(), ...(b?.length === settings.n ? b : new Array(settings.n).fill(0))];
    tellSettings();
    ask(place, "wait");
  }

  const addressed = () => {
    const told = model.get("hash") && readHash(location.hash);
    if (told) change(told, "end");
  };
  for (const [event, act] of Object.entries(heeded)) model.on(event, act);
  window.addEventListener("hashchange", addressed);
  const seen = new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (visible && !begun && !run) {
      begun = true;
      if (model.get("W")?.length) take();
      else ask(null, "play");
    }
    if (visible) wake();
  });
  const sized = new ResizeObserver(() => {
    for (const { picture: chart, resize } of [loss, shares]) resize(Math.round(chart.clientWidth) || 280);
    if (run) wake();
  });
  sized.observe(root);
  tellSettings();
  seen.observe(root);
  return () => {
    seen.disconnect();
    sized.disconnect();
    hired.end();
    window.removeEventListener("hashchange", addressed);
    for (const [event, act] of Object.entries(heeded)) model.off(event, act);
    root.remove();
  };
}

/** A model as anywidget has, for a page without a kernel. */
export function plain(values) {
  const held = { hash: true, settings: {}, W: [], b: [], found: "", ...values }, acts = new Map();
  return {
    get: (name) => held[name],
    set(name, value) {
      held[name] = value;
      (acts.get(`change:${name}`) ?? []).forEach((act) => act());
    },
    save_changes() {},
    on: (event, act) => acts.set(event, [...(acts.get(event) ?? []), act]),
    off: (event, act) => acts.set(event, (acts.get(event) ?? []).filter((one) => one !== act)),
  };
}

/** Put the instrument into every element of a page that asks for it, in place of what it held. */
export function mount(selector = "[data-superpos-live]:not([data-superpos-view])", draw = render) {
  for (const el of document.querySelectorAll(selector)) {
    if (el.querySelector(".superpos-live")) continue;
    const settings = JSON.parse(el.dataset.superposLive || "{}");
    el.replaceChildren();
    draw({ model: plain({ settings, hash: el.dataset.hash !== "false" }), el });
  }
}

export default { render };

export const STYLE = `
.superpos-live { container-type: inline-size; color-scheme: light dark; --ink: light-dark(#22272e, #ced6dd); --paper: var(--pst-color-background, light-dark(#fff, #14181e));
  --soft: light-dark(#5c6670, #9aa4ad); --faint: light-dark(#9aa4ad, #65707b); --hair: light-dark(#e3e7ea, #2b323b);
  --accent: light-dark(#b5472f, #ec8c70); --plus: light-dark(#b2182b, #e4604f); --minus: light-dark(#2166ac, #5aa2dd);
  color: var(--ink); font: 1rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; margin: 1rem 0;
  &, * { box-sizing: border-box; }
  svg { display: block; width: 100%; height: auto; overflow: visible; }
  .stage { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.6rem 3rem; }
  .plane { max-width: 30rem; width: 100%; justify-self: center; touch-action: pan-y; }
  .pair { display: grid; gap: 1rem 2rem; align-content: start; }
  .products svg { max-width: 12rem; }
  .caption { display: flex; justify-content: space-between; margin: 0 0 0.25rem; font-size: 0.82rem; color: var(--soft); font-variant-numeric: tabular-nums; }
  .found { margin: 0; min-height: 3.8rem; font-size: 1rem; color: var(--soft); }
  .found b { display: block; font-size: 1.75rem; line-height: 1.2; font-weight: 600; letter-spacing: -0.01em; color: var(--ink); }
  .grid { fill: none; stroke: var(--hair); stroke-width: 1; }
  .small { font-size: 10.5px; fill: var(--soft); font-variant-numeric: tabular-nums; }
  .label { text-anchor: middle; dominant-baseline: central; font-weight: 600; }
  .vectors line { stroke-width: 3; stroke-linecap: round; }
  .trails path { fill: none; stroke-width: 1.2; opacity: 0.45; }
  .hull { fill: none; stroke: var(--faint); stroke-width: 1; stroke-dasharray: 1 4; stroke-linecap: round; }
  .line { opacity: 0.55; }
  .future { fill: none; stroke: var(--hair); stroke-width: 2; }
  .past { fill: none; stroke: var(--ink); stroke-width: 2; stroke-linejoin: round; }
  .now { fill: var(--accent); }
  .plus { fill: var(--plus); } .minus { fill: var(--minus); }
  .slider { display: block; margin: 0; font-size: 0.9rem; }
  .slider span { display: block; }
  .slider i { font-style: normal; color: var(--soft); font-variant-numeric: tabular-nums; }
  input[type="range"] { display: block; width: 100%; min-width: 0; height: 2.2rem; margin: 0; accent-color: var(--accent); cursor: pointer; }
  .S { margin: 0 0 0.4rem; font-size: 1rem; }
  .S span { font-weight: 600; } .S i { font-weight: 400; }
  .buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; }
  button, select { min-height: 2.75rem; padding: 0 1rem; border: 1px solid var(--faint); border-radius: 0.5rem; background: var(--paper); color: var(--ink); font: inherit; cursor: pointer; }
  button:hover { border-color: var(--ink); }
  .main { min-width: 7.5rem; border-color: var(--ink); background: var(--ink); color: var(--paper); }
  :focus-visible { outline: 3px solid light-dark(#0072b2, #56b4e9); outline-offset: 2px; }
  summary { min-height: 2.75rem; padding: 0.7rem 0; font-size: 0.9rem; color: var(--soft); cursor: pointer; }
  .more { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: 0.6rem 2rem; }
  select { width: 100%; }
  .facts { margin: 0 0 0.3rem; font-size: 0.82rem; color: var(--soft); }
  .plane .caption { justify-content: center; margin: 0.4rem 0 0; }
  .piles { list-style: none; margin: 0; padding: 0; }
  .piles li { display: grid; grid-template-columns: 3.25rem 14rem minmax(0, 1fr); align-items: center; gap: 0 1rem; margin: 0.3rem 0; }
  .piles b { display: block; } .piles span { font-size: 0.9rem; color: var(--soft); font-variant-numeric: tabular-nums; }
  .glyph { width: 3.25rem; height: 3.25rem; padding: 0.1rem; border-color: transparent; background: none; }
  .glyph .small, .glyph .grid { display: none; }
  .glyph line { stroke-width: 9; }
  .interval { fill: none; stroke: var(--ink); stroke-width: 1; }
  .heard { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  @container (min-width: 420px) { .pair { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); } }
  @container (min-width: 600px) { .stage { grid-template: "plane found" auto "plane course" 1fr "drive drive" auto "counts counts" auto "pair pair" auto / minmax(0, 1fr) minmax(0, 1fr); }
    .plane { grid-area: plane; } .found { grid-area: found; } .course { grid-area: course; } .drive { grid-area: drive; } .counts { grid-area: counts; } .pair { grid-area: pair; } }
  @container (min-width: 860px) { .stage { grid-template: "plane found" auto "plane course" auto "plane pair" 1fr "drive drive" auto "counts counts" auto / minmax(0, 1fr) minmax(0, 1fr); } }
  @container (max-width: 540px) { .piles li { grid-template-columns: 3.25rem 1fr; } .piles li > svg { grid-column: 1 / -1; }
    .buttons button { flex: 1 1 auto; padding: 0 0.7rem; } }
  @media (prefers-reduced-motion: no-preference) { .piles circle { animation: superpos-drop 0.25s ease-in; } }
  @media print { .buttons, details, input { display: none; } }
}
html[data-theme="light"] .superpos-live, body[data-jp-theme-light="true"] .superpos-live { color-scheme: light; }
html[data-theme="dark"] .superpos-live, body[data-jp-theme-light="false"] .superpos-live { color-scheme: dark; }
@keyframes superpos-drop { from { transform: translateY(-26px); opacity: 0; } }
`;
