import type { Problem } from "../api/problem";
import { ProblemPanel } from "../ui/Problem";

/** `endpoint.encryption.request.cipher.shared_key.keys[0].name` as words. */
export function placeWords(field: string): string {
  return field
    .replace(/^endpoint\./, "")
    .split(".")
    .map((part) => part.replace(/\[(\d+)\]$/, (_, n: string) => ` ${Number(n) + 1}`).replaceAll("_", " "))
    .join(" › ");
}

/** All that the server found, in one place. Each finding is also shown at its field. */
export function FindingSummary({ problem }: { problem: Problem | undefined }) {
  if (!problem || problem.reason === "ENDPOINT_EXISTS") return null;
  const violations = problem.violations;
  return (
    <ProblemPanel error={problem}>
      {violations.length > 0 && (
        <ul className="finding-list">
          {violations.map((v) => (
            <li key={v.field + v.description}>
              <b>{placeWords(v.field)}</b> {v.description}
            </li>
          ))}
        </ul>
      )}
      {problem.metadata.field && (
        <p>
          At <b>{placeWords(problem.metadata.field)}</b>.
        </p>
      )}
    </ProblemPanel>
  );
}
