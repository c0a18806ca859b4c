import { Autocomplete, Checkbox, Textarea, TextInput } from "@mantine/core";
import { idRules } from "../api/names";
import { useField } from "../shape/violations";
import { CheckIcon, CrossIcon } from "../ui/icons";
import { LabelsField } from "../ui/LabelsField";
import { Card, Notice } from "../ui/parts";
import type { Draft } from "./draft";
import { BodyValues, Parameters } from "./Parameters";
import { t } from "../text/t";
import { PublicReason } from "./PublicReason";

interface Props {
  draft: Draft;
  onChange: (draft: Draft) => void;
}

interface AboutProps extends Props {
  id: string;
  onId?: (id: string) => void;
  taken: boolean;
}

/** The name, ID, description, and labels of an endpoint. */
export function AboutCard({ draft, onChange, id, onId, taken }: AboutProps) {
  const idField = useField("endpoint_id");
  const nameField = useField("endpoint.display_name");
  const descriptionField = useField("endpoint.description");
  const { error: labelsError, ...labelsField } = useField("endpoint.labels");
  return (
    <Card title={t("endpoint.about")}>
      <div className="two">
        <TextInput
          {...nameField}
          label={t("endpoint.displayName")}
          description={t("request.displayNameHelp")}
          placeholder={t("request.displayNamePlaceholder")}
          maxLength={128}
          value={draft.displayName}
          onChange={(e) => onChange({ ...draft, displayName: e.currentTarget.value })}
        />
        {onId ? (
          <div>
            <TextInput
              {...idField}
              label={t("request.name")}
              description={t("request.nameHelp")}
              placeholder={t("request.namePlaceholder")}
              withAsterisk
              maxLength={128}
              spellCheck={false}
              autoComplete="off"
              classNames={{ input: "mono" }}
              value={id}
              error={taken ? t("request.nameTaken") : idField.error}
              onChange={(e) => onId(e.currentTarget.value)}
            />
            {id !== "" && (
              <ul className="rules">
                {idRules(id)
                  .filter((r) => !r.kept)
                  .map((r) => (
                    <li key={r.words} data-state="broken">
                      <CrossIcon size={13} />
                      {r.words}
                    </li>
                  ))}
                {idRules(id).every((r) => r.kept) && (
                  <li data-state="kept">
                    <CheckIcon size={13} />
                    {t("request.nameValid")}
                  </li>
                )}
              </ul>
            )}
          </div>
        ) : (
          <TextInput
            label={t("request.name")}
            description={t("request.nameFixed")}
            readOnly
            classNames={{ input: "mono" }}
            value={id}
          />
        )}
      </div>
      <Textarea
        {...descriptionField}
        label={t("endpoint.description")}
        autosize
        minRows={2}
        maxRows={6}
        maxLength={1024}
        value={draft.description}
        onChange={(e) => onChange({ ...draft, description: e.currentTarget.value })}
      />
      <div {...labelsField}>
        <LabelsField value={draft.labels} onChange={(labels) => onChange({ ...draft, labels })} error={labelsError} />
      </div>
    </Card>
  );
}

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/** The request of an endpoint: its URL, methods, content type, and headers. */
export function RequestCard({ draft, onChange, urlBefore }: Props & { urlBefore?: string }) {
  const urlField = useField("endpoint.url");
  const methodsField = useField("endpoint.methods");
  const typeField = useField("endpoint.content_type");
  return (
    <Card title={t("endpoint.request")} words={t("request.words")}>
      <TextInput
        {...urlField}
        label={t("endpoint.url")}
        description={t("request.urlHelp")}
        placeholder={t("request.urlPlaceholder")}
        withAsterisk
        type="url"
        spellCheck={false}
        autoComplete="off"
        maxLength={2048}
        classNames={{ input: "mono" }}
        value={draft.url}
        onChange={(e) => onChange({ ...draft, url: e.currentTarget.value, urlPublicReason: undefined })}
      />
      <PublicReason
        path="endpoint.url_public_reason"
        about={["endpoint.url"]}
        what={t("request.urlWhat")}
        value={draft.urlPublicReason}
        onChange={(urlPublicReason) => onChange({ ...draft, urlPublicReason })}
      />
      {urlBefore !== undefined && urlBefore !== draft.url && (
        <Notice tone="warn">
          <p>{t("request.urlWarning")}</p>
        </Notice>
      )}
      <Checkbox.Group
        {...methodsField}
        label={t("endpoint.methods")}
        withAsterisk
        value={draft.methods}
        onChange={(chosen) => onChange({ ...draft, methods: methods.filter((m) => chosen.includes(m)) })}
      >
        <div className="method-choices">
          {methods.map((m) => (
            <Checkbox key={m} value={m} label={m} size="xs" classNames={{ label: "mono" }} />
          ))}
        </div>
      </Checkbox.Group>
      <Autocomplete
        {...typeField}
        label={t("endpoint.contentType")}
        description={t("request.contentTypeHelp")}
        placeholder={t("request.contentTypePlaceholder")}
        w={320}
        data={["application/json", "application/xml", "text/xml", "text/plain", "application/x-www-form-urlencoded"]}
        maxLength={256}
        value={draft.contentType}
        onChange={(contentType) => onChange({ ...draft, contentType })}
      />
      <Parameters
        kind="header"
        title={t("endpoint.headers")}
        path="endpoint.headers"
        url={draft.url}
        value={draft.headers}
        onChange={(headers) => onChange({ ...draft, headers })}
      />
      <Parameters
        kind="query"
        title={t("endpoint.queryParameters")}
        path="endpoint.query_parameters"
        url={draft.url}
        value={draft.queryParameters}
        onChange={(queryParameters) => onChange({ ...draft, queryParameters })}
      />
      <BodyValues
        url={draft.url}
        value={draft.bodyValues}
        onChange={(bodyValues) => onChange({ ...draft, bodyValues })}
      />
    </Card>
  );
}
