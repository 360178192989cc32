import { useLiveState } from "@/live/context";

const WORDS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" } as const;
const TONES = { connecting: "warn", live: "good beats", reconnecting: "bad" } as const;

/** Whether changes come in by themselves. */
export function LivePill() {
  const state = useLiveState();
  return (
    <span className="pill" role="status" data-live={state}>
      <span className={`dot ${TONES[state]}`} />
      {WORDS[state]}
    </span>
  );
}

/** Above the page while nothing comes in. */
export function OfflineNotice() {
  const state = useLiveState();
  if (state !== "reconnecting") return null;
  return (
    <div className="notice" role="alert">
      <span className="dot bad" />
      Not connected. What you see may be old; changes are caught up with as soon as the server is back.
    </div>
  );
}
