import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";

import {
  actOnLetter,
  letterKeys,
  letterOne,
  type DeadLetterDetails,
  type DeadLetterOutcome,
  type LetterAct,
} from "@/api/operator";
import { messageOf } from "@/api/problem";
import { plural } from "@/lib/format";
import { messagePath } from "@/lib/messages";
import { Button } from "@/ui/controls";
import { Sheet } from "@/ui/Dialog";
import { Copy } from "@/ui/Copy";
import { JsonView } from "@/ui/JsonView";
import { Failed, Loading } from "@/ui/pieces";
import { Time } from "@/ui/Time";
import { useToast } from "@/ui/toast";

import { OutcomeList } from "./OutcomeList";

/** One dead letter. What replaying or discarding would do is shown before it is done. */
export function LetterSheet({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, isPending, refetch } = useQuery(letterOne(id));
  return (
    <Sheet open onClose={onClose} title={id}>
      {isPending && <Loading rows={8} label="Loading the message" />}
      {error !== null && <Failed error={error} retry={() => void refetch()} />}
      {data !== undefined && (
        <>
          <Details letter={data} />
          <Acts letter={data} onDone={onClose} />
          <section className="stack">
            <h3>
              Payload <span className="muted">({data.payloadEncoding})</span>
            </h3>
            <JsonView value={data.payload} label="Payload" />
          </section>
        </>
      )}
    </Sheet>
  );
}

function Details({ letter }: { letter: DeadLetterDetails }) {
  return (
    <>
      {letter.error != null && <div className="callout bad">{letter.error}</div>}
      <dl className="facts">
        <dt>Message</dt>
        <dd>
          <Link className="link mono" to={messagePath(letter)}>
            {letter.topic} {letter.partition} : {letter.offset}
          </Link>
        </dd>
        <dt>Key</dt>
        <dd>
          <Copy text={letter.key} />
        </dd>
        <dt>Parked by</dt>
        <dd className="mono">{letter.group}</dd>
        <dt>Parked</dt>
        <dd>
          <Time at={letter.parkedAt} />, {plural(letter.attempts, "attempt")}
        </dd>
        <dt>In its queue</dt>
        <dd>{plural(letter.queue, "message")}</dd>
      </dl>
    </>
  );
}

interface Tried {
  act: LetterAct;
  outcome: DeadLetterOutcome;
}

function Acts({ letter, onDone }: { letter: DeadLetterDetails; onDone: () => void }) {
  const client = useQueryClient();
  const notify = useToast();
  const [tried, setTried] = useState<Tried | null>(null);
  const attempt = useMutation({
    mutationFn: (act: LetterAct) => actOnLetter(letter.id, act, true),
    onSuccess: (outcome, act) => setTried({ act, outcome }),
  });
  const act = useMutation({
    mutationFn: (chosen: LetterAct) => actOnLetter(letter.id, chosen, false),
    onSuccess: (outcome, chosen) => {
      void client.invalidateQueries({ queryKey: letterKeys.all });
      const done = outcome.replayed.length + (outcome.discarded === null ? 0 : 1);
      notify({
        title: chosen === "replay" ? "Replayed" : "Discarded",
        text: `${plural(done, "message")} no longer parked`,
      });
      onDone();
    },
  });
  const problem = act.error ?? attempt.error;
  if (letter.cause === "behind") {
    return (
      <div className="callout warn">
        <span>
          It waits behind{" "}
          <Link className="link mono" to={`/dead-letters?id=${letter.first}`}>
            {letter.first}
          </Link>
          , and follows by itself when that is replayed or discarded.
        </span>
      </div>
    );
  }
  return (
    <section className="stack">
      <div className="row wrap">
        <Button icon="play" disabled={attempt.isPending} onClick={() => attempt.mutate("replay")}>
          Try a replay
        </Button>
        <Button kind="danger" icon="close" disabled={attempt.isPending} onClick={() => attempt.mutate("discard")}>
          Try a discard
        </Button>
      </div>
      <p className="muted">A try changes nothing: it says what would happen.</p>
      {problem !== null && (
        <div className="callout bad" role="alert">
          {messageOf(problem)}
        </div>
      )}
      {tried !== null && (
        <div className="callout" role="status">
          <div className="stack">
            <OutcomeList outcome={tried.outcome} />
            <div className="row">
              <Button
                kind={tried.act === "replay" ? "primary" : "danger"}
                disabled={act.isPending}
                onClick={() => act.mutate(tried.act)}
              >
                {tried.act === "replay" ? "Replay it" : "Discard it"}
              </Button>
              <Button kind="ghost" onClick={() => setTried(null)}>
                Leave it
              </Button>
            </div>
          </div>
        </div>
      )}
    </section>
  );
}
