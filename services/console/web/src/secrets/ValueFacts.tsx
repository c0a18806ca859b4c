import type { ValueFactsJson } from "../gen/keyward/vault/v1/resources_pb";
import { Notice } from "../ui/parts";
import { takenFor } from "./facts";

/** What the vault took a value for, so that a person sees at once whether it is what they meant. */
export function ValueFacts({ facts }: { facts: ValueFactsJson | undefined }) {
  if (!facts) return null;
  const notes = [...(facts.convertedFrom ? [`Converted from ${facts.convertedFrom}.`] : []), ...(facts.notes ?? [])];
  return (
    <Notice tone={notes.length > 0 ? "warn" : "info"} title={`Taken for: ${takenFor(facts)}`}>
      {notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
    </Notice>
  );
}
