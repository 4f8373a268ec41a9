/** Follows one app while its page is seen: who is on the site, and the figures when events came. */
import type { Chart } from "./chart";
import { LiveSocket, type LiveFrame } from "./socket";
import { morph } from "./fragment";
import { showJob } from "./jobs";

const REFRESH_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
const FRAGMENT = { "x-datalab-fragment": "figures" };

export function followLive(root: HTMLElement, app: string, chart: Chart): void {
  let shown = eventsShown(root);
  let latest = shown;
  let busy = false;

  async function refresh(): Promise<void> {
    if (busy) return;
    busy = true;
    let pause = REFRESH_MS;
    while (latest !== shown && !document.hidden) {
      const aim = latest;
      const begun = performance.now();
      if (await fetchFigures(root, chart)) {
        shown = aim;
        pause = REFRESH_MS;
      } else {
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
      await sleep(pause - (performance.now() - begun));
    }
    busy = false;
  }

  keepOpen(new LiveSocket(app, (frame) => {
    showPresent(frame);
    latest = frame.events;
    void refresh();
  }, showConnection, () => location.reload(), showJob));
}

/** Shows the person as online while a page without figures is seen. */
export function beSeen(): void {
  keepOpen(new LiveSocket(null, () => undefined, () => undefined));
}

function keepOpen(socket: LiveSocket): void {
  const follow = (): void => {
    if (document.hidden) socket.pause();
    else socket.resume();
  };
  document.addEventListener("visibilitychange", follow);
  // A page kept by the browser for its back button holds no socket.
  addEventListener("pagehide", () => socket.pause());
  addEventListener("pageshow", follow);
  addEventListener("online", () => socket.retryNow());
  follow();
}

function eventsShown(root: HTMLElement): number {
  return Number(root.querySelector<HTMLElement>("#figures")?.dataset["events"] ?? -1);
}

/** True when the page now shows what the server answered. */
async function fetchFigures(root: HTMLElement, chart: Chart): Promise<boolean> {
  try {
    const response = await fetch(location.href, { headers: FRAGMENT, cache: "no-store", signal: AbortSignal.timeout(15_000) });
    if (response.status === 401 || response.redirected) {
      location.reload();
      return false;
    }
    if (!response.ok) return false;
    const wanted = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("#figures");
    const current = root.querySelector("#figures");
    if (!wanted || !current) return false;
    morph(current, wanted);
    chart.refresh();
    return true;
  } catch {
    return false;
  }
}

function showPresent(frame: LiveFrame): void {
  const count = document.querySelector("[data-present]");
  const noun = document.querySelector<HTMLElement>("[data-present-noun]");
  const text = new Intl.NumberFormat("en").format(frame.present);
  if (!count || !noun || count.textContent === text) return;
  count.textContent = text;
  noun.textContent = (frame.present === 1 ? noun.dataset["one"] : noun.dataset["many"]) ?? "";
}

function showConnection(state: string): void {
  const connection = document.querySelector<HTMLElement>("[data-connection]");
  if (!connection) return;
  connection.hidden = false;
  connection.dataset["state"] = state;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
