import { useSyncExternalStore } from "react";
import { ago, full } from "./time";

// One clock for all times on the page, which updates them every half minute.
let ticks = 0;
const listeners = new Set<() => void>();
let timer = 0;

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    timer = window.setInterval(() => {
      ticks++;
      for (const each of listeners) each();
    }, 30_000);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) window.clearInterval(timer);
  };
}

/**
 * A relative time, and the full time on hover, on focus, and for screen readers. The server's clock may be ahead of the
 * browser's.
 */
export function Time({ value, prefix }: { value: string | undefined; prefix?: string }) {
  useSyncExternalStore(subscribe, () => ticks);
  if (!value) return <span>–</span>;
  return (
    <time dateTime={value} data-hint={full(value)}>
      {prefix}
      {ago(value, Math.max(Date.now(), Date.parse(value)))}
      <span className="sr-only">, {full(value)}</span>
    </time>
  );
}

/** A full time, followed by the relative time. */
export function FullTime({ value }: { value: string | undefined }) {
  useSyncExternalStore(subscribe, () => ticks);
  if (!value) return <span>–</span>;
  return (
    <time dateTime={value}>
      {full(value)} <span className="dimmed">({ago(value, Date.now())})</span>
    </time>
  );
}
