// The page is loaded again until it is the comparison, or nothing is heard any more; what its reader has chosen stays.
const updated = document.getElementById("updated");
const chosen = `chosen on ${location.pathname}`;
const curves = document.querySelector("figure[data-curves]");
const table = document.querySelector("#runs .scroll");
const controls = () => [...document.querySelectorAll("button, [tabindex]")];
// Their number may have changed.
const nameOf = (control) => control.ariaLabel ?? control.textContent.replace(/^\d+ (?=others$)/, "");

restore();
const watching = setInterval(look, 30000);
if (isSilent()) look();

function isSilent() {
  return Date.now() - Date.parse(updated.dateTime) >= 1000 * Number(document.body.dataset.silent);
}

function look() {
  if (!isSilent()) {
    // A browser may refuse to keep anything.
    try { sessionStorage.setItem(chosen, JSON.stringify(choices())); } catch { /* Then the page begins anew. */ }
    location.reload();
    return;
  }
  const said = document.getElementById("silent");
  said.querySelector("span").textContent = `${Math.floor((Date.now() - Date.parse(updated.dateTime)) / 60000)} minutes`;
  said.hidden = false;
  clearInterval(watching);
}

function choices() {
  const focused = document.activeElement;
  return {
    pressed: controls().filter((control) => control.ariaPressed).map((control) => [nameOf(control), control.ariaPressed]),
    zooms: curves.charts().map(({ zoomed }) => zoomed()),
    places: [scrollY, table.scrollLeft, table.scrollTop],
    focus: focused.matches(":focus-visible") ? nameOf(focused) : null,
  };
}

function restore() {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(chosen));
    sessionStorage.removeItem(chosen);
  } catch { /* Nothing was kept. */ }
  if (!kept) return;
  const pressed = new Map(kept.pressed);
  for (const control of controls()) {
    if (control.ariaPressed && (pressed.get(nameOf(control)) ?? control.ariaPressed) !== control.ariaPressed) control.click();
    if (nameOf(control) === kept.focus) control.focus({ preventScroll: true });
  }
  curves.charts().forEach(({ chart }, at) => { if (kept.zooms[at]) chart.setScale("x", kept.zooms[at]); });
  table.scrollTo(kept.places[1], kept.places[2]);
  scrollTo(0, kept.places[0]);
}
