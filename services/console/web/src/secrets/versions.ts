import type { VersionAct } from "../api/vault";
import type { SecretJson, SecretVersionJson, VersionStateJson } from "../gen/keyward/vault/v1/resources_pb";
import { differencesOf, type Difference } from "../ui/Conflict";
import { draftOf, fields } from "./draft";

/** What the API allows for a version, in the order of a menu. What it would refuse, or what changes nothing, is not offered. */
export function actsOn(version: SecretVersionJson): VersionAct[] {
  if (version.state === "VERSION_STATE_DISABLED") return ["enable", "destroy"];
  if (version.state !== "VERSION_STATE_ENABLED") return [];
  return version.current ? ["disable", "destroy"] : ["restore", "disable", "destroy"];
}

/** How long after its last use a version still counts as in use, in milliseconds. */
const recent = 24 * 3_600_000;

/** Why the API would not destroy a version unless it is forced to, as far as the page can tell: it does not know which was current before, or is named by an endpoint. */
export function inUse(secret: SecretJson, version: SecretVersionJson, now: number): "current" | "recent" | undefined {
  if (version.current && (secret.referenceCount ?? 0) > 0) return "current";
  return now - Date.parse(version.lastUseTime ?? "") < recent ? "recent" : undefined;
}

const words: Partial<Record<VersionStateJson, string>> = {
  VERSION_STATE_ENABLED: "enabled",
  VERSION_STATE_DISABLED: "disabled",
  VERSION_STATE_DESTROYED: "destroyed",
};

/** A state in a word. */
export const stateWord = (state: VersionStateJson | undefined): string =>
  words[state ?? "VERSION_STATE_UNSPECIFIED"] ?? "";

/** What is done, as a button says it, and what the version is afterwards. */
export const actWords: Record<VersionAct, { name: string; done: string }> = {
  restore: { name: "Restore", done: "current" },
  enable: { name: "Enable", done: "enabled" },
  disable: { name: "Disable", done: "disabled" },
  destroy: { name: "Destroy", done: "destroyed" },
};

/** A secret and one of its versions, as somebody saw them. */
export interface Seen {
  secret: SecretJson;
  version: SecretVersionJson;
}

/** What differs between what was seen, what is there now, and what somebody is about to make of it. */
export function conflictOf(seen: Seen, now: Seen, act: VersionAct): Difference[] {
  const number = `Version ${seen.version.version}`;
  const read = ({ secret, version }: Seen) => ({
    ...draftOf(secret),
    current: `version ${secret.currentVersion}`,
    state: stateWord(version.state),
  });
  const before = read(seen);
  const yours =
    act === "restore" ? { ...before, current: number.toLowerCase() } : { ...before, state: actWords[act].done };
  const shown = [
    ...fields,
    { name: "Current version", show: (d: typeof before) => d.current },
    { name: number, show: (d: typeof before) => d.state },
  ];
  return differencesOf(shown, before, read(now), yours);
}
