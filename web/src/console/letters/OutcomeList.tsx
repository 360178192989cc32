import type { DeadLetterOutcome } from "@/api/operator";

/** What replaying or discarding did, or would do. */
export function OutcomeList({ outcome }: { outcome: DeadLetterOutcome }) {
  const { discarded, replayed, stuck } = outcome;
  const nothing = discarded === null && replayed.length === 0 && stuck === null;
  return (
    <ul className="stack">
      {discarded !== null && (
        <li>
          <span className="mono">{discarded.id}</span>: {discarded.effect}
        </li>
      )}
      {replayed.map((effect) => (
        <li key={effect.id}>
          <span className="mono">{effect.id}</span>: {effect.effect}
        </li>
      ))}
      {stuck !== null && (
        <li className="bad">
          <span className="mono">{stuck.id}</span> stays: {stuck.error}
        </li>
      )}
      {nothing && <li>Nothing would change.</li>}
    </ul>
  );
}
