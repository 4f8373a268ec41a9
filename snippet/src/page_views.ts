// One URLCHANGE for the page load and one for each navigation within the page.
import { guarded, listen } from "./script";
import { type Recorder, URL_LENGTH, type UrlChange, bounded } from "./wire";

let seen: string | undefined;
let hashRouting = false;

let record: Recorder;

// A fragment that is no route may hold what concerns nobody, so it stays in the browser.
function routed(url: string): string {
  return hashRouting ? url : url.replace(/#.*/, "");
}

/** Records a page view where the address differs from the last one, or where the page navigated to itself. */
export function look(toItself?: boolean): void {
  const { href } = location;
  if (!toItself && seen && routed(seen) === routed(href)) return;
  seen = href;
  const view: UrlChange = ["URLCHANGE", 0, Date.now(), bounded(href, URL_LENGTH)];
  record(view, () => (view[3] = routed(view[3])));
}

/** Takes the app's hash routing switch; a fragment that changed while it was unknown may turn out to be a view. */
export function routeByHash(on: boolean): void {
  hashRouting = on;
  look();
}

export function followPageViews(recorder: Recorder): void {
  record = recorder;
  for (const name of ["pushState", "replaceState"] as const) {
    const original = history[name];
    history[name] = function (this: History, ...args: Parameters<History["pushState"]>) {
      const before = location.href;
      original.apply(this, args);
      guarded(look)(name === "pushState" && args[2] != null && before === location.href);
    };
  }
  listen("popstate", () => look());
  listen("hashchange", () => look());
  look();
}
