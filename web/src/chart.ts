/** The line of page views and visitors. The server's drawing stays in place until this one stands, and for print. */
import uPlot from "uplot";
import { readSeries, type Series } from "./series";
import { THEME_CHANGED } from "./theme";

const DAY = 86_400;
const HOUR_STEPS = [1, 2, 3, 6, 12, 24].map((hours) => hours * 3600);
const DAY_STEPS = [1, 2, 3, 4, 7, 14, 30, 60, 90, 180, 365, 730].map((days) => days * DAY);
const COUNT_STEPS = [1, 2, 5].flatMap((digit) => Array.from({ length: 12 }, (_, power) => digit * 10 ** power)).sort((a, b) => a - b);
const compact = new Intl.NumberFormat("en", { notation: "compact" });
const full = new Intl.NumberFormat("en");

export interface Chart {
  /** Read the page's table again, after it was replaced. */
  refresh(): void;
}

export function chartOf(root: ParentNode): Chart {
  let plot: uPlot | null = null;
  let series: Series = readSeries(root);

  const sized = new ResizeObserver((entries) => {
    const box = entries[0]?.contentRect;
    if (plot && box && box.width > 0) plot.setSize({ width: box.width, height: box.height });
  });

  function refresh(): void {
    const place = root.querySelector<HTMLElement>("[data-chart]");
    series = readSeries(root);
    if (plot && !place?.contains(plot.root)) {
      plot.destroy();
      sized.disconnect();
      plot = null;
    }
    if (!place || series.times.length === 0) return;
    if (plot) {
      plot.setData(dataOf(series));
      showLegend(root, series, plot.cursor.idx ?? null);
      return;
    }
    place.dataset["drawn"] = "";
    plot = new uPlot(optionsFor(place, root, () => series), dataOf(series), place);
    sized.observe(place);
  }

  document.addEventListener(THEME_CHANGED, () => plot?.redraw(false, true));
  refresh();
  return { refresh };
}

function dataOf(series: Series): uPlot.AlignedData {
  return [series.times, series.pageViews, series.visitors];
}

/** Colours are read off elements, so that the style sheet alone knows them. */
function colour(selector: string, property: "color" | "borderTopColor" | "backgroundColor", part?: string): string {
  const element = document.querySelector(selector);
  return element ? getComputedStyle(element, part)[property] : "gray";
}

function optionsFor(place: HTMLElement, root: ParentNode, current: () => Series): uPlot.Options {
  const zone = place.dataset["zone"] ?? "UTC";
  const hourly = place.dataset["bucket"] === "hour";
  const axis = {
    stroke: () => colour("[data-chart]", "color"),
    font: `12px ${getComputedStyle(place).fontFamily}`,
    ticks: { show: false },
  } satisfies uPlot.Axis;
  const grid = { stroke: () => colour("[data-chart]", "borderTopColor"), width: 1 };
  return {
    width: place.clientWidth,
    height: place.clientHeight,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    legend: { show: false },
    padding: [8, 26, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high * 1.06, 4)] } },
    axes: [
      {
        ...axis,
        incrs: hourly ? HOUR_STEPS : DAY_STEPS,
        values: (_plot, seconds, _axis, _space, step) => seconds.map(momentLabel(zone, hourly, step)),
        grid: { show: false },
        space: 64,
        size: 30,
      },
      { ...axis, incrs: COUNT_STEPS, values: (_plot, counts) => counts.map((count) => compact.format(count)), grid, size: 48 },
    ],
    series: [
      {},
      line(".legend-page-views dt", (stroke) => translucent(stroke)),
      line(".legend-visitors dt"),
    ],
    hooks: { setCursor: [(plot) => showLegend(root, current(), plot.cursor.idx ?? null)] },
  };
}

function line(marker: string, fill?: (stroke: string) => string): uPlot.Series {
  const stroke = (): string => colour(marker, "backgroundColor", "::before");
  return {
    stroke,
    width: 2,
    ...(fill ? { fill: () => fill(stroke()) } : {}),
    points: { show: (plot) => plot.data[0].length < 3, size: 6 },
  };
}

function translucent(colour: string): string {
  return colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.09)");
}

function momentLabel(zone: string, hourly: boolean, step: number): (seconds: number) => string {
  const month = new Intl.DateTimeFormat("en-US", { timeZone: zone, month: "short" });
  const day = new Intl.DateTimeFormat("en-US", { timeZone: zone, day: "numeric" });
  const year = new Intl.DateTimeFormat("en-US", { timeZone: zone, year: "numeric" });
  const ofMonth = (moment: Date): string => `${day.format(moment)} ${month.format(moment)}`;
  const hour = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  return (seconds) => {
    const moment = new Date(seconds * 1000);
    if (!hourly) return step >= 30 * DAY ? `${month.format(moment)} ${year.format(moment)}` : ofMonth(moment);
    const label = hour.format(moment);
    return label === "00:00" ? ofMonth(moment) : label;
  };
}

/** The legend tells the bucket under the cursor, and the whole range where there is none. */
function showLegend(root: ParentNode, series: Series, index: number | null): void {
  const at = index !== null && index < series.times.length ? index : null;
  const values: Record<string, string> =
    at === null
      ? {}
      : {
          page_views: full.format(series.pageViews[at] ?? 0),
          visitors: full.format(series.visitors[at] ?? 0),
          label: series.labels[at] ?? "",
        };
  for (const cell of root.querySelectorAll<HTMLElement>("[data-legend] [data-value]")) {
    cell.textContent = values[cell.dataset["value"] ?? ""] ?? cell.dataset["total"] ?? "";
  }
}
