/** Dialogs and side sheets over Radix: focus stays inside, Escape closes, what is behind is not read. */
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";

import { Button } from "./controls";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: string;
  description?: string | undefined;
  children: ReactNode;
}

function Frame({ open, onClose, children }: Pick<DialogProps, "open" | "onClose" | "children">) {
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        {/* Not Radix' overlay: it locks scrolling with a style element, which the content security policy forbids. */}
        <div className="veil" aria-hidden="true" />
        {children}
      </Radix.Portal>
    </Radix.Root>
  );
}

export function Dialog({ open, onClose, title, description, children }: DialogProps) {
  return (
    <Frame open={open} onClose={onClose}>
      <Radix.Content className="dialog" {...(description === undefined ? { "aria-describedby": undefined } : {})}>
        <div className="stack">
          <Radix.Title asChild>
            <h2>{title}</h2>
          </Radix.Title>
          {description !== undefined && <Radix.Description className="muted">{description}</Radix.Description>}
        </div>
        {children}
      </Radix.Content>
    </Frame>
  );
}

export function Sheet({ open, onClose, title, children }: Omit<DialogProps, "description">) {
  return (
    <Frame open={open} onClose={onClose}>
      <Radix.Content className="sheet" aria-describedby={undefined}>
        <header className="sheet-head">
          <Radix.Title asChild>
            <h2 className="grow">{title}</h2>
          </Radix.Title>
          <Radix.Close asChild>
            <Button kind="ghost" icon="close" label="Close" />
          </Radix.Close>
        </header>
        <div className="sheet-body">{children}</div>
      </Radix.Content>
    </Frame>
  );
}

export function Drawer({ open, onClose, title, children }: Omit<DialogProps, "description">) {
  return (
    <Frame open={open} onClose={onClose}>
      <Radix.Content className="drawer" aria-describedby={undefined}>
        <Radix.Title className="hidden-text">{title}</Radix.Title>
        {children}
      </Radix.Content>
    </Frame>
  );
}
