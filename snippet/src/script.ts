// The script element the site pasted: where the server is and what the site asked for.

// Known only while the script runs for the first time, and never for a module.
const element = (document.currentScript || document.querySelector("script[data-token]") || {}) as HTMLScriptElement;

export const { src: source = "", dataset: { token = "", dnt, debug } = {} as DOMStringMap } = element;

/** Whether the visitor asked not to be followed and the site does not override it. */
export function declined(): boolean {
  const { doNotTrack, globalPrivacyControl } = navigator as Navigator & { globalPrivacyControl?: boolean };
  return dnt !== "off" && (doNotTrack === "1" || globalPrivacyControl === true);
}

/** Speaks on the console only where the script element carries `data-debug`. */
export function note(...words: unknown[]): void {
  if (debug !== undefined) console.info("datalab:", ...words);
}

/** The same function, but it never throws into the page. */
export function guarded<A extends unknown[]>(act: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      act(...args);
    } catch (error) {
      note(error);
    }
  };
}

/** Listens before the page does, whatever it stops, and never holds up scrolling. */
export function listen<E extends Event>(type: string, act: (event: E) => void): void {
  addEventListener(type, guarded(act) as EventListener, { capture: true, passive: true });
}
