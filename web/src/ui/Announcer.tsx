import { useSyncExternalStore } from "react";

import { said, watchSaid } from "./announce";

/** The one place that a screen reader listens to for what has no place of its own on the screen. */
export function Announcer() {
  const text = useSyncExternalStore(watchSaid, said);
  return (
    <div className="hidden-text" role="status" data-announcer="">
      {text}
    </div>
  );
}
