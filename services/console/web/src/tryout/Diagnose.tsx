import { Button, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { useRef, useState } from "react";
import { diagnoseSample } from "../api/allowlist";
import { violationOf } from "../api/problem";
import { FindingSummary, placeWords } from "../allowlist/FindingSummary";
import type {
  DiagnoseSampleResponseJson,
  MessageContextJson,
  MessageKindJson,
} from "../gen/keyward/allowlist/v1/service_pb";
import { base64 } from "../api/base64";
import { AlertIcon, SearchIcon, ShieldCheckIcon, UploadIcon } from "../ui/icons";
import { Card, Notice, plural } from "../ui/parts";
import { useAction } from "../ui/useAction";
import { encoded, headersOf } from "./bytes";
import { Fits } from "./KeysFit";

/** What was signed besides the body: the fields of a MessageContext, and what each is called. */
const contexts = [
  ["method", "Method", "POST"],
  ["path", "Path", "/v1/hooks/payment"],
  ["query", "Query", "id=7&retry=1"],
  ["time", "When it was signed", "2026-01-31T12:00:00Z"],
] as const;

/**
 * Finds out why a message of the partner does not open, for who knows what it holds, or why
 * its signature is not accepted.
 */
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
    <Card
      title="Diagnose"
      words="A message of the partner does not open, and you know what it holds, or its signature is not accepted? This tries variants of the configuration with the live keys. At most 10 an hour, each on the change log."
    >
      <SegmentedControl
        className="start"
        size="xs"
        aria-label="What is wrong"
        value={signature ? "signature" : "plaintext"}
        onChange={(w) => {
          setSignature(w === "signature");
          setResult(undefined);
        }}
        data={[
          { value: "plaintext", label: "It does not open" },
          { value: "signature", label: "Its signature is not accepted" },
        ]}
      />
      <SegmentedControl
        className="start"
        size="xs"
        aria-label="Which message it is"
        value={kind}
        onChange={(k) => setKind(k as MessageKindJson)}
        data={[
          { value: "MESSAGE_KIND_RESPONSE", label: "A response" },
          { value: "MESSAGE_KIND_REQUEST", label: "A request" },
        ]}
      />
      <div className="field">
        <Textarea
          label="What the partner sent"
          description="The body as it came."
          placeholder={file ? `The file ${file.name}` : undefined}
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
            {file ? "Another file" : "From a file"}
          </Button>
          {file && (
            <Button size="xs" variant="subtle" color="gray" onClick={() => setFile(undefined)}>
              Without {file.name}
            </Button>
          )}
        </div>
        <input
          ref={input}
          type="file"
          aria-label="File with what the partner sent"
          className="sr-only"
          tabIndex={-1}
          onChange={(e) => {
            setFile(e.currentTarget.files?.[0]);
            e.currentTarget.value = "";
          }}
        />
      </div>
      <Textarea
        label="Headers that came with it"
        description={`One a line, as Name: value. ${signature ? "With that of the signature." : "Only where a part or the signature is in one."}`}
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
          label="What it holds"
          description="The whole plaintext, byte for byte."
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
          <legend className="field-hint">
            What was signed besides, where that is so. Empty: as the endpoint's URL has it, and now.
          </legend>
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
        label="Why it is diagnosed"
        description="For the change log."
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
          Diagnose
        </Button>
      </div>
      <FindingSummary problem={error} />
      {result && <Found result={result} signature={signature} />}
    </Card>
  );
}

function Found({ result, signature }: { result: DiagnoseSampleResponseJson; signature: boolean }) {
  if (result.unusableKeys?.length) {
    return (
      <Notice tone="bad" icon={<AlertIcon size={18} />} title="A key cannot be used">
        <Fits keys={result.unusableKeys} />
        <p>Nothing was tried.</p>
      </Notice>
    );
  }
  const tried = `${plural(result.tried ?? 0, "variant")} tried.`;
  const differences = result.differences ?? [];
  if (!result.found) {
    return (
      <Notice
        tone="warn"
        title={signature ? "No variant accepts the signature" : "No variant opens it to this plaintext"}
      >
        <p>
          {tried} Check that {signature ? "body and headers are as they came" : "the whole plaintext is right"} and that
          the partner uses the same key.
        </p>
      </Notice>
    );
  }
  if (differences.length === 0) {
    return (
      <Notice
        tone="good"
        icon={<ShieldCheckIcon size={18} />}
        title={signature ? "The configuration accepts the signature as it is" : "The configuration opens it as it is"}
      >
        <p>{tried} Nothing has to be changed.</p>
      </Notice>
    );
  }
  return (
    <Notice tone="good" icon={<ShieldCheckIcon size={18} />} title="Found: the partner does it differently">
      <ul className="finding-list">
        {differences.map((d) => (
          <li key={d.field}>
            <b>{placeWords(d.field ?? "")}</b> is <code>{d.configured || "not set"}</code> here;{" "}
            <code>{d.works || "not set"}</code> works.
          </li>
        ))}
      </ul>
      <p>{tried}</p>
    </Notice>
  );
}
