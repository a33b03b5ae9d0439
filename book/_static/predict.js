// "Predict, then see": the reader guesses each verdict before its card opens. Off until it is asked for.
// Guesses stay on the reader's machine.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const KEY = "superpos-predict";
  const OPEN = ["Claim", "Source", "What counts", "Mark"]; // rows that tell no outcome
  const GUESSES = {
    reproduced: "it holds", qualified: "with a change, or sometimes", contradicted: "it does not hold",
    "new: held": "it held", "new: sometimes": "sometimes", "new: failed": "it failed",
  };
  const list = document.querySelector(".superpos-claims");
  if (!list) return;
  const html = (name, attributes, ...children) => {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...children);
    return made;
  };

  const kept = { on: false, guesses: {} }; // a guess is [what was guessed, what it was]
  try {
    const { on, guesses } = JSON.parse(localStorage.getItem(KEY));
    kept.on = on === true;
    for (const [id, guess] of Object.entries(guesses)) {
      if (guess[0] in GUESSES && guess[1] in GUESSES) kept.guesses[id] = guess;
    }
  } catch { /* nothing was kept, or nothing may be */ }
  const keep = () => {
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch { /* then until the page is left */ }
  };

  const cards = [...list.querySelectorAll("a.superpos-verdict")].map((badge) => {
    const card = document.getElementById(badge.hash.slice(1));
    const shown = card?.querySelector(".superpos-verdict");
    const verdict = badge.textContent.trim();
    return { id: badge.hash.slice(1), badge, card, shown, verdict };
  }).filter(({ shown, verdict }) => shown && verdict in GUESSES);
  if (!cards.length) return;

  const told = html("span", {});
  told.setAttribute("role", "status");
  const toggle = html("button", { type: "button", textContent: "Predict, then see", onclick: () => {
    kept.on = !kept.on;
    update();
  } });
  const again = html("button", { type: "button", textContent: "Forget my guesses", onclick: () => {
    kept.guesses = {};
    update();
    toggle.focus();
  } });
  list.before(html("p", { className: "superpos-predict" }, toggle, " ", told, " ", again));

  for (const one of cards) {
    const names = Object.keys(GUESSES).filter((name) =>
      name.startsWith("new") === one.verdict.startsWith("new"));
    one.choice = html("p", { className: "superpos-guess" }, "What came out? ", ...names.map((name) =>
      html("button", { type: "button", textContent: GUESSES[name], onclick: () => {
        kept.guesses[one.id] = [name, one.verdict];
        update();
        one.result.focus();
      } })));
    one.result = html("p", { className: "superpos-guess", tabIndex: -1 });
    one.card.append(one.choice, one.result);
  }

  /** Show of a card what may be seen: all, or, while it is to be guessed, what tells no outcome. */
  function open(one, is) {
    one.card.classList.toggle("superpos-closed", !is);
    one.shown.hidden = !is;
    for (const term of one.card.querySelectorAll("dt")) {
      const hidden = !is && !OPEN.includes(term.textContent.trim());
      term.hidden = hidden;
      term.nextElementSibling.hidden = hidden;
    }
    one.badge.classList.toggle("superpos-closed", !is);
    one.badge.textContent = is ? one.verdict : "guess";
  }

  function update() {
    const right = (guesses) => guesses.filter(([guess, verdict]) => guess === verdict).length;
    const own = cards.map(({ id }) => kept.guesses[id]).filter(Boolean), all = Object.values(kept.guesses);
    for (const one of cards) {
      const guess = kept.guesses[one.id];
      open(one, !kept.on || Boolean(guess));
      one.choice.hidden = !kept.on || Boolean(guess);
      one.result.hidden = !kept.on || !guess;
      if (guess) {
        const was = guess[0] === one.verdict ? "you guessed it" : `you guessed: ${GUESSES[guess[0]]}`;
        one.result.textContent = `It is ${one.verdict}; ${was}.`;
      }
    }
    toggle.setAttribute("aria-pressed", String(kept.on));
    document.documentElement.classList.toggle("superpos-predicting", kept.on && own.length < cards.length);
    told.textContent = kept.on
      ? `${right(own)} of ${own.length} right here, ${right(all)} of ${all.length} in all; `
        + `${cards.length - own.length} to guess.`
      : "";
    again.hidden = !kept.on || !all.length;
    keep();
  }
  update();
});
