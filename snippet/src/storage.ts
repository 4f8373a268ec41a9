// First-party storage, which a browser may deny: then things last as long as the page.
import type { Contents } from "./queue";
import { guarded } from "./script";

const VISITOR = "datalab-visitor";
const UNSENT = "datalab-unsent";

let visitor: string | null | undefined;

/** The visitor id of an earlier hello, if there is one. */
export function knownVisitor(): string | undefined {
  guarded(() => {
    visitor = localStorage.getItem(VISITOR) || visitor;
  })();
  return visitor && /^[0-9a-f]{32}$/.test(visitor) ? visitor : undefined;
}

export function rememberVisitor(id: string): void {
  visitor = id;
  guarded(() => localStorage.setItem(VISITOR, id))();
}

/** The session, where there was one, and the queue of a page that could not deliver it. */
export type Unsent = [string | null | undefined, Contents];

/** Leaves it to the next page in this tab. */
export function leaveUnsent(unsent: Unsent): void {
  guarded(() => sessionStorage.setItem(UNSENT, JSON.stringify(unsent)))();
}

/** Hands on what an earlier page left, once. */
export function takeUnsent(take: (unsent: Unsent) => void): void {
  guarded(() => {
    const text = sessionStorage.getItem(UNSENT);
    sessionStorage.removeItem(UNSENT);
    if (text) take(JSON.parse(text) as Unsent);
  })();
}
