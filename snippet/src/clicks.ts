// A MOUSECLICK for every click, with the watched selectors it falls under.
import { lineage, named, path } from "./elements";
import { listen } from "./script";
import { type MouseClick, PIXELS_MAX, type Recorder, SELECTORS_IN_CLICK, TEXT_LENGTH, bounded, clamped } from "./wire";

let watched: string[] = [];

export function watchClicks(selectors: string[]): void {
  watched = selectors;
}

export function followClicks(record: Recorder): void {
  listen<MouseEvent>("click", (event) => {
    const line = lineage(event);
    const [target] = line;
    if (!target) return;
    const { left, top } = target.getBoundingClientRect();
    const click: MouseClick = [
      "MOUSECLICK",
      0,
      Date.now(),
      bounded(path(target), TEXT_LENGTH),
      [],
      clamped(event.clientX - left, PIXELS_MAX),
      clamped(event.clientY - top, PIXELS_MAX),
    ];
    record(click, () => {
      click[4] = watched.filter((selector) => named(selector, line)).slice(0, SELECTORS_IN_CLICK);
    });
  });
}
