/** The token that services are called with, where they ask for one. Kept for as long as this tab is open. */
import { useSyncExternalStore } from "react";

const KEY = "holdfast.token";

const watchers = new Set<() => void>();
let current: string | undefined;

function stored(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** The token; empty if there is none. */
export const token = (): string => (current ??= stored());

/** What a request says with it. */
export const authorization = (): Record<string, string> =>
  token() === "" ? {} : { authorization: `Bearer ${token()}` };

export function setToken(text: string): void {
  current = text.trim().replace(/^bearer\s+/i, "");
  try {
    if (current === "") sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, current);
  } catch {
    // Without storage the token lasts as long as the page.
  }
  for (const changed of watchers) changed();
}

/** Calls `changed` whenever the token does. */
export function watchToken(changed: () => void): () => void {
  watchers.add(changed);
  return () => {
    watchers.delete(changed);
  };
}

export const useToken = (): string => useSyncExternalStore(watchToken, token);

export interface Identity {
  subject: string;
  role: string;
}

/** Who a token says it is, to be shown; whether it is good, the services decide. */
export function identityOf(text: string): Identity | null {
  try {
    const payload = text.split(".")[1] ?? "";
    const json = new TextDecoder().decode(
      Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)),
    );
    const claims = JSON.parse(json) as { sub?: unknown; role?: unknown };
    if (typeof claims.sub !== "string" || typeof claims.role !== "string") return null;
    return { subject: claims.sub, role: claims.role };
  } catch {
    return null;
  }
}
