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

export const topicMessages = (name: string, partition: number | undefined) =>
  infiniteQueryOptions({
    queryKey: ["topics", "messages", name, partition ?? "all"],
    queryFn: ({ pageParam, signal }) => {
      const query = {
        limit: 100,
        ...(partition === undefined ? {} : { partition }),
        ...(pageParam ? { cursor: pageParam } : {}),
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

export const oneMessage = (name: string, partition: number, offset: number) =>
  queryOptions({
    queryKey: ["topics", "message", name, partition, offset],
    queryFn: async ({ signal }) => {
      const params = { path: { name }, query: { partition, offset, limit: 1 } };
      const answer = await unwrap(orders.GET("/api/v1/topics/{name}/messages", { params, signal }));
      return answer.data.messages.find((message) => message.offset === offset) ?? null;
    },
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

export const letterKeys = { all: ["letters"] as const };

export const letterList = queryOptions({
  queryKey: ["letters", "list"],
  queryFn: ({ signal }) =>
    fromBoth(async (service) => {
      const params = { query: { limit: 200 } };
      const answer = await unwrap(clientOf(service).GET("/api/v1/dead-letters", { params, signal }));
      return answer.data.deadLetters;
    }),
  refetchInterval: REFRESH * 2,
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
