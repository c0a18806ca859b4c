import { createContext, useContext, useEffect } from "react";
import { setGuard } from "./router";

/** The state of a form that its dialog needs. */
export interface Held {
  unsaved: boolean;
  busy: boolean;
}

export const HeldContext = createContext<Held>({ unsaved: false, busy: false });

/** The forms on the page with unsaved changes. */
const forms = new Set<object>();
const listeners = new Set<() => void>();
let leaving: (() => void) | undefined;

/** Asks whether to leave unsaved changes, with a callback that leaves; undefined closes the question. */
export function ask(leave: (() => void) | undefined): void {
  leaving = leave;
  for (const listener of listeners) listener();
}

/** The pending callback that leaves. */
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
 * Keeps a form with unsaved changes from being left by mistake, through Back, a link, Escape, or a reload, and keeps
 * its dialog from closing at all while the form is being saved.
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
