import { Button, Select, Skeleton, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { listPresets } from "../api/allowlist";
import type { PresetJson, PresetSecretJson, PresetSettingJson } from "../gen/keyward/allowlist/v1/service_pb";
import { shape } from "../gen/shape";
import { SecretPicker } from "../secrets/SecretPicker";
import type { KnownUsage } from "../secrets/usage";
import { decodingOfStored, lengthsOf, type StoredValue } from "../shape/decoding";
import { UseDecoding } from "../shape/UseDecoding";
import { DateInput } from "../shape/DateInput";
import { useField, useViolation } from "../shape/violations";
import { Words } from "../shape/Help";
import { withField, type Json } from "../shape/value";
import { enumWords, inSentence, lead } from "../shape/words";
import { AlertIcon, SearchIcon } from "../ui/icons";
import { Empty, Notice, Tag } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { decodingOf, inAYear, matching, placeTitle, sourcesOf } from "./presets";
import { flagMeaning } from "./Acknowledge";
import { PresetSamples } from "./PresetSamples";
import { mayBePublic, publicLiteral } from "./publicLiteral";
import { t } from "../text/t";
import { flagWords } from "./words";

interface Props {
  /** A PresetUse in the API's JSON. */
  value: Json;
  onChange: (use: Json) => void;
}

const path = "endpoint.encryption.preset";

/** Starts an encryption from a preset: the preset and its open settings. */
export function PresetForm({ value, onChange }: Props) {
  const presets = useQuery({
    queryKey: ["presets"],
    queryFn: ({ signal }) => listPresets(signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const list = presets.data?.presets ?? [];
  const chosen = list.find((p) => p.id === value.id);
  if (presets.error) return <ProblemPanel error={presets.error} onRetry={() => void presets.refetch()} />;
  if (presets.isPending) return <Skeleton height={260} />;
  if (!chosen)
    return (
      <PresetList
        presets={list}
        onChoose={(p) => onChange({ id: p.id, ...(p.legacy?.length ? { legacyExpireTime: inAYear() } : {}) })}
      />
    );
  return <Chosen preset={chosen} value={value} onChange={onChange} onOther={() => onChange({})} />;
}

function PresetList({ presets, onChoose }: { presets: PresetJson[]; onChoose: (preset: PresetJson) => void }) {
  const [query, setQuery] = useState("");
  const field = useField(`${path}.id`, path);
  const found = matching(presets, query);
  return (
    <div className="presets">
      <TextInput
        {...field}
        error={field.error && t("preset.choose")}
        type="search"
        aria-label={t("preset.search")}
        placeholder={t("preset.searchPlaceholder")}
        leftSection={<SearchIcon size={16} />}
        value={query}
        maxLength={128}
        autoComplete="off"
        onChange={(e) => setQuery(e.currentTarget.value)}
      />
      <p className="field-hint" aria-live="polite">
        {t("preset.count", { count: found.length })}
      </p>
      {found.length === 0 ? (
        <Empty icon={<SearchIcon size={26} />} title={t("preset.noMatch")}>
          {t("preset.noMatchWords")}
        </Empty>
      ) : (
        <ul className="preset-list" aria-label={t("preset.list")} tabIndex={0}>
          {found.map((p) => (
            <li key={p.id} className="preset">
              <button type="button" className="preset-choose" onClick={() => onChoose(p)}>
                <b>{p.displayName}</b>
                {(p.legacy?.length ?? 0) > 0 && (
                  <Tag tone="bad" icon={<AlertIcon size={13} />}>
                    {t("preset.unsafe")}
                  </Tag>
                )}
              </button>
              <p className="dimmed">
                <Words text={lead(p.description ?? "").first} />
              </p>
              <Sources preset={p} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The documents that define a convention. */
function Sources({ preset }: { preset: PresetJson }) {
  const sources = sourcesOf(preset);
  if (sources.length === 0) return null;
  return (
    <p className="preset-sources">
      <span className="dimmed">{sources.length === 1 ? t("preset.source") : t("preset.sources")}</span>
      {sources.map((s) =>
        s.url ? (
          <a key={s.url} href={s.url} target="_blank" rel="noreferrer" data-hint={s.url}>
            {s.words}
          </a>
        ) : (
          <span key={s.words}>{s.words}</span>
        ),
      )}
    </p>
  );
}

interface ChosenProps extends Props {
  preset: PresetJson;
  onOther: () => void;
}

function Chosen({ preset, value, onChange, onOther }: ChosenProps) {
  const secretsError = useViolation(`${path}.secrets`, `${path}.id`);
  const settingsError = useViolation(`${path}.settings`);
  const secrets = (value.secrets ?? {}) as Record<string, Json>;
  const settings = (value.settings ?? {}) as Json;
  const acknowledged = (preset.legacy?.length ?? 0) > 0 || value.legacyExpireTime !== undefined;
  return (
    <div className="presets" role="group" aria-label={t("preset.chosen", { displayName: preset.displayName })}>
      <div className="preset-head">
        <div>
          <h3>{preset.displayName}</h3>
          <p className="dimmed">
            <Words text={preset.description ?? ""} />
          </p>
          <Sources preset={preset} />
        </div>
        <Button size="xs" variant="default" onClick={onOther}>
          {t("preset.other")}
        </Button>
      </div>
      {preset.secrets?.map((s) => (
        <SecretPlace
          key={s.name}
          preset={preset}
          secret={s}
          value={secrets[s.name ?? ""] ?? {}}
          onChange={(ref) => onChange(withField(value, "secrets", { ...secrets, [s.name ?? ""]: ref }))}
        />
      ))}
      {secretsError && (
        <p className="field-error" role="alert">
          {secretsError}
        </p>
      )}
      {(preset.settings?.length ?? 0) > 0 && (
        <div className="two">
          {preset.settings?.map((s) => (
            <Setting
              key={s.name}
              setting={s}
              value={settings[s.name ?? ""] as string | undefined}
              onChange={(text) => onChange(withField(value, "settings", withField(settings, s.name ?? "", text)))}
              onPublic={acknowledged ? undefined : () => onChange(withField(value, "legacyExpireTime", inAYear()))}
            />
          ))}
        </div>
      )}
      {settingsError && (
        <p className="field-error" role="alert">
          {settingsError}
        </p>
      )}
      {acknowledged && <Unsafe preset={preset} value={value} onChange={onChange} />}
      <PresetSamples id={preset.id ?? ""} />
    </div>
  );
}

const decodings = "keyward.allowlist.v1.Decoding";

/** A secret that a preset needs, chosen by name. */
function SecretPlace({
  preset,
  secret,
  value,
  onChange,
}: {
  preset: PresetJson;
  secret: PresetSecretJson;
  value: Json;
  onChange: (ref: Json) => void;
}) {
  const name = secret.name ?? "";
  const title = placeTitle(name);
  const { error, ...field } = useField(
    `${path}.secrets["${name}"]`,
    `${path}.secrets["${name}"].name`,
    `${path}.secrets["${name}"].version`,
  );
  const decodingField = useField(`${path}.secrets["${name}"].decoding`);
  const usage = `USAGE_${secret.usage ?? "KEY"}` as KnownUsage;
  const preferred = decodingOf(preset, name);
  const choose = (chosen: string, stored?: StoredValue) => {
    const next = withField(value, "name", chosen);
    const found =
      stored && decodingOfStored(stored, lengthsOf(preset.encryption, `workspaces/-/secrets/${name}`), preferred);
    onChange(found ? withField(next, "decoding", found === (preferred ?? "DECODING_RAW") ? undefined : found) : next);
  };
  const asPreset = preferred
    ? t("preset.storedAs", { form: inSentence(enumWords(decodings, preferred)) })
    : t("preset.storedAsIs");
  return (
    <div className="field" {...field}>
      <span className="field-label">
        {title}{" "}
        <span className="mantine-InputWrapper-required" aria-hidden="true">
          *
        </span>
      </span>
      <p className="field-hint">
        <Words text={secret.description ?? ""} />
      </p>
      <div className="ref-main">
        <SecretPicker
          label={title}
          value={(value.name as string) || undefined}
          onChange={choose}
          usage={usage}
          error={error}
        />
        <Select
          {...decodingField}
          aria-label={t("preset.howStored", { title })}
          value={(value.decoding as string) ?? ""}
          onChange={(d) => onChange(withField(value, "decoding", d || undefined))}
          data={[
            { value: "", label: asPreset },
            ...(shape.enums[decodings]?.values ?? [])
              .slice(1)
              .filter((d) => d.name !== preferred && (preferred || !d.name.endsWith("_RAW")))
              .map((d) => ({
                value: d.name,
                label: t("preset.storedAs", { form: inSentence(enumWords(decodings, d.name)) }),
              })),
          ]}
        />
      </div>
      <UseDecoding
        path={`${path}.secrets["${name}"]`}
        current={(value.decoding as string) || preferred || "DECODING_RAW"}
        onUse={(d) => onChange(withField(value, "decoding", d === (preferred ?? "DECODING_RAW") ? undefined : d))}
      />
    </div>
  );
}

interface SettingProps {
  setting: PresetSettingJson;
  value: string | undefined;
  onChange: (text: string | undefined) => void;
  /** Starts the acknowledgement that the setting is public; undefined if it already exists. */
  onPublic: (() => void) | undefined;
}

function Setting({ setting, value, onChange, onPublic }: SettingProps) {
  const fallback = setting.defaultValue;
  const needed = fallback === undefined;
  const field = useField(`${path}.settings["${setting.name}"]`);
  return (
    <div className="field">
      <TextInput
        {...field}
        label={placeTitle(setting.name ?? "")}
        description={<Words text={setting.description ?? ""} />}
        withAsterisk={needed}
        maxLength={256}
        spellCheck={false}
        autoComplete="off"
        classNames={{ input: "mono" }}
        value={value ?? fallback ?? ""}
        onChange={(e) => onChange(needed && e.currentTarget.value === "" ? undefined : e.currentTarget.value)}
      />
      {onPublic && mayBePublic(field.error) && (
        <Button size="xs" variant="default" onClick={onPublic}>
          {t("public.acknowledge")}
        </Button>
      )}
    </div>
  );
}

/** The unsafe choices of a preset, with the reason and the end date of their acknowledgement. */
function Unsafe({ preset, value, onChange }: { preset: PresetJson } & Props) {
  const reason = useField(`${path}.legacy_reason`);
  const until = shape.messages["keyward.allowlist.v1.PresetUse"]?.fields.find((f) => f.name === "legacy_expire_time");
  const flags = preset.legacy?.length ? preset.legacy : [publicLiteral];
  return (
    <Notice
      tone="bad"
      icon={<AlertIcon size={18} />}
      title={preset.legacy?.length ? t("preset.unsafeTitle") : t("preset.literalTitle")}
    >
      <ul className="violation-list">
        {flags.map((flag) => (
          <li key={flag}>
            <b>{flagWords(flag)}</b>: <Words text={flagMeaning(flag)} />
          </li>
        ))}
      </ul>
      <p>{t("preset.ackWords")}</p>
      <div className="two unsafe-fields">
        <TextInput
          {...reason}
          label={t("ui.reason")}
          withAsterisk
          maxLength={512}
          value={(value.legacyReason as string) ?? ""}
          onChange={(e) => onChange(withField(value, "legacyReason", e.currentTarget.value || undefined))}
        />
        {until && (
          <DateInput
            field={{ ...until, words: "", required: true }}
            title={t("ack.until")}
            value={value.legacyExpireTime}
            onChange={(t) => onChange(withField(value, "legacyExpireTime", t))}
            path={`${path}.legacy_expire_time`}
          />
        )}
      </div>
    </Notice>
  );
}
