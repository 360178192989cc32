/** A line without axes: where a number has been going. */
const WIDTH = 96;
const HEIGHT = 20;

export function Sparkline({ values, label }: { values: readonly number[]; label: string }) {
  const top = Math.max(1, ...values);
  const drawn = values.length === 1 ? [...values, ...values] : values;
  const step = WIDTH / Math.max(1, drawn.length - 1);
  const points = drawn.map((value, index) => {
    const y = HEIGHT - 1 - (value / top) * (HEIGHT - 2);
    return `${(index * step).toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg className="sparkline" width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <polyline points={points.join(" ")} />
    </svg>
  );
}
