import { NumberInput, Select } from "@mantine/core";
import { useState } from "react";
import { shape } from "../gen/shape";
import { SecretPicker } from "../secrets/SecretPicker";
import type { KnownUsage } from "../secrets/usage";
import { useFinding } from "./findings";
import { withField, type Json } from "./value";
import { enumWords } from "./words";

interface Props {
  value: Json;
  onChange: (value: Json) => void;
  path: string;
  title: string;
  usage?: KnownUsage;
  host?: string;
}

const decoding = "keyward.allowlist.v1.Decoding";

/** A reference to a secret: which, how its bytes are read, and whether a version is held. */
export function SecretRefInput({ value, onChange, path, title, usage = "USAGE_KEY", host }: Props) {
  const finding = useFinding(path, `${path}.name`, `${path}.decoding`, `${path}.version`);
  const [detailed, setDetailed] = useState(Boolean(value.version));
  const values = shape.enums[decoding]?.values ?? [];
  const raw = values.find((v) => v.name.endsWith("_RAW"))?.name ?? "";
  const current = value.decoding === values[0]?.name ? raw : ((value.decoding as string) ?? raw);
  return (
    <div className="ref">
      <div className="ref-main">
        <SecretPicker label={title} value={(value.name as string) || undefined} onChange={(name) => onChange(withField(value, "name", name))} usage={usage} host={host} error={finding} />
        {usage === "USAGE_KEY" && (
          <Select
            aria-label={`How ${title.toLowerCase()} is stored`}
            className="ref-decoding"
            value={current}
            onChange={(v) => onChange(withField(value, "decoding", v === raw ? undefined : v))}
            data={values.slice(1).map((v) => ({ value: v.name, label: v.name === raw ? "Raw bytes" : `Stored as ${enumWords(decoding, v.name).toLowerCase()}` }))}
          />
        )}
      </div>
      {detailed ? (
        <NumberInput label="Version" description="Holds one version. Empty follows the current one, so that a rotation takes effect." w={280} min={1} allowDecimal={false} value={(value.version as number) || ""} onChange={(v) => onChange(withField(value, "version", Number(v) || undefined))} />
      ) : (
        <button type="button" className="text-button" onClick={() => setDetailed(true)}>
          Follows the current version. Hold one instead
        </button>
      )}
    </div>
  );
}
