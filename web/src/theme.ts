/** Light, dark or as the system says; a cookie remembers it, so that the server's first byte is already right. */
const COOKIE = "datalab_theme";
const YEAR = 365 * 24 * 3600;

/** Tells everyone who paints by hand that colours have changed. */
export const THEME_CHANGED = "datalab:theme";

export function offerThemes(): void {
  const control = document.querySelector<HTMLElement>("[data-theme-switch]");
  if (control) {
    control.hidden = false;
    control.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button) choose(button.value, control);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);
}

function choose(theme: string, control: HTMLElement): void {
  document.documentElement.dataset["theme"] = theme;
  document.cookie = `${COOKIE}=${theme}; path=/; max-age=${YEAR}; samesite=lax`;
  for (const button of control.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  announce();
}

function announce(): void {
  document.dispatchEvent(new Event(THEME_CHANGED));
}
