/** Short notices: something happened while you looked elsewhere. */
import { createContext, useContext } from "react";

export interface Notice {
  title: string;
  text?: string;
  tone?: "good" | "bad" | "warn";
}

export type Notify = (notice: Notice) => void;

export const ToastContext = createContext<Notify>(() => undefined);

export const useToast = (): Notify => useContext(ToastContext);
