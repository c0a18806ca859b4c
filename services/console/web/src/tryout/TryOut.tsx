import { Button, SegmentedControl, Switch, Tabs, Textarea, TextInput } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { endpointOf, type Draft } from "../allowlist/draft";
import { testEncryption } from "../api/allowlist";
import { idOf } from "../api/names";
import { ViolationSummary } from "../allowlist/ViolationSummary";
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
import { t } from "../text/t";
import { KeysFit } from "./KeysFit";

interface Props {
  /** The endpoint, or `…/endpoints/-` for an endpoint that is not saved. */
  name: string;
  /** The endpoint in a form; if undefined, the saved one. */
  draft?: Draft;
}

/** A made-up sample that looks like a payment. */
const sample = JSON.stringify({ payment: { id: "sample-1", amount: "12.50", currency: "EUR" } }, null, 2);

/** Shows how a configuration transforms a sample. Nothing is sent to the partner, and nothing is stored. */
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
        <p className="dimmed">{encryption ? t("tryout.wordsForm") : t("tryout.wordsSaved")}</p>
        <SegmentedControl
          size="xs"
          aria-label={t("tryout.way")}
          value={kind}
          onChange={(k) => setKind(k)}
          data={[
            { value: "MESSAGE_KIND_REQUEST", label: t("tryout.request") },
            { value: "MESSAGE_KIND_RESPONSE", label: t("tryout.response") },
          ]}
        />
      </div>
      <Textarea
        label={t("tryout.sample")}
        description={t("tryout.sampleHelp")}
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
          {t("tryout.run")}
        </Button>
      </div>
      <ViolationSummary problem={error} />
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

/** The option to use the endpoint's own keys, which needs a reason. */
function LiveKeys({ live, reason, error, onLive, onReason }: LiveProps) {
  return (
    <div className="stack">
      <Switch
        label={t("tryout.live")}
        description={t("tryout.liveHelp")}
        checked={live}
        onChange={(e) => onLive(e.currentTarget.checked)}
      />
      {live && (
        <Notice tone="bad" icon={<AlertIcon size={18} />} title={t("tryout.liveTitle")}>
          <p>{t("tryout.liveWords")}</p>
          <TextInput
            label={t("ui.reason")}
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
    <div className="stack" role="region" aria-label={t("tryout.result")}>
      {result.opened ? (
        <Notice tone="good" icon={<ShieldCheckIcon size={18} />} title={t("tryout.opens")}>
          <p>{live ? t("tryout.opensLive") : t("tryout.opensWords")}</p>
        </Notice>
      ) : (
        <Notice title={t("tryout.made")}>
          <p>{t("tryout.madeWords")}</p>
        </Notice>
      )}
      {fit}
      <section className="try-part" aria-label={t("tryout.body")}>
        <div className="try-head">
          <h3>{t("tryout.body")}</h3>
          <span className="tags">
            {result.contentType && <Tag>{result.contentType}</Tag>}
            <Tag>{t("tryout.size", { bytes: body.bytes })}</Tag>
            {body.binary && <Tag tone="info">{t("tryout.base64")}</Tag>}
          </span>
        </div>
        <CopyBlock text={body.text} what={t("tryout.bodyWhat")} />
      </section>
      <Pairs title={t("endpoint.headers")} list={result.headers} />
      <Pairs title={t("endpoint.queryParameters")} list={result.queryParameters} />
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
    <section className="try-part" aria-label={t("tryout.steps")}>
      <h3>{t("tryout.steps")}</h3>
      <ol className="steps">
        {result.steps.map((s, i) => (
          <li key={i}>
            <span className="step-number" aria-hidden="true">
              {i + 1}
            </span>
            <div>
              <p>
                <b>{stageWords(s.stage)}</b>{" "}
                <span className="dimmed">{t("tryout.step", { detail: s.detail, count: s.bytes ?? 0 })}</span>
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

/** The signed string with visible line ends. Copying copies the string itself. */
function SignedText({ text }: { text: string }) {
  return (
    <div className="copy-block signed-text">
      <pre tabIndex={0} aria-label={t("tryout.signed")}>
        {text.replace(/\r/g, "␍").replace(/\n/g, "↵\n").replace(/\t/g, "⇥\t")}
      </pre>
      <Copy text={text} what={t("tryout.signedWhat")} />
    </div>
  );
}

function Purposes({ result }: { result: TestEncryptionResponseJson }) {
  if (!result.keyPurposes?.length) return null;
  return (
    <section className="try-part" aria-label={t("keyPurposes.title")}>
      <h3>{t("keyPurposes.title")}</h3>
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
    <section className="try-part" aria-label={t("tryout.keys")}>
      <h3>{t("tryout.keys")}</h3>
      <p className="dimmed">{t("tryout.keysWords")}</p>
      {keys.map((k) => (
        <div key={k.field} className="try-key">
          <p>
            <code className="wrap-anywhere">{k.field}</code> <span className="dimmed">{t("tryout.inPlaceOf")}</span>{" "}
            <code className="wrap-anywhere">{idOf(k.secret)}</code>
          </p>
          <CopyBlock text={k.value ?? ""} what={t("tryout.keyWhat", { field: k.field })} lines={4} />
        </div>
      ))}
    </section>
  );
}

const languages: Record<string, [string, string]> = {
  node: ["Node.js", t("tryout.node")],
  java: ["Java", t("tryout.java")],
  python: ["Python", t("tryout.python")],
  shell: ["Bash", t("tryout.shell")],
};

function Snippets({ snippets }: { snippets: SnippetJson[] | undefined }) {
  const first = snippets?.[0]?.language;
  if (!snippets || !first) return null;
  return (
    <section className="try-part" aria-label={t("tryout.partner")}>
      <h3>{t("tryout.partner")}</h3>
      <p className="dimmed">{t("tryout.partnerWords")}</p>
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
            <CopyBlock
              text={s.code ?? ""}
              what={t("tryout.program", { language: languages[s.language ?? ""]?.[0] ?? s.language })}
            />
          </Tabs.Panel>
        ))}
      </Tabs>
    </section>
  );
}
