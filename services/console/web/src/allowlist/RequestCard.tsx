import { Autocomplete, Checkbox, Textarea, TextInput } from "@mantine/core";
import { idRules } from "../api/names";
import { useField } from "../shape/findings";
import { CheckIcon, CrossIcon } from "../ui/icons";
import { LabelsField } from "../ui/LabelsField";
import { Card, Notice } from "../ui/parts";
import type { Draft } from "./draft";
import { BodyValues, Parameters } from "./Parameters";
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

/** What an endpoint is called. */
export function AboutCard({ draft, onChange, id, onId, taken }: AboutProps) {
  const idField = useField("endpoint_id");
  const nameField = useField("endpoint.display_name");
  const descriptionField = useField("endpoint.description");
  const { error: labelsError, ...labelsField } = useField("endpoint.labels");
  return (
    <Card title="About">
      <div className="two">
        <TextInput
          {...nameField}
          label="Display name"
          description="For people. Optional."
          placeholder="Example Bank payments"
          maxLength={128}
          value={draft.displayName}
          onChange={(e) => onChange({ ...draft, displayName: e.currentTarget.value })}
        />
        {onId ? (
          <div>
            <TextInput
              {...idField}
              label="Name"
              description="For machines; it cannot be changed later."
              placeholder="example-bank"
              withAsterisk
              maxLength={128}
              spellCheck={false}
              autoComplete="off"
              classNames={{ input: "mono" }}
              value={id}
              error={taken ? "There is an endpoint of this name already." : idField.error}
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
                    <CheckIcon size={13} />A name that can be used
                  </li>
                )}
              </ul>
            )}
          </div>
        ) : (
          <TextInput
            label="Name"
            description="It cannot be changed."
            readOnly
            classNames={{ input: "mono" }}
            value={id}
          />
        )}
      </div>
      <Textarea
        {...descriptionField}
        label="Description"
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

/** What is sent, and where to. */
export function RequestCard({ draft, onChange, urlBefore }: Props & { urlBefore?: string }) {
  const urlField = useField("endpoint.url");
  const methodsField = useField("endpoint.methods");
  const typeField = useField("endpoint.content_type");
  return (
    <Card title="Request" words="Where it goes, and what goes with every request.">
      <TextInput
        {...urlField}
        label="URL"
        description="Absolute, https, without query. A path that ends in /* stands for everything below it."
        placeholder="https://api.partner.example/v2/payments"
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
        what="the URL"
        value={draft.urlPublicReason}
        onChange={(urlPublicReason) => onChange({ ...draft, urlPublicReason })}
      />
      {urlBefore !== undefined && urlBefore !== draft.url && (
        <Notice tone="warn">
          <p>
            Another host, port or scheme undoes the verification, and may another path. The endpoint is then pending
            until it is verified again.
          </p>
        </Notice>
      )}
      <Checkbox.Group
        {...methodsField}
        label="Methods"
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
        label="Content type"
        description="Of bodies before encryption."
        placeholder="application/json"
        w={320}
        data={["application/json", "application/xml", "text/xml", "text/plain", "application/x-www-form-urlencoded"]}
        maxLength={256}
        value={draft.contentType}
        onChange={(contentType) => onChange({ ...draft, contentType })}
      />
      <Parameters
        title="Headers"
        path="endpoint.headers"
        url={draft.url}
        value={draft.headers}
        onChange={(headers) => onChange({ ...draft, headers })}
      />
      <Parameters
        title="Query parameters"
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
