import type { VersionAct } from "../api/vault";
import type { SecretJson, SecretVersionJson, VersionStateJson } from "../gen/keyward/vault/v1/resources_pb";
import { differencesOf, type Difference } from "../ui/Conflict";
import { t, type TextId } from "../text/t";
import { draftOf, fields } from "./draft";

/**
 * The actions that the API allows on a version, in the order of a menu. Actions that it would refuse, or that change
 * nothing, are not offered.
 */
export function actsOn(version: SecretVersionJson): VersionAct[] {
  if (version.state === "VERSION_STATE_DISABLED") return ["enable", "destroy"];
  if (version.state !== "VERSION_STATE_ENABLED") return [];
  return version.current ? ["disable", "destroy"] : ["restore", "disable", "destroy"];
}

/** How long after its last use a version counts as in use, in milliseconds. */
const recent = 24 * 3_600_000;

/**
 * The reason why the API would not destroy a version without force, as far as the page knows. The page does not know
 * which version was current before or is pinned.
 */
export function inUse(secret: SecretJson, version: SecretVersionJson, now: number): "current" | "recent" | undefined {
  if (version.current && (secret.referenceCount ?? 0) > 0) return "current";
  return now - Date.parse(version.lastUseTime ?? "") < recent ? "recent" : undefined;
}

const words: Partial<Record<VersionStateJson, string>> = {
  VERSION_STATE_ENABLED: t("versions.state.enabled"),
  VERSION_STATE_DISABLED: t("versions.state.disabled"),
  VERSION_STATE_DESTROYED: t("versions.state.destroyed"),
};

/** A state in one word. */
export const stateWord = (state: VersionStateJson | undefined): string =>
  words[state ?? "VERSION_STATE_UNSPECIFIED"] ?? "";

/** The actions: the label of the button, the title of the dialog, and the resulting state. */
export const actWords: Record<VersionAct, { name: string; title: TextId; done: string }> = {
  restore: { name: t("act.restore"), title: "act.restoreVersion", done: t("versions.state.current") },
  enable: { name: t("act.enable"), title: "act.enableVersion", done: t("versions.state.enabled") },
  disable: { name: t("act.disable"), title: "act.disableVersion", done: t("versions.state.disabled") },
  destroy: { name: t("act.destroy"), title: "act.destroyVersion", done: t("versions.state.destroyed") },
};

/** A secret and one of its versions, as the user saw them. */
export interface Seen {
  secret: SecretJson;
  version: SecretVersionJson;
}

/** The differences between what the user saw, the current state, and the intended state. */
export function conflictOf(seen: Seen, now: Seen, act: VersionAct): Difference[] {
  const number = t("ui.version", { version: seen.version.version });
  const read = ({ secret, version }: Seen) => ({
    ...draftOf(secret),
    current: t("ui.versionInline", { currentVersion: secret.currentVersion }),
    state: stateWord(version.state),
  });
  const before = read(seen);
  const yours =
    act === "restore"
      ? { ...before, current: t("ui.versionInline", { currentVersion: seen.version.version }) }
      : { ...before, state: actWords[act].done };
  const shown = [
    ...fields,
    { name: t("version.current"), show: (d: typeof before) => d.current },
    { name: number, show: (d: typeof before) => d.state },
  ];
  return differencesOf(shown, before, read(now), yours);
}
