/** A topic's messages: pages backwards from the newest, and, while it is followed, what comes after them. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";

import { followMessages, topicMessages, type Message, type Reading } from "@/api/operator";
import { messageOf } from "@/api/problem";

import { messageId } from "./columns";

/** Followed messages that are kept; older ones are a reload away. */
const MOST_FOLLOWED = 5_000;
const PAUSE_MS = 2_000;

interface Followed {
  of: string;
  messages: readonly Message[];
  cursor: string;
}

export interface Messages {
  messages: Message[];
  fresh: ReadonlySet<string>;
  isPending: boolean;
  /** Why the last attempt failed, while another one is made. */
  problem: Error | null;
  error: Error | null;
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore: () => void;
  retry: () => void;
}

export function useMessages(reading: Reading, following: boolean): Messages {
  const { name, partition, start } = reading;
  const query = useInfiniteQuery({ ...topicMessages(reading), staleTime: Infinity, gcTime: 0 });
  const of = `${name}/${partition ?? "all"}/${start ?? "newest"}`;
  const [followed, setFollowed] = useState<Followed>({ of, messages: [], cursor: "" });
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const first = query.data?.pages[0]?.meta.followCursor ?? "";
  const known = followed.of === of ? followed : { of, messages: [], cursor: "" };
  const cursor = known.cursor || first;

  useEffect(() => {
    if (!following || start !== undefined || cursor === "") return;
    const stop = new AbortController();
    const isOver = () => stop.signal.aborted;
    const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
    const ask = async () => {
      try {
        const answer = await followMessages(name, partition, cursor, stop.signal);
        const next = answer.meta.followCursor ?? answer.meta.nextCursor ?? cursor;
        // Read from the oldest on, shown from the newest on.
        const news = [...answer.data.messages].reverse();
        if (isOver()) return;
        setFresh(new Set(news.slice(0, 40).map(messageId)));
        setFollowed((now) => {
          const kept = now.of === of ? now.messages : [];
          return { of, cursor: next, messages: [...news, ...kept].slice(0, MOST_FOLLOWED) };
        });
        // The same cursor again: nothing came, so ask once more.
        if (next === cursor) await ask();
      } catch (error) {
        if (isOver()) return;
        console.warn(`following ${name}: ${messageOf(error)}`);
        await pause(PAUSE_MS);
        if (!isOver()) await ask();
      }
    };
    void ask();
    return () => stop.abort();
  }, [following, name, partition, start, cursor, of]);

  const messages = useMemo(() => {
    const pages = query.data?.pages.flatMap((page) => page.data.messages) ?? [];
    return [...known.messages, ...pages];
  }, [known.messages, query.data]);
  return {
    messages,
    fresh,
    isPending: query.isPending,
    problem: query.failureReason,
    error: query.error,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage(),
    retry: () => void query.refetch(),
  };
}
