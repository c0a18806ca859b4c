import { Button, SegmentedControl, Switch, Tabs, Textarea, TextInput } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { endpointOf, type Draft } from "../allowlist/draft";
import { testEncryption } from "../api/allowlist";
import { idOf } from "../api/names";
import { FindingSummary } from "../allowlist/FindingSummary";
import type { ParameterJson } from "../gen/keyward/allowlist/v1/resources_pb";
import type {
  MessageKindJson,
  SnippetJson,
  TestEncryptionResponseJson,
  ThrowawayKeyJson,
} from "../gen/keyward/allowlist/v1/service_pb";
import { violationOf } from "../api/problem";
import { Chains } from "../secrets/Chains";
import { Copy, CopyBlock } from "../ui/Copy";
import { AlertIcon, SendIcon, ShieldCheckIcon } from "../ui/icons";
import { Notice, Tag } from "../ui/parts";
import { TabList } from "../ui/TabList";
import { useAction } from "../ui/useAction";
import { encoded, shown, stageWords } from "./bytes";
import { KeysFit } from "./KeysFit";

interface Props {
  /** The endpoint, or `…/endpoints/-` for one that is not saved. */
  name: string;
  /** The endpoint on a form. Without: what is saved. */
  draft?: Draft;
}

/** A sample that looks like a payment and is none. */
const sample = JSON.stringify({ payment: { id: "sample-1", amount: "12.50", currency: "EUR" } }, null, 2);

/** Shows what a configuration makes of a sample. Nothing is sent to the partner, and nothing is kept. */
export function TryOut({ name, draft }: Props) {
  const endpoint = draft && endpointOf(draft);
  const encryption = draft && (endpoint?.encryption ?? {});
  const [body, setBody] = useState(sample);
  const [kind, setKind] = useState<MessageKindJson>("MESSAGE_KIND_REQUEST");
  const [live, setLive] = useState(false);
  const [reason, setReason] = useState("");
  const [runs, setRuns] = useState(0);
  const [result, setResult] = useState<TestEncryptionResponseJson>();
  const { run, busy, error, reset } = useAction();
  const go = () =>
    run(async () => {
      setResult(undefined);
      setRuns((n) => n + 1);
      setResult(
        await testEncryption(name, {
          kind,
          body: encoded(body),
          encryption,
          ...(live ? { liveKeys: true, reason: reason.trim() } : {}),
        }),
      );
    });
  return (
    <div className="stack tryout">
      <div className="field-head">
        <p className="dimmed">
          {encryption ? "Tries what is on the form, saved or not." : "Tries the saved configuration."} Nothing is sent
          to the partner. The keys are throw-away keys, unless you say otherwise.
        </p>
        <SegmentedControl
          size="xs"
          aria-label="Which way the sample goes"
          value={kind}
          onChange={(k) => setKind(k as MessageKindJson)}
          data={[
            { value: "MESSAGE_KIND_REQUEST", label: "Request" },
            { value: "MESSAGE_KIND_RESPONSE", label: "Response" },
          ]}
        />
      </div>
      <Textarea
        label="Sample"
        description="The body in the clear. Use a made-up one, never a real payment."
        classNames={{ input: "mono" }}
        autosize
        minRows={5}
        maxRows={16}
        spellCheck={false}
        value={body}
        error={violationOf(error, "body")}
        onChange={(e) => setBody(e.currentTarget.value)}
      />
      {!encryption && (
        <LiveKeys
          live={live}
          reason={reason}
          error={violationOf(error, "reason")}
          onReason={setReason}
          onLive={(on) => {
            setLive(on);
            setResult(undefined);
            reset();
          }}
        />
      )}
      <div>
        <Button
          leftSection={<SendIcon size={16} />}
          loading={busy}
          disabled={live && reason.trim() === ""}
          onClick={() => void go()}
        >
          Run test
        </Button>
      </div>
      <FindingSummary problem={error} />
      {result && (
        <Result
          result={result}
          live={live}
          fit={
            <KeysFit
              name={name}
              endpoint={endpoint && { url: endpoint.url, encryption: endpoint.encryption }}
              sample={kind === "MESSAGE_KIND_REQUEST" ? encoded(body) : undefined}
              run={runs}
            />
          }
        />
      )}
    </div>
  );
}

interface LiveProps {
  live: boolean;
  reason: string;
  error: string | undefined;
  onLive: (live: boolean) => void;
  onReason: (reason: string) => void;
}

/** The endpoint's own keys, for who asks for them and says why. */
function LiveKeys({ live, reason, error, onLive, onReason }: LiveProps) {
  return (
    <div className="stack">
      <Switch
        label="Use the live keys"
        description="Only to compare with what the partner has. It is on the change log."
        checked={live}
        onChange={(e) => onLive(e.currentTarget.checked)}
      />
      {live && (
        <Notice tone="bad" icon={<AlertIcon size={18} />} title="The endpoint's own keys make this message">
          <p>
            The partner would take it for a real one. The answer has no keys, no values in its steps and no programs.
          </p>
          <TextInput
            label="Reason"
            withAsterisk
            maxLength={512}
            value={reason}
            error={error}
            onChange={(e) => onReason(e.currentTarget.value)}
          />
        </Notice>
      )}
    </div>
  );
}

function Result({ result, live, fit }: { result: TestEncryptionResponseJson; live: boolean; fit: ReactNode }) {
  const body = shown(result.body);
  return (
    <div className="stack" role="region" aria-label="Result of the test">
      {result.opened ? (
        <Notice tone="good" icon={<ShieldCheckIcon size={18} />} title="It opens again">
          <p>Our own decryption gave the sample back{live ? "" : ", with throw-away keys"}.</p>
        </Notice>
      ) : (
        <Notice title="Made, and not opened again here">
          <p>Opening it takes the partner's private key, and only the public one is here.</p>
        </Notice>
      )}
      {fit}
      <section className="try-part" aria-label="Body">
        <div className="try-head">
          <h3>Body</h3>
          <span className="tags">
            {result.contentType && <Tag>{result.contentType}</Tag>}
            <Tag>{body.bytes.toLocaleString("en")} bytes</Tag>
            {body.binary && <Tag tone="info">Shown in base64</Tag>}
          </span>
        </div>
        <CopyBlock text={body.text} what="body" />
      </section>
      <Pairs title="Headers" list={result.headers} />
      <Pairs title="Query parameters" list={result.queryParameters} />
      <Steps result={result} />
      <Purposes result={result} />
      <Keys keys={result.keys} />
      <Snippets snippets={result.snippets} />
    </div>
  );
}

function Pairs({ title, list }: { title: string; list: ParameterJson[] | undefined }) {
  if (!list?.length) return null;
  return (
    <section className="try-part" aria-label={title}>
      <h3>{title}</h3>
      <dl className="records">
        {list.map((p, i) => (
          <div key={i} className="record wide">
            <dt className="mono wrap-anywhere">{p.name}</dt>
            <dd className="with-copy">
              <code className="wrap-anywhere">{p.value}</code>
              <Copy text={p.value ?? ""} what={p.name ?? "value"} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Steps({ result }: { result: TestEncryptionResponseJson }) {
  if (!result.steps?.length) return null;
  return (
    <section className="try-part" aria-label="What was done">
      <h3>What was done</h3>
      <ol className="steps">
        {result.steps.map((s, i) => (
          <li key={i}>
            <span className="step-number" aria-hidden="true">
              {i + 1}
            </span>
            <div>
              <p>
                <b>{stageWords(s.stage)}</b>{" "}
                <span className="dimmed">
                  {s.detail}, {(s.bytes ?? 0).toLocaleString("en")} bytes
                </span>
              </p>
              {s.signedText && <SignedText text={s.signedText} />}
              {s.value && (
                <code className="step-value wrap-anywhere">
                  {s.value}
                  {(s.bytes ?? 0) > s.value.length / 2 && "…"}
                </code>
              )}
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** The string that is signed, its line ends to be seen. What is copied is the string itself. */
function SignedText({ text }: { text: string }) {
  return (
    <div className="copy-block signed-text">
      <pre tabIndex={0} aria-label="The string that is signed">
        {text.replace(/\r/g, "␍").replace(/\n/g, "↵\n").replace(/\t/g, "⇥\t")}
      </pre>
      <Copy text={text} what="the string that is signed" />
    </div>
  );
}

function Purposes({ result }: { result: TestEncryptionResponseJson }) {
  if (!result.keyPurposes?.length) return null;
  return (
    <section className="try-part" aria-label="What keys are used for">
      <h3>What keys are used for</h3>
      {result.keyPurposes.map((p) => (
        <div key={p.secret}>
          <p>
            <code className="wrap-anywhere">{idOf(p.secret)}</code>
          </p>
          <Chains chains={p.chains} />
        </div>
      ))}
    </section>
  );
}

function Keys({ keys }: { keys: ThrowawayKeyJson[] | undefined }) {
  if (!keys?.length) return null;
  return (
    <section className="try-part" aria-label="Throw-away keys">
      <h3>Throw-away keys</h3>
      <p className="dimmed">Of this answer alone. They protect nothing, so the partner may have them.</p>
      {keys.map((k) => (
        <div key={k.field} className="try-key">
          <p>
            <code className="wrap-anywhere">{k.field}</code> <span className="dimmed">in place of</span>{" "}
            <code className="wrap-anywhere">{idOf(k.secret)}</code>
          </p>
          <CopyBlock text={k.value ?? ""} what={`throw-away key of ${k.field}`} lines={4} />
        </div>
      ))}
    </section>
  );
}

const languages: Record<string, [string, string]> = {
  node: ["Node.js", "Node.js 20 or newer, without packages."],
  java: ["Java", "Java 17 or newer, one class."],
};

function Snippets({ snippets }: { snippets: SnippetJson[] | undefined }) {
  const first = snippets?.[0]?.language;
  if (!snippets || !first) return null;
  return (
    <section className="try-part" aria-label="For the partner">
      <h3>For the partner</h3>
      <p className="dimmed">
        Programs that open this message with the throw-away keys and print the sample. Send one along.
      </p>
      <Tabs defaultValue={first} keepMounted={false}>
        <TabList>
          {snippets.map((s) => (
            <Tabs.Tab key={s.language} value={s.language ?? ""}>
              {languages[s.language ?? ""]?.[0] ?? s.language}
            </Tabs.Tab>
          ))}
        </TabList>
        {snippets.map((s) => (
          <Tabs.Panel key={s.language} value={s.language ?? ""}>
            <p className="field-hint">{languages[s.language ?? ""]?.[1]}</p>
            <CopyBlock text={s.code ?? ""} what={`${languages[s.language ?? ""]?.[0] ?? s.language} program`} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </section>
  );
}
