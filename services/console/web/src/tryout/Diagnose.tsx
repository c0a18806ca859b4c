import { Button, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { useRef, useState } from "react";
import { diagnoseSample } from "../api/allowlist";
import { violationOf } from "../api/problem";
import { ViolationSummary, placeWords } from "../allowlist/ViolationSummary";
import type {
  DiagnoseSampleResponseJson,
  MessageContextJson,
  MessageKindJson,
} from "../gen/keyward/allowlist/v1/service_pb";
import { base64 } from "../api/base64";
import { AlertIcon, SearchIcon, ShieldCheckIcon, UploadIcon } from "../ui/icons";
import { Card, Notice } from "../ui/parts";
import { useAction } from "../ui/useAction";
import { encoded, headersOf } from "./bytes";
import { rich, t } from "../text/t";
import { Fits } from "./KeysFit";

/** The signed parts other than the body: the fields of a MessageContext and their labels. */
const contexts = [
  ["method", t("diagnose.method"), "POST"],
  ["path", t("diagnose.path"), "/v1/hooks/payment"],
  ["query", t("diagnose.query"), "id=7&retry=1"],
  ["time", t("diagnose.time"), "2026-01-31T12:00:00Z"],
] as const;

/** Finds out why a message with known plaintext does not decrypt, or why its signature is rejected. */
export function Diagnose({ name }: { name: string }) {
  const [kind, setKind] = useState<MessageKindJson>("MESSAGE_KIND_RESPONSE");
  const [body, setBody] = useState("");
  const [file, setFile] = useState<File>();
  const [headers, setHeaders] = useState("");
  const [plaintext, setPlaintext] = useState("");
  const [signature, setSignature] = useState(false);
  const [context, setContext] = useState<MessageContextJson>({});
  const [reason, setReason] = useState("");
  const [result, setResult] = useState<DiagnoseSampleResponseJson>();
  const { run, busy, error } = useAction();
  const input = useRef<HTMLInputElement>(null);
  const ready = (file !== undefined || body !== "") && (signature || plaintext !== "") && reason.trim() !== "";
  const go = () =>
    run(async () => {
      setResult(undefined);
      const bytes = file ? base64(new Uint8Array(await file.arrayBuffer())) : encoded(body);
      setResult(
        await diagnoseSample(name, {
          kind,
          body: bytes,
          headers: headersOf(headers),
          ...(signature ? { signature, context } : { plaintext: encoded(plaintext) }),
          reason: reason.trim(),
        }),
      );
    });
  return (
    <Card title={t("diagnose.title")} words={t("diagnose.words")}>
      <SegmentedControl
        className="start"
        size="xs"
        aria-label={t("diagnose.problem")}
        value={signature ? "signature" : "plaintext"}
        onChange={(w) => {
          setSignature(w === "signature");
          setResult(undefined);
        }}
        data={[
          { value: "plaintext", label: t("diagnose.open") },
          { value: "signature", label: t("diagnose.verify") },
        ]}
      />
      <SegmentedControl
        className="start"
        size="xs"
        aria-label={t("diagnose.message")}
        value={kind}
        onChange={(k) => setKind(k)}
        data={[
          { value: "MESSAGE_KIND_RESPONSE", label: t("diagnose.response") },
          { value: "MESSAGE_KIND_REQUEST", label: t("diagnose.request") },
        ]}
      />
      <div className="field">
        <Textarea
          label={t("diagnose.sample")}
          description={t("diagnose.sampleHelp")}
          placeholder={file ? t("diagnose.file", { name: file.name }) : undefined}
          disabled={Boolean(file)}
          withAsterisk
          classNames={{ input: "mono" }}
          autosize
          minRows={3}
          maxRows={10}
          spellCheck={false}
          value={body}
          error={violationOf(error, "body")}
          onChange={(e) => setBody(e.currentTarget.value)}
        />
        <div className="absent">
          <Button
            size="xs"
            variant="default"
            leftSection={<UploadIcon size={14} />}
            onClick={() => input.current?.click()}
          >
            {file ? t("diagnose.otherFile") : t("diagnose.fromFile")}
          </Button>
          {file && (
            <Button size="xs" variant="subtle" color="gray" onClick={() => setFile(undefined)}>
              {t("diagnose.without", { name: file.name })}
            </Button>
          )}
        </div>
        <input
          ref={input}
          type="file"
          aria-label={t("diagnose.fileLabel")}
          className="sr-only"
          tabIndex={-1}
          onChange={(e) => {
            setFile(e.currentTarget.files?.[0]);
            e.currentTarget.value = "";
          }}
        />
      </div>
      <Textarea
        label={t("diagnose.headers")}
        description={signature ? t("diagnose.headersHelpSignature") : t("diagnose.headersHelp")}
        withAsterisk={signature}
        classNames={{ input: "mono" }}
        autosize
        minRows={1}
        maxRows={6}
        spellCheck={false}
        value={headers}
        error={violationOf(error, "headers")}
        onChange={(e) => setHeaders(e.currentTarget.value)}
      />
      {!signature && (
        <Textarea
          label={t("diagnose.plaintext")}
          description={t("diagnose.plaintextHelp")}
          withAsterisk
          classNames={{ input: "mono" }}
          autosize
          minRows={2}
          maxRows={10}
          spellCheck={false}
          value={plaintext}
          error={violationOf(error, "plaintext")}
          onChange={(e) => setPlaintext(e.currentTarget.value)}
        />
      )}
      {signature && (
        <fieldset className="two plain-fieldset">
          <legend className="field-hint">{t("diagnose.signed")}</legend>
          {contexts.map(([field, label, placeholder]) => (
            <TextInput
              key={field}
              label={label}
              placeholder={placeholder}
              classNames={{ input: "mono" }}
              spellCheck={false}
              autoComplete="off"
              maxLength={2048}
              value={context[field] ?? ""}
              error={violationOf(error, `context.${field}`)}
              onChange={(e) => setContext({ ...context, [field]: e.currentTarget.value.trim() || undefined })}
            />
          ))}
        </fieldset>
      )}
      <TextInput
        label={t("diagnose.reason")}
        description={t("ui.reasonRequired")}
        withAsterisk
        maxLength={512}
        value={reason}
        error={violationOf(error, "reason")}
        onChange={(e) => setReason(e.currentTarget.value)}
      />
      <div>
        <Button
          variant="default"
          leftSection={<SearchIcon size={16} />}
          loading={busy}
          disabled={!ready}
          onClick={() => void go()}
        >
          {t("diagnose.title")}
        </Button>
      </div>
      <ViolationSummary problem={error} />
      {result && <Found result={result} signature={signature} />}
    </Card>
  );
}

function Found({ result, signature }: { result: DiagnoseSampleResponseJson; signature: boolean }) {
  if (result.unusableKeys?.length) {
    return (
      <Notice tone="bad" icon={<AlertIcon size={18} />} title={t("diagnose.keyUnusable")}>
        <Fits keys={result.unusableKeys} />
        <p>{t("diagnose.nothingTried")}</p>
      </Notice>
    );
  }
  const tried = t("diagnose.tried", { count: result.tried ?? 0 });
  const differences = result.differences ?? [];
  if (!result.found) {
    return (
      <Notice tone="warn" title={signature ? t("diagnose.noneVerifies") : t("diagnose.noneOpens")}>
        <p>{signature ? t("diagnose.checkSignature", { tried }) : t("diagnose.checkPlaintext", { tried })}</p>
      </Notice>
    );
  }
  if (differences.length === 0) {
    return (
      <Notice
        tone="good"
        icon={<ShieldCheckIcon size={18} />}
        title={signature ? t("diagnose.verifies") : t("diagnose.opens")}
      >
        <p>{t("diagnose.noChange", { tried })}</p>
      </Notice>
    );
  }
  return (
    <Notice tone="good" icon={<ShieldCheckIcon size={18} />} title={t("diagnose.found")}>
      <ul className="violation-list">
        {differences.map((d) => (
          <li key={d.field}>
            {rich("diagnose.difference", {
              place: placeWords(d.field ?? ""),
              configured: d.configured || t("diagnose.notSet"),
              works: d.works || t("diagnose.notSet"),
            })}
          </li>
        ))}
      </ul>
      <p>{tried}</p>
    </Notice>
  );
}
