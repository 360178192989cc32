/** What is shown where a screen is not there. */
import { Link, useRouteError } from "react-router";

import { Empty, Failed } from "@/ui/pieces";

export function Missing({ home }: { home: string }) {
  return (
    <div className="page">
      <h1 className="hidden-text">Not found</h1>
      <Empty
        icon="search"
        title="There is nothing at this address"
        action={
          <Link className="button" to={home}>
            Go to the start
          </Link>
        }
      >
        The link may be old, or a letter is missing.
      </Empty>
    </div>
  );
}

/** Also after an update of the server: a screen's old file is gone then, and a reload gets the new one. */
export function RouteFailed() {
  const error = useRouteError();
  return (
    <main className="page">
      <Failed error={error} title="This screen could not be shown" retry={() => window.location.reload()} />
    </main>
  );
}
