import { useCallback, useEffect, useRef, useState } from "react";
import { Problem } from "../api/problem";

/**
 * Runs a change on the server, one at a time, and stores whether it runs and how it failed. Unlike a mutation of the
 * query library it keeps no sent data, which may contain a value. After a failure the focus moves to the first error in
 * the `form`, or on the page if there is no form.
 */
export function useAction() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Problem>();
  const running = useRef(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (error) focusProblem(form.current);
  }, [error]);
  const run = useCallback(async (act: () => Promise<void>) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await act();
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      setError(failure);
    } finally {
      running.current = false;
      setBusy(false);
    }
  }, []);
  const reset = useCallback(() => setError(undefined), []);
  return { run, busy, error, reset, form };
}

/** Moves the focus to the summary of the violations, or to the first field of the form that has one. */
function focusProblem(form: HTMLFormElement | null): void {
  const wrong =
    (form ?? document).querySelector<HTMLElement>(".notice[role=alert]") ??
    form?.querySelector<HTMLElement>("[aria-invalid=true]");
  wrong?.focus({ preventScroll: true });
  wrong?.scrollIntoView({ block: "nearest" });
}
