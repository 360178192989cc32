/** Key, headers and payload of one message, and the way to its neighbours, its order and its product. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { messageNear, oneMessage, type Message } from "@/api/operator";
import { plural } from "@/lib/format";
import { addressOf, messagePath, subjectOf, type Place } from "@/lib/messages";
import { Button } from "@/ui/controls";
import { Copy, CopyButton, CopyIcon } from "@/ui/Copy";
import { Sheet } from "@/ui/Dialog";
import { JsonView } from "@/ui/JsonView";
import { Empty, Failed, Loading } from "@/ui/pieces";
import { Time } from "@/ui/Time";

interface Props {
  place: Place;
  /** The message, if the list has it. */
  known: Message | undefined;
  onMove: (place: Place) => void;
  onClose: () => void;
}

export function MessageSheet({ place, known, onMove, onClose }: Props) {
  const asked = useQuery({ ...oneMessage(place.topic, place.partition, place.offset), enabled: known === undefined });
  const message = known ?? asked.data;
  const title = message == null ? `${place.partition} : ${place.offset}` : (message.eventType ?? "Unreadable message");
  return (
    <Sheet open onClose={onClose} title={title} tools={<Neighbours place={place} onMove={onMove} />}>
      {message === undefined && asked.isPending && <Loading rows={8} label="Loading the message" />}
      {asked.error !== null && <Failed error={asked.error} retry={() => void asked.refetch()} />}
      {message === null && (
        <Empty icon="topics" title="Not kept any more">
          Offset {place.offset} of partition {place.partition} is outside of what the topic keeps.
        </Empty>
      )}
      {message != null && <Details message={message} />}
    </Sheet>
  );
}

function Neighbours({ place, onMove }: Pick<Props, "place" | "onMove">) {
  const go = useMutation({
    mutationFn: (way: "on" | "back") => {
      const offset = place.offset + (way === "on" ? 1 : -1);
      return offset < 0 ? Promise.resolve(null) : messageNear({ ...place, offset }, way);
    },
    onSuccess: (message) => {
      if (message !== null) onMove(message);
    },
  });
  // What it was asked from is not where one is after a move.
  const end = go.data === null ? go.variables : undefined;
  return (
    <>
      <Button
        kind="ghost"
        icon="left"
        label="Older message of the partition"
        disabled={end === "back" || go.isPending}
        onClick={() => go.mutate("back")}
      />
      <Button
        kind="ghost"
        icon="right"
        label="Newer message of the partition"
        disabled={end === "on" || go.isPending}
        onClick={() => go.mutate("on")}
      />
    </>
  );
}

function Details({ message }: { message: Message }) {
  const { topic, partition, offset, timestamp, key, headers, payload, payloadEncoding } = message;
  const subject = subjectOf(payload);
  const named = Object.entries(headers);
  return (
    <>
      <dl className="facts">
        <dt>Topic</dt>
        <dd className="mono">{topic}</dd>
        <dt>Partition, offset</dt>
        <dd className="row">
          <span className="mono">
            {partition} : {offset}
          </span>
          <CopyButton text={`${window.location.origin}${messagePath(message)}`}>Copy link</CopyButton>
        </dd>
        <dt>Time</dt>
        <dd>
          <Time at={timestamp} exact />
        </dd>
        <dt>Key</dt>
        <dd>{key === "" ? <span className="muted">none</span> : <Copy text={key} />}</dd>
        {subject !== undefined && (
          <>
            <dt>{subject.what}</dt>
            <dd className="row">
              <Link className="link mono" to={`${subject.to}?at=${addressOf(message)}`}>
                {subject.id}
              </Link>
              <CopyIcon text={subject.id} what={`the ${subject.what.toLowerCase()}'s id`} />
            </dd>
          </>
        )}
      </dl>
      <section className="stack">
        <h3>
          Payload <span className="muted">({payloadEncoding})</span>
        </h3>
        <JsonView value={payload} label="Payload" />
      </section>
      <section className="stack">
        <h3>{plural(named.length, "header")}</h3>
        <dl className="facts mono">
          {named.map(([name, value]) => (
            <div className="fact-line" key={name}>
              <dt>{name}</dt>
              <dd>
                <Copy text={value} />
              </dd>
            </div>
          ))}
        </dl>
      </section>
    </>
  );
}
