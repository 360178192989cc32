/** Begins the list of messages at an offset or at a time, in one partition. */
import { useMutation } from "@tanstack/react-query";
import { Popover } from "radix-ui";
import { useState } from "react";

import { messageNear, type Topic } from "@/api/operator";
import { messageOf } from "@/api/problem";
import { offsetAt } from "@/lib/seek";
import { Button, Field, Input, Select } from "@/ui/controls";

interface Props {
  topic: Topic;
  partition: number | undefined;
  onJump: (partition: number, offset: number) => void;
}

export function JumpTo({ topic, partition, onJump }: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger asChild>
        <Button icon="right">Jump to…</Button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="popover" align="start" sideOffset={4} aria-label="Jump to">
          <Form
            topic={topic}
            partition={partition}
            onJump={(at, offset) => {
              setOpen(false);
              onJump(at, offset);
            }}
          />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Form({ topic, partition, onJump }: Props) {
  const [where, setWhere] = useState<"offset" | "time">("offset");
  const [number, setNumber] = useState(partition ?? 0);
  const [text, setText] = useState("");
  const bounds = topic.partitions.find((one) => one.partition === number);
  const jump = useMutation({
    mutationFn: async () => {
      if (where === "offset") return Number(text);
      const { startOffset: start = 0, endOffset: end = 0 } = bounds ?? {};
      const read = (offset: number) => messageNear({ topic: topic.name, partition: number, offset }, "on");
      const found = await offsetAt(read, { start, end }, Date.parse(text));
      if (found === null) throw new Error("No message is as old as that");
      return found;
    },
    onSuccess: (offset) => onJump(number, offset),
  });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        jump.mutate();
      }}
    >
      <Field label="Partition">
        {(field) => (
          <Select {...field} value={number} onChange={(event) => setNumber(Number(event.target.value))}>
            {topic.partitions.map((one) => (
              <option key={one.partition} value={one.partition}>
                {one.partition} (offsets {one.startOffset} to {one.endOffset})
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="To">
        {(field) => (
          <Select
            {...field}
            value={where}
            onChange={(event) => {
              setWhere(event.target.value as "offset" | "time");
              setText("");
            }}
          >
            <option value="offset">an offset</option>
            <option value="time">a time</option>
          </Select>
        )}
      </Field>
      <Field label={where === "offset" ? "Offset" : "Time"}>
        {(field) => (
          <Input
            {...field}
            key={where}
            required
            type={where === "offset" ? "number" : "datetime-local"}
            step={1}
            min={where === "offset" ? 0 : undefined}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
      {jump.error !== null && (
        <p className="bad" role="alert">
          {messageOf(jump.error)}
        </p>
      )}
      <Button kind="primary" type="submit" disabled={text === "" || jump.isPending}>
        {jump.isPending ? "Looking…" : "Jump"}
      </Button>
    </form>
  );
}
