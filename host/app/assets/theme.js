// Runs before the page is drawn, so that it never flashes in the wrong colours.
(() => {
  const order = ["system", "light", "dark"];
  const names = { system: "System", light: "Light", dark: "Dark" };
  let theme = "system";
  try {
    const stored = localStorage.getItem("theme");
    if (order.includes(stored)) theme = stored;
  } catch { /* storage may be forbidden */ }

  const apply = () => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (!button) return;
    button.setAttribute("aria-label", `Colours: ${names[theme].toLowerCase()}. Change`);
    button.querySelector(".theme-text").textContent = names[theme];
  };
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme")?.addEventListener("click", () => {
      theme = order[(order.indexOf(theme) + 1) % order.length];
      try { localStorage.setItem("theme", theme); } catch { /* lasts as long as the page */ }
      apply();
    });
  });
})();
