import { Select } from "@mantine/core";
import { useState } from "react";
import { shape } from "../gen/shape";
import { SecretPicker } from "../secrets/SecretPicker";
import type { KnownUsage } from "../secrets/usage";
import { decodingOfStored, useKeyLengths, type StoredValue } from "./decoding";
import { useField } from "./violations";
import { UseDecoding } from "./UseDecoding";
import { useUsage } from "./usage";
import { NumberField } from "./NumberField";
import { withField, type Json } from "./value";
import { t } from "../text/t";
import { enumWords, inSentence } from "./words";

interface Props {
  value: Json;
  onChange: (value: Json) => void;
  path: string;
  title: string;
  /** The usage that the secret must have; usually the surrounding message decides it. */
  usage?: KnownUsage;
  host?: string;
}

const decoding = "keyward.allowlist.v1.Decoding";

/** A reference to a secret: its name, the decoding of its bytes, and an optional pinned version. */
export function SecretRefInput({ value, onChange, path, title, usage: only, host }: Props) {
  const here = useUsage();
  const usage = only ?? here;
  const { error, ...own } = useField(path, `${path}.name`);
  const decodingField = useField(`${path}.decoding`);
  const versionField = useField(`${path}.version`);
  const [asked, setAsked] = useState(false);
  const detailed = asked || Boolean(value.version) || Boolean(versionField.error);
  const lengths = useKeyLengths();
  const choose = (name: string, stored?: StoredValue) => {
    const found =
      stored && usage !== "USAGE_CREDENTIAL" && decodingOfStored(stored, lengths, value.decoding as string | undefined);
    const next = withField(value, "name", name);
    onChange(found ? withField(next, "decoding", found === raw ? undefined : found) : next);
  };
  const values = shape.enums[decoding]?.values ?? [];
  const raw = values.find((v) => v.name.endsWith("_RAW"))?.name ?? "";
  const current = value.decoding === values[0]?.name ? raw : ((value.decoding as string) ?? raw);
  return (
    <div className="ref" {...own}>
      <div className="ref-main">
        <SecretPicker
          label={title}
          value={(value.name as string) || undefined}
          onChange={choose}
          usage={usage}
          host={host}
          error={error}
        />
        {usage !== "USAGE_CREDENTIAL" && (
          <Select
            aria-label={t("preset.howStored", { title: title.toLowerCase() })}
            className="ref-decoding"
            {...decodingField}
            value={current}
            onChange={(v) => onChange(withField(value, "decoding", v === raw ? undefined : v))}
            data={values.slice(1).map((v) => ({
              value: v.name,
              label:
                v.name === raw
                  ? t("shape.raw")
                  : t("shape.storedAs", { form: inSentence(enumWords(decoding, v.name)) }),
            }))}
          />
        )}
      </div>
      <UseDecoding
        path={path}
        current={current}
        onUse={(d) => onChange(withField(value, "decoding", d === raw ? undefined : d))}
      />
      {detailed ? (
        <NumberField
          {...versionField}
          label={t("history.version")}
          description={t("shape.versionHelp")}
          w={280}
          value={(value.version as number) || undefined}
          onChange={(v) => onChange(withField(value, "version", v || undefined))}
        />
      ) : (
        <button type="button" className="text-button" onClick={() => setAsked(true)}>
          {t("shape.pin")}
        </button>
      )}
    </div>
  );
}
