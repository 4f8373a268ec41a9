// Puts the parts together; runs once a page, and not at all for visitors who asked not to be followed.
import { followClicks, watchClicks } from "./clicks";
import { beacon, begin, connect, end, gather, inherit, stopped } from "./connection";
import { custom } from "./custom";
import { followHovers, leaveAllBut, watchHovers } from "./hovers";
import { followPageViews, look, routeByHash } from "./page_views";
import { add } from "./queue";
import { declined, guarded, listen, note, source, token } from "./script";
import type { Recorder } from "./wire";

declare global {
  interface Window {
    datalab?: { track?: (name: string, properties?: object) => void };
  }
}

const UNFINISHED = 1000;

/** What remains to be done to events from before the server said what the app watches; then undefined. */
let unfinished: (() => void)[] | undefined = [];

const record: Recorder = (event, finish) => {
  if (stopped) return;
  add(event);
  if (!unfinished) finish();
  else if (unfinished.length < UNFINISHED) unfinished.push(finish);
  gather();
};

function start(): void {
  let away = false;
  const leave = (): void => {
    away = true;
    leaveAllBut([], performance.now());
  };
  inherit();
  followPageViews(record);
  followClicks(record);
  followHovers(record);
  listen("pagehide", () => {
    leave();
    end();
  });
  listen<PageTransitionEvent>("pageshow", ({ persisted }) => {
    if (!persisted) return;
    inherit();
    look(true);
    connect();
  });
  // A phone may end a page it has hidden without another word.
  listen("visibilitychange", () => {
    if (document.visibilityState === "visible") away = false;
    else if (!away) {
      leave();
      beacon();
    }
  });
  begin(({ hash_routing: hashRouting, watch }) => {
    watchClicks(watch.clicks);
    watchHovers(watch.hovers);
    routeByHash(hashRouting);
    for (const finish of unfinished || []) finish();
    unfinished = undefined;
  });
}

guarded(() => {
  if (window.datalab && window.datalab.track) return;
  const silent = !source || !token || declined();
  window.datalab = {
    track: guarded((name: string, properties?: object) => {
      if (!silent) record(custom(name, properties), () => {});
    }),
  };
  if (silent) note("sends nothing: no token, or not wanted");
  else if ((document as Document & { prerendering?: boolean }).prerendering) {
    addEventListener("prerenderingchange", guarded(start), { capture: true, once: true });
  } else start();
})();
