import { createContext, useContext } from "react";
import { violationOf, type Problem } from "../api/problem";

const FindingsContext = createContext<Problem | undefined>(undefined);

export const Findings = FindingsContext.Provider;

/** What the server found wrong with any of these fields, in words. */
export function useFinding(...paths: string[]): string | undefined {
  const problem = useContext(FindingsContext);
  const found = paths.map((p) => violationOf(problem, p)).filter(Boolean);
  return found.length > 0 ? found.join(" ") : undefined;
}

/** Whether the server found something wrong at or below a field. */
export function useFindingBelow(path: string): boolean {
  const problem = useContext(FindingsContext);
  return problem?.violations.some((v) => v.field === path || v.field.startsWith(`${path}.`) || v.field.startsWith(`${path}[`)) ?? false;
}
