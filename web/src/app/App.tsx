import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useEffect } from "react";
import { RouterProvider } from "react-router/dom";

import { ApiProblem } from "@/api/problem";
import { LiveConnection } from "@/live/connection";
import { LiveContext } from "@/live/context";
import { PulseStore } from "@/live/pulse";
import { cacheSink } from "@/live/sink";
import { Announcer } from "@/ui/Announcer";
import { Toasts } from "@/ui/Toasts";

import { router } from "./router";

const MOST_RETRIES = 2;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: false,
      // What the server refuses, it refuses again.
      retry: (failures, error) => failures < MOST_RETRIES && error instanceof ApiProblem && error.isPassing,
    },
  },
});

const live = { connection: new LiveConnection(), pulse: new PulseStore() };
live.connection.listen(cacheSink(client));
live.connection.listen({ messages: (batch) => live.pulse.add(batch), reload: () => undefined });

export function App() {
  useEffect(() => {
    live.connection.start();
    const clock = setInterval(live.pulse.tick, 1_000);
    return () => clearInterval(clock);
  }, []);
  return (
    <QueryClientProvider client={client}>
      <LiveContext.Provider value={live}>
        <Toasts>
          <RouterProvider router={router} />
          <Announcer />
        </Toasts>
      </LiveContext.Provider>
    </QueryClientProvider>
  );
}
