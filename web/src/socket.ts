/** The dashboard's socket: opened while wanted, opened again with growing pauses when it breaks. */
import type { Job } from "./jobs";

export interface LiveFrame {
  readonly type: "live";
  readonly app: string;
  readonly present: number;
  readonly events: number;
}

/** Somebody changed the app, so that its page shows an earlier state, or it is gone. */
export interface Change {
  readonly type: "changed";
  readonly app: string;
  readonly what: "app" | "gone";
}

/** A job of the app came along or ended. */
export interface JobFrame {
  readonly type: "job";
  readonly job: Job;
}

export type Connection = "live" | "waiting" | "paused";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

export class LiveSocket {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pauseMs = FIRST_PAUSE_MS;
  private wanted = false;

  /** Without an app there are no figures; the person is seen online all the same. */
  constructor(
    private readonly app: string | null,
    private readonly onFrame: (frame: LiveFrame) => void,
    private readonly onConnection: (state: Connection) => void,
    private readonly onChanged: (change: Change) => void = () => undefined,
    private readonly onJob: (job: Job) => void = () => undefined,
  ) {}

  resume(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.open();
  }

  pause(): void {
    this.wanted = false;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
    this.onConnection("paused");
  }

  retryNow(): void {
    if (!this.wanted || this.socket) return;
    this.pauseMs = FIRST_PAUSE_MS;
    this.open();
  }

  private open(): void {
    clearTimeout(this.timer);
    const socket = new WebSocket(address(this.app));
    this.socket = socket;
    socket.addEventListener("message", (event: MessageEvent<unknown>) => {
      if (socket !== this.socket) return;
      const message = readMessage(event.data);
      if (message?.type === "changed") this.onChanged(message);
      if (message?.type === "job" && message.job.app === this.app) this.onJob(message.job);
      if (message?.type !== "live" || message.app !== this.app) return;
      this.pauseMs = FIRST_PAUSE_MS;
      this.onConnection("live");
      this.onFrame(message);
    });
    socket.addEventListener("close", () => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.onConnection("waiting");
      // Spread out, so that all open dashboards do not return in one moment after a restart.
      this.timer = setTimeout(() => this.open(), this.pauseMs * (0.75 + Math.random() / 2));
      this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
    });
  }
}

function address(app: string | null): string {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const query = app === null ? "" : `?app=${encodeURIComponent(app)}`;
  return `${scheme}://${location.host}/api/v1/live${query}`;
}

function readMessage(data: unknown): LiveFrame | Change | JobFrame | null {
  if (typeof data !== "string") return null;
  try {
    const message = JSON.parse(data) as Partial<LiveFrame> | Change | JobFrame | null;
    if (message?.type === "changed" || message?.type === "job") return message;
    return message?.type === "live" && typeof message.present === "number" && typeof message.events === "number" ? (message as LiveFrame) : null;
  } catch {
    return null;
  }
}
