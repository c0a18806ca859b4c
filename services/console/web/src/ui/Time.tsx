import { useSyncExternalStore } from "react";
import { ago, full } from "./time";

// One clock for all times on the page; it moves every half minute.
let now = Date.now();
const listeners = new Set<() => void>();
let timer = 0;

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    now = Date.now();
    timer = window.setInterval(() => {
      now = Date.now();
      for (const each of listeners) each();
    }, 30_000);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) window.clearInterval(timer);
  };
}

/** A time as one says it, and in full on hover, on focus and to screen readers. */
export function Time({ value, prefix }: { value: string | undefined; prefix?: string }) {
  const clock = useSyncExternalStore(subscribe, () => now);
  if (!value) return <span>–</span>;
  return (
    <time dateTime={value} data-hint={full(value)}>
      {prefix}
      {ago(value, Math.max(clock, Date.now() - 30_000))}
      <span className="sr-only">, {full(value)}</span>
    </time>
  );
}

/** A time in full, and relative beside it. */
export function FullTime({ value }: { value: string | undefined }) {
  const clock = useSyncExternalStore(subscribe, () => now);
  if (!value) return <span>–</span>;
  return (
    <time dateTime={value}>
      {full(value)} <span className="dimmed">({ago(value, clock)})</span>
    </time>
  );
}
