/** The dashboard's socket: opened while wanted, opened again with growing pauses when it breaks. */
export interface LiveFrame {
  readonly type: "live";
  readonly app: string;
  readonly present: number;
  readonly events: number;
}

export type Connection = "live" | "waiting" | "paused";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

export class LiveSocket {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pauseMs = FIRST_PAUSE_MS;
  private wanted = false;

  constructor(
    private readonly app: string,
    private readonly onFrame: (frame: LiveFrame) => void,
    private readonly onConnection: (state: Connection) => void,
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
      const frame = readFrame(event.data);
      if (!frame || frame.app !== this.app) return;
      this.pauseMs = FIRST_PAUSE_MS;
      this.onConnection("live");
      this.onFrame(frame);
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

function address(app: string): string {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.host}/api/v1/live?app=${encodeURIComponent(app)}`;
}

function readFrame(data: unknown): LiveFrame | null {
  if (typeof data !== "string") return null;
  try {
    const frame: Partial<LiveFrame> | null = JSON.parse(data) as Partial<LiveFrame> | null;
    return frame?.type === "live" && typeof frame.present === "number" && typeof frame.events === "number" ? (frame as LiveFrame) : null;
  } catch {
    return null;
  }
}
