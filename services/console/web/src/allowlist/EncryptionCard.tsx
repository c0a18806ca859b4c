import { Button, Group, SegmentedControl } from "@mantine/core";
import { useState } from "react";
import { useAccess } from "../api/access";
import { workspaceName } from "../api/names";
import type { Problem } from "../api/problem";
import { FieldEditor, MessageEditor } from "../shape/Editor";
import { Beside, useViolationBelow } from "../shape/violations";
import { withField, type Json } from "../shape/value";
import { TryOut } from "../tryout/TryOut";
import { Dialog } from "../ui/Dialog";
import { SendIcon } from "../ui/icons";
import { Card } from "../ui/parts";
import { Acknowledge } from "./Acknowledge";
import type { Draft } from "./draft";
import { PresetForm } from "./PresetForm";
import { t } from "../text/t";
import { PublicLiteral } from "./PublicLiteral";

interface Props {
  draft: Draft;
  onChange: (draft: Draft) => void;
  problem: Problem | undefined;
  /** The saved endpoint; undefined while it is new. */
  endpointName: string | undefined;
}

/** The initial profile for responses. */
const responses: Record<string, Json | undefined> = { own: {}, plain: { plain: {} } };

const profile = "keyward.allowlist.v1.Profile";
const path = "endpoint.encryption";

/** The protection of bodies. Keys are references to stored secrets; the form has no input for a key itself. */
export function EncryptionCard({ draft, onChange, problem, endpointName }: Props) {
  const set = (encryption: Json | undefined) => onChange({ ...draft, encryption });
  const { encryption } = draft;
  const use = encryption?.preset as Json | undefined;
  const responseViolation = useViolationBelow(`${path}.response`);
  if (!encryption || use) {
    return (
      <Card
        title={t("encryption.title")}
        words={t("encryption.words")}
        action={use?.id ? <TryButton endpointName={endpointName} draft={draft} /> : undefined}
      >
        <Start preset={Boolean(use)} onChoose={set} />
        {encryption && use && (
          <>
            <PresetForm value={use} onChange={(next) => set(withField(encryption, "preset", next))} />
            {use.id ? <OtherUses encryption={encryption} onChange={set} /> : null}
          </>
        )}
      </Card>
    );
  }
  const request = (encryption.request ?? {}) as Json;
  const response = encryption.response as Json | undefined;
  return (
    <Card
      title={t("encryption.title")}
      words={t("encryption.wordsKeys")}
      action={
        <Group gap="xs" wrap="nowrap">
          <TryButton endpointName={endpointName} draft={draft} />
          <Button size="xs" variant="subtle" color="gray" onClick={() => set(undefined)}>
            {t("ui.remove")}
          </Button>
        </Group>
      }
    >
      <Acknowledge problem={problem} encryption={encryption} onChange={set} />
      <Beside value={(at) => <PublicLiteral path={at} encryption={encryption} onChange={set} />}>
        <section className="direction" aria-label={t("encryption.requests")}>
          <h3>{t("encryption.requests")}</h3>
          <MessageEditor
            type={profile}
            value={request}
            onChange={(v) => set(withField(encryption, "request", v))}
            path={`${path}.request`}
          />
        </section>
        <section className="direction" aria-label={t("encryption.responses")} data-path={`${path}.response`}>
          <div className="direction-head">
            <h3>{t("encryption.responses")}</h3>
            <SegmentedControl
              size="xs"
              aria-label={t("encryption.responsesMode")}
              value={response ? (response.plain ? "plain" : "own") : "same"}
              onChange={(v) => set(withField(encryption, "response", responses[v]))}
              data={[
                { value: "same", label: t("encryption.responsesSame") },
                { value: "own", label: t("encryption.responsesOwn") },
                { value: "plain", label: t("encryption.none") },
              ]}
            />
          </div>
          {!response && responseViolation && (
            <p className="field-error" role="alert">
              {responseViolation}
            </p>
          )}
          {response ? (
            <MessageEditor
              type={profile}
              value={response}
              onChange={(v) => set(withField(encryption, "response", v))}
              path={`${path}.response`}
            />
          ) : (
            <p className="dimmed">{t("encryption.responsesSameWords")}</p>
          )}
        </section>
      </Beside>
      <OtherUses encryption={encryption} onChange={set} />
    </Card>
  );
}

/** Other uses of the keys, in the configurations of other endpoints. */
function OtherUses({ encryption, onChange }: { encryption: Json; onChange: (encryption: Json) => void }) {
  return (
    <section className="direction" aria-label={t("encryption.otherUses")}>
      <h3>{t("encryption.otherUses")}</h3>
      <p className="dimmed">{t("encryption.otherUsesWords")}</p>
      <FieldEditor
        type="keyward.allowlist.v1.Encryption"
        name="also_used_for"
        value={encryption}
        onChange={onChange}
        path={path}
      />
    </section>
  );
}

/** The initial encryption. */
function Start({ preset, onChoose }: { preset: boolean; onChoose: (encryption: Json | undefined) => void }) {
  const choices: { title: string; words: string; on: boolean; begin: () => void }[] = [
    {
      title: t("encryption.kindNone"),
      words: t("encryption.kindNoneWords"),
      on: !preset,
      begin: () => onChoose(undefined),
    },
    {
      title: t("encryption.kindPreset"),
      words: t("encryption.kindPresetWords"),
      on: preset,
      begin: () => onChoose({ preset: {} }),
    },
    {
      title: t("encryption.kindBuild"),
      words: t("encryption.kindBuildWords"),
      on: false,
      begin: () => onChoose({ request: {} }),
    },
  ];
  return (
    <div className="starts" role="group" aria-label={t("encryption.start")}>
      {choices.map((c) => (
        <button
          key={c.title}
          type="button"
          className="choice"
          aria-pressed={c.on}
          data-checked={c.on || undefined}
          onClick={() => !c.on && c.begin()}
        >
          <span>
            <b>{c.title}</b>
            <small>{c.words}</small>
          </span>
        </button>
      ))}
    </div>
  );
}

/** Tests the form before it is saved. */
function TryButton({ draft, endpointName }: { draft: Draft; endpointName: string | undefined }) {
  const { workspace } = useAccess();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="xs" variant="default" leftSection={<SendIcon size={14} />} onClick={() => setOpen(true)}>
        {t("encryption.test")}
      </Button>
      {open && (
        <Dialog onClose={() => setOpen(false)} title={t("encryption.testTitle")} size={860}>
          <TryOut name={endpointName ?? `${workspaceName(workspace)}/endpoints/-`} draft={draft} />
        </Dialog>
      )}
    </>
  );
}
