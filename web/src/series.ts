/** The series as the page's own table holds it: one source for people, assistive technology and the chart. */
export interface Series {
  /** Seconds since the epoch, the unit of the chart's time axis. */
  readonly times: number[];
  readonly pageViews: number[];
  readonly visitors: number[];
  readonly labels: string[];
}

export function readSeries(root: ParentNode): Series {
  const series: Series = { times: [], pageViews: [], visitors: [], labels: [] };
  for (const row of root.querySelectorAll<HTMLTableRowElement>("[data-series] tr")) {
    const time = row.querySelector("time");
    const [pageViews, visitors] = row.querySelectorAll("data");
    if (!time || !pageViews || !visitors) continue;
    series.times.push(Date.parse(time.dateTime) / 1000);
    series.labels.push(time.textContent ?? "");
    series.pageViews.push(Number(pageViews.value));
    series.visitors.push(Number(visitors.value));
  }
  return series;
}
