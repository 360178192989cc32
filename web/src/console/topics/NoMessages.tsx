import { Button } from "@/ui/controls";
import { Empty } from "@/ui/pieces";

import type { Messages } from "./useMessages";

interface Props {
  isFiltered: boolean;
  following: boolean;
  tail: Messages;
}

export function NoMessages({ isFiltered, following, tail }: Props) {
  if (!isFiltered) {
    return (
      <Empty icon="topics" title="No messages">
        {following ? "Waiting for the first one." : "Follow live to see the first one as it comes."}
      </Empty>
    );
  }
  return (
    <Empty
      icon="filter"
      title="No loaded message matches"
      action={
        tail.hasMore ? (
          <Button disabled={tail.isLoadingMore} onClick={tail.loadMore}>
            Look further back
          </Button>
        ) : undefined
      }
    >
      The filter looks through what is loaded: {tail.messages.length} so far.
    </Empty>
  );
}
