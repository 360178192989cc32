/** Harm that one can do to the running system, and the lights that say that it held. */
import { useQuery } from "@tanstack/react-query";

import { config, consumerState } from "@/api/system";
import { Throughput } from "@/console/overview/Throughput";
import { useTitle } from "@/lib/hooks";
import { Empty, PageHead, Panel } from "@/ui/pieces";

import { ConsumerAct, DuplicatesAct, PoisonAct } from "./BusActs";
import { LoadAct } from "./LoadAct";
import { SaleAct } from "./SaleAct";
import { Witness } from "./Witness";

export function TryIt() {
  useTitle("Try it");
  const { data: settings } = useQuery(config);
  const { data: consumer } = useQuery({ ...consumerState, enabled: settings?.demo === true });
  if (settings?.demo === false) {
    return (
      <div className="page">
        <PageHead title="Try it" />
        <Panel>
          <Empty icon="try" title="This server is not in demo mode">
            It is on by default where holdfast runs with SAMPLE_DATA on loopback and on the embedded bus.
          </Empty>
        </Panel>
      </div>
    );
  }
  return (
    <div className="page">
      <PageHead
        title="Try it"
        lead="Load it, break a message, stop a consumer. Then look whether anything was lost or sold twice."
      />
      <Witness isPaused={consumer?.paused === true} />
      <div className="acts">
        <LoadAct />
        <SaleAct />
        <PoisonAct />
        <ConsumerAct isPaused={consumer?.paused === true} />
        <DuplicatesAct />
      </div>
      <Throughput />
    </div>
  );
}
