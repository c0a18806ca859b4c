import { createContext, useContext, type ReactNode } from "react";
import { violationOf, type Problem } from "../api/problem";

const ViolationsContext = createContext<Problem | undefined>(undefined);

export const Violations = ViolationsContext.Provider;

const BesideContext = createContext<(path: string) => ReactNode>(() => null);

/** Adds something beside inputs, by the path of their field. */
export const Beside = BesideContext.Provider;

/** What belongs beside the input of a field. */
export const useBeside = (path: string): ReactNode => useContext(BesideContext)(path);

/** What the server found wrong with any of these fields, in words. */
export function useViolation(...paths: string[]): string | undefined {
  const problem = useContext(ViolationsContext);
  const found = paths.map((p) => violationOf(problem, p)).filter(Boolean);
  return found.length > 0 ? found.join(" ") : undefined;
}

/** The decoding of a reference that would fit, if the server named one. */
export const useFittingDecoding = (path: string): string | undefined =>
  useContext(ViolationsContext)?.violations.find((v) => v.field === path && v.decoding)?.decoding;

/** What the server found wrong at or below a field that is not on the page, in words. */
export function useViolationBelow(path: string): string | undefined {
  const problem = useContext(ViolationsContext);
  const paths = problem?.violations.map((v) => v.field).filter((f) => isBelow(f, path));
  return useViolation(...new Set(paths));
}

/** What the server found wrong with a map, or with an entry that it does not name. */
export function useMapViolation(path: string): string | undefined {
  const problem = useContext(ViolationsContext);
  const paths = problem?.violations.map((v) => v.field).filter((f) => f === path || f.startsWith(`${path}.`));
  return useViolation(...new Set(paths));
}

/**
 * What makes an input that of a field: what the server found wrong with it, and the path
 * by which the summary leads to it. `others` are fields that have no input of their own.
 */
export function useField(path: string, ...others: string[]): { error: string | undefined; "data-path": string } {
  return { error: useViolation(path, ...others), "data-path": path };
}

const isBelow = (field: string, path: string): boolean =>
  field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`);

/** A path and those that it is below: `a.b["c.d"][0]`, `a.b["c.d"]`, `a.b`, `a`. */
export function upwards(path: string): string[] {
  const ends = [...path.matchAll(/\["[^"]*"\]|\[\d+\]|[^.[\]]+/g)].map((m) => (m.index ?? 0) + m[0].length);
  return ends.reverse().map((end) => path.slice(0, end));
}

/** What can be filled in, which is what a violation is about, before what can be pressed. */
const focusables = [
  "input:not([type=hidden], :disabled), textarea:not(:disabled), .picker-button",
  "button:not(:disabled)",
];

/** The input of a field, or of the nearest that is on the page of those that it is below. */
function inputOf(form: ParentNode, field: string): HTMLElement | undefined {
  for (const path of upwards(field)) {
    const place = form.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`);
    for (const focusable of focusables) {
      const input = place?.matches(focusable) ? place : place?.querySelector<HTMLElement>(focusable);
      if (input) return input;
    }
  }
  return undefined;
}

/** Moves the focus to the first, on the page, of the inputs of some fields. */
export function focusField(form: ParentNode | null, ...fields: string[]): void {
  const inputs = fields.map((f) => form && inputOf(form, f)).filter((i) => i != null);
  const first = inputs.reduce<HTMLElement | undefined>(
    (a, b) => (a && a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? a : b),
    undefined,
  );
  first?.focus({ preventScroll: true });
  first?.scrollIntoView({ block: "center" });
}
