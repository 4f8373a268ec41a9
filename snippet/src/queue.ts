// Events that are not known to be on the server's disk, in the order of their sequence numbers.
import { MESSAGE_BYTES, MESSAGE_EVENTS, type WireEvent } from "./wire";

const CAPACITY = 1000;

let events: WireEvent[] = [];
let sequence = 0;

/**
 * Takes an event with the next sequence number. A full queue drops it: the gap in the sequence numbers
 * remembers how many were lost.
 */
export function add(event: WireEvent): void {
  event[1] = ++sequence;
  if (events.length < CAPACITY) events.push(event);
}

/** Forgets every event up to a sequence number. */
export function forget(upTo: number): void {
  events = events.filter((event) => event[1] > upTo);
}

/** The highest sequence number ever given, and the events. */
export type Contents = [number, WireEvent[]];

/** Puts other contents into the queue, none if not said, and gives what it held. */
export function exchange(contents: Contents = [0, []]): Contents {
  const held: Contents = [sequence, events];
  [sequence, events] = contents;
  return held;
}

/** The next events after a sequence number that fit into one message, at least one where there is any. */
export function batch(after = 0): WireEvent[] {
  const fitting: WireEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    if (event[1] <= after) continue;
    bytes += new TextEncoder().encode(JSON.stringify(event)).length + 1;
    if (fitting.length === MESSAGE_EVENTS || (bytes > MESSAGE_BYTES && fitting.length)) break;
    fitting.push(event);
  }
  return fitting;
}

/** The sequence number of the last of some events. */
export function last(some: WireEvent[]): number {
  return some[some.length - 1]![1];
}
