/** Dialogs and side sheets over Radix: focus stays inside, Escape closes, what is behind is not read. */
import { Dialog as Radix } from "radix-ui";
import { useRef, type ReactNode } from "react";

import { Button } from "./controls";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: string;
  description?: string | undefined;
  children: ReactNode;
}

/** Gives the focus back to where it was: these dialogs have no trigger of Radix' that would. */
function useFocusBack() {
  const before = useRef<Element | null>(null);
  return {
    onOpenAutoFocus: () => {
      before.current = document.activeElement;
    },
    onCloseAutoFocus: (event: Event) => {
      event.preventDefault();
      if (before.current instanceof HTMLElement) before.current.focus();
    },
  };
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
  const focusBack = useFocusBack();
  return (
    <Frame open={open} onClose={onClose}>
      <Radix.Content
        className="dialog"
        {...focusBack}
        {...(description === undefined ? { "aria-describedby": undefined } : {})}
      >
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

interface SheetProps extends Omit<DialogProps, "description"> {
  /** Buttons beside the title. */
  tools?: ReactNode;
}

export function Sheet({ open, onClose, title, tools, children }: SheetProps) {
  const { onOpenAutoFocus, onCloseAutoFocus } = useFocusBack();
  return (
    <Frame open={open} onClose={onClose}>
      <Radix.Content
        className="sheet"
        aria-describedby={undefined}
        onCloseAutoFocus={onCloseAutoFocus}
        // One reads it before one does something: the focus is on the sheet, and not on its first button.
        onOpenAutoFocus={(event) => {
          onOpenAutoFocus();
          event.preventDefault();
          if (event.currentTarget instanceof HTMLElement) event.currentTarget.focus();
        }}
      >
        <header className="sheet-head">
          <Radix.Title asChild>
            <h2 className="grow">{title}</h2>
          </Radix.Title>
          {tools}
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
  const focusBack = useFocusBack();
  return (
    <Frame open={open} onClose={onClose}>
      <Radix.Content className="drawer" {...focusBack} aria-describedby={undefined}>
        <Radix.Title className="hidden-text">{title}</Radix.Title>
        {children}
      </Radix.Content>
    </Frame>
  );
}
