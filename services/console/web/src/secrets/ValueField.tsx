import { Button, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useEffect, useId, useImperativeHandle, useRef, useState, useSyncExternalStore, type DragEvent, type Ref } from "react";
import type { Generate_KindJson, SecretValueJson } from "../gen/keyward/vault/v1/resources_pb";
import { base64 } from "../session/pkce";
import { session } from "../session/session";
import { DiceIcon, EyeIcon, EyeOffIcon, FileIcon, PencilIcon, UploadIcon } from "../ui/icons";
import { kinds } from "./kinds";
import type { KnownUsage } from "./usage";

/** The limit of a value, in bytes. */
const limit = 64 * 1024;

/** How a form gets at the value, once, and makes the page forget it. */
export interface ValueHandle {
  /** The value as the API takes it, or undefined when there is none. */
  take: () => Promise<SecretValueJson | undefined>;
  /** Forgets whatever was typed or dropped. */
  clear: () => void;
}

type Way = "text" | "file" | "generate";

interface Props {
  ref: Ref<ValueHandle>;
  error?: string;
  /** What it is for: a kind that suits is offered first. */
  favour: KnownUsage;
  onFilled?: (filled: boolean) => void;
  /** Whether the dialog begins here, and the focus with it. */
  first?: boolean;
}

/**
 * Where a value is typed, dropped or ordered. The value is in the text area or the file
 * alone, never in React's state: what cannot be kept by mistake need not be forgotten.
 */
export function ValueField({ ref, error, favour, onFilled, first }: Props) {
  const [way, setWay] = useState<Way>("text");
  const [kind, setKind] = useState<Generate_KindJson>();
  const [size, setSize] = useState(0);
  const area = useRef<HTMLTextAreaElement>(null);
  const file = useRef<File>(undefined);
  const [fileName, setFileName] = useState("");
  const [reason, setReason] = useState("");
  // A weak key is asked about once the vault has refused it.
  const [weak, setWeak] = useState(false);
  if (!weak && error?.includes("weak_reason")) setWeak(true);
  const chosen = kind ?? kinds.find((k) => k.for === (favour === "USAGE_EXPOSED_KEY" ? "USAGE_KEY" : favour))?.kind ?? "KIND_AES_256";

  const clear = () => {
    if (area.current) area.current.value = "";
    file.current = undefined;
    setFileName("");
    setSize(0);
    onFilled?.(false);
  };
  const choose = (next: Way) => {
    clear();
    setWay(next);
    onFilled?.(next === "generate");
  };
  useImperativeHandle(ref, () => ({
    clear,
    take: async () => {
      if (way === "generate") return { generate: { kind: chosen } };
      const why = weak && reason ? { weakReason: reason } : {};
      if (way === "file") return file.current ? { data: base64(new Uint8Array(await file.current.arrayBuffer())), ...why } : undefined;
      return area.current?.value ? { text: area.current.value, ...why } : undefined;
    },
  }));

  // Whoever comes back to a page that was left alone finds no value on it.
  const phase = useSyncExternalStore(session.subscribe, session.getPhase);
  const over = phase.is !== "in";
  useEffect(() => {
    if (over) clear();
  }, [over]);

  const label = useId();
  return (
    <div className="field" role="group" aria-labelledby={label}>
      <div className="field-head">
        <span className="field-label" id={label}>
          Value
        </span>
        <SegmentedControl size="xs" aria-label="How the value comes" value={way} onChange={(v) => choose(v as Way)} data={ways} />
      </div>
      {way === "text" && <Masked area={area} first={first} invalid={Boolean(error)} size={size} onSize={(n) => { setSize(n); onFilled?.(n > 0); }} />}
      {way === "file" && (
        <FileDrop
          name={fileName}
          size={size}
          onFile={(f) => {
            file.current = f;
            setFileName(f.name);
            setSize(f.size);
            onFilled?.(f.size > 0);
          }}
        />
      )}
      {way === "generate" && <Generated kind={chosen} onKind={setKind} />}
      {size > limit && <p className="field-error">A value has at most 64 KiB; this one has {Math.ceil(size / 1024).toLocaleString("en")}.</p>}
      {error && <p className="field-error" role="alert">{error}</p>}
      {weak && way !== "generate" && (
        <TextInput
          label="Why a weak key is used"
          description="Kept on the log. Do not write the value here."
          maxLength={512}
          autoComplete="off"
          value={reason}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
      )}
    </div>
  );
}

const ways = [
  { value: "text", label: <span className="way"><PencilIcon size={13} />Type or paste</span> },
  { value: "file", label: <span className="way"><FileIcon size={13} />File</span> },
  { value: "generate", label: <span className="way"><DiceIcon size={13} />Generate for me</span> },
];

interface MaskedProps {
  area: React.RefObject<HTMLTextAreaElement | null>;
  first?: boolean;
  invalid: boolean;
  size: number;
  onSize: (bytes: number) => void;
}

/** A text area whose characters show as dots, unless asked for. Line ends survive a paste. */
function Masked({ area, first, invalid, size, onSize }: MaskedProps) {
  const [shown, setShown] = useState(false);
  const hint = useId();
  const [blanks, setBlanks] = useState(false);
  useEffect(() => {
    const element = area.current;
    // What leaves the page is emptied first, so that nothing that still holds the element holds the value.
    return () => {
      if (element) element.value = "";
    };
  }, [area]);
  const measure = (element: HTMLTextAreaElement) => {
    onSize(new TextEncoder().encode(element.value).length);
    setBlanks(/^\s|\s$/.test(element.value));
  };
  return (
    <>
      <div className="masked" data-invalid={invalid || undefined}>
        <textarea
          ref={area}
          data-autofocus={first || undefined}
          aria-label="Secret value"
          aria-describedby={hint}
          aria-invalid={invalid || undefined}
          className={shown ? "shown" : undefined}
          rows={3}
          autoComplete="off"
          autoCorrect="off"
          autoCapitalize="off"
          spellCheck={false}
          data-1p-ignore=""
          data-lpignore="true"
          data-form-type="other"
          translate="no"
          onInput={(e) => measure(e.currentTarget)}
        />
        <Button size="compact-sm" variant="default" className="reveal" leftSection={shown ? <EyeOffIcon size={13} /> : <EyeIcon size={13} />} aria-pressed={shown} onClick={() => setShown(!shown)}>
          {shown ? "Hide" : "Show"}
        </Button>
      </div>
      <p className="field-hint" id={hint}>
        {size === 0 ? "Stored exactly as it stands here, line ends included." : `${size.toLocaleString("en")} ${size === 1 ? "byte" : "bytes"}.`}
        {blanks && <strong> It begins or ends with white space.</strong>}
      </p>
    </>
  );
}

function FileDrop({ name, size, onFile }: { name: string; size: number; onFile: (file: File) => void }) {
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const [file] = event.dataTransfer.files;
    if (file) onFile(file);
  };
  const pick = (element: HTMLInputElement) => {
    const [file] = element.files ?? [];
    if (file) onFile(file);
    element.value = "";
  };
  return (
    <div
      className="drop"
      data-over={over || undefined}
      onDragOver={(e) => {
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {name ? (
        <p>
          <FileIcon size={16} /> <b className="wrap-anywhere">{name}</b> <span className="dimmed">{size.toLocaleString("en")} bytes</span>
        </p>
      ) : (
        <p className="dimmed">
          <UploadIcon size={16} /> Drop a file here; its bytes are stored unchanged
        </p>
      )}
      <Button size="xs" variant="default" onClick={() => input.current?.click()}>
        {name ? "Choose another" : "Choose a file"}
      </Button>
      <input ref={input} type="file" aria-label="File with the value" className="sr-only" tabIndex={-1} onChange={(e) => pick(e.currentTarget)} />
    </div>
  );
}

function Generated({ kind, onKind }: { kind: Generate_KindJson; onKind: (kind: Generate_KindJson) => void }) {
  const groups = [...new Set(kinds.map((k) => k.group))];
  const found = kinds.find((k) => k.kind === kind);
  return (
    <div className="generated">
      <Select
        aria-label="Kind of value"
        value={kind}
        onChange={(k) => k && onKind(k as Generate_KindJson)}
        data={groups.map((group) => ({ group, items: kinds.filter((k) => k.group === group).map((k) => ({ value: k.kind, label: k.name })) }))}
      />
      <p className="field-hint">{found?.words} The vault draws it; nobody ever sees it.</p>
    </div>
  );
}
