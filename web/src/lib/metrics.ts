/** Reads Prometheus' text format, as far as the console shows it: names, labels and plain numbers. */
export interface Sample {
  labels: Record<string, string>;
  value: number;
}

export type Metrics = ReadonlyMap<string, readonly Sample[]>;

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function parseMetrics(text: string): Metrics {
  const found = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    const [, name, list, number] = LINE.exec(line) ?? [];
    if (name === undefined || number === undefined) continue;
    const labels: Record<string, string> = {};
    for (const [, key, value] of (list ?? "").matchAll(LABEL)) {
      if (key !== undefined && value !== undefined) labels[key] = value.replace(/\\(.)/g, "$1");
    }
    const samples = found.get(name) ?? [];
    samples.push({ labels, value: Number(number) });
    found.set(name, samples);
  }
  return found;
}

/** The sum of a metric over the samples that have these labels; 0 if there is none. */
export function total(metrics: Metrics | undefined, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels);
  const samples = metrics?.get(name) ?? [];
  return samples
    .filter((sample) => wanted.every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, sample) => sum + sample.value, 0);
}
