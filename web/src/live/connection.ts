/** One Socket.IO connection for the whole app. It resumes where it was; what it brings is handed on in batches. */
import { io, type Socket } from "socket.io-client";

import { baseOf } from "@/api/client";
import { token, watchToken } from "@/lib/token";

import { ORDER_EVENTS, type LiveMessage } from "./messages";

export type LiveState = "connecting" | "live" | "reconnecting";

export interface LiveSink {
  /** Changes, in order. */
  messages: (batch: readonly LiveMessage[]) => void;
  /** Changes were left out: what is shown has to be asked for anew. */
  reload: () => void;
}

/** Rows need not change more often than a person can see. */
const BATCH_MS = 120;

export class LiveConnection {
  #state: LiveState = "connecting";
  #seq: string | undefined;
  #waiting: LiveMessage[] = [];
  #isDue = false;
  readonly #watchers = new Set<() => void>();
  readonly #sinks = new Set<LiveSink>();
  readonly #socket: Socket;

  constructor() {
    this.#socket = io({
      path: `${baseOf("orders")}/socket.io`,
      transports: ["websocket", "polling"],
      autoConnect: false,
      reconnectionDelayMax: 3_000,
      auth: (give) =>
        give({
          ...(this.#seq === undefined ? {} : { seq: this.#seq }),
          ...(token() === "" ? {} : { token: token() }),
        }),
    });
    // Somebody else now, or a token in place of one that is over: what is shown is asked for anew.
    watchToken(() => {
      this.#seq = undefined;
      this.#socket.disconnect().connect();
    });
    const position = (said: { seq?: string }) => {
      if (said.seq !== undefined) this.#seq = said.seq;
    };
    for (const event of [...ORDER_EVENTS, "stock:changed"] as const) {
      this.#socket.on(event, (message: LiveMessage) => this.#take({ ...message, event } as LiveMessage));
    }
    this.#socket.on("ready", (said: { seq?: string; resumed?: boolean }) => {
      const missed = this.#state === "reconnecting" && said.resumed !== true;
      position(said);
      this.#become("live");
      if (missed) this.#reload();
    });
    this.#socket.on("position", position);
    this.#socket.on("reload", (said: { seq?: string }) => {
      position(said);
      this.#reload();
    });
    this.#socket.on("disconnect", () => this.#become("reconnecting"));
    this.#socket.on("connect_error", () => this.#become("reconnecting"));
  }

  readonly start = (): void => {
    this.#socket.connect();
  };

  readonly state = (): LiveState => this.#state;

  readonly watch = (changed: () => void): (() => void) => {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  };

  readonly listen = (sink: LiveSink): (() => void) => {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  };

  #take(message: LiveMessage): void {
    this.#seq = message.seq;
    this.#waiting.push(message);
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      const batch = this.#waiting;
      this.#waiting = [];
      this.#isDue = false;
      for (const sink of this.#sinks) sink.messages(batch);
    }, BATCH_MS);
  }

  #reload(): void {
    this.#waiting = [];
    for (const sink of this.#sinks) sink.reload();
  }

  #become(state: LiveState): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const changed of this.#watchers) changed();
  }
}
