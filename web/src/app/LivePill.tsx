import { useLasting } from "@/lib/hooks";
import { useLiveState } from "@/live/context";

const WORDS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" } as const;
const TONES = { connecting: "warn", live: "good beats", reconnecting: "bad" } as const;

/** Whether changes come in by themselves. */
export function LivePill() {
  const state = useLiveState();
  return (
    <span className="pill" role="status" data-live={state}>
      <span className={`dot ${TONES[state]}`} />
      <span className="word">{WORDS[state]}</span>
    </span>
  );
}

/** A connection that takes longer than this is no longer on its way. */
const PATIENCE_MS = 5_000;

/** Above the page while nothing comes in. */
export function OfflineNotice() {
  const state = useLiveState();
  const waits = useLasting(state === "connecting", PATIENCE_MS);
  if (state !== "reconnecting" && !waits) return null;
  return (
    <div className="notice" role="alert">
      <span className="dot bad" />
      {waits
        ? "Changes do not come in yet: the server waits for its event bus, or cannot be reached."
        : "Not connected. What you see may be old; changes are caught up with as soon as the server is back."}
    </div>
  );
}
