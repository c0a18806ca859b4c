import { useAccess } from "../api/access";
import { parseName } from "../api/names";
import { Link } from "../app/Link";
import { paths } from "../app/router";
import { shape } from "../gen/shape";
import { day } from "../ui/time";
import type { FieldShape } from "./shape";
import { isSet, type Json } from "./value";
import { t } from "../text/t";
import { entriesOf, enumWords, inSentence, sentence, titleOf } from "./words";

/** A read-only view of any message: only the fields that are set. */
export function MessageView({ type, value }: { type: string; value: Json }) {
  const fields = entriesOf(type).flatMap((e) => ("fields" in e ? e.fields : [e]));
  const set = fields.filter((f) =>
    f.oneof ? value[f.json] !== undefined && value[f.json] !== null : isSet(f, value[f.json]),
  );
  return (
    <dl className="view">
      {set.map((f) => (
        <div key={f.name}>
          <dt>{titleOf(type, f.name)}</dt>
          <dd>
            <FieldView field={f} value={value[f.json]} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function FieldView({ field, value }: { field: FieldShape; value: unknown }) {
  if (field.repeated) {
    const items = value as unknown[];
    return items.length === 1 ? (
      <OneView field={field} value={items[0]} />
    ) : (
      <ol className="view-list">
        {items.map((v, i) => (
          <li key={i}>
            <OneView field={field} value={v} />
          </li>
        ))}
      </ol>
    );
  }
  if (field.map) {
    return (
      <dl className="view">
        {Object.entries(value as Json).map(([key, v]) => (
          <div key={key}>
            <dt className="mono">{key}</dt>
            <dd>
              <OneView field={field} value={v} />
            </dd>
          </div>
        ))}
      </dl>
    );
  }
  return <OneView field={field} value={value} />;
}

function OneView({ field, value }: { field: FieldShape; value: unknown }) {
  if (field.message === "keyward.allowlist.v1.SecretRef") return <SecretRefView value={value as Json} />;
  if (field.message === "google.protobuf.Timestamp") return <>{day(String(value))}</>;
  if (field.message === "google.protobuf.Duration") return <>{String(value).replace(/s$/, " seconds")}</>;
  if (field.message) {
    const inner = shape.messages[field.message];
    const [only, ...others] = inner?.fields ?? [];
    // A message with one field is shown as that field.
    if (only && others.length === 0) return <FieldView field={only} value={(value as Json)[only.json]} />;
    return inner?.fields.length ? <MessageView type={field.message} value={value as Json} /> : <>{t("ui.yes")}</>;
  }
  if (field.enum) return <>{enumWords(field.enum, String(value))}</>;
  if (field.scalar === "bool") return <>{value ? t("ui.yes") : t("ui.no")}</>;
  if (field.scalar === "number") return <>{String(value)}</>;
  return (
    <code className="prose" dir="auto">
      {String(value)}
    </code>
  );
}

/** A reference as a link to the secret. Members only see that there is a reference. */
export function SecretRefView({ value }: { value: Json }) {
  const { manage } = useAccess();
  const name = String(value.name ?? "");
  const parsed = parseName(name);
  if (!manage || !parsed) return <span className="dimmed">{t("shape.storedSecret")}</span>;
  const decoding = String(value.decoding ?? "").replace("DECODING_", "");
  return (
    <span>
      <Link to={paths.secret(parsed.workspace, parsed.id)} className="mono wrap-anywhere">
        {parsed.id}
      </Link>
      {value.version ? <span className="dimmed">{t("shape.version", { version: String(value.version) })}</span> : null}
      {decoding && decoding !== "UNSPECIFIED" && decoding !== "RAW" ? (
        <span className="dimmed">{t("shape.viewStoredAs", { sentence: inSentence(sentence(decoding)) })}</span>
      ) : null}
    </span>
  );
}
