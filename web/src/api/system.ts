/** How the system is: configuration, readiness, metrics, and what the demo can do to it. */
import { queryOptions } from "@tanstack/react-query";

import { parseMetrics, type Metrics } from "@/lib/metrics";
import { authorization } from "@/lib/token";

import { ApiProblem } from "./problem";
import { baseOf, call, type ServiceName } from "./client";

export interface Config {
  version: string;
  currency: string;
  bus: "embedded" | "kafka";
  demo: boolean;
  /** Whether the services ask for a token. */
  authentication: boolean;
}

export const config = queryOptions({
  queryKey: ["config"],
  queryFn: () => call<Config>("GET", "/config"),
  staleTime: Infinity,
});

export interface Readiness {
  ready: boolean;
  problem: string;
}

export const readiness = (service: ServiceName) =>
  queryOptions({
    queryKey: ["ready", service],
    queryFn: async (): Promise<Readiness> => {
      try {
        await call("GET", `${baseOf(service)}/health/ready`);
        return { ready: true, problem: "" };
      } catch (error) {
        if (error instanceof ApiProblem && error.status > 0) return { ready: false, problem: error.message };
        throw error;
      }
    },
    refetchInterval: 5_000,
  });

export const metrics = queryOptions({
  queryKey: ["metrics"],
  queryFn: async ({ signal }): Promise<Metrics> => {
    const response = await fetch(`${baseOf("orders")}/metrics`, { signal, headers: authorization() });
    if (!response.ok) throw new ApiProblem({ status: response.status, code: "METRICS", message: "No metrics" });
    return parseMetrics(await response.text());
  },
  refetchInterval: 2_000,
});

export const demo = {
  poison: () => call<{ topic: string; partition: number; offset: number }>("POST", "/demo/poison"),
  duplicates: () => call<{ requests: number; answers: number }>("POST", "/demo/duplicates"),
  setPaused: (paused: boolean) => call<{ paused: boolean }>("PUT", "/demo/consumer", { paused }),
};

export const consumerState = queryOptions({
  queryKey: ["demo", "consumer"],
  queryFn: () => call<{ paused: boolean }>("GET", "/demo/consumer"),
  refetchInterval: 3_000,
});
