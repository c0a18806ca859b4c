import { createContext, useContext, type ReactNode } from "react";
import { violationOf, type Problem } from "../api/problem";

const ViolationsContext = createContext<Problem | undefined>(undefined);

export const Violations = ViolationsContext.Provider;

const BesideContext = createContext<(path: string) => ReactNode>(() => null);

/** Adds elements next to inputs, by the path of their field. */
export const Beside = BesideContext.Provider;

/** The elements next to the input of a field. */
export const useBeside = (path: string): ReactNode => useContext(BesideContext)(path);

/** The server's violations of any of these fields, in words. */
export function useViolation(...paths: string[]): string | undefined {
  const problem = useContext(ViolationsContext);
  const found = paths.map((p) => violationOf(problem, p)).filter(Boolean);
  return found.length > 0 ? found.join(" ") : undefined;
}

/** The decoding of a reference that would fit, if the server named one. */
export const useFittingDecoding = (path: string): string | undefined =>
  useContext(ViolationsContext)?.violations.find((v) => v.field === path && v.decoding)?.decoding;

/** The server's violations at or below a field that is not on the page, in words. */
export function useViolationBelow(path: string): string | undefined {
  const problem = useContext(ViolationsContext);
  const paths = problem?.violations.map((v) => v.field).filter((f) => isBelow(f, path));
  return useViolation(...new Set(paths));
}

/** The server's violations of a map, or of an entry that it does not name. */
export function useMapViolation(path: string): string | undefined {
  const problem = useContext(ViolationsContext);
  const paths = problem?.violations.map((v) => v.field).filter((f) => f === path || f.startsWith(`${path}.`));
  return useViolation(...new Set(paths));
}

/**
 * Connects an input to a field: the server's violation, and the path that the summary links to. `others` are fields
 * that have no input.
 */
export function useField(path: string, ...others: string[]): { error: string | undefined; "data-path": string } {
  return { error: useViolation(path, ...others), "data-path": path };
}

const isBelow = (field: string, path: string): boolean =>
  field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`);

/** A path and its ancestors: `a.b["c.d"][0]`, `a.b["c.d"]`, `a.b`, `a`. */
export function upwards(path: string): string[] {
  const ends = [...path.matchAll(/\["[^"]*"\]|\[\d+\]|[^.[\]]+/g)].map((m) => (m.index ?? 0) + m[0].length);
  return ends.reverse().map((end) => path.slice(0, end));
}

/** Inputs come before buttons, because violations concern inputs. */
const focusables = [
  "input:not([type=hidden], :disabled), textarea:not(:disabled), .picker-button",
  "button:not(:disabled)",
];

/** The input of a field, or of its nearest ancestor that is on the page. */
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

/** Moves the focus to the input of one of the fields that comes first on the page. */
export function focusField(form: ParentNode | null, ...fields: string[]): void {
  const inputs = fields.map((f) => form && inputOf(form, f)).filter((i) => i != null);
  const first = inputs.reduce<HTMLElement | undefined>(
    (a, b) => (a && a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? a : b),
    undefined,
  );
  first?.focus({ preventScroll: true });
  first?.scrollIntoView({ block: "center" });
}
