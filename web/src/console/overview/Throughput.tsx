import { usePulse } from "@/live/context";
import { WINDOW } from "@/live/pulse";
import { Chart } from "@/ui/Chart";
import { Panel } from "@/ui/pieces";

/** Orders of each of the last seconds. */
export function Throughput() {
  const { second, placed, rejected } = usePulse();
  const times = placed.map((_, index) => second - WINDOW + 1 + index);
  return (
    <Panel title="Orders placed and rejected, each second" aside={<Legend />}>
      <div className="panel-body">
        <Chart
          label={`Orders placed in the last ${WINDOW} seconds: ${placed.reduce((sum, n) => sum + n, 0)}`}
          times={times}
          height={190}
          series={[
            { label: "placed", color: "--accent", values: placed, bars: true },
            { label: "rejected", color: "--bad-strong", values: rejected, bars: true },
          ]}
        />
      </div>
    </Panel>
  );
}

function Legend() {
  return (
    <span className="row muted">
      <span className="dot legend-placed" /> placed <span className="dot legend-rejected" /> rejected
    </span>
  );
}
