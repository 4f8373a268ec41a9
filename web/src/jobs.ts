/** Jobs of the app whose page it is: rows come, move on and end as the server tells. */
export interface Job {
  readonly id: string;
  readonly app: string;
  readonly title: string;
  readonly state: "waiting" | "running" | "done" | "failed" | "cancelled";
  readonly done: number;
  readonly total: number | null;
  readonly detail: string;
}

const STATES: Partial<Record<Job["state"], string>> = {
  waiting: "waits for its turn",
  done: "done",
  cancelled: "cancelled",
};

export function showJob(job: Job): void {
  const card = document.querySelector<HTMLElement>("#jobs");
  const row = card && (rowOf(card, job) ?? newRow(card, job));
  if (!row) return;
  const underWay = job.state === "waiting" || job.state === "running";
  const percent = job.total ? Math.min(100, Math.floor((100 * job.done) / job.total)) : null;
  row.dataset["state"] = job.state;
  write(row, "[data-title]", job.title);
  write(row, "[data-note]", noteOf(job, percent));
  const bar = row.querySelector("progress");
  if (bar) {
    bar.hidden = !underWay;
    // Without a value the bar says that something happens, not how far it is.
    if (percent === null) bar.removeAttribute("value");
    else bar.value = percent;
  }
  const form = row.querySelector("form");
  if (form) form.hidden = !underWay;
  card.hidden = false;
}

function noteOf(job: Job, percent: number | null): string {
  const state = STATES[job.state];
  if (state !== undefined) return state;
  if (job.state === "failed") return job.detail;
  return [percent === null ? "" : `${percent} %`, job.detail].filter(Boolean).join(" · ") || "under way";
}

function rowOf(card: HTMLElement, job: Job): HTMLElement | null {
  return card.querySelector<HTMLElement>(`li[data-key="${CSS.escape(job.id)}"]`);
}

function newRow(card: HTMLElement, job: Job): HTMLElement | null {
  const blank = card.querySelector<HTMLTemplateElement>("template")?.content.firstElementChild;
  if (!blank) return null;
  const row = document.importNode(blank, true) as HTMLElement;
  row.dataset["key"] = job.id;
  const form = row.querySelector("form");
  if (form) form.action = `${card.dataset["path"] ?? ""}/${encodeURIComponent(job.id)}/cancel`;
  card.querySelector("ul")?.append(row);
  return row;
}

function write(row: HTMLElement, selector: string, text: string): void {
  const place = row.querySelector(selector);
  if (place && place.textContent !== text) place.textContent = text;
}
