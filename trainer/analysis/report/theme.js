// Light, dark, or as the system has it: the button goes around, the choice is kept where that is allowed.
(() => {
  "use strict";
  const NAMES = ["auto", "light", "dark"];
  const button = document.getElementById("theme");

  function apply(name) {
    document.documentElement.style.colorScheme = name === "auto" ? "light dark" : name;
    button.textContent = "theme: " + name;
    document.dispatchEvent(new Event("themed"));
  }

  function kept() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  }

  button.addEventListener("click", () => {
    const current = NAMES.indexOf(button.textContent.slice("theme: ".length));
    const next = NAMES[(current + 1) % NAMES.length];
    try {
      localStorage.setItem("theme", next);
    } catch {
      // a browser that keeps nothing for files: the choice lasts as long as the page
    }
    apply(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    document.dispatchEvent(new Event("themed")));
  apply(NAMES.includes(kept()) ? kept() : "auto");
})();
