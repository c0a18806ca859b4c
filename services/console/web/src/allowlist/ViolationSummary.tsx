import type { Problem } from "../api/problem";
import { rich } from "../text/t";
import { ProblemPanel } from "../ui/Problem";

/** `endpoint.encryption.request.envelope.blobs["data"].parts[0].slot` as words. */
export function placeWords(field: string): string {
  const parts = field.replace(/^endpoint\./, "").match(/[^.[\]]+(\["[^"]*"\]|\[\d+\])*/g) ?? [];
  return parts
    .map((part) =>
      part
        .replace(/^[^[]+/, (name) => name.replaceAll("_", " "))
        .replace(/\["([^"]*)"\]/g, " “$1”")
        .replace(/\[(\d+)\]/g, (_, n: string) => ` ${Number(n) + 1}`),
    )
    .join(" › ");
}

interface Props {
  problem: Problem | undefined;
  /** Moves to the input of a field. */
  onGo?: (field: string) => void;
}

/** All violations in one place. Each violation is also shown at its field. */
export function ViolationSummary({ problem, onGo }: Props) {
  if (!problem || problem.reason === "ENDPOINT_EXISTS") return null;
  const violations = problem.violations;
  return (
    <ProblemPanel error={problem}>
      {violations.length > 0 && (
        <ul className="violation-list">
          {violations.map((v) => (
            <li key={v.field + v.description}>
              <Place field={v.field} onGo={onGo} /> {v.description}
            </li>
          ))}
        </ul>
      )}
      {problem.metadata.field && (
        <p>{rich("violations.at", { place: <Place field={problem.metadata.field} onGo={onGo} /> })}</p>
      )}
    </ProblemPanel>
  );
}

function Place({ field, onGo }: { field: string; onGo?: (field: string) => void }) {
  const words = placeWords(field);
  if (!onGo) return <b>{words}</b>;
  return (
    <button type="button" className="text-button place" onClick={() => onGo(field)}>
      {words}
    </button>
  );
}
