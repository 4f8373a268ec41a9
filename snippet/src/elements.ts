// How elements are named and found.

const BEFORE_TOO_LONG = 8;

// Ids with long numbers come from generators and change from build to build.
const STABLE_ID = /^(?!.*\d{4})[a-z][\w-]*$/i;

/** The element an event happened on and its ancestors, innermost first, through open shadow roots. */
export function lineage(event: Event): Element[] {
  return event.composedPath().filter((node): node is Element => node instanceof Element);
}

/** A short CSS path: from the nearest ancestor with a stable id, or from the body. */
export function path(element: Element): string {
  const steps: string[] = [];
  let node: Element | null = element;
  do {
    const { localName, parentElement }: Element = node;
    // A form's own `id` may be one of its fields.
    const id = node.getAttribute("id") || "";
    if (STABLE_ID.test(id)) {
      steps.unshift(localName + "#" + id);
      break;
    }
    const alike = [...(parentElement ? parentElement.children : [])].filter((child) => child.localName === localName);
    steps.unshift(alike.length > 1 ? `${localName}:nth-of-type(${alike.indexOf(node) + 1})` : localName);
    node = parentElement;
  } while (node && node !== document.body && steps.length < BEFORE_TOO_LONG);
  return steps.join(">");
}

/** The innermost element of a lineage that a selector names: CSS, or XPath starting with `/`. */
export function named(selector: string, line: Element[]): Element | undefined {
  try {
    if (selector[0] !== "/") return line.find((element) => element.matches(selector));
    const found = document.evaluate(selector, document);
    const nodes: Node[] = [];
    for (let node = found.iterateNext(); node; node = found.iterateNext()) nodes.push(node);
    return line.find((element) => nodes.includes(element));
  } catch {
    // A selector this browser cannot read names nothing.
    return undefined;
  }
}
