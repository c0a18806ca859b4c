import { violationOf, type Problem } from "../api/problem";

/** What the server found wrong with a value, or with a part of it, in words. */
export function valueError(problem: Problem | undefined): string | undefined {
  const fields = new Set(problem?.violations.map((v) => v.field).filter((f) => f === "secret.value" || f.startsWith("secret.value.")));
  const found = [...fields].map((f) => violationOf(problem, f));
  return found.length > 0 ? found.join(" ") : undefined;
}
