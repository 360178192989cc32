import { Toast } from "radix-ui";
import { useCallback, useRef, useState, type ReactNode } from "react";

import { Button } from "./controls";
import { ToastContext, type Notice } from "./toast";

interface Shown extends Notice {
  id: number;
}

const MOST = 4;
const SHOWN_MS = 6_000;

/** Announces notices to screen readers too; Radix sees to that. */
export function Toasts({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<readonly Shown[]>([]);
  const next = useRef(0);
  const notify = useCallback((notice: Notice) => {
    next.current += 1;
    const id = next.current;
    setShown((all) => [...all, { ...notice, id }].slice(-MOST));
  }, []);
  const remove = (id: number) => setShown((all) => all.filter((notice) => notice.id !== id));
  return (
    <ToastContext.Provider value={notify}>
      <Toast.Provider duration={SHOWN_MS} swipeDirection="right" label="Notice">
        {children}
        {shown.map((notice) => (
          <Toast.Root key={notice.id} className="toast" onOpenChange={(open) => !open && remove(notice.id)}>
            <span className={`dot ${notice.tone ?? "good"}`} />
            <div>
              <Toast.Title className="strong">{notice.title}</Toast.Title>
              {notice.text !== undefined && <Toast.Description className="muted">{notice.text}</Toast.Description>}
            </div>
            <Toast.Close asChild>
              <Button kind="ghost" size="small" icon="close" label="Dismiss" />
            </Toast.Close>
          </Toast.Root>
        ))}
        <Toast.Viewport className="toasts" />
      </Toast.Provider>
    </ToastContext.Provider>
  );
}
