import type { InfiniteData, QueryClient, QueryKey } from "@tanstack/react-query";

/** Asks for lists anew from their first page: not for each page that was scrolled to. */
export async function restart(client: QueryClient, queryKey: QueryKey): Promise<void> {
  for (const query of client.getQueryCache().findAll({ queryKey })) {
    client.setQueryData<InfiniteData<unknown>>(query.queryKey, (data) =>
      data !== undefined && Array.isArray(data.pages) && data.pages.length > 1
        ? { pages: data.pages.slice(0, 1), pageParams: data.pageParams.slice(0, 1) }
        : data,
    );
  }
  await client.invalidateQueries({ queryKey });
}
