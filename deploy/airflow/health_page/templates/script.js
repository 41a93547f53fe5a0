// Airflow's UI surrounds this page in a frame: use its theme, and open links to Airflow in it.
const around = window.parent;
const isFramed = around !== window;
function takeTheme() {
  const root = document.documentElement;
  const outer = isFramed ? around.document.documentElement.classList : { contains: () => false };
  const stored = localStorage.getItem("theme");
  const known = ["dark", "light"].find((name) => outer.contains(name) || (!isFramed && stored === name));
  if (known) root.dataset.theme = known;
}
function follow(event) {
  const link = event.target.closest("a[href]");
  if (!link || !isFramed || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.origin === location.origin) {
    around.history.pushState(null, "", link.href);
    around.dispatchEvent(new PopStateEvent("popstate", { state: null }));
  } else {
    // The frame cannot open a new window, but the surrounding page can.
    const twin = around.document.createElement("a");
    Object.assign(twin, { href: link.href, target: "_blank", rel: "noopener noreferrer" });
    twin.click();
  }
}
takeTheme();
if (isFramed) {
  new around.MutationObserver(takeTheme).observe(around.document.documentElement, { attributeFilter: ["class"] });
}
document.addEventListener("click", follow);
