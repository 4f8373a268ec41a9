// A CUSTOM event for each call of `datalab.track(name, properties)`.
import { type Custom, PROPERTIES_IN_CUSTOM, type Property, TEXT_LENGTH, bounded } from "./wire";

const PROPERTIES_LENGTH = 8192;

/** Keeps plain values only; text is cut to its bound and what goes over the message's bound is left out. */
export function custom(name: unknown, properties?: unknown): Custom {
  const kept: Record<string, Property> = {};
  for (const [key, value] of Object.entries(properties || {}).slice(0, PROPERTIES_IN_CUSTOM)) {
    const plain = typeof value === "string" ? bounded(value, TEXT_LENGTH) : value;
    if (Object(plain) === plain) continue;
    const short = bounded(key, TEXT_LENGTH);
    kept[short] = plain as Property;
    if (JSON.stringify(kept).length > PROPERTIES_LENGTH) delete kept[short];
  }
  return ["CUSTOM", 0, Date.now(), bounded(name, TEXT_LENGTH), kept];
}
