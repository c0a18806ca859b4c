import { Button, Group, SegmentedControl } from "@mantine/core";
import { useState } from "react";
import { useAccess } from "../api/access";
import { workspaceName } from "../api/names";
import type { Problem } from "../api/problem";
import { FieldEditor, MessageEditor } from "../shape/Editor";
import { Beside, useFindingBelow } from "../shape/findings";
import { withField, type Json } from "../shape/value";
import { TryOut } from "../tryout/TryOut";
import { Dialog } from "../ui/Dialog";
import { SendIcon } from "../ui/icons";
import { Card } from "../ui/parts";
import { Acknowledge } from "./Acknowledge";
import type { Draft } from "./draft";
import { PresetForm } from "./PresetForm";
import { PublicLiteral } from "./PublicLiteral";

interface Props {
  draft: Draft;
  onChange: (draft: Draft) => void;
  problem: Problem | undefined;
  /** The saved endpoint, or nothing while it is new. */
  endpointName: string | undefined;
}

/** What the profile of responses begins with. */
const responses: Record<string, Json | undefined> = { own: {}, plain: { plain: {} } };

const profile = "keyward.allowlist.v1.Profile";
const path = "endpoint.encryption";

/** How bodies are protected. Keys are references to stored secrets; there is no place for a key itself. */
export function EncryptionCard({ draft, onChange, problem, endpointName }: Props) {
  const set = (encryption: Json | undefined) => onChange({ ...draft, encryption });
  const { encryption } = draft;
  const use = encryption?.preset as Json | undefined;
  const responseFinding = useFindingBelow(`${path}.response`);
  if (!encryption || use) {
    return (
      <Card
        title="Encryption"
        words="How bodies to and from the endpoint are protected."
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
      title="Encryption"
      words="How bodies to and from the endpoint are protected. Keys are stored secrets, by name."
      action={
        <Group gap="xs" wrap="nowrap">
          <TryButton endpointName={endpointName} draft={draft} />
          <Button size="xs" variant="subtle" color="gray" onClick={() => set(undefined)}>
            Remove
          </Button>
        </Group>
      }
    >
      <Acknowledge problem={problem} encryption={encryption} onChange={set} />
      <Beside value={(at) => <PublicLiteral path={at} encryption={encryption} onChange={set} />}>
        <section className="direction" aria-label="Requests">
          <h3>Requests</h3>
          <MessageEditor
            type={profile}
            value={request}
            onChange={(v) => set(withField(encryption, "request", v))}
            path={`${path}.request`}
          />
        </section>
        <section className="direction" aria-label="Responses" data-path={`${path}.response`}>
          <div className="direction-head">
            <h3>Responses</h3>
            <SegmentedControl
              size="xs"
              aria-label="How responses are protected"
              value={response ? (response.plain ? "plain" : "own") : "same"}
              onChange={(v) => set(withField(encryption, "response", responses[v]))}
              data={[
                { value: "same", label: "As requests are" },
                { value: "own", label: "In their own way" },
                { value: "plain", label: "Not encrypted" },
              ]}
            />
          </div>
          {!response && responseFinding && (
            <p className="field-error" role="alert">
              {responseFinding}
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
            <p className="dimmed">Opened the way requests are sealed. The signature is not expected back.</p>
          )}
        </section>
      </Beside>
      <OtherUses encryption={encryption} onChange={set} />
    </Card>
  );
}

/** What the keys are used for besides, in the configurations of other endpoints. */
function OtherUses({ encryption, onChange }: { encryption: Json; onChange: (encryption: Json) => void }) {
  return (
    <section className="direction" aria-label="Keys with other uses">
      <h3>Keys with other uses</h3>
      <p className="dimmed">
        For a partner that has one key for several things: every endpoint that uses the key declares the same uses.
      </p>
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

/** What an encryption begins with. */
function Start({ preset, onChoose }: { preset: boolean; onChoose: (encryption: Json | undefined) => void }) {
  const choices: { title: string; words: string; on: boolean; begin: () => void }[] = [
    { title: "None", words: "Bodies are sent as they are.", on: !preset, begin: () => onChoose(undefined) },
    {
      title: "From a preset",
      words: "What a partner, bank or library is known to use.",
      on: preset,
      begin: () => onChoose({ preset: {} }),
    },
    { title: "Build it", words: "Encrypt or sign step by step.", on: false, begin: () => onChoose({ request: {} }) },
  ];
  return (
    <div className="starts" role="group" aria-label="How to begin">
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

/** Tries what is on the form, before it is saved. */
function TryButton({ draft, endpointName }: { draft: Draft; endpointName: string | undefined }) {
  const { workspace } = useAccess();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="xs" variant="default" leftSection={<SendIcon size={14} />} onClick={() => setOpen(true)}>
        Test
      </Button>
      {open && (
        <Dialog onClose={() => setOpen(false)} title="Test the encryption" size={860}>
          <TryOut name={endpointName ?? `${workspaceName(workspace)}/endpoints/-`} draft={draft} />
        </Dialog>
      )}
    </>
  );
}
