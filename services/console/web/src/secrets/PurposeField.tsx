import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { placeTitle } from "../allowlist/presets";
import { listPresets } from "../api/allowlist";
import type { PresetJson } from "../gen/keyward/allowlist/v1/service_pb";
import type { SecretValueJson } from "../gen/keyward/vault/v1/resources_pb";
import { t } from "../text/t";
import { Chains } from "./Chains";

/** The intended purpose of a key: a secret of a preset. */
export interface Stated {
  preset: PresetJson;
  /** The name of the preset's secret. */
  secret: string;
}

/** The chains of a stated purpose, for a value if there is one: bytes that are generated need no decoding. */
export function chainsOf({ preset, secret }: Stated, value?: SecretValueJson): string[] {
  const chains = preset.keyPurposes?.find((p) => p.secret === secret)?.chains ?? [];
  const bytes = /^KIND_(AES|HMAC)_/.test(value?.generate?.kind ?? "");
  return bytes ? chains.map((c) => c.replace(/^(?!pem )\S+/, "raw")) : chains;
}

interface Props {
  value: Stated | undefined;
  onChange: (stated: Stated | undefined) => void;
  error?: string;
}

/** States what a key is for, before anything uses it. */
export function PurposeField({ value, onChange, error }: Props) {
  const presets = useQuery({
    queryKey: ["presets"],
    queryFn: ({ signal }) => listPresets(signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const list = (presets.data?.presets ?? []).filter((p) => p.keyPurposes?.length);
  const choose = (id: string | null) => {
    const preset = list.find((p) => p.id === id);
    onChange(preset && { preset, secret: preset.keyPurposes?.[0]?.secret ?? "" });
  };
  const secrets = value?.preset.keyPurposes ?? [];
  const words = value?.preset.secrets?.find((s) => s.name === value.secret)?.description;
  return (
    <div className="stack">
      <Select
        label={t("purpose.fieldLabel")}
        description={t("purpose.fieldHelp")}
        placeholder={presets.error ? t("purpose.presetsFailed") : t("purpose.later")}
        searchable
        clearable
        nothingFoundMessage={t("purpose.noPreset")}
        error={error}
        value={value?.preset.id ?? null}
        onChange={choose}
        data={list.map((p) => ({ value: p.id ?? "", label: p.displayName ?? "" }))}
      />
      {value && secrets.length > 1 && (
        <Select
          label={t("purpose.which")}
          allowDeselect={false}
          value={value.secret}
          onChange={(secret) => onChange({ ...value, secret: secret ?? value.secret })}
          data={secrets.map((s) => ({ value: s.secret ?? "", label: placeTitle(s.secret ?? "") }))}
        />
      )}
      {value && (
        <div className="field-hint">
          {words && <p>{t("purpose.expects", { words })}</p>}
          <Chains chains={chainsOf(value)} />
        </div>
      )}
    </div>
  );
}
