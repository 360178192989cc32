/** A line over time, drawn by uPlot in the design's colours. */
import "uplot/dist/uPlot.min.css";

import { useEffect, useRef } from "react";
import uPlot from "uplot";

export interface Series {
  label: string;
  /** One bar for each value, not a line. */
  bars?: boolean;
  /** A design token: `--accent`. */
  color: string;
  values: readonly (number | null)[];
  steps?: boolean;
  fill?: boolean;
}

interface ChartProps {
  /** What it shows, for who cannot see it. */
  label: string;
  /** Seconds since the epoch. */
  times: readonly number[];
  series: readonly Series[];
  height?: number;
  /** How a value is written beside the axis. */
  format?: (value: number) => string;
}

const STEPS = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power));
const MINUTE = 60;
const DAY = 86_400;

/** As fine as the ticks are. */
function clockOf(seconds: number, step: number): string {
  const at = new Date(seconds * 1_000);
  const options: Intl.DateTimeFormatOptions =
    step >= DAY
      ? { day: "2-digit", month: "short" }
      : { hour: "2-digit", minute: "2-digit", ...(step < MINUTE ? { second: "2-digit" } : {}) };
  return new Intl.DateTimeFormat("en-GB", options).format(at);
}

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function optionsFor(
  series: readonly Series[],
  width: number,
  height: number,
  format: (v: number) => string,
): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [0.7, 10] });
  const axis: uPlot.Axis = {
    stroke: token("--ink-3"),
    grid: { stroke: token("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui",
  };
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  return {
    width,
    height,
    padding: [8, 28, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, low, high) => [Math.min(0, low), Math.max(1, high * 1.08)] } },
    axes: [
      {
        ...axis,
        size: 28,
        space: 72,
        grid: { show: false },
        values: (_, ticks, __, ___, step) => ticks.map((tick) => clockOf(tick, step)),
      },
      // What is counted has no halves.
      { ...axis, size: 44, incrs: STEPS, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...series.map(({ label, color, steps, fill, bars: barred }): uPlot.Series => {
        const stroke = token(color);
        return {
          label,
          stroke,
          width: 1.5,
          points: { show: false },
          ...(steps === true && stepped !== undefined ? { paths: stepped } : {}),
          ...(barred === true && bars !== undefined ? { paths: bars, fill: stroke, width: 0 } : {}),
          ...(fill === true ? { fill: `${stroke}1f` } : {}),
        };
      }),
    ],
  };
}

export function Chart({ label, times, series, height = 180, format = String }: ChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef({ times, series, format });
  const shape = series.map((line) => line.label).join();

  useEffect(() => {
    latest.current = { times, series, format };
  });

  useEffect(() => {
    const box = holder.current;
    if (box === null) return;
    const make = () => {
      plot.current?.destroy();
      const { times: x, series: lines, format: written } = latest.current;
      const data = [[...x], ...lines.map((line) => [...line.values])] as uPlot.AlignedData;
      plot.current = new uPlot(optionsFor(lines, box.clientWidth, height, written), data, box);
    };
    make();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: box.clientWidth, height }));
    resized.observe(box);
    // Colours are read when it is made, so another theme means another plot.
    const themed = new MutationObserver(make);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      resized.disconnect();
      themed.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [height, shape]);

  useEffect(() => {
    plot.current?.setData([[...times], ...series.map((line) => [...line.values])] as uPlot.AlignedData);
  }, [times, series]);

  return <div ref={holder} className="chart" role="img" aria-label={label} style={{ height }} />;
}
