/**
 * Bring a part of the page to what the server says now without replacing elements that stay: focus, scroll
 * positions, open details and whatever a script drew inside `data-keep` live on.
 */
export function morph(current: Element, wanted: Element): void {
  matchAttributes(current, wanted);
  if (current.hasAttribute("data-keep")) return;
  let place: ChildNode | null = current.firstChild;
  const keyed = keyedChildren(current);
  for (const child of [...wanted.childNodes]) {
    const kept = counterpart(child, place, keyed);
    if (!kept) {
      current.insertBefore(document.importNode(child, true), place);
      continue;
    }
    if (kept === place) place = kept.nextSibling;
    else current.insertBefore(kept, place);
    if (kept instanceof Element && child instanceof Element) morph(kept, child);
    else if (kept.nodeValue !== child.nodeValue) kept.nodeValue = child.nodeValue;
  }
  while (place) {
    const next: ChildNode | null = place.nextSibling;
    place.remove();
    place = next;
  }
}

function keyOf(node: Node): string | null {
  return node instanceof Element ? node.id || node.getAttribute("data-key") : null;
}

function keyedChildren(parent: Element): Map<string, Element> {
  const keyed = new Map<string, Element>();
  for (const child of parent.children) {
    const key = keyOf(child);
    if (key !== null && !keyed.has(key)) keyed.set(key, child);
  }
  return keyed;
}

/** The present node that stands for a wanted one: the one of the same key, else the next of the same kind without a key. */
function counterpart(wanted: ChildNode, place: ChildNode | null, keyed: Map<string, Element>): ChildNode | null {
  const key = keyOf(wanted);
  if (key !== null) {
    const kept = keyed.get(key);
    keyed.delete(key);
    return kept?.nodeName === wanted.nodeName ? kept : null;
  }
  return place && keyOf(place) === null && place.nodeName === wanted.nodeName ? place : null;
}

function matchAttributes(current: Element, wanted: Element): void {
  for (const { name, value } of [...wanted.attributes]) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
  for (const { name } of [...current.attributes]) {
    if (!wanted.hasAttribute(name) && !belongsToPerson(current, name)) current.removeAttribute(name);
  }
}

/** Opened by a person, or drawn by a script: not the server's to take away. */
function belongsToPerson(element: Element, name: string): boolean {
  return (name === "open" && element instanceof HTMLDetailsElement) || (name === "data-drawn" && element.hasAttribute("data-keep"));
}
