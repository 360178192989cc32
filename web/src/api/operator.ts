/** Topics, consumer groups and dead letters, as an operator sees them. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { clientOf, orders, unwrap, type Schemas, type ServiceName } from "./client";

export type Topic = Schemas["Topic"];
export type Message = Schemas["Message"];
export type Group = Schemas["Group"];
export type DeadLetter = Schemas["DeadLetter"];
export type DeadLetterDetails = Schemas["DeadLetterDetails"];
export type DeadLetterOutcome = Schemas["DeadLetterOutcome"];

const SERVICES: readonly ServiceName[] = ["orders", "products"];
/** Counts move all the time. */
const REFRESH = 2_000;

export const topicList = queryOptions({
  queryKey: ["topics", "list"],
  queryFn: async ({ signal }) => (await unwrap(orders.GET("/api/v1/topics", { signal }))).data.topics,
  refetchInterval: REFRESH,
});

export const topicOne = (name: string) =>
  queryOptions({
    queryKey: ["topics", "one", name],
    queryFn: async ({ signal }) =>
      (await unwrap(orders.GET("/api/v1/topics/{name}", { params: { path: { name } }, signal }))).data.topic,
    refetchInterval: REFRESH,
  });

/** Which messages of a topic: of one partition or all, from the newest on or from an offset back. */
export interface Reading {
  name: string;
  partition: number | undefined;
  /** Needs a partition. */
  start: number | undefined;
}

export const topicMessages = ({ name, partition, start }: Reading) =>
  infiniteQueryOptions({
    queryKey: ["topics", "messages", name, partition ?? "all", start ?? "newest"],
    queryFn: ({ pageParam, signal }) => {
      const query = {
        from: "newest" as const,
        limit: 100,
        ...(partition === undefined ? {} : { partition }),
        ...(pageParam ? { cursor: pageParam } : start === undefined ? {} : { offset: start }),
      };
      const params = { path: { name }, query };
      return unwrap(orders.GET("/api/v1/topics/{name}/messages", { params, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.meta.nextCursor ?? undefined,
  });

/** What came after `cursor`; waits for it. */
export function followMessages(name: string, partition: number | undefined, cursor: string, signal: AbortSignal) {
  const query = {
    from: "oldest" as const,
    cursor,
    limit: 200,
    wait: 15,
    ...(partition === undefined ? {} : { partition }),
  };
  return unwrap(orders.GET("/api/v1/topics/{name}/messages", { params: { path: { name }, query }, signal }));
}

/** The message nearest to an offset: from there on, or from there back. Offsets may have gaps. */
export async function messageNear(
  place: { topic: string; partition: number; offset: number },
  way: "on" | "back",
  signal?: AbortSignal,
): Promise<Message | null> {
  const { topic: name, partition, offset } = place;
  const from = way === "on" ? ("oldest" as const) : ("newest" as const);
  const params = { path: { name }, query: { partition, offset, from, limit: 1 } };
  const asked = orders.GET("/api/v1/topics/{name}/messages", { params, ...(signal === undefined ? {} : { signal }) });
  return (await unwrap(asked)).data.messages[0] ?? null;
}

export const oneMessage = (topic: string, partition: number, offset: number) =>
  queryOptions({
    queryKey: ["topics", "message", topic, partition, offset],
    queryFn: async ({ signal }) => {
      const message = await messageNear({ topic, partition, offset }, "on", signal);
      return message?.offset === offset ? message : null;
    },
    staleTime: Infinity,
  });

/** What each service says; one that does not answer is named, and the other's part is shown. */
export interface FromBoth<T> {
  items: T[];
  away: { service: ServiceName; error: unknown }[];
}

async function fromBoth<T>(ask: (service: ServiceName) => Promise<T[]>): Promise<FromBoth<T>> {
  const asked = await Promise.allSettled(SERVICES.map(ask));
  const both: FromBoth<T> = { items: [], away: [] };
  asked.forEach((answer, index) => {
    const service = SERVICES[index] ?? "orders";
    if (answer.status === "fulfilled") both.items.push(...answer.value);
    else both.away.push({ service, error: answer.reason as unknown });
  });
  const first = both.away[0];
  if (first !== undefined && both.away.length === SERVICES.length) throw first.error;
  return both;
}

export const groupList = queryOptions({
  queryKey: ["groups"],
  queryFn: ({ signal }) =>
    fromBoth(async (service) => (await unwrap(clientOf(service).GET("/api/v1/groups", { signal }))).data.groups),
  refetchInterval: REFRESH,
});

/** How many messages are parked; the groups know. `undefined`: not asked yet. */
export const parkedIn = (groups: FromBoth<Group> | undefined): number | undefined =>
  groups?.items.reduce((sum, group) => sum + group.parked, 0);

export const letterKeys = { all: ["letters"] as const };

export interface LetterFilters {
  topic: string;
  order: string;
}

/** Where the list of each service goes on; a service that has no more is not there. */
type LetterCursors = Partial<Record<ServiceName, string>>;

export interface LetterPage extends FromBoth<DeadLetter> {
  next: LetterCursors;
}

const FIRST_LETTERS: LetterCursors = { orders: "", products: "" };

async function letterPage(filters: LetterFilters, cursors: LetterCursors, signal: AbortSignal): Promise<LetterPage> {
  const next: LetterCursors = {};
  const both = await fromBoth(async (service) => {
    const cursor = cursors[service];
    if (cursor === undefined) return [];
    const { topic, order } = filters;
    const query = { limit: 100, ...(topic && { topic }), ...(order && { order }), ...(cursor && { cursor }) };
    const answer = await unwrap(clientOf(service).GET("/api/v1/dead-letters", { params: { query }, signal }));
    if (answer.meta.nextCursor != null) next[service] = answer.meta.nextCursor;
    return answer.data.deadLetters;
  });
  both.items.sort((a, b) => a.parkedAt.localeCompare(b.parkedAt));
  return { ...both, next };
}

/** Both services' dead letters, page by page; each page in the order they were parked in. */
export const letterList = (filters: LetterFilters) =>
  infiniteQueryOptions({
    queryKey: [...letterKeys.all, "list", filters],
    queryFn: ({ pageParam, signal }) => letterPage(filters, pageParam, signal),
    initialPageParam: FIRST_LETTERS,
    getNextPageParam: ({ next }) => (Object.keys(next).length === 0 ? undefined : next),
  });

/** `orders-12` is parked by Orders. */
export const serviceOfLetter = (id: string): ServiceName => (id.startsWith("products-") ? "products" : "orders");

export const letterOne = (id: string) =>
  queryOptions({
    queryKey: ["letters", "one", id],
    queryFn: async ({ signal }) => {
      const params = { path: { id } };
      return (await unwrap(clientOf(serviceOfLetter(id)).GET("/api/v1/dead-letters/{id}", { params, signal }))).data
        .deadLetter;
    },
  });

export type LetterAct = "replay" | "discard";

export async function actOnLetter(id: string, act: LetterAct, dryRun: boolean): Promise<DeadLetterOutcome> {
  const client = clientOf(serviceOfLetter(id));
  const request = { params: { path: { id } }, body: { dryRun } };
  const asked =
    act === "replay"
      ? client.POST("/api/v1/dead-letters/{id}/replay", request)
      : client.POST("/api/v1/dead-letters/{id}/discard", request);
  return (await unwrap(asked)).data;
}
