// A MOUSEHOVER for each episode on a watched element: from the pointer's entry to a click or to its leaving.
// Mouse events, because a touch screen sends them for a tap only, right before its click.
import { lineage, named } from "./elements";
import { listen } from "./script";
import { ELAPSED_MAX, type HoverAction, type Recorder, clamped } from "./wire";

const NOISE_MS = 100;

interface Episode {
  element: Element;
  since: number;
  clicked?: boolean;
}

let watched: string[] = [];
const episodes = new Map<string, Episode>();

let record: Recorder;

function write(selector: string, action: HoverAction, elapsed: number): void {
  record(["MOUSEHOVER", 0, Date.now(), selector, action, clamped(elapsed, ELAPSED_MAX)], () => {});
}

/** Ends the episodes of all elements that the pointer is no longer on. */
export function leaveAllBut(line: Element[], now: number): void {
  for (const [selector, { element, since, clicked }] of episodes) {
    if (line.includes(element)) continue;
    episodes.delete(selector);
    if (!clicked && now - since >= NOISE_MS) write(selector, "hover-leave", now - since);
  }
}

export function watchHovers(selectors: string[]): void {
  watched = selectors;
}

export function followHovers(recorder: Recorder): void {
  record = recorder;
  listen("mouseover", (event) => {
    const line = lineage(event);
    leaveAllBut(line, event.timeStamp);
    for (const selector of watched) {
      const element = episodes.has(selector) ? undefined : named(selector, line);
      if (element) episodes.set(selector, { element, since: event.timeStamp });
    }
  });
  listen<MouseEvent>("mouseout", (event) => {
    if (!event.relatedTarget) leaveAllBut([], event.timeStamp);
  });
  listen("click", (event) => {
    const line = lineage(event);
    for (const [selector, episode] of episodes) {
      if (episode.clicked || !line.includes(episode.element)) continue;
      episode.clicked = true;
      write(selector, "hover-click", event.timeStamp - episode.since);
    }
  });
}
