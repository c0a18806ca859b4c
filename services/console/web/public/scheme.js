// Runs before the first paint, so that the page does not flash. Sets light or dark, and whether this browser was signed
// in before, which shows the frame of the page at once.
(function () {
  var root = document.documentElement;
  var kept = {};
  try {
    kept = window.localStorage;
  } catch (e) {
    // Without storage, follow the system's setting.
  }
  var chosen = kept["mantine-color-scheme-value"];
  var dark = chosen === "dark" || (chosen !== "light" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  root.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
  if (kept["keyward.known"]) root.setAttribute("data-known", "");
})();
