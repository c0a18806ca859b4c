import { CloseButton } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { t } from "../text/t";
import { CheckIcon } from "./icons";

interface Toast {
  id: number;
  text: string;
}

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

const dismiss = (id: number): void => set(toasts.filter((t) => t.id !== id));

/** Confirms a success in the corner. Errors appear where they happened. */
export function toast(text: string): void {
  const id = ++last;
  set([...toasts.slice(-2), { id, text }]);
  window.setTimeout(() => dismiss(id), 6_000);
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((each) => (
        <div key={each.id} className="toast">
          <CheckIcon size={16} className="good" />
          <span>{each.text}</span>
          <CloseButton size="sm" aria-label={t("toast.dismiss")} onClick={() => dismiss(each.id)} />
        </div>
      ))}
    </div>
  );
}
