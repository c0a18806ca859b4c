import type { ValueFactsJson } from "../gen/keyward/vault/v1/resources_pb";
import { Notice } from "../ui/parts";
import { t } from "../text/t";
import { takenFor } from "./facts";

/** The value facts that the vault detected, so that users see at once whether the value is the intended one. */
export function ValueFacts({ facts }: { facts: ValueFactsJson | undefined }) {
  if (!facts) return null;
  const notes = [
    ...(facts.convertedFrom ? [t("facts.converted", { convertedFrom: facts.convertedFrom })] : []),
    ...(facts.notes ?? []),
  ];
  return (
    <Notice tone={notes.length > 0 ? "warn" : "info"} title={t("facts.takenFor", { takenFor: takenFor(facts) })}>
      {notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
    </Notice>
  );
}
