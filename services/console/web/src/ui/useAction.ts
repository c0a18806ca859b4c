import { useCallback, useEffect, useRef, useState } from "react";
import { Problem } from "../api/problem";

/**
 * Runs something that changes the server, once at a time, and remembers whether it runs
 * and how it failed. Unlike a mutation of the query library it keeps nothing of what was
 * sent: that may hold a value. After a failure the focus goes to what is wrong in the
 * `form`, or on the page where there is none.
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

/** Moves the focus to the summary of what is wrong, or to the first field of the form that is. */
function focusProblem(form: HTMLFormElement | null): void {
  const wrong =
    (form ?? document).querySelector<HTMLElement>(".notice[role=alert]") ??
    form?.querySelector<HTMLElement>("[aria-invalid=true]");
  wrong?.focus({ preventScroll: true });
  wrong?.scrollIntoView({ block: "nearest" });
}
