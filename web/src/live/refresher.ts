/** Asks for answers anew, each at most once in a while: under load every batch would end the request of the one before. */
import type { QueryClient, QueryKey } from "@tanstack/react-query";

const PAUSE_MS = 1_000;

type Refresh = (key: QueryKey) => Promise<unknown>;

export class Refresher {
  readonly #client: QueryClient;
  readonly #waiting = new Set<string>();
  readonly #last = new Map<string, number>();

  constructor(client: QueryClient) {
    this.#client = client;
  }

  /** Soon, if it is known at all; `refresh` does it another way than by asking for all of it. */
  ask(key: QueryKey, refresh: Refresh = this.#again): void {
    const name = JSON.stringify(key);
    if (this.#client.getQueryState(key) === undefined || this.#waiting.has(name)) return;
    this.#waiting.add(name);
    const since = Date.now() - (this.#last.get(name) ?? 0);
    setTimeout(() => void this.#run(name, key, refresh), Math.max(0, PAUSE_MS - since));
  }

  async #run(name: string, key: QueryKey, refresh: Refresh): Promise<void> {
    this.#waiting.delete(name);
    this.#last.set(name, Date.now());
    // An answer that is under way may be from before the change.
    if (this.#client.isFetching({ queryKey: key, exact: true }) > 0) this.ask(key, refresh);
    else await refresh(key);
  }

  readonly #again: Refresh = (queryKey) => this.#client.invalidateQueries({ queryKey, exact: true });
}
