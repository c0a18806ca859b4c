import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { t } from "../text/t";
import { daysOf, everyWords, periodOf } from "./rotation";

/** The editable part of a secret, without the value, which is never in the state of the page. */
export interface Draft {
  description: string;
  labels: Record<string, string>;
  hosts: string[];
  /** The rotation period in days, as typed. */
  days: string;
}

export const draftOf = (s: SecretJson): Draft => ({
  description: s.description ?? "",
  labels: s.labels ?? {},
  hosts: s.allowedHosts ?? [],
  days: daysOf(s.rotationPeriod),
});

/** The fields of a draft: their labels, their paths in the API, and their formatted values. */
export const fields: { name: string; path: string; show: (of: Draft) => string }[] = [
  { name: t("secret.description"), path: "description", show: (d) => d.description },
  {
    name: t("secret.labels"),
    path: "labels",
    show: (d) =>
      Object.entries(d.labels)
        .sort()
        .map(([k, v]) => `${k}=${v}`)
        .join("\n"),
  },
  { name: t("secret.allowedHosts"), path: "allowed_hosts", show: (d) => [...d.hosts].sort().join("\n") },
  { name: t("secret.rotation"), path: "rotation_period", show: (d) => everyWords(periodOf(d.days)) },
];

/** The paths of the fields in which two drafts differ. */
export const changedPaths = (before: Draft, after: Draft): string[] =>
  fields.filter((f) => f.show(before) !== f.show(after)).map((f) => f.path);
