/** The two services, typed by their own API document. Both are reached through the server that the page came from. */
import createClient from "openapi-fetch";

import { authorization } from "@/lib/token";

import { ApiProblem, problemOf } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type ServiceName = "orders" | "products";

/** Where a service's own paths begin. */
export const baseOf = (service: ServiceName): string => `/services/${service}`;

export const orders = createClient<paths>({ baseUrl: baseOf("orders") });
export const products = createClient<paths>({ baseUrl: baseOf("products") });
/** Each call shows the token, if there is one. */
for (const client of [orders, products]) {
  client.use({
    onRequest: ({ request }) => {
      for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
      return request;
    },
  });
}
export const clientOf = (service: ServiceName) => (service === "orders" ? orders : products);

interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

/** The body of a good answer; anything else is thrown as an `ApiProblem`. */
export async function unwrap<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiProblem({ status: 0, code: "OFFLINE", message: "The server cannot be reached" });
  }
  if (answer.response.ok && answer.data !== undefined) return answer.data;
  throw problemOf(answer.response.status, answer.error);
}

/** Calls of the web server itself, which the services' document does not have. */
export async function call<T>(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<T> {
  const request: RequestInit = { method, headers: authorization() };
  if (body !== undefined) {
    request.headers = { ...authorization(), "content-type": "application/json" };
    request.body = JSON.stringify(body);
  }
  const asked = fetch(path, request).then(async (response): Promise<Answer<{ data: T }>> => {
    const read: unknown = await response.json().catch(() => undefined);
    return response.ok ? { data: read as { data: T }, response } : { error: read, response };
  });
  return (await unwrap(asked)).data;
}

/** A key that makes a changing call safe to repeat. */
export const freshKey = (): string =>
  // Not `randomUUID`: a page that came over http from another machine does not have it.
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
