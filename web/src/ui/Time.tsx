import { useClock } from "@/lib/clock";
import { ago, exactTime, time } from "@/lib/format";
import { usePreferences } from "@/lib/preferences";

interface Props {
  at: string;
  /** With milliseconds, and always as a clock shows it. */
  exact?: boolean;
}

/** A time as it is preferred; the other way, and the time zone, are a hover away. */
export function Time({ at, exact = false }: Props) {
  const { times } = usePreferences();
  const isAgo = times === "ago" && !exact;
  const now = useClock(isAgo);
  return (
    <time dateTime={at} title={`${at} (${ago(at)})`}>
      {isAgo ? ago(at, Math.max(now, Date.parse(at))) : exact ? exactTime(at) : time(at)}
    </time>
  );
}
