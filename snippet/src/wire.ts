// The messages of PROTOCOL.md, as datalab/model/wire.py defines them.

export const VERSION = 1;
export const URL_LENGTH = 2048;
export const TEXT_LENGTH = 512;
export const SELECTORS_IN_CLICK = 32;
export const PROPERTIES_IN_CUSTOM = 32;
export const PIXELS_MAX = 65_535;
export const ELAPSED_MAX = 86_400_000;
export const MESSAGE_EVENTS = 200;
/** The server refuses messages over 64 KiB; the rest is room for the frame around the events. */
export const MESSAGE_BYTES = 48 * 1024;

export type Property = string | number | boolean | null;
export type HoverAction = "hover-click" | "hover-leave";

/** Kind, sequence number, client's clock in milliseconds, then what the kind carries. */
export type UrlChange = ["URLCHANGE", number, number, string];
export type MouseClick = ["MOUSECLICK", number, number, string, string[], number, number];
export type MouseHover = ["MOUSEHOVER", number, number, string, HoverAction, number];
export type Custom = ["CUSTOM", number, number, string, Record<string, Property>];
export type WireEvent = UrlChange | MouseClick | MouseHover | Custom;

/** Takes an event at once; `finish` runs when the server has said what the app watches. */
export type Recorder = (event: WireEvent, finish: () => void) => void;

export interface Hello {
  version: number;
  session_start: number;
  page: string;
  referrer: string;
  language: string;
  screen: string;
  visitor: string | undefined;
  session: string | undefined;
}

export interface Watch {
  clicks: string[];
  hovers: string[];
}

export interface Welcome {
  ticket: string;
  visitor: string;
  session: string;
  sequence: number;
  hash_routing: boolean;
  watch: Watch;
}

export type ServerMessage =
  | { type: "ack"; sequence: number }
  | { type: "later"; code: string; detail: string; retry_after: number }
  | { type: "rejected"; message: number; code: string; detail: string }
  | { type: "stop"; code: string; detail: string };

/** Cuts text to a bound and takes out what the server refuses: control characters and halves of surrogate pairs. */
export function bounded(text: unknown, length: number): string {
  return String(text)
    .slice(0, length)
    .replace(/[\0-\x1f\ud800-\udfff]/gu, "");
}

/** Brings a measure into 0..max, whole. */
export function clamped(value: number, max: number): number {
  return Math.min(max, Math.max(0, Math.round(value) || 0));
}
