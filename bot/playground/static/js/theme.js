/** Dark or light: the system's setting until the person chooses. A classic script, so that it runs before the first paint. */
(() => {
  const KEY = "dreambot.theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const chosen = localStorage.getItem(KEY);
  if (chosen) root.dataset.theme = chosen;

  function label() {
    const button = document.getElementById("theme");
    const name = isDark() ? "Switch to light" : "Switch to dark";
    button?.setAttribute("aria-label", name);
    button?.setAttribute("title", name);
  }

  document.addEventListener("DOMContentLoaded", () => {
    label();
    system.addEventListener("change", label);
    document.getElementById("theme")?.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      localStorage.setItem(KEY, root.dataset.theme);
      label();
    });
  });
})();
