/** What is done to the bus itself: the server plays a foreign writer. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { letterKeys } from "@/api/operator";
import { messageOf } from "@/api/problem";
import { consumerState, demo } from "@/api/system";
import { count } from "@/lib/format";
import { messagePath } from "@/lib/messages";
import { Button } from "@/ui/controls";

function Said({ error, children }: { error: Error | null; children: ReactNode }) {
  return <div role="status">{error === null ? children : <span className="bad">{messageOf(error)}</span>}</div>;
}

export function PoisonAct() {
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: demo.poison,
    onSuccess: () => client.invalidateQueries({ queryKey: letterKeys.all }),
  });
  const place = act.data;
  return (
    <section className="act">
      <h2>Poison message</h2>
      <p>
        A message that no one can read, in the middle of the requests for stock. It is parked; every order behind it
        goes on.
      </p>
      <Said error={act.error}>
        {place !== undefined && (
          <>
            Put at{" "}
            <Link className="link mono" to={messagePath(place)}>
              {place.partition}:{place.offset}
            </Link>
            ; see{" "}
            <Link className="link" to="/dead-letters">
              dead letters
            </Link>
            .
          </>
        )}
      </Said>
      <div className="does">
        <Button kind="primary" disabled={act.isPending} onClick={() => act.mutate()}>
          Send poison
        </Button>
      </div>
    </section>
  );
}

export function ConsumerAct({ isPaused }: { isPaused: boolean }) {
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: () => demo.setPaused(!isPaused),
    onSuccess: (state) => client.setQueryData(consumerState.queryKey, state),
  });
  return (
    <section className="act">
      <h2>Paused consumer</h2>
      <p>
        Products stops taking messages in. Orders are still accepted; the lag grows, and all of it is decided when it
        goes on.
      </p>
      <Said error={act.error}>
        {isPaused ? <span className="bad">Paused: place some orders and watch the lag.</span> : null}
      </Said>
      <div className="does">
        <Button
          kind={isPaused ? "primary" : "plain"}
          icon={isPaused ? "play" : "pause"}
          disabled={act.isPending}
          onClick={() => act.mutate()}
        >
          {isPaused ? "Go on" : "Pause Products"}
        </Button>
      </div>
    </section>
  );
}

export function DuplicatesAct() {
  const act = useMutation({ mutationFn: demo.duplicates });
  return (
    <section className="act">
      <h2>Duplicated stream</h2>
      <p>
        The newest requests and answers once more, both ways, as a broker may deliver them. No stock moves, no order
        changes.
      </p>
      <Said error={act.error}>
        {act.data !== undefined && (
          <>
            {count(act.data.requests)} requests and {count(act.data.answers)} answers were sent again.
          </>
        )}
      </Said>
      <div className="does">
        <Button kind="primary" disabled={act.isPending} onClick={() => act.mutate()}>
          Send everything twice
        </Button>
      </div>
    </section>
  );
}
