import { violationOf, type Problem } from "../api/problem";

/** What the server found wrong with a value, or with a part of it, in words. */
export function valueError(problem: Problem | undefined): string | undefined {
  // What is wrong with a sealed value is none of the person's business: it is sealed again.
  if (problem?.reason === "SEALED_VALUE_REFUSED") return "Enter the value again.";
  const fields = new Set(problem?.violations.map((v) => v.field).filter((f) => f === "secret.value" || f.startsWith("secret.value.")));
  const found = [...fields].map((f) => violationOf(problem, f));
  return found.length > 0 ? found.join(" ") : undefined;
}
