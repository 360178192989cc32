import type { Topic } from "@/api/operator";
import { count } from "@/lib/format";

/** Offsets of each partition, in a line. */
export function Partitions({ topic }: { topic: Topic }) {
  return (
    <div className="stats">
      {topic.partitions.map(({ partition, startOffset, endOffset, messages }) => (
        <div className="stat" key={partition}>
          <span className="name">Partition {partition}</span>
          <span className="value">{count(messages)}</span>
          <span className="note mono">
            {startOffset} … {endOffset}
          </span>
        </div>
      ))}
    </div>
  );
}
