import { t } from "../text/t";
import { TagsInput } from "@mantine/core";

const rule = /^[a-z][a-z0-9_.-]{0,62}=[A-Za-z0-9_.-]{0,63}$/;

export type LabelMap = Record<string, string>;

/** Labels, typed as `key=value`. Other input is dropped. */
export function LabelsField({
  value,
  onChange,
  error,
}: {
  value: LabelMap;
  onChange: (labels: LabelMap) => void;
  error?: string;
}) {
  const change = (tags: string[]) => {
    const pairs = tags.map((t) => (t.includes("=") ? t : `${t}=`)).filter((t) => rule.test(t));
    onChange(Object.fromEntries(pairs.map((p) => [p.slice(0, p.indexOf("=")), p.slice(p.indexOf("=") + 1)])));
  };
  return (
    <TagsInput
      label={t("secret.labels")}
      description={t("labels.help")}
      placeholder={Object.keys(value).length === 0 ? "team=payments" : undefined}
      value={Object.entries(value).map(([k, v]) => (v ? `${k}=${v}` : k))}
      onChange={change}
      maxTags={64}
      error={error}
      acceptValueOnBlur
    />
  );
}

/** The hosts and ports that a credential may be sent to. */
export function HostsField({
  value,
  onChange,
  error,
}: {
  value: string[];
  onChange: (hosts: string[]) => void;
  error?: string;
}) {
  return (
    <TagsInput
      label={t("secret.allowedHosts")}
      withAsterisk
      description={t("hosts.help")}
      placeholder={value.length === 0 ? "api.partner.example" : undefined}
      value={value}
      onChange={(hosts) => onChange(hosts.map((h) => h.trim().toLowerCase()).filter(Boolean))}
      maxTags={32}
      splitChars={[",", " "]}
      error={error}
      acceptValueOnBlur
    />
  );
}
