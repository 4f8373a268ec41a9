// The way to the server: hello, then a socket, or requests where sockets are blocked. One message is under way
// at a time, so that an answer always means the oldest events of the queue.
import { batch, exchange, forget, last } from "./queue";
import { guarded, note, source, token } from "./script";
import { knownVisitor, leaveUnsent, rememberVisitor, takeUnsent } from "./storage";
import { type Hello, type ServerMessage, URL_LENGTH, VERSION, type Welcome, bounded } from "./wire";

const GATHER_MS = 200;
const PATIENCE_MS = 20_000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
const LONGEST_RETRY_AFTER_S = 3600;
const BLOCKED_SOCKETS_BEFORE_POSTING = 2;

export let stopped = false;

let session: string | null | undefined;
let socket: WebSocket | undefined;
/** Counts connections; what belongs to an earlier one is nobody's business any more. */
let attempt = 0;
let failures = 0;
/** Sockets in a row that did not come to open. */
let blockedSockets = 0;
/** Sequence number of the last event of the message under way, 0 for none. */
let underWay = 0;
let gathering: number | undefined;
let pausing: number | undefined;
let patience: number | undefined;

let welcomed: (welcome: Welcome) => void;

/** What may stand in an answer of the server; empty where none came. */
type Answer = Partial<Welcome> & { type?: string; sequence?: number; code?: string; retry_after?: number };

/** The same function, but it does nothing once another connection has begun. */
function ours<A extends unknown[]>(act: (...args: A) => void): (...args: A) => void {
  const mine = attempt;
  return guarded((...args: A) => {
    if (mine === attempt) act(...args);
  });
}

function address(name: string): string {
  return new URL("api/v1/" + name, source).href;
}

function expectAnswer(): void {
  clearTimeout(patience);
  patience = setTimeout(ours(reconnect), PATIENCE_MS);
}

async function ask(name: string, body: string, headers: HeadersInit, act: (answer: Answer) => void): Promise<void> {
  const reply = ours((answer: Answer) => {
    clearTimeout(patience);
    act(answer);
  });
  expectAnswer();
  let answer = {};
  try {
    const response = await fetch(address(name), { method: "POST", credentials: "omit", headers, body });
    answer = await response.json();
  } catch {
    // No network, no server or no JSON: an answer without a code.
  }
  reply(answer);
}

/** Lets go of the present connection with everything that is under way in it. */
function disconnect(): void {
  attempt++;
  underWay = 0;
  [gathering, pausing, patience].forEach(clearTimeout);
  gathering = undefined;
  if (socket) socket.close();
  socket = undefined;
}

function stop(): void {
  stopped = true;
  disconnect();
  exchange();
}

function pause(seconds = 0): number {
  const backOff = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++);
  return Math.max(Math.min(seconds, LONGEST_RETRY_AFTER_S) * 1000, backOff) * (1 + Math.random() / 2);
}

function reconnect(retryAfter?: number): void {
  disconnect();
  pausing = setTimeout(guarded(connect), pause(retryAfter));
}

function isOpen(): boolean | undefined {
  return socket && socket.readyState === 1;
}

function refused({ code = "", retry_after: retryAfter }: Answer): void {
  note("refused", code);
  const faulty = /malformed|invalid/.test(code);
  // Sending the same events again cannot help, but what comes after them may be good.
  if (faulty && underWay) receive({ type: "rejected" });
  else if (faulty || /token|origin/.test(code)) stop();
  else if (session && /session|ticket/.test(code)) {
    session = undefined;
    disconnect();
    connect();
  } else reconnect(retryAfter);
}

/** Says hello; what the queue holds follows. */
export function connect(): void {
  if (stopped) return;
  const hello: Hello = {
    version: VERSION,
    session_start: Date.now(),
    page: bounded(location.href.replace(/#.*/, ""), URL_LENGTH),
    referrer: bounded(document.referrer, URL_LENGTH),
    language: bounded(navigator.language || "", 64),
    screen: screen.width + "x" + screen.height,
    visitor: knownVisitor(),
    session: session || undefined,
  };
  const headers = { "content-type": "application/json", "x-datalab-token": token };
  void ask("hello", JSON.stringify(hello), headers, (answer) => {
    if (!answer.ticket) return refused(answer);
    const welcome = answer as Welcome;
    session = welcome.session;
    rememberVisitor(welcome.visitor);
    forget(welcome.sequence);
    welcomed(welcome);
    if (blockedSockets < BLOCKED_SOCKETS_BEFORE_POSTING) openSocket(welcome.ticket);
    else flush();
  });
}

function openSocket(ticket: string): void {
  expectAnswer();
  blockedSockets++;
  try {
    socket = new WebSocket(address("open?ticket=" + encodeURIComponent(ticket)).replace("http", "ws"));
  } catch {
    blockedSockets = BLOCKED_SOCKETS_BEFORE_POSTING;
    return flush();
  }
  socket.onopen = ours(() => {
    failures = blockedSockets = 0;
    clearTimeout(patience);
    flush();
  });
  socket.onmessage = ours(({ data }: MessageEvent<string>) => receive(JSON.parse(data) as ServerMessage));
  // A socket that the page's policy forbids fails without closing.
  socket.onclose = socket.onerror = ours(() => reconnect());
}

function receive({ type, sequence = 0, retry_after: retryAfter }: Answer): void {
  if (type === "stop") return stop();
  if (type === "ack") {
    forget(sequence);
    failures = 0;
    if (sequence < underWay) return;
  } else if (type === "rejected") forget(underWay);
  else if (type !== "later") return;
  clearTimeout(patience);
  underWay = 0;
  gather(type === "later" ? pause(retryAfter) : 0);
}

/** Sends what there is after a moment, so that events which belong together travel together. */
export function gather(milliseconds = 0): void {
  if (gathering && !milliseconds) return;
  clearTimeout(gathering);
  gathering = setTimeout(guarded(flush), milliseconds || GATHER_MS);
}

function flush(): void {
  clearTimeout(gathering);
  gathering = undefined;
  const posting = blockedSockets >= BLOCKED_SOCKETS_BEFORE_POSTING && session;
  const events = !underWay && (isOpen() || posting) ? batch() : [];
  if (!events.length) return;
  underWay = last(events);
  if (posting) {
    void ask("events", JSON.stringify({ session, events }), {}, (answer) => {
      if (answer.type === "ack") receive(answer);
      else refused(answer);
    });
  } else {
    expectAnswer();
    socket!.send(JSON.stringify({ type: "events", events }));
  }
}

/** Sends everything unacknowledged in a way that outlives the page; the server drops repeats. Tells whether it will arrive. */
export function beacon(): boolean | undefined {
  // Without a socket the server is probably away, and a beacon tells nobody whether it arrived.
  let sure = isOpen();
  for (let events = batch(); session && events.length; events = batch(last(events))) {
    const body = JSON.stringify({ session, events });
    if (!navigator.sendBeacon || !navigator.sendBeacon(address("events"), body)) sure = false;
  }
  return sure;
}

/** The page ends. Should it come back from the browser's cache, it begins anew. */
export function end(): void {
  if (stopped) return;
  const sure = beacon();
  const held = exchange();
  if (!sure && held[1].length) leaveUnsent([session, held]);
  if (isOpen()) socket!.send('{"type":"goodbye"}');
  disconnect();
  session = undefined;
}

/** Goes on where an earlier page of this tab could not deliver. */
export function inherit(): void {
  takeUnsent((unsent) => {
    session = unsent[0];
    exchange(unsent[1]);
  });
}

export function begin(whenWelcomed: (welcome: Welcome) => void): void {
  welcomed = whenWelcomed;
  connect();
}
