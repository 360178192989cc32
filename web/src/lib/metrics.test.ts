import { expect, test } from "vitest";

import { parseMetrics, total } from "./metrics";

const TEXT = `# HELP orders_created_total x
# TYPE orders_created_total counter
orders_created_total 41
orders_stock_decided_total{outcome="reserved"} 30
orders_stock_decided_total{outcome="rejected",why="a \\"b\\", c"} 11
broken line{
http_request_duration_seconds_bucket{le="+Inf"} 1.5e3
`;

test("samples are read with their labels, and what is no sample is passed over", () => {
  const metrics = parseMetrics(TEXT);
  expect(total(metrics, "orders_created_total")).toBe(41);
  expect(total(metrics, "orders_stock_decided_total")).toBe(41);
  expect(total(metrics, "orders_stock_decided_total", { outcome: "rejected" })).toBe(11);
  expect(metrics.get("orders_stock_decided_total")?.[1]?.labels.why).toBe('a "b", c');
  expect(total(metrics, "http_request_duration_seconds_bucket", { le: "+Inf" })).toBe(1_500);
  expect(total(undefined, "orders_created_total") + total(metrics, "nothing")).toBe(0);
});
