import { createContext, useContext, useEffect } from "react";
import { setGuard } from "./router";

/** What a dialog knows about its form. */
export interface Held {
  unsaved: boolean;
  busy: boolean;
}

export const HeldContext = createContext<Held>({ unsaved: false, busy: false });

/** The forms on the page with something unsaved. */
const forms = new Set<object>();
const listeners = new Set<() => void>();
let leaving: (() => void) | undefined;

/** Asks whether to leave unsaved changes, and how to leave; undefined closes the question. */
export function ask(leave: (() => void) | undefined): void {
  leaving = leave;
  for (const listener of listeners) listener();
}

/** The pending way to leave. */
export const asked = (): (() => void) | undefined => leaving;

export function subscribeAsked(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const unload = (event: BeforeUnloadEvent): void => event.preventDefault();

function watch(): void {
  if (forms.size > 0) {
    setGuard(ask);
    window.addEventListener("beforeunload", unload);
  } else {
    setGuard(undefined);
    window.removeEventListener("beforeunload", unload);
  }
}

/** Discards all unsaved changes. */
export function abandon(): void {
  forms.clear();
  watch();
}

/**
 * Keeps a form from being left by mistake: by Back, a link, Escape or a reload, while it has
 * something unsaved; and its dialog from being closed at all while it is being saved.
 */
export function useUnsaved(unsaved: boolean, busy = false): void {
  const held = useContext(HeldContext);
  useEffect(() => {
    held.busy = busy;
    return () => {
      held.busy = false;
    };
  }, [held, busy]);
  useEffect(() => {
    if (!unsaved) return;
    const form = {};
    forms.add(form);
    held.unsaved = true;
    watch();
    return () => {
      forms.delete(form);
      held.unsaved = false;
      watch();
    };
  }, [held, unsaved]);
}
