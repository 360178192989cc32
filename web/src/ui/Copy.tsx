import { useEffect, useState, type ReactNode } from "react";

import { announce } from "./announce";
import { Button } from "./controls";
import { Icon } from "./Icon";

const SAID_MS = 1_200;

/** Copies, and says so for a moment. Over http from another machine there is no clipboard. */
function useCopy(text: string): [copied: boolean, copy: () => void] {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SAID_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    if (!("clipboard" in navigator)) return;
    await navigator.clipboard.writeText(text);
    setCopied(true);
    announce("Copied");
  };
  return [copied, () => void copy()];
}

/** A text that one click copies. */
export function Copy({ text, children }: { text: string; children?: ReactNode }) {
  const [copied, copy] = useCopy(text);
  return (
    <button type="button" className="copy mono" title={`Copy ${text}`} onClick={copy}>
      {children ?? text}
      <Icon name={copied ? "check" : "copy"} size={12} />
    </button>
  );
}

/** Beside a link, which a click would follow. */
export function CopyIcon({ text, what }: { text: string; what: string }) {
  const [copied, copy] = useCopy(text);
  return (
    <button type="button" className="copy-icon" aria-label={`Copy ${what}`} title={`Copy ${what}`} onClick={copy}>
      <Icon name={copied ? "check" : "copy"} size={12} />
    </button>
  );
}

export function CopyButton({ text, children }: { text: string; children: ReactNode }) {
  const [copied, copy] = useCopy(text);
  return (
    <Button size="small" kind="ghost" icon={copied ? "check" : "copy"} onClick={copy}>
      {children}
    </Button>
  );
}
